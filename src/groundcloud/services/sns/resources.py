"""CloudFormation types of SNS."""

from __future__ import annotations

import json
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import Created, ResourceRequest, ResourceType, resource_type
from groundcloud.services.sns import names

_TOPIC_ATTRIBUTES = {
    "ArchivePolicy",
    "ContentBasedDeduplication",
    "DisplayName",
    "FifoThroughputScope",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "SignatureVersion",
    "TracingConfig",
}
_TOPIC_UNSET = {
    "ContentBasedDeduplication": "false",
    "FifoThroughputScope": "Topic",
    "MaximumMessageSize": "262144",
    "SignatureVersion": "1",
    "TracingConfig": "PassThrough",
}
"""What an attribute is again when its property is gone; the others are emptied."""

_FEEDBACK = ("SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn")
_FAMILIES = {"application": "Application", "firehose": "Firehose", "http/s": "HTTP", "lambda": "Lambda", "sqs": "SQS"}
_SUBSCRIPTION_ATTRIBUTES = {
    "DeliveryPolicy",
    "FilterPolicy",
    "FilterPolicyScope",
    "RawMessageDelivery",
    "RedrivePolicy",
    "ReplayPolicy",
    "SubscriptionRoleArn",
}
_SUBSCRIPTION_UNSET = {"FilterPolicy": "{}", "FilterPolicyScope": "MessageAttributes", "RawMessageDelivery": "false"}


