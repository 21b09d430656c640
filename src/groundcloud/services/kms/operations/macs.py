"""Message authentication codes."""

from __future__ import annotations

import hmac
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.kms import access, encryption, errors, keys, materials, names
from groundcloud.services.kms.names import Found
from groundcloud.services.kms.specs import GENERATE_VERIFY_MAC

Request = dict[str, Any]


@operation(access=access.to_use)
def generate_mac(call: Call, request: Request) -> Request:
    found, algorithm, mac = _mac(call, request)
    encryption.finish(call, found, request)
    return {"KeyId": found.arn, "Mac": mac, "MacAlgorithm": algorithm}


@operation(access=access.to_use)
def verify_mac(call: Call, request: Request) -> Request:
    found, algorithm, mac = _mac(call, request)
    if not hmac.compare_digest(mac, request["Mac"]):
        raise errors.invalid_mac()
    encryption.finish(call, found, request)
    return {"KeyId": found.arn, "MacValid": True, "MacAlgorithm": algorithm}


def _mac(call: Call, request: Request) -> tuple[Found, str, bytes]:
    found = names.load(call, request["KeyId"])
    encryption.ready(call, found, request)
    algorithm = request["MacAlgorithm"]
    keys.require_usage(found, GENERATE_VERIFY_MAC, call.operation)
    keys.require_algorithm(found.key, algorithm)
    secret = materials.ring(call).plain(found.key.key_id, found.key.sealed)
    return found, algorithm, hmac.digest(secret, request["Message"], f"sha{algorithm[-3:]}")
