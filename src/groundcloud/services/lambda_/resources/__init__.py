"""CloudFormation types of Lambda."""
