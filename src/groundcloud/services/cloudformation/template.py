"""A template's text to its document: JSON or YAML, short forms made long, and the sections checked for their shape.

The YAML reader is our own builder over PyYAML's event stream (libyaml where present), because CloudFormation's YAML is not
PyYAML's: no timestamps, no sexagesimal numbers, no aliases, no merges, keys always strings, the last of equal keys stays, `!Ref` and
its kin made `{"Ref": ...}`. It works with a stack of its own, so depth and size are bounded and an alias bomb is never unfolded.
What the references in a template point to is checked in `validation.py`.
"""

from __future__ import annotations

import copy
import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.services.cloudformation import characters, errors

# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
TEMPLATE_INLINE_BYTES_MAX = 51_200
TEMPLATE_BYTES_MAX = 1_048_576
RESOURCES_MAX = 500
PARAMETERS_MAX = 200
OUTPUTS_MAX = 200
MAPPINGS_MAX = 200
MAPPING_ATTRIBUTES_MAX = 200
DESCRIPTION_BYTES_MAX = 1_024
DEPTH_MAX = 64  # ours: a bound on recursion further on
ELEMENTS_MAX = 200_000  # ours: a bound on what one megabyte of brackets can become

_SECTIONS = {
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Mappings",
    "Conditions",
    "Rules",
    "Hooks",
    "Transform",
    "Resources",
    "Outputs",
}
_RESOURCE_MEMBERS = {
    "Type",
    "Properties",
    "DependsOn",
    "Condition",
    "Metadata",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "CreationPolicy",
    "UpdatePolicy",
    "Description",
}
_CUSTOM_TYPES = ("Custom::", "AWS::CloudFormation::CustomResource")  # which may say a Version, as the documentation's examples do
_DELETION_POLICIES = {"Delete", "Retain", "Snapshot", "RetainExceptOnCreate"}
_SHORT_FORMS = {
    "And",
    "Base64",
    "Cidr",
    "Contains",
    "EachMemberEquals",
    "EachMemberIn",
    "Equals",
    "FindInMap",
    "ForEach",
    "GetAZs",
    "GetAtt",
    "If",
    "ImportValue",
    "Join",
    "Length",
    "Not",
    "Or",
    "RefAll",
    "Select",
    "Split",
    "Sub",
    "ToJsonString",
    "Transform",
    "ValueOf",
    "ValueOfAll",
}
_YAML = "tag:yaml.org,2002:"
_MERGE = "<<"
_BOOLS = {
    word: value
    for value, words in ((True, ("true", "yes", "on")), (False, ("false", "no", "off")))
    for base in words
    for word in (base, base.capitalize(), base.upper())
}
_NULLS = {"", "~", "null", "Null", "NULL"}
_INT = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]+|0|[1-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)")
_NUMBER_START = frozenset("+-.0123456789")
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9]+")
_NUMBER_DIGITS_MAX = 40
_INTEGER_DIGITS_MAX = 18


@dataclass(frozen=True, slots=True)
class Template:
    """A document whose sections have the right shape. The members are AWS's, long forms only."""

    document: dict[str, Any]
    description: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    mappings: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    conditions: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, Any] = field(default_factory=dict)
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    transforms: tuple[str, ...] = ()


def parse(text: str, *, aliases: bool = False) -> dict[str, Any]:
    """The document of a template's text. Raises ValidationError with the line and column of what is not well formed.

    `aliases`: as the AWS and SAM CLIs read a file, with YAML's aliases and merge keys, which CloudFormation itself refuses.
    """
    stripped = text.lstrip("﻿ \t\r\n")
    document = _parse_json(text) if stripped.startswith("{") else _parse_yaml(text, aliases)
    if not isinstance(document, dict):
        raise errors.template_format("unsupported structure.")
    return document


def sections(document: dict[str, Any]) -> Template:
    """The template in a document, after transforms. Raises ValidationError for what is missing or of the wrong shape."""
    refuse_unusable(document)
    unknown = [name for name in document if name not in _SECTIONS]
    if unknown:
        raise errors.validation(f"Invalid template property or properties [{', '.join(unknown)}]")
    version = document.get("AWSTemplateFormatVersion")
    if version is not None and str(version) != "2010-09-09":
        raise errors.template_format(f'Template format version not supported: "{version}"')
    description = document.get("Description")
    if description is not None and not isinstance(description, str):
        raise errors.template_format("Every Description member must be a string.")
    if description is not None and len(description.encode()) > DESCRIPTION_BYTES_MAX:
        raise errors.template_format("Template Description must be no longer than 1024 bytes.")
    if "Hooks" in document:
        raise errors.not_implemented("Template section Hooks")
    template = Template(
        document=document,
        description=description,
        metadata=_section(document, "Metadata"),
        parameters=declared_parameters(document),
        mappings=_mappings(document),
        conditions=_section(document, "Conditions"),
        rules=_section(document, "Rules"),
        resources=_members(document, "Resources", RESOURCES_MAX),
        outputs=_members(document, "Outputs", OUTPUTS_MAX),
        transforms=transforms_of(document),
    )
    if not template.resources:
        raise errors.template_format("At least one Resources member must be defined.")
    for logical_id, resource in template.resources.items():
        _check_resource(logical_id, resource)
    for name, output in template.outputs.items():
        _check_output(name, output)
    return template


