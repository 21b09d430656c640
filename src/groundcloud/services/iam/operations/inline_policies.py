"""Inline policies of users, groups and roles: the same four operations three times."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.iam import documents, errors, identities, names, pages
from groundcloud.services.iam.conditions import boundary_and_tags
from groundcloud.services.iam.state import INLINE


@operation(resource=names.USER, context=boundary_and_tags)
def put_user_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _put(call, "user", request)


@operation(resource=names.GROUP)
def put_group_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _put(call, "group", request)


@operation(resource=names.ROLE, context=boundary_and_tags)
def put_role_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _put(call, "role", request)


@operation(resource=names.USER)
def get_user_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _get(call, "user", request)


@operation(resource=names.GROUP)
def get_group_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _get(call, "group", request)


@operation(resource=names.ROLE)
def get_role_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _get(call, "role", request)


@operation(resource=names.USER, context=boundary_and_tags)
def delete_user_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _delete(call, "user", request)


@operation(resource=names.GROUP)
def delete_group_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _delete(call, "group", request)


@operation(resource=names.ROLE, context=boundary_and_tags)
def delete_role_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _delete(call, "role", request)


@operation(resource=names.USER)
def list_user_policies(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _list(call, "user", request)


@operation(resource=names.GROUP)
def list_group_policies(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _list(call, "group", request)


@operation(resource=names.ROLE)
def list_role_policies(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _list(call, "role", request)


def _load(call: Call, kind: str, request: dict[str, Any], *, change: bool = False) -> Any:
    identity = identities.load(call.tx, kind, request[names.MEMBERS[kind]])
    if change and kind == "role" and identity.linked_service:
        raise errors.protected_role(identity.name)
    return identity


def _put(call: Call, kind: str, request: dict[str, Any]) -> dict[str, Any]:
    identity = _load(call, kind, request, change=True)
    policy_name, document = request["PolicyName"], request["PolicyDocument"]
    documents.check_inline(call.tx, kind, identity.key, identity.name, policy_name, document)
    INLINE.put(call.tx, kind, identity.key, policy_name, document)
    return {}


def _get(call: Call, kind: str, request: dict[str, Any]) -> dict[str, Any]:
    identity = _load(call, kind, request)
    document = INLINE.get(call.tx, kind, identity.key, request["PolicyName"])
    if document is None:
        raise errors.inline_policy_not_found(kind, request["PolicyName"])
    return {names.MEMBERS[kind]: identity.name, "PolicyName": request["PolicyName"], "PolicyDocument": documents.encoded(document)}


def _delete(call: Call, kind: str, request: dict[str, Any]) -> dict[str, Any]:
    identity = _load(call, kind, request, change=True)
    if not INLINE.has(call.tx, kind, identity.key, request["PolicyName"]):
        raise errors.inline_policy_not_found(kind, request["PolicyName"])
    INLINE.delete(call.tx, kind, identity.key, request["PolicyName"])
    return {}


def _list(call: Call, kind: str, request: dict[str, Any]) -> dict[str, Any]:
    identity = _load(call, kind, request)
    policy_names = (parts[2] for parts in INLINE.keys(call.tx, kind, identity.key, after=pages.after(request)))
    return pages.page(request, "PolicyNames", policy_names, str, str)
