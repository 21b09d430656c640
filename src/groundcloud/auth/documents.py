"""Policy documents: IAM's grammar, checked and compiled.

`parse` is strict where IAM is strict about the kind of policy, and neutral where each service has its own words: a room
that answers otherwise maps `MalformedPolicy.reason`. Sizes are the caller's to limit.
AWS: "Grammar of the IAM JSON policy language".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from groundcloud.auth.conditions import Condition, compile_condition
from groundcloud.auth.patterns import TextSet, pieces_of
from groundcloud.auth.principals import PrincipalSet, compile_principals

Kind = Literal["identity", "resource", "trust", "boundary", "session", "service control"]
Reason = Literal["json", "syntax", "version", "sid", "effect", "action", "resource", "principal", "condition"]

SYNTAX = "Syntax errors in policy."
ACTIONS_CACHED_MAX = 512


class MalformedPolicy(Exception):
    """`message` is IAM's sentence; `reason` names the element at fault, for services with sentences of their own."""

    def __init__(self, message: str, reason: Reason = "syntax", detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.reason: Reason = reason
        self.detail = detail  # ours, more exact than AWS's


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """One statement, compiled. `document` is as written."""

    index: int
    sid: str
    deny: bool
    actions: TextSet  # lower case
    not_action: bool
    resources: TextSet | None  # None: the element is absent, every resource counts
    not_resource: bool
    principals: PrincipalSet | None  # None: an identity's policy
    not_principal: bool
    conditions: tuple[Condition, ...]
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """A compiled policy. `name` is the caller's label: an ARN, or the name of an inline policy."""

    kind: Kind
    name: str
    version: str
    policy_id: str
    statements: tuple[Statement, ...]
    _by_action: dict[str, tuple[tuple[Statement, ...], tuple[Statement, ...]]] = field(default_factory=dict, repr=False)

    def named(self, name: str, kind: Kind | None = None) -> Policy:
        """The same policy under another label; what it has compiled is shared."""
        return replace(self, name=name, kind=kind or self.kind)

    def candidates(self, action: str) -> tuple[tuple[Statement, ...], tuple[Statement, ...]]:
        """(denying, allowing) statements that speak of `action`, whatever the resource; remembered per action."""
        known = self._by_action.get(action)
        if known is None:
            lower = action.lower()
            chosen = [each for each in self.statements if each.actions.matches(lower, _NO_FACTS) is not each.not_action]
            known = (tuple(each for each in chosen if each.deny), tuple(each for each in chosen if not each.deny))
            if len(self._by_action) >= ACTIONS_CACHED_MAX:
                self._by_action.clear()
            self._by_action[action] = known
        return known


class _NoFacts:
    def get(self, key: str) -> None:
        return None


_NO_FACTS = _NoFacts()

_POLICY_FIELDS = frozenset(["Version", "Id", "Statement"])
_STATEMENT_FIELDS = frozenset(["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"])
_SID = re.compile(r"[0-9A-Za-z]*").fullmatch
_VENDOR = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-]*").fullmatch
_PARTITION = re.compile(r"aws(-[a-z]+)*|\*").fullmatch


def parse(document: str | Mapping[str, Any], kind: Kind = "identity", name: str = "", resource_required: bool = False) -> Policy:
    """`resource_required`: a resource policy must name resources too (S3, SQS; not ECR). Raises MalformedPolicy."""
    tree = _tree(document) if isinstance(document, str) else document
    if not isinstance(tree, Mapping) or not tree or not _POLICY_FIELDS.issuperset(tree):
        raise MalformedPolicy(SYNTAX, "syntax", "the document has other members than Version, Id and Statement, or none")
    version = tree.get("Version", "2008-10-17")
    if version not in ("2008-10-17", "2012-10-17"):
        raise MalformedPolicy(SYNTAX if kind in ("identity", "boundary") else "The policy must contain a valid version string", "version")
    policy_id = tree.get("Id", "")
    if not isinstance(policy_id, str):
        raise MalformedPolicy(SYNTAX, "syntax", "Id is no string")
    written = tree.get("Statement")
    if isinstance(written, Mapping):
        written = [written]
    if not isinstance(written, list) or not written:
        raise MalformedPolicy(SYNTAX, "syntax", "Statement is absent or empty")
    statements = [_statement(index, each, kind, version == "2012-10-17", resource_required) for index, each in enumerate(written)]
    if kind in ("identity", "boundary"):
        sids = [each.sid for each in statements if each.sid]
        if len(sids) != len(set(sids)):
            raise MalformedPolicy("Statement IDs (SID) in a single policy must be unique.", "sid")
    return Policy(kind, name, version, policy_id, tuple(statements))


