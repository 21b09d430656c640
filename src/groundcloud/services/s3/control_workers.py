"""Work of S3 Control that time brings: batch operations."""
