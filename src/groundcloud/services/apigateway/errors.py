"""The errors of both control planes. The codes are shapes of both models; `message` takes each model's own spelling."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import AwsError, not_implemented


def bad_request(message: str) -> AwsError:
    return AwsError("BadRequestException", message)


def conflict(message: str) -> AwsError:
    return AwsError("ConflictException", message)


def not_found(message: str, resource_type: str = "") -> AwsError:
    return AwsError("NotFoundException", message, fields={"ResourceType": resource_type} if resource_type else {})


def no_such(noun: str, identifier: str) -> AwsError:
    """REST APIs: `Invalid Stage identifier specified`; the id is added where AWS adds it."""
    return not_found(f"Invalid {noun} identifier specified{f' {identifier}' if identifier else ''}")


def no_rest_api(account: str, api_id: str) -> AwsError:
    return not_found(f"Invalid API identifier specified {account}:{api_id}")


def no_http_api(api_id: str) -> AwsError:
    return not_found(f"Invalid API identifier specified {api_id}", "Api")


def no_http(noun: str, identifier: str) -> AwsError:
    """HTTP APIs: `Invalid Route identifier specified abc`."""
    return not_found(f"Invalid {noun} identifier specified {identifier}", noun)


def invalid_patch_path(path: str, operation: str, allowed: Any) -> AwsError:
    return bad_request(f"Invalid patch path  '{path}' specified for op '{operation}'. Must be one of: [{', '.join(allowed)}]")


def missing(what: str) -> AwsError:
    """A part of AWS's API Gateway that this room has not, by its name."""
    return not_implemented(f"apigateway: {what}")
