"""The operations of STS, a file for each noun."""
