"""Bucket policies: what S3 takes, in its own sentences, and whether one is public. AWS: "Policies and permissions in Amazon S3", "The meaning of public"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from groundcloud.auth import documents
from groundcloud.auth.documents import MalformedPolicy
from groundcloud.services.s3 import errors

POLICY_BYTES_MAX = 20 * 1024

_FIXING_KEYS = frozenset(
    (
        "aws:sourcearn",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:sourceowner",
        "aws:sourceaccount",
        "aws:sourceip",
        "aws:userid",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:sourceorgid",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
        "s3:dataaccesspointarn",
        "s3:dataaccesspointaccount",
    )
)
_FIXING_OPERATORS = frozenset(("stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "ipaddress"))


def check(arn: str, objects_arn: str, text: str) -> str:
    """The policy of a bucket or access point as it is kept; its objects are below `objects_arn`. Raises MalformedPolicy with S3's sentences."""
    stripped = text.strip()
    if not stripped.startswith("{"):
        raise _malformed("Policies must be valid JSON and the first byte must be '{'")
    if len(text.encode()) > POLICY_BYTES_MAX:
        raise errors.S3Error("PolicyTooLarge", "The policy is larger than the maximum allowed size", 400)
    try:
        _check_fields(msgspec.json.decode(text))
    except msgspec.DecodeError:
        raise _malformed("Policies must be valid JSON and the first byte must be '{'") from None
    try:
        policy = documents.parse(text, "resource", arn, resource_required=True)
    except MalformedPolicy as error:
        if error.reason == "principal":
            raise invalid_principal(error.message.partition('":"')[2].removesuffix('"')) from None
        raise _malformed(_sentence(error)) from None
    for statement in policy.statements:
        actions = _texts(statement.document.get("Action", statement.document.get("NotAction", [])))
        if any(not action.lower().startswith("s3:") and action != "*" for action in actions):
            raise _malformed("Policy has invalid action")
        resources = _texts(statement.document.get("Resource", statement.document.get("NotResource", [])))
        if any(
            resource != arn and not resource.startswith(f"{objects_arn}/") and resource not in ("*", f"{arn}*", f"{arn}/*")
            for resource in resources
        ):
            raise _malformed("Policy has invalid resource")
        if "Resource" in statement.document and not _applies(actions, resources, arn, objects_arn):
            raise _malformed("Action does not apply to any resource(s) in statement")
        _check_conditions(statement.document.get("Condition") or {}, actions)
    check_principals(text)
    return text


def principals_of(text: str) -> set[tuple[str, str]]:
    """(kind, name) of everybody whom the policy names, or does not."""
    tree = msgspec.json.decode(text)
    statements = tree["Statement"]
    found: set[tuple[str, str]] = set()
    for statement in [statements] if isinstance(statements, Mapping) else statements:
        for element in ("Principal", "NotPrincipal"):
            named = statement.get(element)
            if isinstance(named, Mapping):
                found.update((kind, name) for kind, names in named.items() for name in _texts(names))
    return found


def invalid_principal(name: str) -> errors.S3Error:
    return errors.S3Error("MalformedPolicy", "Invalid principal in policy", 400, {"Detail": name})


def check_principals(text: str) -> None:
    """Names that can be nobody's. Raises MalformedPolicy."""
    for kind, name in sorted(principals_of(text)):
        if (kind == "CanonicalUser" and not _CANONICAL(name)) or (kind == "Service" and not _SERVICE(name)):
            raise invalid_principal(name)


def _check_fields(tree: dict[str, Any]) -> None:
    """What S3 says of a field that is missing or that it does not know, before it looks at any of them."""
    for name in tree:
        if name not in ("Version", "Id", "Statement"):
            raise _malformed(f"Unknown field {name}")
    statements = tree.get("Statement")
    if statements is None:
        raise _malformed("Missing required field Statement")
    statements = [statements] if isinstance(statements, dict) else statements
    if not isinstance(statements, list):
        raise _malformed("Invalid policy syntax.")
    if not statements:
        raise _malformed("Could not parse the policy: Statement is empty!")
    for statement in statements:
        if not isinstance(statement, dict):
            raise _malformed("Invalid policy syntax.")
        for name in statement:
            if name not in _STATEMENT_FIELDS:
                raise _malformed(f"Unknown field {name}")
        for name, other in (("Effect", ""), ("Principal", "NotPrincipal"), ("Action", "NotAction"), ("Resource", "NotResource")):
            if name not in statement and other not in statement:
                raise _malformed(f"Missing required field {name}")