def transforms_of(document: dict[str, Any]) -> tuple[str, ...]:
    """The names in the Transform section, in order. A macro with parameters is refused by name."""
    declared = document.get("Transform", [])
    names: list[str] = []
    for entry in declared if isinstance(declared, list) else [declared]:
        if isinstance(entry, dict) and isinstance(entry.get("Name"), str):
            names.append(entry["Name"])
        elif isinstance(entry, str):
            names.append(entry)
        else:
            raise errors.template_format("Transform must be a string or a list of strings.")
    return tuple(names)


def declared_parameters(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The Parameters section, each member an object."""
    return _members(document, "Parameters", PARAMETERS_MAX)


def refuse_unusable(document: dict[str, Any]) -> None:
    """Refuses a document with a null anywhere, as AWS does, or a character that no answer could carry, naming where."""
    pending: list[tuple[str, Any]] = [("", document)]
    while pending:
        path, value = pending.pop()
        if value is None:
            raise errors.template_format(f"[{path}] 'null' values are not allowed in templates")
        if isinstance(value, str):
            if characters.has_unwritable(value):
                raise errors.template_format(f"[{path}] contains a character that is not allowed")
        elif isinstance(value, dict):
            if any(characters.has_unwritable(key) for key in value):
                raise errors.template_format(f"[{path}] has a key with a character that is not allowed")
            pending.extend((f"{path}/{key}", child) for key, child in value.items())
        elif isinstance(value, list):
            pending.extend((f"{path}/{index}", child) for index, child in enumerate(value))


def check_size(text: str, limit: int, member: str) -> None:
    """Refuses a text of more than `limit` UTF-8 bytes, in AWS's sentence for the member that carried it."""
    if len(text) > limit or len(text.encode("utf-8", "surrogatepass")) > limit:
        raise errors.member_limit(member, text[:1000], limit)


# Text to values ------------------------------------------------------------------------------------------------------------


def _not_well_formed(language: str, line: int, column: int, why: str = "") -> AwsError:
    return errors.template_format(f"{language} not well-formed. (line {line}, column {column}){why}")


def _parse_json(text: str) -> Any:
    try:
        document = json.loads(
            text.lstrip("﻿"),
            parse_constant=_refuse_constant,
            parse_int=_decimal,
            parse_float=_fraction,
        )
    except json.JSONDecodeError as error:
        # From 3.13 on Python points at a comma too many; AWS, like earlier ones, at what stands where a value should.
        if error.msg.startswith("Illegal trailing comma"):
            error = json.JSONDecodeError("", error.doc, len(error.doc) - len(error.doc[error.pos + 1 :].lstrip()))
        raise _not_well_formed("JSON", error.lineno, error.colno) from None
    except RecursionError:
        raise errors.template_format(f"Template nesting is deeper than {DEPTH_MAX} levels.") from None
    except ValueError as error:
        raise errors.template_format(f"JSON not well-formed. {error}") from None
    _check_depth(document)
    return document


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _check_depth(document: Any) -> None:
    level = [document]
    depth = 0
    while level:
        depth += 1
        if depth > DEPTH_MAX:
            raise errors.template_format(f"Template nesting is deeper than {DEPTH_MAX} levels.")
        level = [
            child for value in level for child in (value.values() if isinstance(value, dict) else value) if isinstance(child, (dict, list))
        ]


class _Open:
    """A mapping or sequence whose end has not been read yet. `defaults`: what its merge keys name."""

    __slots__ = ("defaults", "items", "key", "mark", "tag")

    def __init__(self, items: Any, tag: str | None, mark: Any) -> None:
        self.items = items
        self.tag = tag
        self.mark = mark
        self.key: str | None = None
        self.defaults: list[Any] = []


def _parse_yaml(text: str, aliases: bool) -> Any:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    stack: list[_Open] = []
    event: Any
    documents: list[Any] = []
    anchored: dict[str, Any] = {}
    elements = 0
    try:
        for event in yaml.parse(text, Loader=loader):
            kind = type(event)
            if kind is yaml.ScalarEvent:
                here = stack[-1] if stack else None
                if here is not None and here.key is None and isinstance(here.items, dict):
                    here.key = event.value
                    continue
                value, anchor = _scalar(event), event.anchor
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                if stack and stack[-1].key is None and isinstance(stack[-1].items, dict):
                    raise _at(event, " Mapping keys must be strings.")
                if len(stack) >= DEPTH_MAX:
                    raise errors.template_format(f"Template nesting is deeper than {DEPTH_MAX} levels.")
                stack.append(_Open({} if kind is yaml.MappingStartEvent else [], event.tag, event))
                continue
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                closed = stack.pop()
                for default in closed.defaults:
                    closed.items = {**default, **closed.items}
                value, anchor = _tagged(closed.tag, closed.items, closed.mark), closed.mark.anchor
            elif kind is yaml.AliasEvent:
                if not aliases:
                    raise errors.template_error("YAML aliases are not allowed in CloudFormation templates")
                if event.anchor not in anchored or (stack and stack[-1].key is None and isinstance(stack[-1].items, dict)):
                    raise _at(event, f" Undefined alias: {event.anchor}")
                value, anchor = anchored[event.anchor], None
                elements += _size(value)
            elif kind is yaml.DocumentStartEvent and documents:
                raise _at(event)
            else:
                continue
            elements += 1
            if elements > ELEMENTS_MAX:
                raise errors.template_format(f"Template has more than {ELEMENTS_MAX} values.")
            if aliases and anchor is not None:
                anchored[anchor] = value
            if kind is yaml.AliasEvent:
                value = copy.deepcopy(value)
            if not stack:
                documents.append(value)
            elif isinstance(stack[-1].items, list):
                stack[-1].items.append(value)
            elif aliases and stack[-1].key == _MERGE:
                found = value if isinstance(value, list) else [value]
                if any(not isinstance(default, dict) for default in found):
                    raise _at(event, " A merge key takes mappings.")
                stack[-1].defaults += found
                stack[-1].key = None
            else:
                stack[-1].items[stack[-1].key] = value
                stack[-1].key = None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _not_well_formed("YAML", mark.line + 1 if mark else 1, mark.column + 1 if mark else 1) from None
    except (yaml.YAMLError, UnicodeError):
        raise _not_well_formed("YAML", 1, 1) from None
    if anchored:
        _check_depth(documents)
    return documents[0] if documents else None


def _size(value: Any) -> int:
    """How many values there are in it, counted up to the limit. Raises ValidationError where it is nested too deep."""
    level, count, depth = [value], 0, 0
    while level and count <= ELEMENTS_MAX:
        count += len(level)
        depth += 1
        if depth > DEPTH_MAX:
            raise errors.template_format(f"Template nesting is deeper than {DEPTH_MAX} levels.")
        level = [child for each in level if isinstance(each, (dict, list)) for child in (each.values() if isinstance(each, dict) else each)]
    return count


def _at(event: Any, why: str = "") -> AwsError:
    return _not_well_formed("YAML", event.start_mark.line + 1, event.start_mark.column + 1, why)


def _scalar(event: Any) -> Any:
    text: str = event.value
    tag: str | None = event.tag
    if tag is None or tag == "!":
        return _plain(text) if event.implicit[0] else text
    if tag.startswith(_YAML):
        name = tag[len(_YAML) :]
        if name == "str":
            return text
        if name in ("int", "float", "bool", "null"):
            return _plain(text)
        raise _at(event, f" The YAML tag !!{name} is not supported.")
    return _tagged(tag, text, event)


def _plain(text: str) -> Any:
    """What an unquoted scalar means: YAML 1.1 without timestamps and base-60 numbers."""
    if not text:
        return None
    if text[0] in _NUMBER_START:
        if len(text) <= _NUMBER_DIGITS_MAX:
            if _INT.fullmatch(text):
                return _integer(text)
            if _FLOAT.fullmatch(text):
                return _fraction(text.replace("_", ""))
        return text
    if text in _BOOLS:
        return _BOOLS[text]
    return None if text in _NULLS else text


def _integer(text: str) -> Any:
    digits = text.replace("_", "").lstrip("+-")
    sign = -1 if text[0] == "-" else 1
    for prefix, base in (("0b", 2), ("0x", 16), ("0", 8)):
        if digits.startswith(prefix) and len(digits) > len(prefix):
            value = sign * int(digits[len(prefix) :], base)
            return value if -(2**63) <= value < 2**63 else text
    return _decimal(text.replace("_", ""))


def _decimal(text: str) -> Any:
    """An integer of 64 bits; what is larger stays text, which is what CloudFormation makes of numbers anyway."""
    return int(text) if len(text) <= _INTEGER_DIGITS_MAX else text


def _fraction(text: str) -> Any:
    """A finite number; what overflows stays text."""
    value = float(text)
    return value if math.isfinite(value) else text


def _tagged(tag: str | None, value: Any, event: Any) -> Any:
    if tag is None or tag == "!" or tag in (_YAML + "map", _YAML + "seq"):
        return value
    name = tag[1:] if tag.startswith("!") else ""
    if name == "Ref" or name == "Condition":
        return {name: value}
    if name not in _SHORT_FORMS:
        raise _at(event, f" Unknown tag: {tag}")
    if name == "GetAtt" and isinstance(value, str):
        logical_id, dot, attribute = value.partition(".")
        return {"Fn::GetAtt": [logical_id, attribute] if dot else [logical_id]}
    return {f"Fn::{name}": value}


# Sections ------------------------------------------------------------------------------------------------------------------


def _section(document: dict[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name, {})
    if not isinstance(value, dict):
        raise errors.template_format(f"{name} must be an object.")
    return value


def _members(document: dict[str, Any], name: str, limit: int) -> dict[str, dict[str, Any]]:
    section = _section(document, name)
    if len(section) > limit:
        raise errors.template_format(f"Number of {name.lower()}, {len(section)}, is greater than maximum allowed, {limit}")
    singular = {"Parameters": "Parameter", "Resources": "Resource", "Outputs": "Output"}[name]
    for key, member in section.items():
        if not _ALPHANUMERIC.fullmatch(key):
            raise errors.template_format(f"{singular} name {key} is non alphanumeric.")
        if not isinstance(member, dict):
            raise errors.template_format(f"[/{name}/{key}] Every {name} member must be an object.")
    return section


def _mappings(document: dict[str, Any]) -> dict[str, Any]:
    section = _section(document, "Mappings")
    if len(section) > MAPPINGS_MAX:
        raise errors.template_format(f"Number of mappings, {len(section)}, is greater than maximum allowed, {MAPPINGS_MAX}")
    for name, mapping in section.items():
        if not isinstance(mapping, dict):
            raise errors.template_format(f"[/Mappings/{name}] Every Mappings member must be an object.")
        if len(mapping) > MAPPING_ATTRIBUTES_MAX:
            raise errors.template_format(
                f"Number of mapping attributes, {len(mapping)}, is greater than maximum allowed, {MAPPING_ATTRIBUTES_MAX}"
            )
        for key, attributes in mapping.items():
            if not isinstance(attributes, dict):
                raise errors.template_format(f"Every Mappings attribute must be a String or a List. [/Mappings/{name}/{key}]")
    return section


def _check_resource(logical_id: str, resource: dict[str, Any]) -> None:
    where = f"[/Resources/{logical_id}]"
    if "Type" not in resource:
        raise errors.template_format(f"{where} Every Resources object must contain a Type member.")
    if not isinstance(resource["Type"], str):
        raise errors.template_format(f"{where} Every Type member must be a string.")
    is_custom = resource["Type"].startswith(_CUSTOM_TYPES)
    for member in resource:
        if member == "Version" and is_custom:
            continue
        if member not in _RESOURCE_MEMBERS and not member.startswith("Fn::ForEach::"):
            raise errors.validation(f"Invalid template resource property '{member}'")
    if not isinstance(resource.get("Properties", {}), dict):
        raise errors.template_format(f"{where} Every Properties member must be an object.")
    if "Condition" in resource and not isinstance(resource["Condition"], str):
        raise errors.template_format(f"{where} Every Condition member must be a string.")
    depends_on = resource.get("DependsOn", [])
    if not isinstance(depends_on, str) and not (isinstance(depends_on, list) and all(isinstance(name, str) for name in depends_on)):
        raise errors.template_format(f"{where} Every DependsOn value must be a string.")
    for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
        value = resource.get(policy)
        if value is None or isinstance(value, dict):
            continue
        if (
            not isinstance(value, str)
            or value not in _DELETION_POLICIES
            or (policy == "UpdateReplacePolicy" and value == "RetainExceptOnCreate")
        ):
            raise errors.template_error(f"{policy} {value} is not supported for resource {logical_id}")


def _check_output(name: str, output: dict[str, Any]) -> None:
    if "Value" not in output:
        raise errors.template_format(f"[/Outputs/{name}] Every Outputs member must contain a Value object")
    for member in output:
        if member not in ("Value", "Description", "Export", "Condition"):
            raise errors.template_format(f"Output {name} is malformed. Invalid property {member}.")
    if "Condition" in output and not isinstance(output["Condition"], str):
        raise errors.template_format(f"[/Outputs/{name}] Every Condition member must be a string.")
    if "Description" in output and not isinstance(output["Description"], str):
        raise errors.template_format(f"[/Outputs/{name}] Every Description member must be a string.")
    export = output.get("Export")
    if export is not None and (not isinstance(export, dict) or set(export) != {"Name"}):
        raise errors.template_format(
            f"Output {name} is malformed. The Name field of every Export member must be specified and consist only of alphanumeric"
            " characters, colons, or hyphens."
        )
