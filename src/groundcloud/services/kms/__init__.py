"""AWS KMS: keys that never leave the server."""

from groundcloud.kernel.service import Service

SERVICE = Service("kms", package=__name__)
