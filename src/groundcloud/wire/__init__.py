"""AWS's wire protocols, from botocore's models: one parser and one serializer a protocol, compiled once per operation.

A `Codec` turns an `HttpRequest` into the parameters of an operation and its result or error into an `HttpResponse`. Nothing here knows a
service, a store or a policy.
"""
