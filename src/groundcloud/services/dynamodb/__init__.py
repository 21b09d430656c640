"""Amazon DynamoDB and DynamoDB Streams: tables, items, expressions, indexes, time to live.

Differs: a table or index is ACTIVE as soon as it is made, and an expired item goes as soon as the clock has passed its moment.
SSESpecification is kept and shown; items rest as the store keeps them. AWS::DynamoDB::GlobalTable takes of auto scaling what it begins
with. Tags of a table switch what AWS has no switch for: `groundcloud:throttling` = `on`, `groundcloud:replication-lag-ms`.
Missing, and refused by name: vector indexes, witnesses, bulk operations, replica auto scaling, settings of global
tables of 2017, incremental exports, the format ION, compression with ZSTD.
"""

from groundcloud.kernel.service import Service
from groundcloud.services.dynamodb import policies

SERVICE = Service("dynamodb", package=__name__, resource_policy=policies.of_resource, validate=False)
STREAMS = Service(
    "dynamodbstreams", package=__name__, resource_policy=policies.of_resource, validate=False, operations="streams", workers="no_workers"
)