def _tree(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise MalformedPolicy("This policy contains invalid Json", "json", str(error)) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedPolicy(SYNTAX, "syntax", "a member is given twice")
    return members


def _statement(index: int, written: Any, kind: Kind, variables: bool, resource_required: bool) -> Statement:
    if not isinstance(written, Mapping) or not _STATEMENT_FIELDS.issuperset(written):
        raise MalformedPolicy(SYNTAX, "syntax", f"statement {index} is no object, or has an unknown member")
    for one, other in (("Action", "NotAction"), ("Resource", "NotResource"), ("Principal", "NotPrincipal")):
        if one in written and other in written:
            raise MalformedPolicy(SYNTAX, "syntax", f"{one} and {other} exclude one another")
    effect = written.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise MalformedPolicy(SYNTAX, "effect", "Effect is Allow or Deny")
    sid = written.get("Sid", "")
    if not isinstance(sid, str):
        raise MalformedPolicy(SYNTAX, "sid", "Sid is no string")
    if kind in ("identity", "boundary") and not _SID(sid):
        sentence = "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
        raise MalformedPolicy(sentence, "sid")
    return Statement(
        index,
        sid,
        effect == "Deny",
        _actions(written, kind),
        "NotAction" in written,
        _resources(written, kind, variables, resource_required),
        "NotResource" in written,
        _principals(written, kind),
        "NotPrincipal" in written,
        _conditions(written.get("Condition"), variables),
        written,
    )


def _texts(value: Any, reason: Reason) -> list[str]:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise MalformedPolicy(SYNTAX, reason, "a string or a list of strings is wanted")
    return value


def _actions(written: Mapping[str, Any], kind: Kind) -> TextSet:
    texts = _texts(written.get("NotAction" if "NotAction" in written else "Action", []), "action")
    if not texts:
        raise MalformedPolicy("Policy statement must contain actions.", "action")
    for text in texts:
        vendor, colon, name = text.partition(":")
        if kind == "trust" and (text == "*" or vendor.lower() != "sts"):
            raise MalformedPolicy("AssumeRole policy may only specify STS AssumeRole actions.", "action", text)
        if text == "*":
            continue
        if not colon:
            sentence = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
            raise MalformedPolicy(sentence, "action", text)
        if not _VENDOR(vendor):
            raise MalformedPolicy(f"Vendor {vendor} is not valid", "action", text)
        if ":" in name:
            raise MalformedPolicy("Actions/Condition can contain only one colon.", "action", text)
        if not name:
            raise MalformedPolicy(SYNTAX, "action", text)
    return TextSet(pieces_of(text.lower(), False) for text in texts)


def _resources(written: Mapping[str, Any], kind: Kind, variables: bool, required: bool) -> TextSet | None:
    if kind == "trust":
        if "Resource" in written or "NotResource" in written:
            raise MalformedPolicy("Has prohibited field Resource", "resource")
        return None
    named = "NotResource" if "NotResource" in written else "Resource"
    if named not in written and kind == "resource" and not required:
        return None
    texts = _texts(written.get(named, []), "resource")
    if not texts:
        raise MalformedPolicy("Policy statement must contain resources.", "resource")
    if kind != "resource":
        for text in texts:
            _check_resource(text)
    return TextSet(_pieces(texts, variables, "resource"), arn=True)


def _pieces(texts: list[str], variables: bool, reason: Reason) -> list[Any]:
    try:
        return [pieces_of(text, variables) for text in texts]
    except ValueError as error:
        raise MalformedPolicy(SYNTAX, reason, str(error)) from None


def _check_resource(text: str) -> None:
    """IAM's rules for ARNs in policies of identities, in the order that IAM reports them."""
    if text == "*":
        return
    parts = text.split(":", 5)
    if parts[0] != "arn" or len(parts) < 2:
        raise MalformedPolicy(f'Resource {text} must be in ARN format or "*".', "resource")
    if parts[1] == "*" and len(parts) == 2:
        return
    if not _PARTITION(parts[1]):
        raise MalformedPolicy(f'Partition "{parts[1]}" is not valid for resource "{text}".', "resource")
    vendor = parts[2] if len(parts) > 2 else ""
    whole_star = vendor == "*" and all(part == "*" for part in parts[2:])
    if not whole_star and (not vendor or "*" in vendor or "?" in vendor):
        raise MalformedPolicy("Resource vendor must be fully qualified and cannot contain regexes.", "resource")
    if len(parts) < 6 and not parts[-1].endswith("*"):
        raise MalformedPolicy("The policy failed legacy parsing", "resource", text)
    if vendor == "iam" and len(parts) > 3 and parts[3] not in ("", "*"):
        raise MalformedPolicy(f"IAM resource {text} cannot contain region information.", "resource")


def _principals(written: Mapping[str, Any], kind: Kind) -> PrincipalSet | None:
    value = written.get("NotPrincipal", written.get("Principal"))
    if kind not in ("resource", "trust"):
        if value is not None:
            raise MalformedPolicy("Policy document should not specify a principal.", "principal")
        return None
    if value is None:
        raise MalformedPolicy("Missing required field Principal", "principal")
    try:
        return compile_principals(value)
    except ValueError as error:
        raise MalformedPolicy(str(error), "principal") from None


def _conditions(written: Any, variables: bool) -> tuple[Condition, ...]:
    if written is None:
        return ()
    if not isinstance(written, Mapping):
        raise MalformedPolicy(SYNTAX, "condition", "Condition is no object")
    compiled: list[Condition] = []
    for operator, keys in written.items():
        if not isinstance(keys, Mapping):
            raise MalformedPolicy(SYNTAX, "condition", f"{operator} holds no object")
        for key, values in keys.items():
            if ":" not in key:
                raise MalformedPolicy("Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.", "condition", key)
            try:
                compiled.append(compile_condition(operator, key, _scalars(values), variables))
            except ValueError as error:
                raise MalformedPolicy(SYNTAX, "condition", str(error)) from None
    return tuple(compiled)


def _scalars(values: Any) -> tuple[str, ...]:
    """Condition values may be strings, numbers or booleans, or a list of them."""
    texts: list[str] = []
    for value in values if isinstance(values, list) else [values]:
        if isinstance(value, bool):
            texts.append("true" if value else "false")
        elif isinstance(value, (str, int, float)):
            texts.append(str(value))
        else:
            raise ValueError("a condition's value is a string, a number or a boolean")
    return tuple(texts)
