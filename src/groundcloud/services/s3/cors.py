"""Cross-origin rules: what a configuration may say, which rule meets a request, the headers of the answer. AWS: "Using cross-origin resource sharing"."""

from __future__ import annotations

from typing import Any

from groundcloud.services.s3 import errors

RULES_MAX = 100
METHODS = frozenset(("GET", "PUT", "HEAD", "POST", "DELETE"))
VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


def checked(document: dict[str, Any]) -> dict[str, Any]:
    """Raises InvalidRequest, MalformedXML."""
    rules = document.get("CORSRules") or []
    if not 1 <= len(rules) <= RULES_MAX:
        raise errors.malformed_xml()
    for rule in rules:
        for method in rule["AllowedMethods"]:
            if method not in METHODS:
                raise errors.invalid_request(f"Found unsupported HTTP method in CORS config. Unsupported method is {method}")
        for origin in rule["AllowedOrigins"]:
            if origin.count("*") > 1:
                raise errors.invalid_request(f'AllowedOrigin "{origin}" can not have more than one wildcard.')
        for header in rule.get("AllowedHeaders", ()):
            if header.count("*") > 1:
                raise errors.invalid_request(f'AllowedHeader "{header}" can not have more than one wildcard.')
        for header in rule.get("ExposeHeaders", ()):
            if "*" in header:
                raise errors.invalid_request(
                    f'ExposeHeader "{header}" contains wildcard. We currently do not support wildcard for ExposeHeader.'
                )
    return document


def rule_for(document: dict[str, Any], origin: str, method: str, headers: list[str]) -> dict[str, Any] | None:
    """The first rule that lets `origin` use `method` with these request headers (lower case)."""
    for rule in document["CORSRules"]:
        if method not in rule["AllowedMethods"]:
            continue
        if not any(_meets(allowed, origin) for allowed in rule["AllowedOrigins"]):
            continue
        allowed_headers = [header.lower() for header in rule.get("AllowedHeaders", ())]
        if all(any(_meets(allowed, header) for allowed in allowed_headers) for header in headers):
            found: dict[str, Any] = rule
            return found
    return None


def _meets(pattern: str, text: str) -> bool:
    before, star, after = pattern.partition("*")
    if not star:
        return pattern == text
    return len(text) >= len(before) + len(after) and text.startswith(before) and text.endswith(after)


def answer_headers(rule: dict[str, Any], origin: str, requested: list[str]) -> list[tuple[str, str]]:
    """`requested`: the headers that a preflight asks for."""
    everyone = "*" in rule["AllowedOrigins"]
    found = [
        ("access-control-allow-origin", "*" if everyone else origin),
        ("access-control-allow-methods", ", ".join(rule["AllowedMethods"])),
    ]
    if requested:
        found.append(("access-control-allow-headers", ", ".join(requested)))
    if rule.get("ExposeHeaders"):
        found.append(("access-control-expose-headers", ", ".join(rule["ExposeHeaders"])))
    if rule.get("MaxAgeSeconds") is not None:
        found.append(("access-control-max-age", str(rule["MaxAgeSeconds"])))
    if not everyone:
        found.append(("access-control-allow-credentials", "true"))
    found.append(("vary", VARY))
    return found


def requested_headers(text: str | None) -> list[str]:
    return [header.strip().lower() for header in text.split(",") if header.strip()] if text else []
