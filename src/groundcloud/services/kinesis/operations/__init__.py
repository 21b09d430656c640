"""The operations of Kinesis, by noun."""
