"""Amazon CloudWatch Logs: groups, streams, events, filter patterns, live tail, subscription and metric filters.

The events of one PutLogEvents rest together in chunks, ordered by time within their group, so that reading a group or a stream is one ordered scan and writing fifty
lines is a handful of keys. Retention hides events to the millisecond and removes them by a timer.

Missing, and refused by name: KMS keys, Insights queries, export and import tasks, destinations and subscriptions to other targets than functions and Kinesis streams, account policies,
data protection, transformers, deliveries, anomaly detectors, integrations, field indexes, lookup tables.
Missing without a refusal: metrics in the embedded metric format are lines like any other; the entity of PutLogEvents is not kept.
"""

from groundcloud.kernel.service import Service
from groundcloud.services.logs import errors, policies

SERVICE = Service("logs", package=__name__, explain=errors.explain, resource_policy=policies.of_resource)
