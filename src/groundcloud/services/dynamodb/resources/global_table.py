"""CloudFormation: AWS::DynamoDB::GlobalTable, a table and its replicas in other regions.

The stack's own region is one of the replicas; the table is made there as an AWS::DynamoDB::Table is, and then gets the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.resource import Created, ResourceRequest, ResourceType, resource_type
from groundcloud.services.dynamodb.resources.table import Properties, TableResource

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

_SHARED = (
    "TableName", "AttributeDefinitions", "KeySchema", "BillingMode", "LocalSecondaryIndexes", "StreamSpecification",
    "TimeToLiveSpecification", "SSESpecification", "WarmThroughput",
)  # fmt: skip
_OF_REPLICA = (
    "TableClass", "DeletionProtectionEnabled", "Tags", "PointInTimeRecoverySpecification", "ContributorInsightsSpecification",
    "KinesisStreamSpecification", "ResourcePolicy",
)  # fmt: skip


@resource_type("AWS::DynamoDB::GlobalTable")
class GlobalTableResource(ResourceType):
    properties = {
        *_SHARED, "GlobalSecondaryIndexes", "Replicas", "WriteProvisionedThroughputSettings", "WriteOnDemandThroughputSettings",
        "ReadOnDemandThroughputSettings", "ReadProvisionedThroughputSettings", "MultiRegionConsistency", "GlobalTableWitnesses",
    }  # fmt: skip
    required = {"KeySchema", "AttributeDefinitions", "Replicas"}
    replaces = {"TableName", "KeySchema", "LocalSecondaryIndexes"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        created = await TableResource().create(call, _local(call, resource))
        regions = [replica["Region"] for replica in resource.properties["Replicas"] if replica["Region"] != call.region]
        if regions:
            request: Properties = {"ReplicaUpdates": [{"Create": {"RegionName": region}} for region in regions]}
            if "MultiRegionConsistency" in resource.properties:
                request["MultiRegionConsistency"] = resource.properties["MultiRegionConsistency"]
            if resource.properties.get("GlobalTableWitnesses"):
                witnesses = [{"Create": {"RegionName": witness["Region"]}} for witness in resource.properties["GlobalTableWitnesses"]]
                request["GlobalTableWitnessUpdates"] = witnesses
            await call.request("dynamodb", "UpdateTable", {"TableName": created.physical_id, **request})
            await _set_up_replicas(call, created.physical_id, resource.properties)
        return await TableResource().describe(call, created.physical_id)

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        await TableResource().update(call, _local(call, resource))
        table_name = resource.physical_id
        wanted = {replica["Region"] for replica in resource.properties["Replicas"]} - {call.region}
        table = (await call.request("dynamodb", "DescribeTable", {"TableName": table_name}))["Table"]
        current = {replica["RegionName"] for replica in table.get("Replicas", ())}
        for kind, regions in (("Delete", current - wanted), ("Create", wanted - current)):
            if regions:
                updates = [{kind: {"RegionName": region}} for region in sorted(regions)]
                await call.request("dynamodb", "UpdateTable", {"TableName": table_name, "ReplicaUpdates": updates})
        await _set_up_replicas(call, table_name, resource.properties)
        return await TableResource().describe(call, table_name)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        request = {"TableName": resource.physical_id}
        try:
            table = (await call.request("dynamodb", "DescribeTable", request))["Table"]
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise
            return
        for replica in table.get("Replicas", ()):
            await call.request("dynamodb", "DeleteTable", request, region=replica["RegionName"])
        await TableResource().delete(call, resource)


async def _set_up_replicas(call: Call, table_name: str, properties: Properties) -> None:
    """What each of the other regions has of its own."""
    for replica in properties["Replicas"]:
        region = replica["Region"]
        if region == call.region:
            continue
        recovery = replica.get("PointInTimeRecoverySpecification")
        if recovery:
            request = {
                "TableName": table_name,
                "PointInTimeRecoverySpecification": {
                    "PointInTimeRecoveryEnabled": str(recovery.get("PointInTimeRecoveryEnabled")).lower() == "true"
                },
            }
            await call.request("dynamodb", "UpdateContinuousBackups", request, region=region)
        if replica.get("Tags"):
            arn = f"arn:aws:dynamodb:{region}:{call.account}:table/{table_name}"
            await call.request("dynamodb", "TagResource", {"ResourceArn": arn, "Tags": replica["Tags"]}, region=region)
        if "DeletionProtectionEnabled" in replica:
            protected = str(replica["DeletionProtectionEnabled"]).lower() == "true"
            await call.request("dynamodb", "UpdateTable", {"TableName": table_name, "DeletionProtectionEnabled": protected}, region=region)


def _local(call: Call, resource: ResourceRequest) -> ResourceRequest:
    """The same resource as an AWS::DynamoDB::Table in the stack's region."""
    return ResourceRequest(
        "AWS::DynamoDB::Table",
        resource.logical_id,
        _table_properties(call, resource.properties),
        resource.stack_name,
        resource.stack_id,
        resource.physical_id,
        _table_properties(call, resource.old_properties) if resource.old_properties else {},
        resource.attributes,
        resource.tags,
        resource.random_suffix,
        resource.token,
    )


