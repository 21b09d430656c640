"""Groups and their members."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.iam import errors, identities, names, pages
from groundcloud.services.iam.limits import GROUPS_PER_USER
from groundcloud.services.iam.operations import users
from groundcloud.services.iam.state import GROUPS, GROUPS_OF_USER, MEMBERS, USERS, Identity


@operation(resource=names.new("group"))
def create_group(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, path = request["GroupName"], request.get("Path") or "/"
    identities.check_name_free(call.tx, "group", name)
    group = Identity(
        key=name.lower(),
        name=name,
        path=path,
        unique_id=names.unique_id(call, "group"),
        arn=names.arn(call.account, "group", path, name),
        created_s=call.now_s,
    )
    GROUPS.put(call.tx, group)
    return {"Group": shown(group)}


@operation(resource=names.GROUP)
def get_group(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    group = identities.load(call.tx, "group", request["GroupName"])
    members = (USERS.get(call.tx, user_key) for _, user_key in MEMBERS.keys(call.tx, group.key, after=pages.after(request)))
    found = (user for user in members if user is not None)
    return {"Group": shown(group), **pages.page(request, "Users", found, lambda user: user.key, users.listed)}


@operation(resource=names.listed("group"))
def list_groups(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    prefix = request.get("PathPrefix", "/")
    groups = (group for group in GROUPS.scan(call.tx, after=pages.after(request)) if group.path.startswith(prefix))
    return pages.page(request, "Groups", groups, lambda group: group.key, shown)


@operation(resource=names.GROUP)
def update_group(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    tx = call.tx
    group = identities.load(tx, "group", request["GroupName"])
    changed = identities.renamed(tx, "group", group, request.get("NewGroupName") or group.name, request.get("NewPath") or group.path)
    for _, user_key in list(MEMBERS.keys(tx, group.key)):
        _remove(call, group.key, user_key)
        _add(call, changed.key, user_key)
    return {}


@operation(resource=names.GROUP)
def delete_group(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    group = identities.load(call.tx, "group", request["GroupName"])
    if any(True for _ in MEMBERS.keys(call.tx, group.key, limit=1)):
        raise errors.delete_conflict("Cannot delete entity, must remove users from group first.")
    identities.check_no_policies(call.tx, "group", group.key)
    GROUPS.delete(call.tx, group.key)
    return {}


@operation(resource=names.GROUP)
def add_user_to_group(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    group = identities.load(call.tx, "group", request["GroupName"])
    user = identities.load(call.tx, "user", request["UserName"])
    if MEMBERS.has(call.tx, group.key, user.key):
        return {}
    if sum(1 for _ in GROUPS_OF_USER.keys(call.tx, user.key)) >= GROUPS_PER_USER:
        raise errors.quota_exceeded("GroupsPerUser", GROUPS_PER_USER)
    _add(call, group.key, user.key)
    return {}


@operation(resource=names.GROUP)
def remove_user_from_group(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    group = identities.load(call.tx, "group", request["GroupName"])
    user = identities.load(call.tx, "user", request["UserName"])
    _remove(call, group.key, user.key)
    return {}


@operation(resource=names.USER)
def list_groups_for_user(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    user = identities.load(call.tx, "user", request["UserName"])
    groups = (GROUPS.get(call.tx, key) for _, key in GROUPS_OF_USER.keys(call.tx, user.key, after=pages.after(request)))
    return pages.page(request, "Groups", (group for group in groups if group is not None), lambda group: group.key, shown)


def _add(call: Call, group_key: str, user_key: str) -> None:
    MEMBERS.put(call.tx, group_key, user_key)
    GROUPS_OF_USER.put(call.tx, user_key, group_key)


def _remove(call: Call, group_key: str, user_key: str) -> None:
    MEMBERS.delete(call.tx, group_key, user_key)
    GROUPS_OF_USER.delete(call.tx, user_key, group_key)


def shown(group: Identity) -> dict[str, Any]:
    return {"Path": group.path, "GroupName": group.name, "GroupId": group.unique_id, "Arn": group.arn, "CreateDate": group.created_s}
