"""Platform applications and the endpoints of devices: kept whole; what is published to them is kept to be read."""

from __future__ import annotations

import re
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.sns import errors, keeping, state
from groundcloud.services.sns.messages import PLATFORMS
from groundcloud.services.sns.state import (
    APPLICATIONS,
    BY_DEVICE,
    ENDPOINTS,
    PlatformApplication,
    PlatformEndpoint,
    put_endpoint,
)

PAGE = 100  # AWS: ListPlatformApplications, ListEndpointsByPlatformApplication
USER_DATA_BYTES_MAX = 2048
SECRET = {"PlatformCredential", "PlatformPrincipal"}
"""Attributes that are never given back."""

_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,256}")
_ATTRIBUTES = {
    "PlatformCredential",
    "PlatformPrincipal",
    "EventEndpointCreated",
    "EventEndpointDeleted",
    "EventEndpointUpdated",
    "EventDeliveryFailure",
    "SuccessFeedbackRoleArn",
    "FailureFeedbackRoleArn",
    "SuccessFeedbackSampleRate",
    "ApplePlatformTeamID",
    "ApplePlatformBundleID",
    "Enabled",
}
_OF_ENDPOINTS = {"CustomUserData", "Enabled", "Token", "ChannelId", "UserId"}
_WITHOUT_PRINCIPAL = {"GCM"}

Request = dict[str, Any]


def _application_to_create(call: Call, request: Request) -> str:
    return call.arn("sns", f"app/{request['Platform']}/{request['Name']}")


def _application_of(call: Call, request: Request) -> str:
    return str(request["PlatformApplicationArn"])


def _endpoint_of(call: Call, request: Request) -> str:
    return str(request["EndpointArn"])


@operation(resource=_application_to_create)
def create_platform_application(call: Call, request: Request) -> Request:
    name, platform, given = request["Name"], request["Platform"], request["Attributes"]
    if platform not in PLATFORMS:
        raise errors.invalid_parameter(f"Platform Reason: {platform} is not supported")
    if not _NAME.fullmatch(name):
        raise errors.invalid_parameter(f"{name} Reason: must contain only characters 'a'-'z', 'A'-'Z', '0'-'9', '_', '-', and '.'")
    _check(given)
    if not given.get("PlatformCredential"):
        raise errors.invalid_parameter("Attributes Reason: PlatformCredential is required")
    if platform not in _WITHOUT_PRINCIPAL and not given.get("PlatformPrincipal"):
        raise errors.invalid_parameter("Attributes Reason: PlatformPrincipal is required")
    existing = APPLICATIONS.get(call.tx, platform, name)
    if existing is not None and any(existing.attributes.get(key) != value for key, value in given.items()):
        raise errors.invalid_parameter("PlatformApplication Reason: PlatformApplication already exists with different attributes")
    if existing is None:
        APPLICATIONS.put(
            call.tx, PlatformApplication(platform=platform, application_name=name, created_ms=call.now_ms, attributes=dict(given))
        )
    return {"PlatformApplicationArn": _application_to_create(call, request)}


@operation(resource=_application_of)
def get_platform_application_attributes(call: Call, request: Request) -> Request:
    application = _application(call, request["PlatformApplicationArn"])
    return {"Attributes": _shown(application)}


@operation(resource=_application_of)
def set_platform_application_attributes(call: Call, request: Request) -> Request:
    application = _application(call, request["PlatformApplicationArn"])
    _check(request["Attributes"])
    APPLICATIONS.put(call.tx, application.replace(attributes={**application.attributes, **request["Attributes"]}))
    return {}


@operation(resource=_application_of)
def delete_platform_application(call: Call, request: Request) -> Request:
    """With its endpoints. Deleting what is not there succeeds."""
    platform, name = _application_name(request["PlatformApplicationArn"])
    for endpoint in list(ENDPOINTS.scan(call.tx, platform, name)):
        state.delete_endpoint(call.tx, endpoint)
    APPLICATIONS.delete(call.tx, platform, name)
    return {}


@operation()
def list_platform_applications(call: Call, request: Request) -> Request:
    after = tuple(request["NextToken"].split("/", 1)) if request.get("NextToken") else None
    found = list(APPLICATIONS.scan(call.tx, after=after, limit=PAGE + 1))
    answer: Request = {
        "PlatformApplications": [
            {"PlatformApplicationArn": call.arn("sns", f"app/{each.platform}/{each.application_name}"), "Attributes": _shown(each)}
            for each in found[:PAGE]
        ]
    }
    if len(found) > PAGE:
        answer["NextToken"] = f"{found[PAGE - 1].platform}/{found[PAGE - 1].application_name}"
    return answer


@operation(resource=_application_of)
def create_platform_endpoint(call: Call, request: Request) -> Request:
    """Creating again with the same token and attributes gives the endpoint that is there."""
    application = _application(call, request["PlatformApplicationArn"])
    token, given = request["Token"], dict(request.get("Attributes") or {})
    if not token:
        raise errors.invalid_parameter("Token Reason: cannot be empty")
    if "CustomUserData" in request:
        given["CustomUserData"] = request["CustomUserData"]
    _check_endpoint_attributes(given)
    given.setdefault("Enabled", "true")
    if application.platform in ("APNS", "APNS_SANDBOX"):
        token = token.lower()
    existing_id = BY_DEVICE.get(call.tx, application.platform, application.application_name, token)
    if existing_id is not None:
        existing = ENDPOINTS.get(call.tx, application.platform, application.application_name, existing_id)
        assert existing is not None
        if existing.user_data != given.get("CustomUserData", existing.user_data) or existing.enabled != (
            given["Enabled"].lower() == "true"
        ):
            raise errors.invalid_parameter(
                f"Token Reason: Endpoint {_arn(call, existing)} already exists with the same Token, but different attributes."
            )
        return {"EndpointArn": _arn(call, existing)}
    endpoint = PlatformEndpoint(
        platform=application.platform,
        application_name=application.application_name,
        endpoint_id=call.new_id(),
        device_token=token,
        enabled=given["Enabled"].lower() == "true",
        user_data=given.get("CustomUserData", ""),
        created_ms=call.now_ms,
    )
    put_endpoint(call.tx, endpoint)
    return {"EndpointArn": _arn(call, endpoint)}


