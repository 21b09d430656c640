"""Rules that a method, an integration or a stage must keep, whether it comes by an operation or out of an OpenAPI definition.

Pure: documents in, documents out, or a BadRequestException.
"""

from __future__ import annotations

import re
from typing import Any

from groundcloud.services.apigateway import errors

TIMEOUT_MS_DEFAULT = 29_000
TIMEOUT_MS_MAX = 29_000
"""REST integrations; AWS: "Quotas for configuring and running a REST API"."""
TIMEOUT_MS_MIN = 50
CALLERS_OWN = "arn:aws:iam::*:user/*"
"""The credentials of an integration that mean: whoever called."""
HTTP_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "ANY"}
AUTHORIZATION_TYPES = {"NONE", "AWS_IAM", "CUSTOM", "COGNITO_USER_POOLS"}

FUNCTION_URI = re.compile(r"arn:aws[a-z-]*:apigateway:([a-z0-9-]+|\$\{[^}]*\}):lambda:path/2015-03-31/functions/(.+)/invocations/?")
_STAGE_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_STATUS = re.compile(r"""["']?statusCode["']?\s*:\s*["']?(\d{3})\b""")
_PATH_PART = re.compile(r"(?:[a-zA-Z0-9._:$@-]+|\{[a-zA-Z0-9._:-]+\+?\})")
_VARIABLE_NAME = re.compile(r"[a-zA-Z0-9_]+")
_VARIABLE_VALUE = re.compile(r"[A-Za-z0-9\-._~:/?#&=,]*")


def path_part(text: str) -> str:
    """Raises BadRequestException."""
    if not _PATH_PART.fullmatch(text):
        raise errors.bad_request(
            "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and the end."
        )
    return text


def stage_name(text: str) -> str:
    if not _STAGE_NAME.fullmatch(text):
        raise errors.bad_request("Stage name only allows a-zA-Z0-9_-")
    return text


def stage_variables(variables: dict[str, str]) -> dict[str, str]:
    for name, value in variables.items():
        if not _VARIABLE_NAME.fullmatch(name):
            raise errors.bad_request(f"Stage variable name must match the pattern [a-zA-Z0-9_]+: {name}")
        if not _VARIABLE_VALUE.fullmatch(value):
            raise errors.bad_request(f"Stage variable value for '{name}' does not match the pattern: [A-Za-z0-9\\-._~:/?#&=,]+")
    return variables


def http_method(text: str) -> str:
    if text not in HTTP_METHODS:
        raise errors.bad_request("Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY")
    return text


def integration(document: dict[str, Any], method: str) -> dict[str, Any]:
    """A REST API's Integration document, checked and with its defaults. Raises BadRequestException, or a refusal by name."""
    kind = str(document.get("type", "")).upper()
    if kind in ("AWS", "HTTP"):
        raise errors.missing(f"the integration type {kind} (mapping templates)")
    if kind not in ("AWS_PROXY", "HTTP_PROXY", "MOCK"):
        raise errors.bad_request(
            f"Enumeration value for type must be one of: [HTTP, HTTP_PROXY, MOCK, AWS, AWS_PROXY]: {document.get('type')}"
        )
    if document.get("connectionType") == "VPC_LINK":
        raise errors.missing("VPC links")
    if document.get("responseTransferMode") == "STREAM":
        raise errors.missing("response streaming")
    uri = document.get("uri")
    if kind == "AWS_PROXY":
        if not uri:
            raise errors.bad_request("AWS ARN for integration must contain path or action")
        if not uri.startswith("arn:"):
            raise errors.bad_request("Invalid ARN specified in the request")
        if not FUNCTION_URI.fullmatch(uri):
            if ":lambda:path/" in uri:
                raise errors.bad_request("AWS ARN for integration must contain path or action")
            raise errors.bad_request(
                "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations."
            )
    elif kind == "HTTP_PROXY" and (not uri or not re.match(r"https?://|\$\{stageVariables\.", uri)):
        raise errors.bad_request("Invalid HTTP endpoint specified for URI")
    for template in (document.get("requestTemplates") or {}).values():
        if kind == "MOCK":
            mock_status(template)
    for response in (document.get("integrationResponses") or {}).values():
        integration_response(response, kind)
    timeout_ms = document.get("timeoutInMillis") or TIMEOUT_MS_DEFAULT
    if not TIMEOUT_MS_MIN <= timeout_ms <= TIMEOUT_MS_MAX:
        raise errors.bad_request(f"Timeout should be between {TIMEOUT_MS_MIN} ms and {TIMEOUT_MS_MAX} ms")
    found = {name: value for name, value in document.items() if value is not None}
    found |= {"type": kind, "timeoutInMillis": timeout_ms}
    found.setdefault("passthroughBehavior", "WHEN_NO_MATCH")
    found["passthroughBehavior"] = found["passthroughBehavior"].upper()
    if kind == "MOCK":
        found.pop("uri", None)
    return found


def integration_response(document: dict[str, Any], kind: str) -> dict[str, Any]:
    """An IntegrationResponse document of an integration of that kind. Templates that compute are refused by name; a proxy's have no effect."""
    for template in (document.get("responseTemplates") or {}).values():
        if kind == "MOCK" and template and computes(template):
            raise errors.missing("mapping templates that compute")
    for name, value in (document.get("responseParameters") or {}).items():
        if not name.startswith("method.response.header."):
            raise errors.bad_request(
                f"Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: {name}]"
            )
        if not (value.startswith(("'", "integration.response.", "context.", "stageVariables."))):
            raise errors.bad_request(
                f"Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: {value}]"
            )
    return {name: value for name, value in document.items() if value is not None}


def computes(template: str) -> bool:
    """Whether a mapping template holds references or directives of the template language."""
    return "$" in template or "#" in template


def mock_status(template: str) -> int:
    """The status that a mock's request template chooses: `{"statusCode": 200}`. Raises a refusal by name for one that computes."""
    if not template.strip():
        return 200
    if computes(template):
        raise errors.missing("mapping templates that compute")
    # What people write here is often no JSON (`{statusCode: 200}`); the gateway's reader takes it all the same.
    match = _STATUS.search(template)
    return int(match[1]) if match else 500


def compatible_content(media_type: str) -> str:
    """`Application/JSON; charset=utf-8` -> `application/json`."""
    return media_type.partition(";")[0].strip().lower()


def expanded_policy(document: str, region: str, account: str, api_id: str) -> str:
    """An API's resource policy may name its methods in short (`execute-api:/prod/GET/*`)."""
    return document.replace('"execute-api:/', f'"arn:aws:execute-api:{region}:{account}:{api_id}/')
