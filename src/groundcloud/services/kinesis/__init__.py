"""Amazon Kinesis Data Streams."""

from groundcloud.kernel.service import Service

SERVICE = Service("kinesis", package=__name__)