def _table_properties(call: Call, properties: Properties) -> Properties:
    replica = next((replica for replica in properties["Replicas"] if replica["Region"] == call.region), None)
    if replica is None:
        raise AwsError("ValidationError", f"Properties validation failed: Replicas must include the stack's region {call.region}")
    found = {name: properties[name] for name in _SHARED if name in properties}
    found.update({name: replica[name] for name in _OF_REPLICA if name in replica})
    found.setdefault("BillingMode", "PROVISIONED")
    if len(properties["Replicas"]) > 1:
        found["StreamSpecification"] = {"StreamViewType": "NEW_AND_OLD_IMAGES", **(properties.get("StreamSpecification") or {})}
    own_indexes = {index["IndexName"]: index for index in replica.get("GlobalSecondaryIndexes") or ()}
    indexes = []
    for index in properties.get("GlobalSecondaryIndexes") or ():
        made = {name: index[name] for name in ("IndexName", "KeySchema", "Projection", "WarmThroughput") if name in index}
        if found["BillingMode"] == "PROVISIONED":
            made["ProvisionedThroughput"] = _units(index, own_indexes.get(index["IndexName"], {}))
        indexes.append(made)
    if indexes:
        found["GlobalSecondaryIndexes"] = indexes
    if found["BillingMode"] == "PROVISIONED":
        found["ProvisionedThroughput"] = _units(properties, replica)
    limits = {
        **(properties.get("WriteOnDemandThroughputSettings") or {}),
        **(properties.get("ReadOnDemandThroughputSettings") or {}),
        **(replica.get("ReadOnDemandThroughputSettings") or {}),
    }
    if limits:
        found["OnDemandThroughput"] = limits
    return found


def _units(shared: Properties, own: Properties) -> Properties:
    """Capacity from the settings of a global table; of auto scaling, what it would begin with."""

    def first(settings: Properties | None, kind: str) -> Any:
        if not settings:
            return None
        if f"{kind}CapacityUnits" in settings:
            return settings[f"{kind}CapacityUnits"]
        scaling = settings.get(f"{kind}CapacityAutoScalingSettings") or {}
        return scaling.get("SeedCapacity", scaling.get("MinCapacity"))

    writes = first(shared.get("WriteProvisionedThroughputSettings"), "Write")
    reads = first(own.get("ReadProvisionedThroughputSettings"), "Read") or first(shared.get("ReadProvisionedThroughputSettings"), "Read")
    if writes is None or reads is None:
        raise AwsError(
            "ValidationError",
            "Properties validation failed: WriteProvisionedThroughputSettings and ReadProvisionedThroughputSettings are needed "
            "when BillingMode is PROVISIONED",
        )
    return {"ReadCapacityUnits": reads, "WriteCapacityUnits": writes}