@operation(resource=_endpoint_of)
def get_endpoint_attributes(call: Call, request: Request) -> Request:
    return {"Attributes": _endpoint_shown(_endpoint(call, request["EndpointArn"]))}


@operation(resource=_endpoint_of)
def set_endpoint_attributes(call: Call, request: Request) -> Request:
    endpoint, given = _endpoint(call, request["EndpointArn"]), request["Attributes"]
    _check_endpoint_attributes(given)
    changed = endpoint.replace(
        device_token=given.get("Token", endpoint.device_token),
        enabled=given["Enabled"].lower() == "true" if "Enabled" in given else endpoint.enabled,
        user_data=given.get("CustomUserData", endpoint.user_data),
    )
    put_endpoint(call.tx, changed, endpoint)
    return {}


@operation(resource=_endpoint_of)
def delete_endpoint(call: Call, request: Request) -> Request:
    """Deleting what is not there succeeds."""
    endpoint = keeping.find_endpoint(call.tx, request["EndpointArn"])
    if endpoint is not None:
        state.delete_endpoint(call.tx, endpoint)
    return {}


@operation(resource=_application_of)
def list_endpoints_by_platform_application(call: Call, request: Request) -> Request:
    application = _application(call, request["PlatformApplicationArn"])
    found = list(
        ENDPOINTS.scan(call.tx, application.platform, application.application_name, after=request.get("NextToken") or None, limit=PAGE + 1)
    )
    answer: Request = {"Endpoints": [{"EndpointArn": _arn(call, each), "Attributes": _endpoint_shown(each)} for each in found[:PAGE]]}
    if len(found) > PAGE:
        answer["NextToken"] = found[PAGE - 1].endpoint_id
    return answer


def _application_name(arn: str) -> tuple[str, str]:
    """(platform, name). Raises InvalidParameter."""
    parts = arn.split(":", 5)
    if len(parts) < 6:
        raise errors.invalid_arn("PlatformApplicationArn", arn)
    kind, _, rest = parts[5].partition("/")
    platform, slash, name = rest.partition("/")
    if parts[2] != "sns" or kind != "app" or not slash or not name or "/" in name:
        raise errors.invalid_parameter("PlatformApplicationArn Reason: Wrong number of slashes in relative portion of the ARN.")
    return platform, name


def _application(call: Call, arn: str) -> PlatformApplication:
    found = APPLICATIONS.get(call.tx, *_application_name(arn))
    if found is None or arn.split(":")[3:5] != [call.region, call.account]:
        raise errors.platform_application_does_not_exist()
    return found


def _endpoint(call: Call, arn: str) -> PlatformEndpoint:
    if len(arn.split(":")) < 6:
        raise errors.invalid_arn("EndpointArn", arn)
    if arn.count("/") != 3:
        raise errors.invalid_parameter("EndpointArn Reason: Wrong number of slashes in relative portion of the ARN.")
    found = keeping.find_endpoint(call.tx, arn)
    if found is None or arn.split(":")[3:5] != [call.region, call.account]:
        raise errors.endpoint_does_not_exist()
    return found


def _arn(call: Call, endpoint: PlatformEndpoint) -> str:
    return call.arn("sns", f"endpoint/{endpoint.platform}/{endpoint.application_name}/{endpoint.endpoint_id}")


def _shown(application: PlatformApplication) -> dict[str, str]:
    found = {name: value for name, value in application.attributes.items() if name not in SECRET}
    found.setdefault("Enabled", "true")
    if application.platform == "GCM":
        credential = application.attributes.get("PlatformCredential", "")
        found["AuthenticationMethod"] = "Token" if credential.lstrip().startswith("{") else "Key"
    elif application.platform in ("APNS", "APNS_SANDBOX"):
        found["AuthenticationMethod"] = "Token" if "ApplePlatformTeamID" in application.attributes else "Certificate"
    return found


def _endpoint_shown(endpoint: PlatformEndpoint) -> dict[str, str]:
    found = {"Enabled": "true" if endpoint.enabled else "false", "Token": endpoint.device_token}
    if endpoint.user_data:
        found["CustomUserData"] = endpoint.user_data
    return found


def _check(given: dict[str, str]) -> None:
    for name in given:
        if name not in _ATTRIBUTES:
            raise errors.invalid_parameter(f"Attributes Reason: Invalid attribute name: {name}")


def _check_endpoint_attributes(given: dict[str, str]) -> None:
    for name, value in given.items():
        if name not in _OF_ENDPOINTS:
            raise errors.invalid_parameter(f"Attributes Reason: Invalid attribute name: {name}")
        if name == "Enabled" and value.lower() not in ("true", "false"):
            raise errors.invalid_parameter("Attributes Reason: Invalid value for attribute: Enabled: must be true or false")
        if name == "CustomUserData" and len(value.encode()) > USER_DATA_BYTES_MAX:
            raise errors.invalid_parameter(
                "Attributes Reason: Invalid value for attribute: CustomUserData: must be at most 2048 bytes long in UTF-8 encoding"
            )
        if name == "Token" and not value:
            raise errors.invalid_parameter("Attributes Reason: Invalid value for attribute: Token: cannot be empty")
