"""CloudFormation: AWS::DynamoDB::Table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from groundcloud.base.errors import AwsError
from groundcloud.kernel.resource import Created, ResourceRequest, ResourceType, coerced, resource_type
from groundcloud.services.dynamodb import state
from groundcloud.services.dynamodb import tags as tags_of_tables
from groundcloud.wire import model as models

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

Properties = dict[str, Any]

INDEX_LOOK_MS = 60_000
"""After so long without a word of an index that is made, its table is looked at again."""

_TABLE = (
    "AttributeDefinitions", "KeySchema", "BillingMode", "ProvisionedThroughput", "LocalSecondaryIndexes", "GlobalSecondaryIndexes",
    "VectorIndexes", "TableClass", "DeletionProtectionEnabled", "OnDemandThroughput", "WarmThroughput",
)  # fmt: skip
"""Properties that CreateTable takes as they are."""


@resource_type("AWS::DynamoDB::Table")
class TableResource(ResourceType):
    properties = {
        *_TABLE, "TableName", "StreamSpecification", "TimeToLiveSpecification", "SSESpecification", "Tags", "ResourcePolicy",
        "PointInTimeRecoverySpecification", "ContributorInsightsSpecification", "KinesisStreamSpecification",
    }  # fmt: skip
    required = {"KeySchema"}
    replaces = {"TableName", "KeySchema", "LocalSecondaryIndexes"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        properties = resource.properties
        table_name = properties.get("TableName") or resource.generated_name(255)
        request = _typed("CreateTable", {name: properties[name] for name in _TABLE if name in properties})
        request["TableName"] = table_name
        for index in request.get("GlobalSecondaryIndexes", ()):
            index.pop("ContributorInsightsSpecification", None)
        stream = properties.get("StreamSpecification")
        if stream:
            request["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": stream.get("StreamViewType")}
        if "SSESpecification" in properties:
            request["SSESpecification"] = _encryption(properties["SSESpecification"])
        tags = _tags(resource, properties)
        if tags:
            request["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
        if properties.get("ResourcePolicy"):
            request["ResourcePolicy"] = _document(properties["ResourcePolicy"])
        table = (await call.request("dynamodb", "CreateTable", request))["TableDescription"]
        self._mark(call, table["TableArn"], resource)
        await self._settings(call, table_name, table["TableArn"], properties, {})
        return await self.describe(call, table_name)

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        table_name, properties, old = resource.physical_id, resource.properties, resource.old_properties
        arn = resource.attributes.get("Arn") or call.arn("dynamodb", f"table/{table_name}")
        for request in _updates(properties, old):
            await self._indexes_made(call, table_name)
            await call.request("dynamodb", "UpdateTable", {"TableName": table_name, **_typed("UpdateTable", request)})
        await self._settings(call, table_name, arn, properties, old)
        wanted = _tags(resource, properties)
        held = tags_of_tables.of(call.reading(), arn)
        current = {key: value for key, value in held.items() if not key.startswith(tags_of_tables.SYSTEM)}
        gone = [key for key in current if key not in wanted]
        self._mark(call, arn, resource)
        if gone:
            await call.request("dynamodb", "UntagResource", {"ResourceArn": arn, "TagKeys": gone})
        if any(current.get(key) != value for key, value in wanted.items()):
            tags = [{"Key": key, "Value": value} for key, value in wanted.items()]
            await call.request("dynamodb", "TagResource", {"ResourceArn": arn, "Tags": tags})
        if resource.changed("ResourcePolicy"):
            if properties.get("ResourcePolicy"):
                await call.request("dynamodb", "PutResourcePolicy", {"ResourceArn": arn, "Policy": _document(properties["ResourcePolicy"])})
            else:
                await call.request("dynamodb", "DeleteResourcePolicy", {"ResourceArn": arn})
        return await self.describe(call, table_name)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await self._indexes_made(call, resource.physical_id)
        try:
            await call.request("dynamodb", "DeleteTable", {"TableName": resource.physical_id})
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise

    async def describe(self, call: Call, table_name: str) -> Created:
        """What GetAtt and Ref give of a table."""
        table = (await call.request("dynamodb", "DescribeTable", {"TableName": table_name}))["Table"]
        attributes = {"Arn": table["TableArn"], "TableId": table["TableId"]}
        if "LatestStreamArn" in table:
            attributes["StreamArn"] = table["LatestStreamArn"]
        return Created(table_name, attributes)

    async def _indexes_made(self, call: Call, table_name: str) -> None:
        """Waits while an index is made: AWS makes one at a time, and deletes no table meanwhile."""
        while True:
            table = state.find_table(call.reading(), table_name)
            if table is None or not table.is_filling_index:
                return
            await call.wait(state.watch_table(call, table_name), until_ms=call.clock.now_ms() + INDEX_LOOK_MS)

    def _mark(self, call: Call, arn: str, resource: ResourceRequest) -> None:
        with call.transaction() as tx:
            tags_of_tables.mark(tx, arn, resource.tags)

    async def _settings(self, call: Call, table_name: str, arn: str, properties: Properties, old: Properties) -> None:
        """What has an operation of its own: time to live, point-in-time recovery, insights, a Kinesis stream."""
        expiry, old_expiry = properties.get("TimeToLiveSpecification"), old.get("TimeToLiveSpecification")
        if expiry != old_expiry:
            for specification in _time_to_live_steps(expiry, old_expiry):
                await call.request("dynamodb", "UpdateTimeToLive", {"TableName": table_name, "TimeToLiveSpecification": specification})
        recovery = properties.get("PointInTimeRecoverySpecification")
        if recovery != old.get("PointInTimeRecoverySpecification"):
            request = {"TableName": table_name, "PointInTimeRecoverySpecification": recovery or {"PointInTimeRecoveryEnabled": False}}
            await call.request("dynamodb", "UpdateContinuousBackups", _typed("UpdateContinuousBackups", request))
        insights = properties.get("ContributorInsightsSpecification")
        if insights != old.get("ContributorInsightsSpecification"):
            action = "ENABLE" if coerced({"b": {"type": "boolean"}}, "b", (insights or {}).get("Enabled", False)) else "DISABLE"
            await call.request("dynamodb", "UpdateContributorInsights", {"TableName": table_name, "ContributorInsightsAction": action})
        kinesis, old_kinesis = properties.get("KinesisStreamSpecification"), old.get("KinesisStreamSpecification")
        if kinesis != old_kinesis:
            await self._stream_to(call, table_name, kinesis or {}, old_kinesis or {})

    async def _stream_to(self, call: Call, table_name: str, wanted: Properties, before: Properties) -> None:
        """A change of precision alone leaves the destination as it is."""
        precision = {name: wanted[name] for name in ("ApproximateCreationDateTimePrecision",) if name in wanted}
        destination = {"TableName": table_name, "StreamArn": before.get("StreamArn")}
        if before.get("StreamArn") == wanted.get("StreamArn"):
            changed = precision or {"ApproximateCreationDateTimePrecision": "MILLISECOND"}
            if changed != {"ApproximateCreationDateTimePrecision": before.get("ApproximateCreationDateTimePrecision", "MILLISECOND")}:
                update = {**destination, "UpdateKinesisStreamingConfiguration": changed}
                await call.request("dynamodb", "UpdateKinesisStreamingDestination", update)
            return
        if before:
            await call.request("dynamodb", "DisableKinesisStreamingDestination", destination)
        if wanted:
            request = {"TableName": table_name, "StreamArn": wanted["StreamArn"]}
            if precision:
                request["EnableKinesisStreamingConfiguration"] = precision
            await call.request("dynamodb", "EnableKinesisStreamingDestination", request)


def _updates(properties: Properties, old: Properties) -> list[Properties]:
    """The UpdateTable calls that lead from the old properties to the new; an index is made or removed by a call of its own."""
    changed = {name for name in (*_TABLE, "StreamSpecification", "SSESpecification") if properties.get(name) != old.get(name)}
    calls: list[Properties] = []
    first: Properties = {}
    for name in ("BillingMode", "DeletionProtectionEnabled", "OnDemandThroughput", "WarmThroughput"):
        if name in changed and name in properties:
            first[name] = properties[name]
    if "DeletionProtectionEnabled" in changed and "DeletionProtectionEnabled" not in properties:
        first["DeletionProtectionEnabled"] = False
    if "BillingMode" in changed and "BillingMode" not in properties:
        first["BillingMode"] = "PROVISIONED"
    if "ProvisionedThroughput" in properties and ("ProvisionedThroughput" in changed or "BillingMode" in changed):
        first["ProvisionedThroughput"] = properties["ProvisionedThroughput"]
    if "SSESpecification" in changed:
        first["SSESpecification"] = _encryption(properties.get("SSESpecification") or {"SSEEnabled": False})
    old_indexes = {index["IndexName"]: index for index in old.get("GlobalSecondaryIndexes") or ()}
    indexes = {index["IndexName"]: index for index in properties.get("GlobalSecondaryIndexes") or ()}
    changed_units = []
    for name, index in indexes.items():
        before = old_indexes.get(name)
        if before is None or before == index:
            continue
        if any(before.get(part) != index.get(part) for part in ("KeySchema", "Projection")):
            continue  # made anew below
        update = {part: index[part] for part in ("ProvisionedThroughput", "OnDemandThroughput", "WarmThroughput") if part in index}
        if update:
            changed_units.append({"Update": {"IndexName": name, **update}})
    if changed_units:
        first["GlobalSecondaryIndexUpdates"] = changed_units
    if first:
        calls.append(first)
    if "TableClass" in changed:
        calls.append({"TableClass": properties.get("TableClass", "STANDARD")})
    old_stream, stream = old.get("StreamSpecification"), properties.get("StreamSpecification")
    if "StreamSpecification" in changed:
        if old_stream:
            calls.append({"StreamSpecification": {"StreamEnabled": False}})
        if stream:
            calls.append({"StreamSpecification": {"StreamEnabled": True, "StreamViewType": stream.get("StreamViewType")}})
    for name, before in old_indexes.items():
        index = indexes.get(name)
        if index is None or any(before.get(part) != index.get(part) for part in ("KeySchema", "Projection")):
            calls.append({"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": name}}]})
    for name, index in indexes.items():
        before = old_indexes.get(name)
        if before is None or any(before.get(part) != index.get(part) for part in ("KeySchema", "Projection")):
            used = {element["AttributeName"] for element in index["KeySchema"]}
            definitions = [definition for definition in properties["AttributeDefinitions"] if definition["AttributeName"] in used]
            create = {part: value for part, value in index.items() if part != "ContributorInsightsSpecification"}
            calls.append({"AttributeDefinitions": definitions, "GlobalSecondaryIndexUpdates": [{"Create": create}]})
    old_vectors = {index["IndexName"]: index for index in old.get("VectorIndexes") or ()}
    vectors = {index["IndexName"]: index for index in properties.get("VectorIndexes") or ()}
    for name, before in old_vectors.items():
        if vectors.get(name) != before:
            calls.append({"VectorIndexUpdates": [{"Delete": {"IndexName": name}}]})
    for name, index in vectors.items():
        if old_vectors.get(name) != index:
            used = {element["AttributeName"] for element in index.get("SearchSchema") or ()}
            definitions = [definition for definition in properties["AttributeDefinitions"] if definition["AttributeName"] in used]
            calls.append({"AttributeDefinitions": definitions, "VectorIndexUpdates": [{"Create": index}]})
    return calls


def _time_to_live_steps(wanted: Properties | None, current: Properties | None) -> list[Properties]:
    def enabled(specification: Properties | None) -> bool:
        return bool(specification) and str((specification or {}).get("Enabled")).lower() == "true"

    steps = []
    if enabled(current):
        steps.append({"AttributeName": (current or {})["AttributeName"], "Enabled": False})
    if enabled(wanted):
        steps.append({"AttributeName": (wanted or {})["AttributeName"], "Enabled": True})
    return steps


def _encryption(specification: Properties) -> Properties:
    request: Properties = {name: specification[name] for name in ("SSEType", "KMSMasterKeyId") if name in specification}
    return {"Enabled": str(specification.get("SSEEnabled")).lower() == "true", **request}


def _tags(resource: ResourceRequest, properties: Properties) -> dict[str, str]:
    """The table's own tags and the stack's; those of AWS are set apart, no caller may give them."""
    own = {tag["Key"]: str(tag["Value"]) for tag in properties.get("Tags") or ()}
    return {**{key: value for key, value in resource.tags.items() if not key.startswith("aws:")}, **own}


def _document(policy: Properties) -> str:
    document = policy["PolicyDocument"]
    return document if isinstance(document, str) else msgspec.json.encode(document).decode()


def _typed(operation_name: str, request: Properties) -> Properties:
    """Template values ("5", "true") as the operation's shape has them."""
    model = models.load("dynamodb")
    return coerced(model.shapes, model.operation(operation_name).input_shape or "", request)  # type: ignore[no-any-return]
