"""Limits of the server itself, each with its name and source. Quotas of AWS services live in their rooms."""

HEADERS_BYTES_MAX = 64 * 1024
"""All request headers together; AWS front ends refuse beyond 8-64 KB."""

BODY_BYTES_MAX = 70_167_211
"""A body that is read whole: what Lambda's CreateFunction names, 50 MB of zip as base64. Streaming members have no limit here."""

JSON_DEPTH_MAX = 128
"""Nesting of a JSON, CBOR or XML document in a request."""

QUERY_PARAMETERS_MAX = 10_000
"""Names in a form-encoded request."""

METADATA_ADDRESSES = ("169.254.169.254", "169.254.170.2", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254")
"""Where clouds hand out the credentials of the machine itself (AWS, of a machine and of a task; Google, Azure, Oracle): nobody's endpoint."""

ACCOUNT_DEFAULT = "000000000000"
REGION_DEFAULT = "us-east-1"
