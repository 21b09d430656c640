"""SelectObjectContent: S3's dialect of SQL over one object of CSV, JSON or Parquet.

`syntax` reads an expression, `records` cuts content into records, `translation` says an expression in DuckDB's SQL, `engine` runs it over batches of
records, `writers` writes what comes out. DuckDB sees batches that it is handed, or one private file of Parquet; never files or the network.

Differs: numbers are doubles where a type is not cast; a field of CSV that is compared with a number is taken for one if it looks like one. A `_N` past a
record's last field is missing. Missing: ION literals but timestamps, CASE, scan ranges of Parquet; each is refused.
"""
