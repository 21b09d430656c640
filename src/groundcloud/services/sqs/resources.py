"""CloudFormation types of SQS."""

from __future__ import annotations

import json
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import Created, ResourceRequest, ResourceType, resource_type
from groundcloud.services.sqs.policies import parse_url

_ATTRIBUTES = {
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
}
_UNSET = {
    "DelaySeconds": "0",
    "MaximumMessageSize": "1048576",
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "VisibilityTimeout": "30",
}


@resource_type("AWS::SQS::Queue")
class QueueResource(ResourceType):
    properties = _ATTRIBUTES | {"QueueName", "Tags"}
    replaces = {"QueueName", "FifoQueue"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = resource.properties
        fifo = _text(wanted.get("FifoQueue", "false")) == "true"
        name = wanted.get("QueueName") or resource.generated_name(75 if fifo else 80) + (".fifo" if fifo else "")
        answer = await call.request("sqs", "CreateQueue", {"QueueName": name, "Attributes": _attributes(wanted), "tags": _tags(resource)})
        return _created(call, answer["QueueUrl"])

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        changed = _attributes(resource.properties)
        changed.pop("FifoQueue", None)
        for name in set(_attributes(resource.old_properties)) - set(_attributes(resource.properties)):
            if name in _UNSET:
                changed[name] = _UNSET[name]
            elif name in ("RedrivePolicy", "RedriveAllowPolicy"):
                changed[name] = ""
        if changed:
            await call.request("sqs", "SetQueueAttributes", {"QueueUrl": resource.physical_id, "Attributes": changed})
        tags = _tags(resource)
        have = (await call.request("sqs", "ListQueueTags", {"QueueUrl": resource.physical_id})).get("Tags", {})
        if gone := [name for name in have if name not in tags]:
            await call.request("sqs", "UntagQueue", {"QueueUrl": resource.physical_id, "TagKeys": gone})
        if tags:
            await call.request("sqs", "TagQueue", {"QueueUrl": resource.physical_id, "Tags": tags})
        return _created(call, resource.physical_id)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        try:
            await call.request("sqs", "DeleteQueue", {"QueueUrl": resource.physical_id})
        except AwsError as error:
            if error.code != "QueueDoesNotExist":
                raise


@resource_type("AWS::SQS::QueuePolicy")
class QueuePolicyResource(ResourceType):
    properties = {"PolicyDocument", "Queues"}
    required = {"PolicyDocument", "Queues"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        await self._set(call, resource.properties["Queues"], json.dumps(resource.properties["PolicyDocument"]))
        return Created(resource.generated_name(), {"Id": resource.generated_name()})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        await self._set(call, [url for url in resource.old_properties["Queues"] if url not in resource.properties["Queues"]], "")
        await self._set(call, resource.properties["Queues"], json.dumps(resource.properties["PolicyDocument"]))
        return Created(resource.physical_id, {"Id": resource.physical_id})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await self._set(call, resource.properties["Queues"], "")

    async def _set(self, call: Call, queue_urls: list[str], policy: str) -> None:
        for queue_url in queue_urls:
            try:
                await call.request("sqs", "SetQueueAttributes", {"QueueUrl": queue_url, "Attributes": {"Policy": policy}})
            except AwsError as error:
                if error.code != "QueueDoesNotExist" or policy:
                    raise


def _created(call: Call, queue_url: str) -> Created:
    account, name = parse_url(queue_url)
    return Created(queue_url, {"Arn": f"arn:aws:sqs:{call.region}:{account}:{name}", "QueueName": name, "QueueUrl": queue_url})


def _attributes(properties: dict[str, Any]) -> dict[str, str]:
    return {
        name: _text(value)
        for name, value in properties.items()
        if name in _ATTRIBUTES and not (name == "FifoQueue" and _text(value) == "false")
    }


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _tags(resource: ResourceRequest) -> dict[str, str]:
    return {**resource.tags, **{tag["Key"]: tag["Value"] for tag in resource.properties.get("Tags", [])}}