_CANONICAL = re.compile(r"[0-9a-f]{64,96}").fullmatch
"""CloudFront's origin access identities have longer ones."""
_SERVICE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.(amazonaws\.com(\.cn)?|amazon\.com|aws\.internal|api\.aws)").fullmatch
_STATEMENT_FIELDS = frozenset(("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"))
_LISTING_KEYS = frozenset(("s3:prefix", "s3:delimiter", "s3:max-keys"))
_KEYS = _LISTING_KEYS | frozenset(
    f"s3:{name}".lower()
    for name in (
        "accessgrantsinstancearn",
        "AccessPointNetworkOrigin",
        "authType",
        "BucketTag",
        "DataAccessPointAccount",
        "DataAccessPointArn",
        "destinationRegion",
        "ExistingJobOperation",
        "ExistingJobPriority",
        "if-match",
        "if-none-match",
        "InventoryAccessibleOptionalFields",
        "isReplicationPauseRequest",
        "JobSuspendedCause",
        "locationconstraint",
        "object-lock-legal-hold",
        "object-lock-mode",
        "object-lock-remaining-retention-days",
        "object-lock-retain-until-date",
        "ObjectCreationOperation",
        "RequestJobOperation",
        "RequestJobPriority",
        "RequestObjectTagKeys",
        "ResourceAccount",
        "signatureAge",
        "signatureversion",
        "TlsVersion",
        "VersionId",
    )
)
_KEY_PREFIXES = ("s3:x-amz-", "s3:existingobjecttag/", "s3:requestobjecttag/", "s3:buckettag/", "s3:accesspointtag/")
"""AWS: Service Authorization Reference, "Condition keys for Amazon S3"."""


def _check_conditions(conditions: Mapping[str, Any], actions: list[str]) -> None:
    for keys in conditions.values():
        for key in keys:
            lower = key.lower()
            if lower.startswith("s3:") and lower not in _KEYS and not lower.startswith(_KEY_PREFIXES):
                raise _malformed("Policy has an invalid condition key")
            if lower in _LISTING_KEYS and not any("list" in action.lower() or "*" in action for action in actions):
                raise _malformed("Conditions do not apply to combination of actions and resources in statement")


def _applies(actions: list[str], resources: list[str], arn: str, objects_arn: str) -> bool:
    """Whether some action fits some resource: object actions want keys, bucket actions the bucket."""
    objects = any(resource.startswith(f"{objects_arn}/") or resource in ("*", f"{arn}*", f"{arn}/*") for resource in resources)
    buckets = any(resource in (arn, "*", f"{arn}*") for resource in resources)
    for action in actions:
        if "*" in action or "?" in action:
            return True
        on_object = "object" in action.lower() or action.lower().endswith(("parts", "upload"))
        if action.lower().endswith(("bucketobjectlockconfiguration",)):
            on_object = False
        if (on_object and objects) or (not on_object and buckets):
            return True
    return False


@lru_cache(maxsize=1024)
def is_public(text: str) -> bool:
    """Whether the policy lets in whoever it does not name."""
    tree = msgspec.json.decode(text)
    statements = tree["Statement"]
    if isinstance(statements, Mapping):
        statements = [statements]
    return any(statement["Effect"] == "Allow" and _names_everyone(statement) and not _is_fixed(statement) for statement in statements)


def _names_everyone(statement: Mapping[str, Any]) -> bool:
    if "NotPrincipal" in statement:
        return True
    principal = statement.get("Principal")
    if isinstance(principal, Mapping):
        return any("*" in _texts(names) for kind, names in principal.items() if kind in ("AWS", "CanonicalUser"))
    return principal == "*"


def _is_fixed(statement: Mapping[str, Any]) -> bool:
    """Whether a condition pins the caller to values without wildcards."""
    for operator, keys in (statement.get("Condition") or {}).items():
        name = operator.lower().removeprefix("foranyvalue:").removeprefix("forallvalues:")
        if name not in _FIXING_OPERATORS:
            continue
        for key, values in keys.items():
            texts = [str(value) for value in (values if isinstance(values, list) else [values])]
            if key.lower() not in _FIXING_KEYS or not texts:
                continue
            if key.lower() == "aws:sourceip":
                if all(not text.endswith("/0") and text != "0.0.0.0" for text in texts):
                    return True
            elif all("*" not in text and "?" not in text for text in texts):
                return True
    return False


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _sentence(error: MalformedPolicy) -> str:
    if error.reason == "json":
        return "Policies must be valid JSON and the first byte must be '{'"
    if error.reason == "resource":
        return "Missing required field Resource" if "must contain" in error.message else "Policy has invalid resource"
    if error.reason == "action":
        return "Missing required field Action" if "must contain" in error.message else "Policy has invalid action"
    if error.reason == "effect":
        return "Invalid effect"
    if error.reason == "version":
        return "The policy must contain a valid version string"
    if error.reason == "condition":
        return "Policy has an invalid condition key" if "vendor" in error.message else "Invalid policy syntax."
    return "Invalid policy syntax."


def _malformed(sentence: str) -> errors.S3Error:
    return errors.S3Error("MalformedPolicy", sentence, 400)
