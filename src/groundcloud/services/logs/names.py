"""Names and ARNs of groups and streams, and the tokens of pages."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from groundcloud.base import arn as arns
from groundcloud.kernel.call import Call
from groundcloud.services.logs import errors

Request = dict[str, Any]


def group_arn(call: Call, group_name: str) -> str:
    return f"arn:aws:logs:{call.region}:{call.account}:log-group:{group_name}"


def group_name(call: Call, request: Request) -> str:
    """Of logGroupName or logGroupIdentifier (a name or an ARN). Raises InvalidParameterException unless one of them is given."""
    name, identifier = request.get("logGroupName"), request.get("logGroupIdentifier")
    if name is not None:
        if identifier is not None:
            raise errors.two_groups_named()
        return str(name)
    if identifier is None:
        raise errors.no_group_named()
    return name_of_identifier(call, identifier)


def name_of_identifier(call: Call, identifier: str) -> str:
    """Raises ResourceNotFoundException for an ARN of another account or region: groups are not shared between them."""
    if not arns.is_arn(identifier):
        return identifier
    arn = arns.parse(identifier)
    if arn.service != "logs" or not arn.resource.startswith("log-group:"):
        raise errors.invalid_parameter("The specified log group identifier is invalid.")
    if (arn.account, arn.region) != (call.account, call.region):
        raise errors.group_does_not_exist()
    return arn.resource[len("log-group:") :].removesuffix(":*")


def resource_of_group(call: Call, request: Request) -> str:
    """What IAM is asked about for an operation on a group: policies name it with `:*` behind."""
    return group_arn(call, group_name(call, request)) + ":log-stream:"


def resource_of_stream(call: Call, request: Request) -> str:
    return f"{group_arn(call, group_name(call, request))}:log-stream:{request['logStreamName']}"


def every_group(call: Call, request: Request) -> str:
    """For operations that list groups."""
    return f"arn:aws:logs:{call.region}:{call.account}:log-group::log-stream:"


def token(*parts: str | int) -> str:
    return urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")


def parts_of_token(text: str, *kinds: type) -> list[Any]:
    """Raises InvalidParameterException unless it holds parts of these kinds."""
    try:
        parts = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        raise errors.invalid_token() from None
    if not isinstance(parts, list) or [type(part) for part in parts] != list(kinds):
        raise errors.invalid_token()
    return parts
