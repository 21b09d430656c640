"""CloudFormation types of KMS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import Created, ResourceRequest, ResourceType, resource_type
from groundcloud.services.kms import policies

_FIXED = {"KeySpec": "SYMMETRIC_DEFAULT", "KeyUsage": "ENCRYPT_DECRYPT", "MultiRegion": False, "Origin": "AWS_KMS"}
"""What a key is made as and stays, with its defaults."""


@resource_type("AWS::KMS::Key")
class KeyResource(ResourceType):
    properties = {
        "BypassPolicyLockoutSafetyCheck",
        "Description",
        "Enabled",
        "EnableKeyRotation",
        "KeyPolicy",
        "KeySpec",
        "KeyUsage",
        "MultiRegion",
        "Origin",
        "PendingWindowInDays",
        "RotationPeriodInDays",
        "Tags",
    }

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = resource.properties
        request = {name: wanted[name] for name in ("Description", *_FIXED, "BypassPolicyLockoutSafetyCheck") if name in wanted}
        if "KeyPolicy" in wanted:
            request["Policy"] = _document(wanted["KeyPolicy"])
        if tags := _tags(resource):
            request["Tags"] = _tag_list(tags)
        key = (await call.request("kms", "CreateKey", request))["KeyMetadata"]
        with _made(key["KeyId"]):
            await _rotate(call, key["KeyId"], wanted, {})
            if not _true(wanted.get("Enabled", True)):
                await call.request("kms", "DisableKey", {"KeyId": key["KeyId"]})
        return _created(key["KeyId"], key["Arn"])

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        key_id, wanted, before = resource.physical_id, resource.properties, resource.old_properties
        if resource.changed(*_FIXED):
            await _check_fixed(call, key_id, wanted)
        enabled, was_enabled = _true(wanted.get("Enabled", True)), _true(before.get("Enabled", True))
        if enabled and not was_enabled:
            await call.request("kms", "EnableKey", {"KeyId": key_id})
        await _apply(call, resource)
        if was_enabled or enabled:
            await _rotate(call, key_id, wanted, before)
        if was_enabled and not enabled:
            await call.request("kms", "DisableKey", {"KeyId": key_id})
        return _created(key_id, call.arn("kms", f"key/{key_id}"))

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await _delete(call, resource)


@resource_type("AWS::KMS::ReplicaKey")
class ReplicaKeyResource(ResourceType):
    properties = {"Description", "Enabled", "KeyPolicy", "PendingWindowInDays", "PrimaryKeyArn", "Tags"}
    required = {"KeyPolicy", "PrimaryKeyArn"}
    replaces = {"PrimaryKeyArn"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        wanted = resource.properties
        request: dict[str, Any] = {
            "KeyId": wanted["PrimaryKeyArn"],
            "ReplicaRegion": call.region,
            "Policy": _document(wanted["KeyPolicy"]),
        }
        if "Description" in wanted:
            request["Description"] = wanted["Description"]
        if tags := _tags(resource):
            request["Tags"] = _tag_list(tags)
        region = str(wanted["PrimaryKeyArn"]).split(":", 5)[3:4]
        answer = await call.request("kms", "ReplicateKey", request, region=region[0] if region else call.region)
        key = answer["ReplicaKeyMetadata"]
        with _made(key["KeyId"]):
            if not _true(wanted.get("Enabled", True)):
                await call.request("kms", "DisableKey", {"KeyId": key["KeyId"]})
        return _created(key["KeyId"], key["Arn"])

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        key_id = resource.physical_id
        if resource.changed("Enabled"):
            operation = "EnableKey" if _true(resource.properties.get("Enabled", True)) else "DisableKey"
            await call.request("kms", operation, {"KeyId": key_id})
        await _apply(call, resource)
        return _created(key_id, call.arn("kms", f"key/{key_id}"))

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        await _delete(call, resource)


@resource_type("AWS::KMS::Alias")
class AliasResource(ResourceType):
    properties = {"AliasName", "TargetKeyId"}
    required = {"AliasName", "TargetKeyId"}
    replaces = {"AliasName"}

    async def create(self, call: Call, resource: ResourceRequest) -> Created:
        await call.request("kms", "CreateAlias", dict(resource.properties))
        return Created(resource.properties["AliasName"])

    async def update(self, call: Call, resource: ResourceRequest) -> Created:
        await call.request("kms", "UpdateAlias", dict(resource.properties))
        return Created(resource.physical_id)

    async def delete(self, call: Call, resource: ResourceRequest) -> None:
        try:
            await call.request("kms", "DeleteAlias", {"AliasName": resource.physical_id})
        except AwsError as error:
            if error.code != "NotFoundException":
                raise


async def _apply(call: Call, resource: ResourceRequest) -> None:
    """Policy, description and tags."""
    key_id, wanted = resource.physical_id, resource.properties
    if resource.changed("KeyPolicy"):
        request: dict[str, Any] = {"KeyId": key_id, "PolicyName": "default", "Policy": _policy(call, wanted)}
        if "BypassPolicyLockoutSafetyCheck" in wanted:
            request["BypassPolicyLockoutSafetyCheck"] = wanted["BypassPolicyLockoutSafetyCheck"]
        await call.request("kms", "PutKeyPolicy", request)
    if resource.changed("Description"):
        await call.request("kms", "UpdateKeyDescription", {"KeyId": key_id, "Description": wanted.get("Description", "")})
    tags = _tags(resource)
    listed = (await call.request("kms", "ListResourceTags", {"KeyId": key_id}))["Tags"]
    have = {tag["TagKey"]: tag["TagValue"] for tag in listed}
    if gone := [name for name in have if name not in tags]:
        await call.request("kms", "UntagResource", {"KeyId": key_id, "TagKeys": gone})
    if changed := {name: value for name, value in tags.items() if have.get(name) != value}:
        await call.request("kms", "TagResource", {"KeyId": key_id, "Tags": _tag_list(changed)})


async def _check_fixed(call: Call, key_id: str, wanted: dict[str, Any]) -> None:
    """AWS refuses to change a key's kind, whatever UpdateReplacePolicy says, so that nobody deletes a key by accident. Rolling back finds the key as it was."""
    have = (await call.request("kms", "DescribeKey", {"KeyId": key_id}))["KeyMetadata"]
    changed = [name for name, default in _FIXED.items() if str(wanted.get(name, default)).lower() != str(have[name]).lower()]
    if changed:
        raise AwsError("ValidationException", f"The {changed[0]} property of a KMS key cannot be changed.", status=400)


