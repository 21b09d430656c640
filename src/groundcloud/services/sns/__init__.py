"""Amazon SNS: topics and subscriptions."""

from groundcloud.kernel.service import Service

SERVICE = Service("sns", package=__name__)
