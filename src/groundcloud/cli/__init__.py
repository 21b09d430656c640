"""`ground`: the command line. A client of the public API, but for `ground up`, which is the server."""
