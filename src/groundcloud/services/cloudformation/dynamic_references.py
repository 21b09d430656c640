"""Dynamic references: {{resolve:ssm:...}}, {{resolve:ssm-secure:...}}, {{resolve:secretsmanager:...}}."""

from __future__ import annotations

import json
import re
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.services.cloudformation import errors, intrinsics

_DYNAMIC = re.compile(r"\{\{resolve:(ssm|ssm-secure|secretsmanager):([^{}]*)\}\}")


async def looked_up(actor: Call, value: Any) -> Any:
    """`value` with every {{resolve:ssm:...}} and {{resolve:secretsmanager:...}} looked up. What they stand for is never stored."""
    if isinstance(value, str):
        if "{{resolve:" not in value:
            return value
        parts: list[str] = []
        end = 0
        for match in _DYNAMIC.finditer(value):
            parts.extend((value[end : match.start()], await _value_of(actor, match.group(1), match.group(2))))
            end = match.end()
        return "".join([*parts, value[end:]])
    if isinstance(value, dict):
        return {key: await looked_up(actor, item) for key, item in value.items()}
    if isinstance(value, list):
        return [await looked_up(actor, item) for item in value]
    return value


async def _value_of(actor: Call, service: str, reference: str) -> str:
    if service != "secretsmanager":
        answer = await actor.request("ssm", "GetParameter", {"Name": reference, "WithDecryption": service == "ssm-secure"})
        return str(answer["Parameter"]["Value"])
    # secret-id:secret-string:json-key:version-stage:version-id, where the id may be an ARN
    head, marker, tail = reference.partition(":SecretString")
    request = {"SecretId": head}
    rest = tail[1:].split(":") if marker and tail else []
    if len(rest) > 1 and rest[1]:
        request["VersionStage"] = rest[1]
    if len(rest) > 2 and rest[2]:
        request["VersionId"] = rest[2]
    answer = await actor.request("secretsmanager", "GetSecretValue", request)
    text = str(answer["SecretString"])
    if not rest or not rest[0]:
        return text
    try:
        return intrinsics.text_of(json.loads(text)[rest[0]])
    except (ValueError, KeyError, TypeError):
        raise errors.validation(f"Could not find a value associated with JSONKey {rest[0]} in SecretString") from None
