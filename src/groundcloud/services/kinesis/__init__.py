"""Amazon Kinesis Data Streams: streams, shards, records, enhanced fan-out.

A shard's records are keyed by a sequence that begins with the millisecond of arrival, so that a moment in time is a place in the shard and a trim is a range.

Differs: a stream, a consumer and a resharding are finished when the answer leaves. An on-demand stream keeps the shards it has, unless its warm throughput asks
for more. Throughput is limited only for streams with the tag `groundcloud:throttling` = `on`. StartStreamEncryption is kept and shown; records rest as the store
keeps them.
Missing, and refused by name: channels (delivery to S3), StreamId, SubscribeToShard over HTTP/2 (over HTTP/1.1, as boto3 reads it, it works).
"""

from groundcloud.kernel.service import Service
from groundcloud.services.kinesis import policies

SERVICE = Service("kinesis", package=__name__, resource_policy=policies.of_resource)
