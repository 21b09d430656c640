"""Users, and their boundaries and tags."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.iam import access_keys, errors, identities, names, pages, tags
from groundcloud.services.iam.conditions import boundary_and_tags
from groundcloud.services.iam.state import ATTACHMENTS, GROUPS_OF_USER, KEYS_OF_USER, LOGIN_PROFILES, MEMBERS, USERS, Identity


@operation(resource=names.new("user"), context=boundary_and_tags)
def create_user(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, path = request["UserName"], request.get("Path") or "/"
    identities.check_name_free(call.tx, "user", name)
    user = Identity(
        key=name.lower(),
        name=name,
        path=path,
        unique_id=names.unique_id(call, "user"),
        arn=names.arn(call.account, "user", path, name),
        created_s=call.now_s,
        tags=tags.of_request(request),
    )
    USERS.put(call.tx, user)
    if boundary_arn := request.get("PermissionsBoundary"):
        identities.check_boundary(call, boundary_arn)
        user = identities.set_boundary(call.tx, "user", user, boundary_arn)
    return {"User": shown(user)}


@operation(resource=names.user_or_caller)
def get_user(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    if "UserName" not in request and call.principal.kind == "root":
        return {"User": {"UserId": call.account, "Arn": call.principal.arn, "CreateDate": 0}}
    return {"User": shown(load_or_caller(call, request))}


@operation(resource=names.listed("user"))
def list_users(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    prefix = request.get("PathPrefix", "/")
    users = (user for user in USERS.scan(call.tx, after=pages.after(request)) if user.path.startswith(prefix))
    return pages.page(request, "Users", users, lambda user: user.key, listed)


@operation(resource=names.USER)
def update_user(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    tx = call.tx
    user = identities.load(tx, "user", request["UserName"])
    changed = identities.renamed(tx, "user", user, request.get("NewUserName") or user.name, request.get("NewPath") or user.path)
    for _, group_key in list(GROUPS_OF_USER.keys(tx, user.key)):
        GROUPS_OF_USER.delete(tx, user.key, group_key)
        MEMBERS.delete(tx, group_key, user.key)
        GROUPS_OF_USER.put(tx, changed.key, group_key)
        MEMBERS.put(tx, group_key, changed.key)
    access_keys.hand_over(tx, user.key, changed)
    profile = LOGIN_PROFILES.get(tx, user.key)
    if profile is not None:
        LOGIN_PROFILES.delete(tx, user.key)
        LOGIN_PROFILES.put(tx, profile.replace(user_key=changed.key, user_name=changed.name))
    return {}


@operation(resource=names.USER, context=boundary_and_tags)
def delete_user(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    tx = call.tx
    user = identities.load(tx, "user", request["UserName"])
    if any(True for _ in GROUPS_OF_USER.keys(tx, user.key, limit=1)):
        raise errors.delete_conflict("Cannot delete entity, must remove users from group first.")
    if any(True for _ in KEYS_OF_USER.keys(tx, user.key, limit=1)):
        raise errors.delete_conflict("Cannot delete entity, must delete access keys first.")
    if LOGIN_PROFILES.has(tx, user.key):
        raise errors.delete_conflict("Cannot delete entity, must delete login profile first.")
    identities.check_no_policies(tx, "user", user.key)
    if user.boundary_arn:
        ATTACHMENTS.delete(tx, user.boundary_arn, "boundary", "user", user.key)
    USERS.delete(tx, user.key)
    return {}


@operation(resource=names.USER, context=boundary_and_tags)
def put_user_permissions_boundary(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    user = identities.load(call.tx, "user", request["UserName"])
    identities.check_boundary(call, request["PermissionsBoundary"])
    identities.set_boundary(call.tx, "user", user, request["PermissionsBoundary"])
    return {}


@operation(resource=names.USER, context=boundary_and_tags)
def delete_user_permissions_boundary(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    user = identities.load(call.tx, "user", request["UserName"])
    if not user.boundary_arn:
        raise errors.no_such_entity(f"The user with name {user.name} does not have a permissions boundary.")
    identities.set_boundary(call.tx, "user", user, "")
    return {}


@operation(resource=names.USER, context=boundary_and_tags)
def tag_user(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    user = identities.load(call.tx, "user", request["UserName"])
    USERS.put(call.tx, user.replace(tags=tags.merged(user.tags, request["Tags"])))
    return {}


@operation(resource=names.USER, context=boundary_and_tags)
def untag_user(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    user = identities.load(call.tx, "user", request["UserName"])
    USERS.put(call.tx, user.replace(tags=tags.without(user.tags, request["TagKeys"])))
    return {}


@operation(resource=names.USER)
def list_user_tags(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return tags.listed(request, identities.load(call.tx, "user", request["UserName"]).tags)


def load_or_caller(call: Call, request: dict[str, Any]) -> Identity:
    """The user named, else the one who calls. Raises NoSuchEntity, ValidationError."""
    if "UserName" in request:
        return identities.load(call.tx, "user", request["UserName"])  # type: ignore[no-any-return]
    if call.principal.kind != "user":
        raise errors.validation("Must specify userName when calling with non-User credentials")
    return identities.load(call.tx, "user", call.principal.arn.rsplit("/", 1)[-1])  # type: ignore[no-any-return]


def listed(user: Identity) -> dict[str, Any]:
    return {"Path": user.path, "UserName": user.name, "UserId": user.unique_id, "Arn": user.arn, "CreateDate": user.created_s}


def shown(user: Identity) -> dict[str, Any]:
    return {
        **listed(user),
        "PermissionsBoundary": identities.shown_boundary(user.boundary_arn),
        "Tags": identities.shown_tags(user.tags),
    }
