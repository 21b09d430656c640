"""CloudFormation types of Kinesis."""

from __future__ import annotations

import json
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import Created, ResourceRequest, ResourceType, coerced, resource_type
from groundcloud.services.kinesis.state import stream_arn

TAGS_A_CALL = 50

Properties = dict[str, Any]


@resource_type("AWS::Kinesis::Stream")
class StreamResource(ResourceType):
    properties = {
        "DesiredShardLevelMetrics",
        "MaxRecordSizeInKiB",
        "Name",
        "RetentionPeriodHours",
        "ShardCount",
        "StreamEncryption",
        "StreamModeDetails",
        "Tags",
        "WarmThroughputMiBps",
    }
    replaces = {"Name"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = _converted(call, resource.properties)
        name = wanted.get("Name") or resource.generated_name(128)
        params: Properties = {"StreamName": name}
        for member in ("ShardCount", "StreamModeDetails", "MaxRecordSizeInKiB", "WarmThroughputMiBps"):
            if member in wanted:
                params[member] = wanted[member]
        if "ShardCount" not in params and _mode(wanted) == "PROVISIONED":
            params["ShardCount"] = 1
        if tags := _tags(resource):
            params["Tags"] = tags
        await call.request("kinesis", "CreateStream", params)
        created = _created(call, name)
        try:
            await self._settle(call, name, wanted, {})
        except AwsError:
            # A create that fails has made nothing.
            await self.delete(call, ResourceRequest(resource.type_name, resource.logical_id, {}, physical_id=name))
            raise
        return created

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        name = resource.physical_id
        wanted, before = _converted(call, resource.properties), _converted(call, resource.old_properties)
        stream = {"StreamName": name, "StreamARN": stream_arn(call, name)}
        if _mode(wanted) != _mode(before):
            params: Properties = {"StreamARN": stream["StreamARN"], "StreamModeDetails": {"StreamMode": _mode(wanted)}}
            if wanted.get("WarmThroughputMiBps"):
                params["WarmThroughputMiBps"] = wanted["WarmThroughputMiBps"]
            await call.request("kinesis", "UpdateStreamMode", params)
        elif wanted.get("WarmThroughputMiBps", 0) != before.get("WarmThroughputMiBps", 0):
            warm = {**stream, "WarmThroughputMiBps": wanted.get("WarmThroughputMiBps", 0)}
            await call.request("kinesis", "UpdateStreamWarmThroughput", warm)
        if _mode(wanted) == "PROVISIONED" and wanted.get("ShardCount", 1) != await self._shards(call, name):
            count = {**stream, "TargetShardCount": wanted.get("ShardCount", 1), "ScalingType": "UNIFORM_SCALING"}
            await call.request("kinesis", "UpdateShardCount", count)
        if wanted.get("MaxRecordSizeInKiB", 1024) != before.get("MaxRecordSizeInKiB", 1024):
            size = {"StreamARN": stream["StreamARN"], "MaxRecordSizeInKiB": wanted.get("MaxRecordSizeInKiB", 1024)}
            await call.request("kinesis", "UpdateMaxRecordSize", size)
        await self._settle(call, name, wanted, before)
        await _retag(call, stream["StreamARN"], _tags(resource))
        return _created(call, name)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        try:
            await call.request("kinesis", "DeleteStream", {"StreamName": resource.physical_id, "EnforceConsumerDeletion": True})
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise

    async def _settle(self, call: Call, name: str, wanted: Properties, before: Properties) -> None:
        """What CreateStream does not take: retention, encryption, metrics."""
        stream = {"StreamName": name}
        hours, had = wanted.get("RetentionPeriodHours", 24), before.get("RetentionPeriodHours", 24)
        if hours != had:
            kind = "Increase" if hours > had else "Decrease"
            await call.request("kinesis", f"{kind}StreamRetentionPeriod", {**stream, "RetentionPeriodHours": hours})
        encryption, encrypted = wanted.get("StreamEncryption"), before.get("StreamEncryption")
        if encryption and encryption != encrypted:
            await call.request("kinesis", "StartStreamEncryption", {**stream, **encryption})
        elif encrypted and not encryption:
            await call.request("kinesis", "StopStreamEncryption", {**stream, **encrypted})
        metrics, monitored = set(wanted.get("DesiredShardLevelMetrics") or ()), set(before.get("DesiredShardLevelMetrics") or ())
        if metrics - monitored:
            params = {**stream, "ShardLevelMetrics": sorted(metrics - monitored)}
            await call.request("kinesis", "EnableEnhancedMonitoring", params)
        if monitored - metrics:
            params = {**stream, "ShardLevelMetrics": sorted(monitored - metrics)}
            await call.request("kinesis", "DisableEnhancedMonitoring", params)

    async def _shards(self, call: Call, name: str) -> int:
        answer = await call.request("kinesis", "DescribeStreamSummary", {"StreamName": name})
        return int(answer["StreamDescriptionSummary"]["OpenShardCount"])


@resource_type("AWS::Kinesis::StreamConsumer")
class StreamConsumerResource(ResourceType):
    properties = {"ConsumerName", "StreamARN", "Tags"}
    required = {"ConsumerName", "StreamARN"}
    replaces = {"ConsumerName", "StreamARN"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        params = {name: resource.properties[name] for name in ("ConsumerName", "StreamARN")}
        if tags := _tags(resource):
            params["Tags"] = tags
        consumer = (await call.request("kinesis", "RegisterStreamConsumer", params))["Consumer"]
        return await self._created(call, consumer["ConsumerARN"])

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        await _retag(call, resource.physical_id, _tags(resource))
        return await self._created(call, resource.physical_id)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        try:
            await call.request("kinesis", "DeregisterStreamConsumer", {"ConsumerARN": resource.physical_id})
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise

    async def _created(self, call: Call, consumer_arn: str) -> Created:
        found = (await call.request("kinesis", "DescribeStreamConsumer", {"ConsumerARN": consumer_arn}))["ConsumerDescription"]
        attributes = {name: found[name] for name in ("ConsumerARN", "ConsumerName", "ConsumerStatus", "StreamARN")}
        attributes["ConsumerCreationTimestamp"] = str(int(found["ConsumerCreationTimestamp"]))
        return Created(consumer_arn, attributes)


@resource_type("AWS::Kinesis::ResourcePolicy")
class ResourcePolicyResource(ResourceType):
    properties = {"ResourceArn", "ResourcePolicy"}
    required = {"ResourceArn", "ResourcePolicy"}
    replaces = {"ResourceArn"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        arn = resource.properties["ResourceArn"]
        document = resource.properties["ResourcePolicy"]
        text = document if isinstance(document, str) else json.dumps(document)
        await call.request("kinesis", "PutResourcePolicy", {"ResourceARN": arn, "Policy": text})
        return Created(arn, {"ResourceArn": arn})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        return await self.create(call, resource)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        try:
            await call.request("kinesis", "DeleteResourcePolicy", {"ResourceARN": resource.physical_id})
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise


def _created(call: Call, name: str) -> Created:
    return Created(name, {"Arn": stream_arn(call, name)})


def _converted(call: Call, properties: Properties) -> Properties:
    """A template's numbers may be text."""
    shapes = call.ground.rooms.get("kinesis").model.shapes
    wanted = {**properties, **coerced(shapes, "CreateStreamInput", properties)}
    if "RetentionPeriodHours" in wanted:
        wanted["RetentionPeriodHours"] = int(wanted["RetentionPeriodHours"])
    return wanted


def _mode(properties: Properties) -> str:
    return str((properties.get("StreamModeDetails") or {}).get("StreamMode", "PROVISIONED"))


def _tags(resource: ResourceRequest) -> dict[str, str]:
    return {**resource.tags, **{tag["Key"]: tag.get("Value", "") for tag in resource.properties.get("Tags") or []}}


async def _retag(call: Call, arn: str, wanted: dict[str, str]) -> None:
    """The resource has these tags, and no others of its own."""
    have = {tag["Key"]: tag["Value"] for tag in (await call.request("kinesis", "ListTagsForResource", {"ResourceARN": arn}))["Tags"]}
    gone = [key for key in have if key not in wanted]
    for start in range(0, len(gone), TAGS_A_CALL):
        await call.request("kinesis", "UntagResource", {"ResourceARN": arn, "TagKeys": gone[start : start + TAGS_A_CALL]})
    if changed := {key: value for key, value in wanted.items() if have.get(key) != value}:
        await call.request("kinesis", "TagResource", {"ResourceARN": arn, "Tags": changed})
