"""Roles, and their trust policies and boundaries."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.iam import documents, errors, identities, names, pages, tags
from groundcloud.services.iam.conditions import boundary_and_tags
from groundcloud.services.iam.state import ATTACHMENTS, PROFILES_OF_ROLE, ROLES, Role


@operation(resource=names.new("role"), context=boundary_and_tags)
def create_role(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, path = request["RoleName"], request.get("Path") or "/"
    identities.check_name_free(call.tx, "role", name)
    documents.check_trust(call, request["AssumeRolePolicyDocument"])
    role = Role(
        key=name.lower(),
        name=name,
        path=path,
        unique_id=names.unique_id(call, "role"),
        arn=names.arn(call.account, "role", path, name),
        created_s=call.now_s,
        trust_policy=request["AssumeRolePolicyDocument"],
        tags=tags.of_request(request),
        description=request.get("Description"),
        max_session_s=request.get("MaxSessionDuration", 3600),
    )
    ROLES.put(call.tx, role)
    if boundary_arn := request.get("PermissionsBoundary"):
        identities.check_boundary(call, boundary_arn)
        role = identities.set_boundary(call.tx, "role", role, boundary_arn)
    answer = shown(role)
    if "MaxSessionDuration" not in request:
        del answer["MaxSessionDuration"]
    return {"Role": answer}


@operation(resource=names.ROLE)
def get_role(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"Role": {**shown(identities.load(call.tx, "role", request["RoleName"])), "RoleLastUsed": {}}}


@operation(resource=names.listed("role"))
def list_roles(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    prefix = request.get("PathPrefix", "/")
    roles = (role for role in ROLES.scan(call.tx, after=pages.after(request)) if role.path.startswith(prefix))
    return pages.page(request, "Roles", roles, lambda role: role.key, listed)


@operation(resource=names.ROLE)
def update_role(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    role = modifiable(call, request["RoleName"])
    changes: dict[str, Any] = {"description": request.get("Description", role.description)}
    if "MaxSessionDuration" in request:
        changes["max_session_s"] = request["MaxSessionDuration"]
    ROLES.put(call.tx, role.replace(**changes))
    return {}


@operation(resource=names.ROLE)
def update_role_description(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    role = identities.load(call.tx, "role", request["RoleName"]).replace(description=request["Description"])
    ROLES.put(call.tx, role)
    return {"Role": shown(role)}


@operation(resource=names.ROLE)
def update_assume_role_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    role = modifiable(call, request["RoleName"])
    documents.check_trust(call, request["PolicyDocument"])
    ROLES.put(call.tx, role.replace(trust_policy=request["PolicyDocument"]))
    return {}


@operation(resource=names.ROLE)
def delete_role(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    role = modifiable(call, request["RoleName"])
    if any(True for _ in PROFILES_OF_ROLE.keys(call.tx, role.key, limit=1)):
        raise errors.delete_conflict("Cannot delete entity, must remove roles from instance profile first.")
    identities.check_no_policies(call.tx, "role", role.key)
    if role.boundary_arn:
        ATTACHMENTS.delete(call.tx, role.boundary_arn, "boundary", "role", role.key)
    ROLES.delete(call.tx, role.key)
    return {}


@operation(resource=names.ROLE, context=boundary_and_tags)
def put_role_permissions_boundary(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    role = modifiable(call, request["RoleName"])
    identities.check_boundary(call, request["PermissionsBoundary"])
    identities.set_boundary(call.tx, "role", role, request["PermissionsBoundary"])
    return {}


@operation(resource=names.ROLE, context=boundary_and_tags)
def delete_role_permissions_boundary(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    role = modifiable(call, request["RoleName"])
    if not role.boundary_arn:
        raise errors.no_such_entity(f"The role with name {role.name} does not have a permissions boundary.")
    identities.set_boundary(call.tx, "role", role, "")
    return {}


@operation(resource=names.ROLE, context=boundary_and_tags)
def tag_role(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    role = identities.load(call.tx, "role", request["RoleName"])
    ROLES.put(call.tx, role.replace(tags=tags.merged(role.tags, request["Tags"])))
    return {}


@operation(resource=names.ROLE, context=boundary_and_tags)
def untag_role(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    role = identities.load(call.tx, "role", request["RoleName"])
    ROLES.put(call.tx, role.replace(tags=tags.without(role.tags, request["TagKeys"])))
    return {}


@operation(resource=names.ROLE)
def list_role_tags(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return tags.listed(request, identities.load(call.tx, "role", request["RoleName"]).tags)


def modifiable(call: Call, role_name: str) -> Role:
    """The role, unless a service owns it. Raises NoSuchEntity, UnmodifiableEntity."""
    role: Role = identities.load(call.tx, "role", role_name)
    if role.linked_service:
        raise errors.protected_role(role.name)
    return role


def listed(role: Role) -> dict[str, Any]:
    """As in lists: without tags, boundary and last use."""
    return {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.unique_id,
        "Arn": role.arn,
        "CreateDate": role.created_s,
        "AssumeRolePolicyDocument": documents.encoded(role.trust_policy),
        "Description": role.description,
        "MaxSessionDuration": role.max_session_s,
    }


def shown(role: Role) -> dict[str, Any]:
    return {
        **listed(role),
        "PermissionsBoundary": identities.shown_boundary(role.boundary_arn),
        "Tags": identities.shown_tags(role.tags),
    }
