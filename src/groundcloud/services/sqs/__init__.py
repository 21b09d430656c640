"""Amazon SQS: standard and FIFO queues, both protocols (JSON and query).

A message's place is a row of an index ordered by the time at which it becomes visible, so that a receive reads only what it takes. FIFO queues keep their messages in
sequence instead, and skip the groups that have a message in flight.

Missing: server-side encryption with KMS keys (refused by name), high-throughput FIFO limits (accepted, never throttled), the quota of messages in flight.
"""

from groundcloud.kernel.service import Service
from groundcloud.services.sqs import errors, policies

SERVICE = Service("sqs", package=__name__, resource_policy=policies.of_queue, explain=errors.explain, access_denied="AccessDenied")
