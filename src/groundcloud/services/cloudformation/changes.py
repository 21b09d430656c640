"""What an update does: two states of a stack's resources in, DescribeChangeSet's changes out.

`Before` is a resource that exists, `After` one that the new template declares with its properties resolved as far as they can be
before anything is made (`KNOWN_AFTER_APPLY` stands for the rest). The engine decides by `decide` alone; the details are for people.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from groundcloud.services.cloudformation import intrinsics

_ATTRIBUTES = ("Metadata", "CreationPolicy", "UpdatePolicy", "DeletionPolicy", "UpdateReplacePolicy")


@dataclass(frozen=True, slots=True)
class Before:
    resource_type: str
    physical_id: str | None
    properties: Mapping[str, Any]
    definition: Mapping[str, Any]  # as the template wrote it


@dataclass(frozen=True, slots=True)
class After:
    resource_type: str
    properties: Mapping[str, Any]
    definition: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a type takes a change: the properties whose change means a new resource, or may mean one."""

    replaces: frozenset[str] = frozenset()
    may_replace: frozenset[str] = frozenset()


@dataclass(slots=True)
class Causes:
    """What else changed, to say why a property's value did: names of changed parameters, and of resources made or replaced."""

    parameters: set[str] = field(default_factory=set)
    resources: set[str] = field(default_factory=set)


def changed_properties(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The names of the top-level properties whose values differ. 1 and "1", true and "true" are the same to CloudFormation."""
    names = [name for name in after if name not in before or not same(before[name], after[name])]
    names.extend(name for name in before if name not in after)
    return sorted(names)


def same(left: Any, right: Any) -> bool:
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(same(one, other) for one, other in zip(left, right, strict=True))
    if isinstance(left, (dict, list)) or isinstance(right, (dict, list)):
        return False
    return left == right or intrinsics.text_of(left) == intrinsics.text_of(right)


def decide(changed: list[str], behaviour: Behaviour) -> str:
    """ "None" where nothing changed, else what DescribeChangeSet calls Replacement: "True", "Conditional" or "False"."""
    if not changed:
        return "None"
    if any(name in behaviour.replaces for name in changed):
        return "True"
    return "Conditional" if any(name in behaviour.may_replace for name in changed) else "False"


def resource_change(
    logical_id: str,
    before: Before | None,
    after: After | None,
    behaviour: Behaviour,
    causes: Causes,
    deletion_policy: str | None = None,
) -> dict[str, Any] | None:
    """One `ResourceChange`, or None where nothing about the resource changes."""
    if before is None and after is not None:
        return {"Action": "Add", "LogicalResourceId": logical_id, "ResourceType": after.resource_type, "Scope": [], "Details": []}
    if after is None and before is not None:
        change: dict[str, Any] = {
            "Action": "Remove",
            "LogicalResourceId": logical_id,
            "PhysicalResourceId": before.physical_id,
            "ResourceType": before.resource_type,
            "Scope": [],
            "Details": [],
        }
        if deletion_policy is not None:
            change["PolicyAction"] = deletion_policy
        return change
    assert before is not None and after is not None
    changed = changed_properties(before.properties, after.properties)
    attributes = [name for name in _ATTRIBUTES if not same(before.definition.get(name, ""), after.definition.get(name, ""))]
    if not changed and not attributes:
        return None
    scope = (["Properties"] if any(name != "Tags" for name in changed) else []) + (["Tags"] if "Tags" in changed else []) + attributes
    details = [detail for name in changed for detail in _property_details(name, before, after, behaviour, causes)]
    details.extend(
        {
            "Target": {"Attribute": name, "RequiresRecreation": "Never"},
            "Evaluation": "Static",
            "ChangeSource": "DirectModification",
        }
        for name in attributes
    )
    replacement = decide(changed, behaviour)
    if replacement == "True" and all(detail["Evaluation"] == "Dynamic" for detail in details):
        replacement = "Conditional"
    change = {
        "Action": "Modify",
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": before.physical_id,
        "ResourceType": after.resource_type,
        "Replacement": "False" if replacement == "None" else replacement,
        "Scope": scope,
        "Details": details,
    }
    if replacement in ("True", "Conditional"):
        change["PolicyAction"] = {"Retain": "ReplaceAndRetain", "Snapshot": "ReplaceAndSnapshot"}.get(
            str(after.definition.get("UpdateReplacePolicy", "Delete")), "ReplaceAndDelete"
        )
    return change


def automatic_change(logical_id: str, before: Before) -> dict[str, Any]:
    """Of a nested stack, which every update of its parent updates: its template may have changed behind the same URL."""
    return {
        "Action": "Modify",
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": before.physical_id,
        "ResourceType": before.resource_type,
        "Replacement": "False",
        "Scope": ["Properties"],
        "Details": [
            {"Target": {"Attribute": "Properties", "RequiresRecreation": "Never"}, "Evaluation": "Dynamic", "ChangeSource": "Automatic"}
        ],
    }


def with_tags(logical_id: str, before: Before, change: dict[str, Any] | None) -> dict[str, Any]:
    """A change, or none, with the change of the stack's tags on top."""
    detail = {"Target": {"Attribute": "Tags", "RequiresRecreation": "Never"}, "Evaluation": "Static", "ChangeSource": "DirectModification"}
    if change is None:
        change = {**automatic_change(logical_id, before), "Scope": [], "Details": []}
    scope = change["Scope"] if "Tags" in change["Scope"] else [*change["Scope"], "Tags"]
    return {**change, "Scope": scope, "Details": [*change["Details"], detail]}


def _property_details(name: str, before: Before, after: After, behaviour: Behaviour, causes: Causes) -> Iterator[dict[str, Any]]:
    recreation = "Always" if name in behaviour.replaces else "Conditionally" if name in behaviour.may_replace else "Never"
    old, new = before.properties.get(name), after.properties.get(name)
    target: dict[str, Any] = {
        "Attribute": "Tags" if name == "Tags" else "Properties",
        "Name": name,
        "RequiresRecreation": recreation,
        "Path": f"/Properties/{name}",
        "AttributeChangeType": "Add" if old is None else "Remove" if new is None else "Modify",
    }
    if name == "Tags":
        del target["Name"]
    if old is not None:
        target["BeforeValue"] = value_text(old)
    if new is not None:
        target["AfterValue"] = value_text(new)
    wrote = before.definition.get("Properties", {}).get(name)
    writes = after.definition.get("Properties", {}).get(name)
    found = False
    for kind, reference, attribute in intrinsics.references(writes):
        if kind == "Ref" and reference in causes.parameters:
            found = True
            yield {"Target": target, "Evaluation": "Static", "ChangeSource": "ParameterReference", "CausingEntity": reference}
        elif kind == "Ref" and reference in causes.resources:
            found = True
            yield {"Target": target, "Evaluation": "Dynamic", "ChangeSource": "ResourceReference", "CausingEntity": reference}
        elif kind == "Fn::GetAtt" and reference in causes.resources:
            found = True
            entity = f"{reference}.{attribute}"
            yield {"Target": target, "Evaluation": "Dynamic", "ChangeSource": "ResourceAttribute", "CausingEntity": entity}
    if not found or (wrote is not None and writes is not None and not same(wrote, writes)):
        yield {"Target": target, "Evaluation": "Static", "ChangeSource": "DirectModification"}


def value_text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":")) if isinstance(value, (dict, list)) else intrinsics.text_of(value)
