"""CloudFormation types of EventBridge."""

from __future__ import annotations

import json
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import Created, ResourceRequest, ResourceType, coerced, resource_type

_PASSED_ON = {
    "Rule": ("Description", "EventBusName", "RoleArn", "ScheduleExpression", "State"),
    "EventBus": ("Description", "DeadLetterConfig", "EventSourceName", "KmsKeyIdentifier", "LogConfig"),
    "Archive": ("Description", "RetentionDays", "KmsKeyIdentifier"),
    "Connection": ("Description", "AuthorizationType", "AuthParameters", "InvocationConnectivityParameters", "KmsKeyIdentifier"),
    "ApiDestination": ("Description", "ConnectionArn", "InvocationEndpoint", "HttpMethod", "InvocationRateLimitPerSecond"),
}


@resource_type("AWS::Events::Rule")
class RuleResource(ResourceType):
    """Its physical id is the rule's name, on another bus than the default one `bus|name`."""

    properties = {*_PASSED_ON["Rule"], "EventPattern", "Name", "Tags", "Targets"}
    replaces = {"Name", "EventBusName"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        name = resource.properties.get("Name") or resource.generated_name(64)
        return await self._put(call, resource, name)

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        name = resource.physical_id.rpartition("|")[2]
        created = await self._put(call, resource, name)
        bus = {"EventBusName": resource.properties["EventBusName"]} if resource.properties.get("EventBusName") else {}
        wanted = {target["Id"] for target in resource.properties.get("Targets", ())}
        gone = [target["Id"] for target in resource.old_properties.get("Targets", ()) if target["Id"] not in wanted]
        if gone:
            await call.request("events", "RemoveTargets", {"Rule": name, "Ids": gone, **bus})
        await _retag(call, created.attributes["Arn"], _tags(resource))
        return created

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        bus_name, _, name = resource.physical_id.rpartition("|")
        bus = {"EventBusName": bus_name} if bus_name else {}
        try:
            targets = (await call.request("events", "ListTargetsByRule", {"Rule": name, **bus})).get("Targets", [])
            if targets:
                await call.request("events", "RemoveTargets", {"Rule": name, "Ids": [target["Id"] for target in targets], **bus})
            await call.request("events", "DeleteRule", {"Name": name, **bus})
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise

    async def _put(self, call: Call, resource: ResourceRequest, name: str) -> Created:
        wanted = resource.properties
        request = _request(call, "PutRuleRequest", _PASSED_ON["Rule"], wanted)
        request["Name"] = name
        if wanted.get("EventPattern") is not None:
            request["EventPattern"] = _json(wanted["EventPattern"])
        if tags := _tags(resource):
            request["Tags"] = tags
        rule_arn = (await call.request("events", "PutRule", request))["RuleArn"]
        bus_name = wanted.get("EventBusName") or "default"
        targets = coerced(_shapes(call), "TargetList", wanted.get("Targets") or [])
        if targets:
            await call.request("events", "PutTargets", {"Rule": name, "EventBusName": bus_name, "Targets": targets})
        bus_name = bus_name.rpartition("/")[2]
        return Created(name if bus_name == "default" else f"{bus_name}|{name}", {"Arn": rule_arn})


@resource_type("AWS::Events::EventBus")
class EventBusResource(ResourceType):
    properties = {*_PASSED_ON["EventBus"], "Name", "Policy", "Tags"}
    required = {"Name"}
    replaces = {"Name", "EventSourceName"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        name = resource.properties["Name"]
        request = {"Name": name, **_request(call, "CreateEventBusRequest", _PASSED_ON["EventBus"], resource.properties)}
        if tags := _tags(resource):
            request["Tags"] = tags
        bus_arn = (await call.request("events", "CreateEventBus", request))["EventBusArn"]
        if resource.properties.get("Policy"):
            await call.request("events", "PutPermission", {"EventBusName": name, "Policy": _json(resource.properties["Policy"])})
        return Created(name, {"Arn": bus_arn, "Name": name})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        name, wanted = resource.physical_id, resource.properties
        request = _request(call, "UpdateEventBusRequest", ("Description", "DeadLetterConfig", "KmsKeyIdentifier", "LogConfig"), wanted)
        bus_arn = (await call.request("events", "UpdateEventBus", {"Description": "", **request, "Name": name}))["Arn"]
        if resource.changed("Policy"):
            if wanted.get("Policy"):
                await call.request("events", "PutPermission", {"EventBusName": name, "Policy": _json(wanted["Policy"])})
            else:
                await call.request("events", "RemovePermission", {"EventBusName": name, "RemoveAllPermissions": True})
        await _retag(call, bus_arn, _tags(resource))
        return Created(name, {"Arn": bus_arn, "Name": name})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await call.request("events", "DeleteEventBus", {"Name": resource.physical_id})


@resource_type("AWS::Events::EventBusPolicy")
class EventBusPolicyResource(ResourceType):
    """One statement of a bus's policy. `Statement` is the whole of it; the older members spell out a grant to an account."""

    properties = {"Action", "Condition", "EventBusName", "Principal", "Statement", "StatementId"}
    required = {"StatementId"}
    replaces = {"EventBusName", "StatementId"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        await self._put(call, resource)
        return Created(f"{resource.properties.get('EventBusName') or 'default'}|{resource.properties['StatementId']}")

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        await self._put(call, resource)
        return Created(resource.physical_id)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        bus_name, _, statement_id = resource.physical_id.partition("|")
        try:
            await call.request("events", "RemovePermission", {"EventBusName": bus_name, "StatementId": statement_id})
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise

    async def _put(self, call: Call, resource: ResourceRequest) -> None:
        wanted = resource.properties
        bus_name = wanted.get("EventBusName") or "default"
        if "Statement" not in wanted:
            request = {name: wanted[name] for name in ("Action", "Condition", "Principal", "StatementId") if name in wanted}
            await call.request(
                "events", "PutPermission", {**coerced(_shapes(call), "PutPermissionRequest", request), "EventBusName": bus_name}
            )
            return
        found = await call.request("events", "DescribeEventBus", {"Name": bus_name})
        document = json.loads(found.get("Policy") or '{"Version":"2012-10-17","Statement":[]}')
        statement = {**wanted["Statement"], "Sid": wanted["StatementId"]}
        have = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
        document["Statement"] = [*(one for one in have if one.get("Sid") != statement["Sid"]), statement]
        await call.request("events", "PutPermission", {"EventBusName": bus_name, "Policy": json.dumps(document)})


@resource_type("AWS::Events::Archive")
class ArchiveResource(ResourceType):
    properties = {*_PASSED_ON["Archive"], "ArchiveName", "EventPattern", "SourceArn"}
    required = {"SourceArn"}
    replaces = {"ArchiveName", "SourceArn"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        name = resource.properties.get("ArchiveName") or resource.generated_name(48)
        request = self._request(call, resource, "CreateArchiveRequest")
        answer = await call.request(
            "events", "CreateArchive", {**request, "ArchiveName": name, "EventSourceArn": resource.properties["SourceArn"]}
        )
        return Created(name, {"Arn": answer["ArchiveArn"], "ArchiveName": name})

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        name = resource.physical_id
        request = {"Description": "", "EventPattern": "", "RetentionDays": 0, **self._request(call, resource, "UpdateArchiveRequest")}
        answer = await call.request("events", "UpdateArchive", {**request, "ArchiveName": name})
        return Created(name, {"Arn": answer["ArchiveArn"], "ArchiveName": name})

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await _delete(call, "DeleteArchive", "ArchiveName", resource.physical_id)

    def _request(self, call: Call, resource: ResourceRequest, shape: str) -> dict[str, Any]:
        request = _request(call, shape, _PASSED_ON["Archive"], resource.properties)
        if resource.properties.get("EventPattern") is not None:
            request["EventPattern"] = _json(resource.properties["EventPattern"])
        return request


@resource_type("AWS::Events::Connection")
class ConnectionResource(ResourceType):
    properties = {*_PASSED_ON["Connection"], "Name"}
    replaces = {"Name"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        name = resource.properties.get("Name") or resource.generated_name(64)
        request = _request(call, "CreateConnectionRequest", _PASSED_ON["Connection"], resource.properties)
        await call.request("events", "CreateConnection", {**request, "Name": name})
        return await self._created(call, name)

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        request = _request(call, "UpdateConnectionRequest", _PASSED_ON["Connection"], resource.properties)
        await call.request("events", "UpdateConnection", {"Description": "", **request, "Name": resource.physical_id})
        return await self._created(call, resource.physical_id)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await _delete(call, "DeleteConnection", "Name", resource.physical_id)

    async def _created(self, call: Call, name: str) -> Created:
        found = await call.request("events", "DescribeConnection", {"Name": name})
        return Created(
            name, {"Arn": found["ConnectionArn"], "SecretArn": found.get("SecretArn", ""), **_for_policy(found["ConnectionArn"])}
        )


@resource_type("AWS::Events::ApiDestination")
class ApiDestinationResource(ResourceType):
    properties = {*_PASSED_ON["ApiDestination"], "Name"}
    required = {"ConnectionArn", "HttpMethod", "InvocationEndpoint"}
    replaces = {"Name"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        name = resource.properties.get("Name") or resource.generated_name(64)
        request = _request(call, "CreateApiDestinationRequest", _PASSED_ON["ApiDestination"], resource.properties)
        answer = await call.request("events", "CreateApiDestination", {**request, "Name": name})
        return self._created(name, answer["ApiDestinationArn"])

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        request = _request(call, "UpdateApiDestinationRequest", _PASSED_ON["ApiDestination"], resource.properties)
        answer = await call.request("events", "UpdateApiDestination", {"Description": "", **request, "Name": resource.physical_id})
        return self._created(resource.physical_id, answer["ApiDestinationArn"])

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await _delete(call, "DeleteApiDestination", "Name", resource.physical_id)

    def _created(self, name: str, arn: str) -> Created:
        return Created(name, {"Arn": arn, **_for_policy(arn)})


def _for_policy(arn: str) -> dict[str, str]:
    """AWS: ArnForPolicy is the ARN without its last part, to be written into policies with a wildcard."""
    return {"ArnForPolicy": arn.rpartition("/")[0]}


def _shapes(call: Call) -> dict[str, Any]:
    return call.ground.rooms.get("events").model.shapes


def _request(call: Call, shape: str, names: tuple[str, ...], properties: dict[str, Any]) -> dict[str, Any]:
    """The properties that are members of the request too, as its shapes want them."""
    found: dict[str, Any] = coerced(_shapes(call), shape, {name: properties[name] for name in names if name in properties})
    return found


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _tags(resource: ResourceRequest) -> list[dict[str, str]]:
    tags = {**resource.tags, **{tag["Key"]: tag["Value"] for tag in resource.properties.get("Tags", [])}}
    return [{"Key": key, "Value": str(value)} for key, value in tags.items()]


async def _retag(call: Call, arn: str, tags: list[dict[str, str]]) -> None:
    wanted = {tag["Key"] for tag in tags}
    have = (await call.request("events", "ListTagsForResource", {"ResourceARN": arn})).get("Tags", [])
    if gone := [tag["Key"] for tag in have if tag["Key"] not in wanted]:
        await call.request("events", "UntagResource", {"ResourceARN": arn, "TagKeys": gone})
    if tags:
        await call.request("events", "TagResource", {"ResourceARN": arn, "Tags": tags})


async def _delete(call: Call, operation: str, member: str, name: str) -> None:
    try:
        await call.request("events", operation, {member: name})
    except AwsError as error:
        if error.code != "ResourceNotFoundException":
            raise