async def _rotate(call: Call, key_id: str, wanted: dict[str, Any], before: dict[str, Any]) -> None:
    names = ("EnableKeyRotation", "RotationPeriodInDays")
    if all(wanted.get(name) == before.get(name) for name in names):
        return
    if _true(wanted.get("EnableKeyRotation", False)):
        request = {"KeyId": key_id, **{name: wanted[name] for name in names[1:] if name in wanted}}
        await call.request("kms", "EnableKeyRotation", request)
    elif _true(before.get("EnableKeyRotation", False)):
        await call.request("kms", "DisableKeyRotation", {"KeyId": key_id})


async def _delete(call: Call, resource: ResourceRequest) -> None:
    """The key waits for its deletion; one that waits already, or is gone, is as it should be."""
    request: dict[str, Any] = {"KeyId": resource.physical_id}
    if "PendingWindowInDays" in resource.properties:
        request["PendingWindowInDays"] = resource.properties["PendingWindowInDays"]
    try:
        await call.request("kms", "ScheduleKeyDeletion", request)
    except AwsError as error:
        if error.code not in ("NotFoundException", "KMSInvalidStateException"):
            raise


@contextmanager
def _made(physical_id: str) -> Iterator[None]:
    """Around what follows the making: an error says what is there to be deleted."""
    try:
        yield
    except AwsError as error:
        fields = {**error.fields, "PhysicalResourceId": physical_id}
        raise AwsError(error.code, error.message, status=error.status, fields=fields) from error


def _created(key_id: str, key_arn: str) -> Created:
    return Created(key_id, {"Arn": key_arn, "KeyId": key_id})


def _policy(call: Call, wanted: dict[str, Any]) -> str:
    return _document(wanted["KeyPolicy"]) if "KeyPolicy" in wanted else policies.default(call.account)


def _document(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _true(value: Any) -> bool:
    return str(value).lower() == "true"


def _tags(resource: ResourceRequest) -> dict[str, str]:
    """The resource's over the stack's. KMS takes no tags of aws:."""
    given = {**resource.tags, **{tag["Key"]: str(tag["Value"]) for tag in resource.properties.get("Tags") or ()}}
    return {name: value for name, value in given.items() if not name.lower().startswith("aws:")}


def _tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"TagKey": name, "TagValue": value} for name, value in tags.items()]
