"""CloudFormation types of IAM, a file for each noun. A create that fails half-way names what it made, so that the stack deletes it."""
