"""Access keys of users, and of the account's root."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.iam import access_keys, names, pages
from groundcloud.services.iam.operations.users import load_or_caller
from groundcloud.services.iam.state import ACCESS_KEYS, AccessKey

ROOT_NAME = ""


@operation(resource=names.user_or_caller)
def create_access_key(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    key, secret = access_keys.make(call, *_owner(call, request))
    return {"AccessKey": {**_shown(key), "SecretAccessKey": secret}}


@operation(resource=names.user_or_caller)
def list_access_keys(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    user_key, user_name = _owner(call, request)
    keys = access_keys.of_user(call.tx, user_key, pages.after(request))
    answer = pages.page(request, "AccessKeyMetadata", keys, lambda key: key.access_key_id, _shown)
    return {"UserName": user_name, **answer}


@operation(resource=names.user_or_caller)
def update_access_key(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    key = access_keys.load(call, _owner(call, request)[0], request["AccessKeyId"])
    ACCESS_KEYS.put(call.tx, key.replace(active=request["Status"] == "Active"))
    return {}


@operation(resource=names.user_or_caller)
def delete_access_key(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    access_keys.remove(call.tx, access_keys.load(call, _owner(call, request)[0], request["AccessKeyId"]))
    return {}


def _user_of_key(call: Call, request: dict[str, Any]) -> str:
    key = ACCESS_KEYS.get(call.reading(), request["AccessKeyId"])
    if key is None or key.account != call.account:
        # AWS answers so for keys that are not the account's.
        action = "iam:GetAccessKeyLastUsed"
        text = f"User: {call.principal.arn} is not authorized to perform: {action} on resource: access key {request['AccessKeyId']}"
        raise AwsError("AccessDenied", text, status=403)
    return names.USER(call, {"UserName": key.user_name}) if key.user_key else f"arn:aws:iam::{call.account}:root"


@operation(resource=_user_of_key)
def get_access_key_last_used(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Whose key it is. No use is recorded, so the rest is as of a key that was never used."""
    key = ACCESS_KEYS.get(call.tx, request["AccessKeyId"])
    assert key is not None
    return {"UserName": key.user_name, "AccessKeyLastUsed": {"ServiceName": "N/A", "Region": "N/A"}}


def _owner(call: Call, request: dict[str, Any]) -> tuple[str, str]:
    """(key, name) of the user named, else of the caller; both empty for the account's root."""
    if "UserName" not in request and call.principal.kind == "root":
        return "", ROOT_NAME
    user = load_or_caller(call, request)
    return user.key, user.name


def _shown(key: AccessKey) -> dict[str, Any]:
    return {
        "UserName": key.user_name,
        "AccessKeyId": key.access_key_id,
        "Status": "Active" if key.active else "Inactive",
        "CreateDate": key.created_s,
    }
