"""The operations of IAM, a file for each noun."""
