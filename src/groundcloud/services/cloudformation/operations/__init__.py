"""The operations of CloudFormation's API, by noun."""