@resource_type("AWS::SNS::Topic")
class TopicResource(ResourceType):
    properties = _TOPIC_ATTRIBUTES | {"DataProtectionPolicy", "DeliveryStatusLogging", "FifoTopic", "Subscription", "Tags", "TopicName"}
    replaces = {"FifoTopic", "TopicName"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = resource.properties
        fifo = _text(wanted.get("FifoTopic", "false")) == "true"
        name = wanted.get("TopicName") or resource.generated_name(251 if fifo else 256) + (".fifo" if fifo else "")
        given = _topic_attributes(wanted) | ({"FifoTopic": "true"} if fifo else {})
        request: dict[str, Any] = {"Name": name, "Attributes": given, "Tags": _tags(resource)}
        if wanted.get("DataProtectionPolicy"):
            request["DataProtectionPolicy"] = _text(wanted["DataProtectionPolicy"])
        arn = (await call.request("sns", "CreateTopic", request))["TopicArn"]
        for subscription in wanted.get("Subscription", []):
            await _subscribe(call, arn, subscription)
        return _topic(arn)

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        arn, wanted, before = resource.physical_id, resource.properties, resource.old_properties
        given, had = _topic_attributes(wanted), _topic_attributes(before)
        for name in sorted(set(given) | set(had)):
            if given.get(name) != had.get(name):
                value = given.get(name, _TOPIC_UNSET.get(name, ""))
                await call.request("sns", "SetTopicAttributes", {"TopicArn": arn, "AttributeName": name, "AttributeValue": value})
        if resource.changed("DataProtectionPolicy"):
            policy = _text(wanted["DataProtectionPolicy"]) if wanted.get("DataProtectionPolicy") else ""
            await call.request("sns", "PutDataProtectionPolicy", {"ResourceArn": arn, "DataProtectionPolicy": policy})
        await self._subscriptions(call, arn, before.get("Subscription", []), wanted.get("Subscription", []))
        await self._retag(call, arn, _tags(resource))
        return _topic(arn)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        if resource.properties.get("ArchivePolicy"):
            request = {"TopicArn": resource.physical_id, "AttributeName": "ArchivePolicy", "AttributeValue": "{}"}
            await _unless_gone(call, "SetTopicAttributes", request)
        await _unless_gone(call, "DeleteTopic", {"TopicArn": resource.physical_id})

    async def _subscriptions(self, call: Call, arn: str, before: list[Any], wanted: list[Any]) -> None:
        for gone in (each for each in before if each not in wanted):
            found = await _find(call, arn, gone["Protocol"], gone["Endpoint"])
            if found is not None:
                await call.request("sns", "Unsubscribe", {"SubscriptionArn": found})
        for new in (each for each in wanted if each not in before):
            await _subscribe(call, arn, new)

    async def _retag(self, call: Call, arn: str, tags: list[dict[str, str]]) -> None:
        have = (await call.request("sns", "ListTagsForResource", {"ResourceArn": arn}))["Tags"]
        wanted = {tag["Key"] for tag in tags}
        if gone := [tag["Key"] for tag in have if tag["Key"] not in wanted]:
            await call.request("sns", "UntagResource", {"ResourceArn": arn, "TagKeys": gone})
        if new := [tag for tag in tags if tag not in have]:
            await call.request("sns", "TagResource", {"ResourceArn": arn, "Tags": new})


@resource_type("AWS::SNS::Subscription")
class SubscriptionResource(ResourceType):
    properties = _SUBSCRIPTION_ATTRIBUTES | {"Endpoint", "Protocol", "Region", "TopicArn"}
    required = {"Protocol", "TopicArn"}
    replaces = {"Endpoint", "Protocol", "Region", "TopicArn"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = resource.properties
        request = {
            "TopicArn": wanted["TopicArn"],
            "Protocol": wanted["Protocol"],
            "Endpoint": wanted.get("Endpoint", ""),
            "Attributes": _subscription_attributes(wanted),
            "ReturnSubscriptionArn": True,
        }
        answer = await call.request("sns", "Subscribe", request, region=_region(wanted))
        return Created(answer["SubscriptionArn"], {"Arn": answer["SubscriptionArn"]})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        given, had = _subscription_attributes(resource.properties), _subscription_attributes(resource.old_properties)
        # The scope first: a policy is checked in it.
        for name in sorted(set(given) | set(had), key=lambda name: (name != "FilterPolicyScope", name)):
            if given.get(name) != had.get(name):
                value = given.get(name, _SUBSCRIPTION_UNSET.get(name, ""))
                request = {"SubscriptionArn": resource.physical_id, "AttributeName": name, "AttributeValue": value}
                await call.request("sns", "SetSubscriptionAttributes", request, region=_region(resource.properties))
        return Created(resource.physical_id, {"Arn": resource.physical_id})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        request = {"SubscriptionArn": resource.physical_id}
        await _unless_gone(call, "Unsubscribe", request, region=_region(resource.properties))


@resource_type("AWS::SNS::TopicPolicy")
class TopicPolicyResource(ResourceType):
    properties = {"PolicyDocument", "Topics"}
    required = {"PolicyDocument", "Topics"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        for arn in resource.properties["Topics"]:
            await _set_policy(call, arn, _text(resource.properties["PolicyDocument"]))
        return Created(resource.generated_name(), {"Id": resource.generated_name()})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        for arn in resource.old_properties["Topics"]:
            if arn not in resource.properties["Topics"]:
                await _reset_policy(call, arn)
        for arn in resource.properties["Topics"]:
            await _set_policy(call, arn, _text(resource.properties["PolicyDocument"]))
        return Created(resource.physical_id, {"Id": resource.physical_id})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        for arn in resource.properties["Topics"]:
            await _reset_policy(call, arn)


@resource_type("AWS::SNS::TopicInlinePolicy")
class TopicInlinePolicyResource(ResourceType):
    properties = {"PolicyDocument", "TopicArn"}
    required = {"PolicyDocument", "TopicArn"}
    replaces = {"TopicArn"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        await _set_policy(call, resource.properties["TopicArn"], _text(resource.properties["PolicyDocument"]))
        return Created(resource.properties["TopicArn"])

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        return await self.create(call, resource)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await _reset_policy(call, resource.properties["TopicArn"])


def _topic(arn: str) -> Created:
    return Created(arn, {"TopicArn": arn, "TopicName": arn.rsplit(":", 1)[-1]})


def _topic_attributes(properties: dict[str, Any]) -> dict[str, str]:
    found = {name: _text(value) for name, value in properties.items() if name in _TOPIC_ATTRIBUTES}
    for entry in properties.get("DeliveryStatusLogging", []):
        family = _FAMILIES.get(str(entry.get("Protocol", "")).lower())
        if family is None:
            raise AwsError("ValidationError", f"{entry.get('Protocol')} is not a protocol of DeliveryStatusLogging")
        found |= {f"{family}{name}": _text(entry[name]) for name in _FEEDBACK if name in entry}
    return found


def _subscription_attributes(properties: dict[str, Any]) -> dict[str, str]:
    return {name: _text(value) for name, value in properties.items() if name in _SUBSCRIPTION_ATTRIBUTES}


async def _subscribe(call: Call, arn: str, subscription: dict[str, Any]) -> None:
    await call.request("sns", "Subscribe", {"TopicArn": arn, "Protocol": subscription["Protocol"], "Endpoint": subscription["Endpoint"]})


async def _find(call: Call, topic_arn: str, protocol: str, endpoint: str) -> str | None:
    """The ARN of a confirmed subscription."""
    request: dict[str, Any] = {"TopicArn": topic_arn}
    while True:
        page = await call.request("sns", "ListSubscriptionsByTopic", request)
        for each in page["Subscriptions"]:
            if (each["Protocol"], each["Endpoint"]) == (protocol, endpoint) and each["SubscriptionArn"].startswith("arn:"):
                return str(each["SubscriptionArn"])
        if "NextToken" not in page:
            return None
        request["NextToken"] = page["NextToken"]


async def _set_policy(call: Call, arn: str, policy: str) -> None:
    await call.request("sns", "SetTopicAttributes", {"TopicArn": arn, "AttributeName": "Policy", "AttributeValue": policy})


async def _reset_policy(call: Call, arn: str) -> None:
    request = {"TopicArn": arn, "AttributeName": "Policy", "AttributeValue": names.default_policy(arn, arn.split(":")[4])}
    await _unless_gone(call, "SetTopicAttributes", request)


async def _unless_gone(call: Call, operation: str, request: dict[str, Any], *, region: str | None = None) -> None:
    try:
        await call.request("sns", operation, request, region=region)
    except AwsError as error:
        if error.code != "NotFoundException":
            raise


def _region(properties: dict[str, Any]) -> str | None:
    return properties.get("Region") or properties["TopicArn"].split(":")[3]


def _text(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _tags(resource: ResourceRequest) -> list[dict[str, str]]:
    tags = {**resource.tags, **{tag["Key"]: tag["Value"] for tag in resource.properties.get("Tags", [])}}
    return [{"Key": key, "Value": value} for key, value in tags.items()]
