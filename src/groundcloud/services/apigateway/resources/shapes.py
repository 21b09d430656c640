"""From a template's properties to an operation's parameters, and from a change of properties to patch operations."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.resource import ResourceRequest, coerced
from groundcloud.services.apigateway.state import ATTEMPTS
from groundcloud.wire import model as models

GONE = "NotFoundException"


def params_of(service: str, operation: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Properties by their members' names and types; those that the operation has not are left out."""
    model = models.load(service)
    shape_name = model.operation(operation).input_shape or ""
    members = {member.lower(): member for member in model.shapes[shape_name]["members"]}
    known = {name: value for name, value in properties.items() if name.lower() in members and value is not None}
    found: dict[str, Any] = coerced(model.shapes, shape_name, _renamed(model.shapes, shape_name, known))
    return found


def _renamed(shapes: dict[str, Any], shape_name: str, value: Any) -> Any:
    """Templates write `RestApiId` where the API has `restApiId`."""
    shape = shapes[shape_name]
    if isinstance(value, dict) and shape["type"] == "structure":
        members = {member.lower(): member for member in shape["members"]}
        out = {}
        for name, item in value.items():
            member = members.get(name.lower(), name)
            out[member] = _renamed(shapes, shape["members"][member]["shape"], item) if member in shape["members"] else item
        return out
    if isinstance(value, dict) and shape["type"] == "map":
        return {name: _renamed(shapes, shape["value"]["shape"], item) for name, item in value.items()}
    if isinstance(value, list) and shape["type"] == "list":
        return [_renamed(shapes, shape["member"]["shape"], item) for item in value]
    return value


def patches_of(resource: ResourceRequest, paths: dict[str, str]) -> list[dict[str, str]]:
    """Patch operations for the scalar properties that changed; `paths`: property -> path."""
    found = []
    for name, path in paths.items():
        if not resource.changed(name):
            continue
        value = resource.properties.get(name)
        found.append({"op": "remove", "path": path} if value is None else {"op": "replace", "path": path, "value": text_of(value)})
    return found


def map_patches(path: str, old: dict[str, Any] | None, new: dict[str, Any] | None) -> list[dict[str, str]]:
    """Patch operations that make one map of the other."""
    old, new = old or {}, new or {}
    gone = [{"op": "remove", "path": f"{path}/{escaped(name)}"} for name in old if name not in new]
    return gone + [
        {"op": "replace" if name in old else "add", "path": f"{path}/{escaped(name)}", "value": text_of(value)}
        for name, value in new.items()
        if old.get(name) != value
    ]


def list_patches(path: str, old: list[str] | None, new: list[str] | None) -> list[dict[str, str]]:
    """Patch operations that make one list of the other; items are parts of the path."""
    old, new = old or [], new or []
    gone = [{"op": "remove", "path": f"{path}/{escaped(item)}"} for item in old if item not in new]
    return gone + [{"op": "add", "path": f"{path}/{escaped(item)}"} for item in new if item not in old]


def escaped(text: str) -> str:
    return text.replace("~", "~0").replace("/", "~1")


def text_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return msgspec.json.encode(value).decode()
    return str(value)


def tags_of(resource: ResourceRequest) -> dict[str, str]:
    """The type's own tags (a list of pairs, or a map) over the stack's."""
    own = resource.properties.get("Tags") or {}
    if isinstance(own, list):
        own = {str(tag["Key"]): str(tag.get("Value", "")) for tag in own}
    return {**resource.tags, **{str(name): str(value) for name, value in own.items()}}


@contextmanager
def attempt(call: Call, resource: ResourceRequest) -> Iterator[bool]:
    """Around a create: True if it was begun before, so that what is in its way may be its own."""
    token = resource.token or f"{resource.stack_id}/{resource.logical_id}/{resource.random_suffix}"
    with call.transaction() as tx:
        again = ATTEMPTS.has(tx, token)
        ATTEMPTS.put(tx, token)
    try:
        yield again
    except asyncio.CancelledError:
        raise
    except BaseException:
        _forget(call, token)
        raise
    else:
        _forget(call, token)


def _forget(call: Call, token: str) -> None:
    with call.transaction() as tx:
        ATTEMPTS.delete(tx, token)


def is_own(tags: dict[str, str] | None, resource: ResourceRequest) -> bool:
    """Whether a thing's tags say that this resource of this stack made it."""
    names = ("aws:cloudformation:stack-id", "aws:cloudformation:logical-id")
    return all(name in resource.tags and (tags or {}).get(name) == resource.tags[name] for name in names)


async def deleted(call: Call, service: str, operation: str, params: dict[str, Any]) -> None:
    """Deletes; what is gone already is gone."""
    try:
        await call.request(service, operation, params)
    except AwsError as error:
        if error.code != GONE:
            raise


async def body_of(call: Call, resource: ResourceRequest) -> bytes | None:
    """The definition that Body or BodyS3Location names."""
    body = resource.properties.get("Body")
    if body is not None:
        return body.encode() if isinstance(body, str) else msgspec.json.encode(body)
    place = resource.properties.get("BodyS3Location")
    if not place:
        return None
    params = {"Bucket": place["Bucket"], "Key": place["Key"]}
    if place.get("Version"):
        params["VersionId"] = place["Version"]
    answer = await call.request("s3", "GetObject", params)
    content = answer.get("Body", b"")
    if isinstance(content, bytes):
        return content
    return b"".join([chunk async for chunk in content])


async def retag(call: Call, service: str, arn: str, resource: ResourceRequest) -> None:
    """Makes a thing's tags those of the template."""
    member, keys = ("ResourceArn", "TagKeys") if service == "apigatewayv2" else ("resourceArn", "tagKeys")
    tags = "Tags" if service == "apigatewayv2" else "tags"
    wanted = tags_of(resource)
    have = (await call.request(service, "GetTags", {member: arn})).get(tags) or {}
    if gone := [name for name in have if name not in wanted]:
        await call.request(service, "UntagResource", {member: arn, keys: gone})
    if wanted != have:
        await call.request(service, "TagResource", {member: arn, tags: wanted})
