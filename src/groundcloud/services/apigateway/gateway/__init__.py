"""The data plane: from an HTTP request on an API's host to its integration and back.

`rest` and `http` walk a request's steps for their kind of API; `compiled` holds what a stage's deployment comes to, made once a generation.
"""
