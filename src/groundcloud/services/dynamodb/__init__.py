"""Amazon DynamoDB and DynamoDB Streams: tables, items, expressions, indexes (of vectors too), time to live.

Differs: a table or index is ACTIVE as soon as it is made, and an expired item goes as soon as the clock has passed its moment.
SSESpecification is kept and shown; items rest as the store keeps them. AWS::DynamoDB::GlobalTable takes of auto scaling what it begins
with. Tags of a table switch what AWS has no switch for: `groundcloud:throttling` = `on`, `groundcloud:replication-lag-ms`.
Settings of auto scaling, the mode of settings replication and the pace of a bulk operation are kept and shown, without effect.
A change of time to live by a stack may follow another within the hour, which AWS refuses.
Missing, and refused by name: global tables across accounts (GlobalTableSourceArn), ZSTD where neither Python 3.14 nor the package
zstandard is there.
"""

from groundcloud.kernel.service import Service
from groundcloud.services.dynamodb import policies

SERVICE = Service("dynamodb", package=__name__, resource_policy=policies.of_resource, validate=False)
STREAMS = Service(
    "dynamodbstreams", package=__name__, resource_policy=policies.of_resource, validate=False, operations="streams", workers="no_workers"
)
