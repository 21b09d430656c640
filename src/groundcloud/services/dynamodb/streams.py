"""The operations of DynamoDB Streams: which streams there are, their shards, iterators, records."""
