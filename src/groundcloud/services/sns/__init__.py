"""Amazon SNS: standard and FIFO topics, subscriptions of every protocol but firehose, filter policies, signatures, archive and replay.

A message leaves its publisher's transaction as deliveries of the outbox where nothing more is to be watched (queues, functions), else as timers of this room.
Kept without effect: KmsMasterKeyId, TracingConfig, data protection policies, SMS settings beside what they give back. Text messages, e-mail and push notifications
are kept to be read (`/_ground/sns/messages`), for nothing carries them further.

Missing: the protocol firehose (refused by name), throughput limits, events of platform applications (EventEndpointCreated and the like: kept, never sent).
"""

from groundcloud.kernel.service import Service
from groundcloud.services.sns import errors, names

SERVICE = Service(
    "sns",
    package=__name__,
    resource_policy=names.of_topic,
    explain=errors.explain,
    access_denied="AuthorizationError",
    action_prefix="SNS",
)
