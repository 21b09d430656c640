"""Amazon EventBridge: buses, rules, targets, archives."""

from groundcloud.kernel.service import Service

SERVICE = Service("events", package=__name__)
