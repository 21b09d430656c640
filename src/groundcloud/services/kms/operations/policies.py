"""Key policies."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.kms import access, errors, names, pages, policies

Request = dict[str, Any]


@operation(access=access.to_administer)
def get_key_policy(call: Call, request: Request) -> Request:
    if request.get("PolicyName", policies.NAME) != policies.NAME:
        raise errors.no_such_policy()
    return {"Policy": names.load_own(call, request["KeyId"]).key.policy, "PolicyName": policies.NAME}


@operation(access=access.to_administer)
def put_key_policy(call: Call, request: Request) -> Request:
    found = names.load_own(call, request["KeyId"])
    if request.get("PolicyName", policies.NAME) != policies.NAME:
        raise errors.no_such_policy()
    policies.check(call, found.arn, request["Policy"], bypass=request.get("BypassPolicyLockoutSafetyCheck", False))
    found.put(found.key.replace(policy=request["Policy"]))
    return {}


@operation(access=access.to_administer)
def list_key_policies(call: Call, request: Request) -> Request:
    names.load_own(call, request["KeyId"])
    return {"PolicyNames": [policies.NAME] if pages.after(request) is None else [], "Truncated": False}
