"""The operations of KMS, by noun."""
