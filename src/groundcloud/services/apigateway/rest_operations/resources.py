"""Resources: the tree of a REST API's paths."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.apigateway import definitions, errors
from groundcloud.services.apigateway.access import by_path
from groundcloud.services.apigateway.documents import page, rest_document, short_id
from groundcloud.services.apigateway.rest_operations.rest_apis import load_api
from groundcloud.services.apigateway.state import METHODS, RESOURCES, Method, Resource


def load_resource(call: Call, api_id: str, resource_id: str) -> Resource:
    """Raises NotFoundException, for the API or for the resource."""
    load_api(call, api_id)
    found = RESOURCES.get(call.tx, api_id, resource_id)
    if found is None:
        raise errors.not_found("Invalid Resource identifier specified")
    return found


@operation(access=by_path)
def create_resource(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    parent = load_resource(call, request["restApiId"], request["parentId"])
    part = definitions.path_part(request["pathPart"])
    resource = _placed(call, Resource(parent.api_id, short_id(call.random, 6), parent.resource_id, part, ""), parent)
    RESOURCES.put(call.tx, resource)
    return rest_document(resource)


@operation(access=by_path)
def get_resource(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    resource = load_resource(call, request["restApiId"], request["resourceId"])
    return _described(call, resource, "methods" in (request.get("embed") or []))


@operation(access=by_path)
def get_resources(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    api = load_api(call, request["restApiId"])
    whole = "methods" in (request.get("embed") or [])
    items, position = page(
        [_described(call, resource, whole) for resource in RESOURCES.scan(call.tx, api.api_id)],
        request.get("position"),
        request.get("limit"),
    )
    return {"items": items, "position": position}


@operation(access=by_path)
def update_resource(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    resource = load_resource(call, request["restApiId"], request["resourceId"])
    if resource.parent_id is None:
        raise errors.bad_request("Root resource cannot be updated")
    for patch in request.get("patchOperations") or []:
        if patch.get("op") != "replace" or patch.get("path") not in ("/pathPart", "/parentId"):
            raise errors.invalid_patch_path(patch.get("path", ""), patch.get("op", ""), ["/parentId", "/pathPart"])
        if patch["path"] == "/pathPart":
            resource = resource.replace(path_part=definitions.path_part(patch["value"]))
        else:
            resource = resource.replace(parent_id=patch["value"])
    parent = load_resource(call, resource.api_id, resource.parent_id or "")
    if parent.path == resource.path or parent.path.startswith(resource.path + "/"):
        raise errors.bad_request("Resources cannot be cyclical.")
    moved = _placed(call, resource, parent)
    RESOURCES.put(call.tx, moved)
    _replace_paths(call, moved)
    return _described(call, moved, False)


@operation(access=by_path)
def delete_resource(call: Call, request: dict[str, Any]) -> None:
    resource = load_resource(call, request["restApiId"], request["resourceId"])
    if resource.parent_id is None:
        raise errors.bad_request("Root resource cannot be deleted.")
    _delete_below(call, resource)


def _placed(call: Call, resource: Resource, parent: Resource) -> Resource:
    """The resource under its parent, its path made. Raises ConflictException or BadRequestException for a sibling in its way."""
    if (parent.path_part or "").endswith("+}"):
        raise errors.bad_request(f"Cannot create a child of a resource with a greedy path variable: {parent.path}")
    part = resource.path_part or ""
    for sibling in RESOURCES.scan(call.tx, resource.api_id):
        if sibling.parent_id != parent.resource_id or sibling.resource_id == resource.resource_id:
            continue
        if sibling.path_part == part:
            raise errors.conflict(f"Another resource with the same parent already has this name: {part}")
        variables = [(other or "").startswith("{") and not (other or "").endswith("+}") for other in (sibling.path_part, part)]
        if all(variables):
            raise errors.bad_request(
                f"A sibling ({sibling.path_part}) of this resource already has a variable path part -- only one unique variable path part is allowed"
            )
    return resource.replace(path=f"{parent.path.rstrip('/')}/{part}")


def _replace_paths(call: Call, parent: Resource) -> None:
    for child in list(RESOURCES.scan(call.tx, parent.api_id)):
        if child.parent_id == parent.resource_id:
            moved = child.replace(path=f"{parent.path.rstrip('/')}/{child.path_part}")
            RESOURCES.put(call.tx, moved)
            _replace_paths(call, moved)


def _delete_below(call: Call, resource: Resource) -> None:
    for child in list(RESOURCES.scan(call.tx, resource.api_id)):
        if child.parent_id == resource.resource_id:
            _delete_below(call, child)
    for key in list(METHODS.keys(call.tx, resource.api_id, resource.resource_id)):
        METHODS.delete(call.tx, *key)
    RESOURCES.delete(call.tx, resource.api_id, resource.resource_id)


def _described(call: Call, resource: Resource, whole: bool) -> dict[str, Any]:
    document = rest_document(resource)
    methods: list[Method] = list(METHODS.scan(call.tx, resource.api_id, resource.resource_id))
    if methods:
        document["resourceMethods"] = {method.http_method: rest_document(method) if whole else {} for method in methods}
    return document
