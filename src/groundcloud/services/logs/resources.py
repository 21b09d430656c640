"""CloudFormation types of CloudWatch Logs."""

from __future__ import annotations

import json
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import Created, ResourceRequest, ResourceType, resource_type
from groundcloud.services.logs.names import group_arn


@resource_type("AWS::Logs::LogGroup")
class LogGroupResource(ResourceType):
    properties = {
        "LogGroupName",
        "RetentionInDays",
        "KmsKeyId",
        "Tags",
        "LogGroupClass",
        "DeletionProtectionEnabled",
        "ResourcePolicyDocument",
    }
    replaces = {"LogGroupName"}

    def check(self, properties: dict[str, Any]) -> None:
        super().check(properties)
        if properties.get("ResourcePolicyDocument"):
            raise AwsError("ValidationError", "Groundcloud does not support ResourcePolicyDocument of AWS::Logs::LogGroup")

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = resource.properties
        name = wanted.get("LogGroupName") or resource.generated_name(512)
        request: dict[str, Any] = {"logGroupName": name}
        if tags := _tags(resource):
            request["tags"] = tags
        for member, property_name in (
            ("kmsKeyId", "KmsKeyId"),
            ("logGroupClass", "LogGroupClass"),
            ("deletionProtectionEnabled", "DeletionProtectionEnabled"),
        ):
            if property_name in wanted:
                request[member] = wanted[property_name]
        await call.request("logs", "CreateLogGroup", request)
        if "RetentionInDays" in wanted:
            await call.request("logs", "PutRetentionPolicy", {"logGroupName": name, "retentionInDays": wanted["RetentionInDays"]})
        return Created(name, {"Arn": group_arn(call, name) + ":*"})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        name, wanted = resource.physical_id, resource.properties
        if resource.changed("KmsKeyId") or resource.changed("LogGroupClass"):
            raise AwsError("ValidationError", "Groundcloud cannot change KmsKeyId or LogGroupClass of a log group")
        if "RetentionInDays" in wanted:
            await call.request("logs", "PutRetentionPolicy", {"logGroupName": name, "retentionInDays": wanted["RetentionInDays"]})
        elif "RetentionInDays" in resource.old_properties:
            await call.request("logs", "DeleteRetentionPolicy", {"logGroupName": name})
        if resource.changed("DeletionProtectionEnabled"):
            protected = wanted.get("DeletionProtectionEnabled", False)
            await call.request(
                "logs", "PutLogGroupDeletionProtection", {"logGroupIdentifier": name, "deletionProtectionEnabled": protected}
            )
        arn, tags = group_arn(call, name), _tags(resource)
        have = (await call.request("logs", "ListTagsForResource", {"resourceArn": arn})).get("tags", {})
        if gone := [key for key in have if key not in tags]:
            await call.request("logs", "UntagResource", {"resourceArn": arn, "tagKeys": gone})
        if tags and tags != have:
            await call.request("logs", "TagResource", {"resourceArn": arn, "tags": tags})
        return Created(name, {"Arn": arn + ":*"})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await _gone(call, "DeleteLogGroup", {"logGroupName": resource.physical_id})


@resource_type("AWS::Logs::LogStream")
class LogStreamResource(ResourceType):
    properties = {"LogGroupName", "LogStreamName"}
    required = {"LogGroupName"}
    replaces = {"LogGroupName", "LogStreamName"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        name = resource.properties.get("LogStreamName") or resource.generated_name(512)
        await call.request("logs", "CreateLogStream", {"logGroupName": resource.properties["LogGroupName"], "logStreamName": name})
        return Created(name)

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        return Created(resource.physical_id)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        request = {"logGroupName": resource.properties["LogGroupName"], "logStreamName": resource.physical_id}
        await _gone(call, "DeleteLogStream", request)


@resource_type("AWS::Logs::MetricFilter")
class MetricFilterResource(ResourceType):
    properties = {"FilterName", "FilterPattern", "LogGroupName", "MetricTransformations"}
    required = {"FilterPattern", "LogGroupName", "MetricTransformations"}
    replaces = {"FilterName", "LogGroupName"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        return await self._put(call, resource, resource.properties.get("FilterName") or resource.generated_name(512))

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        return await self._put(call, resource, resource.physical_id)

    async def _put(self, call: Call, resource: ResourceRequest, name: str) -> Created:
        transformations = [_transformation(each) for each in resource.properties["MetricTransformations"]]
        request = {
            "logGroupName": resource.properties["LogGroupName"],
            "filterName": name,
            "filterPattern": resource.properties["FilterPattern"],
            "metricTransformations": transformations,
        }
        await call.request("logs", "PutMetricFilter", request)
        return Created(name)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await _gone(call, "DeleteMetricFilter", {"logGroupName": resource.properties["LogGroupName"], "filterName": resource.physical_id})


@resource_type("AWS::Logs::SubscriptionFilter")
class SubscriptionFilterResource(ResourceType):
    properties = {"FilterName", "FilterPattern", "LogGroupName", "DestinationArn", "RoleArn", "Distribution"}
    required = {"FilterPattern", "LogGroupName", "DestinationArn"}
    replaces = {"FilterName", "LogGroupName"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        return await self._put(call, resource, resource.properties.get("FilterName") or resource.generated_name(512))

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        return await self._put(call, resource, resource.physical_id)

    async def _put(self, call: Call, resource: ResourceRequest, name: str) -> Created:
        request = {name[:1].lower() + name[1:]: value for name, value in resource.properties.items() if name != "FilterName"}
        await call.request("logs", "PutSubscriptionFilter", {**request, "filterName": name})
        return Created(name)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await _gone(
            call, "DeleteSubscriptionFilter", {"logGroupName": resource.properties["LogGroupName"], "filterName": resource.physical_id}
        )


@resource_type("AWS::Logs::ResourcePolicy")
class ResourcePolicyResource(ResourceType):
    properties = {"PolicyName", "PolicyDocument"}
    required = {"PolicyName", "PolicyDocument"}
    replaces = {"PolicyName"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        document = resource.properties["PolicyDocument"]
        text = document if isinstance(document, str) else json.dumps(document)
        await call.request("logs", "PutResourcePolicy", {"policyName": resource.properties["PolicyName"], "policyDocument": text})
        return Created(resource.properties["PolicyName"])

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        return await self.create(call, resource)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await _gone(call, "DeleteResourcePolicy", {"policyName": resource.physical_id})


async def _gone(call: Call, operation: str, request: dict[str, Any]) -> None:
    try:
        await call.request("logs", operation, request)
    except AwsError as error:
        if error.code != "ResourceNotFoundException":
            raise


def _tags(resource: ResourceRequest) -> dict[str, str]:
    return {**resource.tags, **{tag["Key"]: str(tag["Value"]) for tag in resource.properties.get("Tags", [])}}


def _transformation(written: dict[str, Any]) -> dict[str, Any]:
    found = {name[:1].lower() + name[1:]: value for name, value in written.items()}
    if dimensions := found.get("dimensions"):
        found["dimensions"] = {each["Key"]: each["Value"] for each in dimensions}
    return found
