"""Website configurations: what one may say, and where its routing rules lead. AWS: "Hosting a static website using Amazon S3", "Configuring a webpage redirect"."""

from __future__ import annotations

from typing import Any

from groundcloud.services.s3 import errors

RULES_MAX = 50


def checked(document: dict[str, Any]) -> dict[str, Any]:
    """Raises InvalidArgument, InvalidRequest, MalformedXML."""
    redirect = document.get("RedirectAllRequestsTo")
    if redirect is not None:
        if len(document) > 1:
            raise errors.invalid_argument(
                "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.", "RedirectAllRequestsTo", "not null"
            )
        _check_protocol(redirect)
        if not redirect.get("HostName"):
            raise errors.invalid_request('A host name must be provided to redirect all requests (e.g. "example.com").')
        return document
    index = document.get("IndexDocument")
    if index is None:
        raise errors.invalid_argument(
            "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty", "IndexDocument", "null"
        )
    if not index.get("Suffix") or "/" in index["Suffix"]:
        raise errors.invalid_argument("The IndexDocument Suffix is not well formed", "IndexDocument", index.get("Suffix"))
    if document.get("ErrorDocument") is not None and not document["ErrorDocument"].get("Key"):
        raise errors.malformed_xml()
    rules = document.get("RoutingRules") or []
    if "RoutingRules" in document and not rules:
        raise errors.malformed_xml()
    if len(rules) > RULES_MAX:
        raise errors.invalid_request(
            f"{len(rules)} routing rules provided, the number of routing rules in a website configuration is limited to 50."
        )
    for rule in rules:
        to = rule["Redirect"]
        if "ReplaceKeyPrefixWith" in to and "ReplaceKeyWith" in to:
            raise errors.invalid_request("You can only define ReplaceKeyPrefix or ReplaceKey but not both.")
        if "Condition" in rule and not rule["Condition"]:
            raise errors.invalid_request(
                "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present."
            )
        _check_protocol(to)
        code = to.get("HttpRedirectCode")
        if code is not None and not (code.isdigit() and 300 < int(code) < 400):
            raise errors.invalid_request(f"The provided HTTP redirect code ({code}) is not valid. Valid codes are 3XX except 300.")
        error = (rule.get("Condition") or {}).get("HttpErrorCodeReturnedEquals")
        if error is not None and not (error.isdigit() and 400 <= int(error) < 600):
            raise errors.invalid_request(f"The provided HTTP error code ({error}) is not valid. Valid codes are 4XX or 5XX.")
    return document


def _check_protocol(redirect: dict[str, Any]) -> None:
    if redirect.get("Protocol", "http") not in ("http", "https"):
        raise errors.invalid_request(
            "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically."
        )


def rule_for(document: dict[str, Any], key: str, status: int | None) -> dict[str, Any] | None:
    """The first routing rule that meets `key`, before the object is read (`status` None) or once it failed with `status`."""
    for rule in document.get("RoutingRules") or ():
        condition = rule.get("Condition") or {}
        code = condition.get("HttpErrorCodeReturnedEquals")
        if not key.startswith(condition.get("KeyPrefixEquals", "")):
            continue
        if (code is None and status is None) or (code is not None and status is not None and int(code) == status):
            found: dict[str, Any] = rule
            return found
    return None


def location_of(rule: dict[str, Any], key: str, scheme: str, host: str) -> tuple[int, str]:
    """Status and address that a routing rule sends to."""
    from urllib.parse import quote

    to = rule["Redirect"]
    prefix = (rule.get("Condition") or {}).get("KeyPrefixEquals", "")
    if "ReplaceKeyWith" in to:
        key = to["ReplaceKeyWith"]
    elif "ReplaceKeyPrefixWith" in to:
        key = to["ReplaceKeyPrefixWith"] + key[len(prefix) :]
    return int(to.get("HttpRedirectCode", 301)), f"{to.get('Protocol', scheme)}://{to.get('HostName', host)}/{quote(key, safe='/~?=&+:')}"


def error_page(status: int, reason: str, code: str, sentence: str, fields: dict[str, Any], request_id: str) -> bytes:
    """The page that S3 makes where a website has no error document."""
    from html import escape

    items = "".join(f"<li>{escape(name)}: {escape(str(value))}</li>\n" for name, value in fields.items())
    return (
        f"<html>\n<head><title>{status} {reason}</title></head>\n<body>\n<h1>{status} {reason}</h1>\n<ul>\n<li>Code: {escape(code)}</li>\n"
        f"<li>Message: {escape(sentence)}</li>\n{items}<li>RequestId: {request_id}</li>\n<li>HostId: {request_id}</li>\n</ul>\n<hr/>\n</body>\n</html>\n"
    ).encode()
