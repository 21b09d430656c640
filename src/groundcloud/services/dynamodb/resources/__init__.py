"""CloudFormation: the types of this room."""
