"""Lambda's operations, by noun."""
