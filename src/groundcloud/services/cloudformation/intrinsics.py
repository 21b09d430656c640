"""The intrinsic functions: a value of a template and a `Scope` in, the value that it stands for out. No I/O.

`resolve` follows only the branch of an Fn::If that is taken, so a reference to a resource that does not exist under the present
conditions is no error there. What cannot be known before a resource exists is the string `KNOWN_AFTER_APPLY` (AWS's own
placeholder in change sets), which joins and substitutes like any other text.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from groundcloud.services.cloudformation import errors

KNOWN_AFTER_APPLY = "{{changeSet:KNOWN_AFTER_APPLY}}"
CIDR_COUNT_MAX = 256  # API page of Fn::Cidr
PRODUCED_MAX = 4_000_000  # ours: characters that the functions of one resource may make
ZONES = ("a", "b", "c")

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")


class _NoValue:
    """AWS::NoValue: the property that has it is as if it were not written."""

    def __repr__(self) -> str:
        return "AWS::NoValue"


NO_VALUE = _NoValue()


class Unresolved(Exception):
    """A reference to a resource or attribute that the scope does not know."""

    def __init__(self, logical_id: str, attribute: str | None = None) -> None:
        super().__init__(f"{logical_id}.{attribute}" if attribute else logical_id)
        self.logical_id = logical_id
        self.attribute = attribute


def _no_reference(logical_id: str) -> Any:
    raise Unresolved(logical_id)


def _no_attribute(logical_id: str, attribute: str) -> Any:
    raise Unresolved(logical_id, attribute)


def _no_import(name: str) -> Any:
    raise errors.validation(f"No export named {name} found.")


@dataclass(slots=True)
class Scope:
    """What the names in a template mean.

    `parameters` holds the template's parameters and the pseudo parameters; `reference` and `attribute` answer Ref and Fn::GetAtt
    of resources (raising `Unresolved` or an AwsError); `extended` is True under AWS::LanguageExtensions.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    mappings: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, bool] = field(default_factory=dict)
    reference: Callable[[str], Any] = _no_reference
    attribute: Callable[[str, str], Any] = _no_attribute
    imported: Callable[[str], Any] = _no_import
    extended: bool = False
    produced: int = 0

    def produce(self, text: str) -> str:
        """Counts text that a function made, so that a small template cannot make an endless one."""
        self.produced += len(text)
        if self.produced > PRODUCED_MAX:
            raise errors.template_error(f"Intrinsic functions make more than {PRODUCED_MAX} characters")
        return text


def resolve(value: Any, scope: Scope) -> Any:
    """`value` with every intrinsic function replaced by what it stands for. May be NO_VALUE at the top."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        if len(value) == 1:
            name = next(iter(value))
            function = _FUNCTIONS.get(name)
            if function is not None:
                return function(value[name], scope)
            if name.startswith("Fn::") and not name.startswith("Fn::ForEach::"):
                raise errors.template_error(f"Encountered unsupported function: {name} Supported functions are: [{_SUPPORTED}]")
        return {key: item for key, member in value.items() if (item := resolve(member, scope)) is not NO_VALUE}
    if isinstance(value, list):
        return [item for member in value if (item := resolve(member, scope)) is not NO_VALUE]
    return value


def evaluate_conditions(conditions: Mapping[str, Any], scope: Scope) -> dict[str, bool]:
    """The truth of every condition of a template. Raises ValidationError for a circle or an unknown name."""
    truth: dict[str, bool] = {}
    pending: list[str] = list(conditions)[::-1]
    asked: list[str] = []  # those begun and not yet known, each named by the one before
    while pending:
        name = pending[-1]
        unknown = [other for other in _conditions_in(conditions[name]) if other not in truth]
        if name in truth or not unknown:
            if name not in truth:
                truth[name] = condition_holds(conditions[name], scope, truth.__getitem__)
            pending.pop()
            if asked and asked[-1] == name:
                asked.pop()
            continue
        if not asked or asked[-1] != name:
            asked.append(name)
        other = unknown[0]
        if other not in conditions:
            raise errors.template_format(f"Unresolved condition dependency {other} in the Conditions block of the template")
        if other in asked:
            raise errors.template_error(f"Found circular condition dependency between {name} and {other}")
        pending.append(other)
    return truth


def _conditions_in(expression: Any) -> list[str]:
    """The conditions that a condition names, in the order written."""
    found: list[str] = []
    pending = [expression]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if len(value) == 1 and isinstance(value.get("Condition"), str):
                found.append(value["Condition"])
            else:
                pending.extend(reversed(value.values()))
        elif isinstance(value, list):
            pending.extend(reversed(value))
    return found


def condition_holds(expression: Any, scope: Scope, of: Callable[[str], bool]) -> bool:
    """Whether a condition function (Fn::Equals, And, Or, Not, Condition, and the rule functions) holds; `of` names others."""
    if not isinstance(expression, dict) or len(expression) != 1:
        raise errors.template_format("Conditions can only be boolean operations on parameters and other conditions")
    name, argument = next(iter(expression.items()))
    if name == "Condition":
        if not isinstance(argument, str):
            raise errors.template_format("Every Condition member must be a string.")
        return of(argument)
    if name == "Fn::Not":
        if not isinstance(argument, list) or len(argument) != 1:
            raise errors.template_error("Fn::Not requires a list argument with one function token")
        return not condition_holds(argument[0], scope, of)
    if name in ("Fn::And", "Fn::Or"):
        if not isinstance(argument, list) or not 2 <= len(argument) <= 10:
            raise errors.template_error(f"every {name} object requires a list of at least 2 and at most 10 boolean parameters.")
        results = [condition_holds(item, scope, of) for item in argument]
        return all(results) if name == "Fn::And" else any(results)
    if name == "Fn::Equals":
        if not isinstance(argument, list) or len(argument) != 2:
            raise errors.template_error("Fn::Equals requires a list argument with two elements")
        left, right = (_comparable(resolve(item, scope)) for item in argument)
        return bool(left == right)
    if name in ("Fn::Contains", "Fn::EachMemberIn", "Fn::EachMemberEquals"):
        if not isinstance(argument, list) or len(argument) != 2:
            raise errors.template_error(f"{name} requires a list argument with two elements")
        left, right = (_comparable(resolve(item, scope)) for item in argument)
        members = left if isinstance(left, list) else [left]
        if name == "Fn::Contains":
            return right in members
        if name == "Fn::EachMemberEquals":
            return all(member == right for member in members)
        return all(member in (right if isinstance(right, list) else [right]) for member in members)
    raise errors.template_format("Conditions can only be boolean operations on parameters and other conditions")


def references(value: Any, conditions: Mapping[str, bool] | None = None) -> Iterator[tuple[str, str, str | None]]:
    """Every name that a value refers to: ("Ref", name, None), ("Fn::GetAtt", name, attribute), ("Fn::If", condition, None),
    ("Fn::FindInMap", mapping, None). With `conditions`, only along the branches that are taken."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(reversed(item))
            continue
        if not isinstance(item, dict):
            continue
        if len(item) != 1:
            pending.extend(reversed(item.values()))
            continue
        name, argument = next(iter(item.items()))
        if name == "Ref" and isinstance(argument, str):
            yield "Ref", argument, None
        elif name == "Fn::GetAtt":
            target = _attribute_of(argument)
            yield "Fn::GetAtt", target[0], target[1] if isinstance(target[1], str) else None
            pending.append(target[1])
        elif name == "Fn::Sub":
            text, variables = _sub_arguments(argument)
            for found in _sub_names(text):
                if found in variables:
                    continue
                logical_id, dot, attribute = found.partition(".")
                yield ("Fn::GetAtt", logical_id, attribute) if dot else ("Ref", found, None)
            pending.extend(reversed(variables.values()))
        elif name == "Fn::If" and isinstance(argument, list) and len(argument) == 3 and isinstance(argument[0], str):
            yield "Fn::If", argument[0], None
            if conditions is None:
                pending.extend((argument[2], argument[1]))
            else:
                pending.append(argument[1] if conditions.get(argument[0]) else argument[2])
        elif name == "Fn::FindInMap" and isinstance(argument, list) and argument and isinstance(argument[0], str):
            yield "Fn::FindInMap", argument[0], None
            pending.extend(reversed(argument))
        else:
            pending.append(argument)


def text_of(value: Any) -> str:
    """A scalar as CloudFormation writes it into text: true, 1, 1.5."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


# The functions -------------------------------------------------------------------------------------------------------------


def _comparable(value: Any) -> Any:
    if isinstance(value, list):
        return [_comparable(item) for item in value]
    return value if isinstance(value, (str, dict)) else text_of(value)


def _known(value: Any) -> bool:
    return not (isinstance(value, str) and KNOWN_AFTER_APPLY in value)


def _ref(argument: Any, scope: Scope) -> Any:
    if scope.extended and isinstance(argument, dict):
        argument = resolve(argument, scope)
    if not isinstance(argument, str):
        raise errors.template_error("every Ref object must have a single String value.")
    if argument in scope.parameters:
        value = scope.parameters[argument]
        return scope.produce(value) if isinstance(value, str) and len(value) > 64 else value
    return scope.reference(argument)


def _attribute_of(argument: Any) -> tuple[str, Any]:
    if isinstance(argument, str):
        logical_id, dot, attribute = argument.partition(".")
        argument = [logical_id, attribute] if dot else [logical_id]
    if (
        not isinstance(argument, list)
        or len(argument) < 2
        or not isinstance(argument[0], str)
        or not argument[0]
        or not all(isinstance(part, str) and part for part in argument[1:-1])
        or not argument[-1]
        or not isinstance(argument[-1], (str, dict))
    ):
        raise errors.template_error(
            "every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute"
        )
    if len(argument) > 2:
        return argument[0], ".".join(str(part) for part in argument[1:])
    return argument[0], argument[1]


def _get_att(argument: Any, scope: Scope) -> Any:
    if scope.extended and isinstance(argument, list):
        argument = [resolve(item, scope) for item in argument]
    logical_id, attribute = _attribute_of(argument)
    attribute = resolve(attribute, scope)
    if not isinstance(attribute, str):
        raise errors.template_error(
            "every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute"
        )
    return scope.attribute(logical_id, attribute)


def _sub_arguments(argument: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(argument, str):
        return argument, {}
    if isinstance(argument, list) and len(argument) == 2 and isinstance(argument[0], str) and isinstance(argument[1], dict):
        return argument[0], argument[1]
    raise errors.template_error(
        "One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, and an "
        "optional second argument to specify a mapping of values to replace in the string"
    )


def _sub_names(text: str) -> Iterator[str]:
    for match in _VARIABLE.finditer(text):
        name = match.group(1).strip()
        if not name.startswith("!"):
            yield name


def _sub(argument: Any, scope: Scope) -> Any:
    text, variables = _sub_arguments(argument)

    def replacement(match: re.Match[str]) -> str:
        name = match.group(1).strip()
        if name.startswith("!"):
            return "${" + name[1:] + "}"
        if name in variables:
            value = resolve(variables[name], scope)
        elif "." in name:
            logical_id, _, attribute = name.partition(".")
            value = scope.attribute(logical_id, attribute)
        else:
            value = _ref(name, scope)
        if isinstance(value, (dict, list)) or value is NO_VALUE:
            raise errors.template_error(f"variable {name} in Fn::Sub expression does not resolve to a string")
        return text_of(value)

    return _VARIABLE.sub(lambda match: scope.produce(replacement(match)), text)


def _join(argument: Any, scope: Scope) -> Any:
    if isinstance(argument, list) and len(argument) == 2 and isinstance(argument[0], str):
        values = resolve(argument[1], scope)
        if isinstance(values, list):
            if any(isinstance(value, (dict, list)) for value in values):
                raise errors.template_error("every value of the list of Fn::Join must be a string.")
            return argument[0].join(scope.produce(text_of(value)) for value in values)
        if not _known(values):
            return KNOWN_AFTER_APPLY
    raise errors.template_error(
        "every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function"
        " that returns a list of strings (such as Fn::GetAZs) to be joined."
    )


def _select(argument: Any, scope: Scope) -> Any:
    if not isinstance(argument, list) or len(argument) != 2:
        raise errors.template_error("Fn::Select requires a list argument with two elements: an integer index and a list")
    index, values = resolve(argument[0], scope), resolve(argument[1], scope)
    if not _known(index) or (isinstance(values, str) and not _known(values)):
        return KNOWN_AFTER_APPLY
    if not isinstance(values, list):
        raise errors.template_error("Fn::Select requires a list argument with two elements: an integer index and a list")
    text = text_of(index)
    if not text.isdecimal() or len(text) > 6:
        raise errors.template_error("Fn::Select requires a list argument with two elements: an integer index and a list")
    if int(text) >= len(values):
        if any(not _known(value) for value in values):
            return KNOWN_AFTER_APPLY
        raise errors.template_error(f"Fn::Select cannot select nonexistent value at index {text}")
    return values[int(text)]


def _split(argument: Any, scope: Scope) -> Any:
    if isinstance(argument, list) and len(argument) == 2 and isinstance(argument[0], str) and argument[0]:
        text = resolve(argument[1], scope)
        if isinstance(text, str):
            return scope.produce(text).split(argument[0])
    raise errors.template_error(
        "every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that"
        " returns a string to be split."
    )


def _find_in_map(argument: Any, scope: Scope) -> Any:
    sentence = "every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value"
    if not isinstance(argument, list) or len(argument) not in (3, 4):
        raise errors.template_error(sentence)
    default: Any = NO_VALUE
    if len(argument) == 4:
        if not scope.extended or not isinstance(argument[3], dict) or set(argument[3]) != {"DefaultValue"}:
            raise errors.template_error(sentence)
        default = argument[3]["DefaultValue"]
    keys = [resolve(item, scope) for item in argument[:3]]
    if any(isinstance(key, (dict, list)) for key in keys):
        raise errors.template_error(sentence)
    name, first, second = (text_of(key) for key in keys)
    mapping = scope.mappings.get(name)
    if mapping is None:
        if default is not NO_VALUE:
            return resolve(default, scope)
        raise errors.template_error(f"Mapping named '{name}' is not present in the 'Mappings' section of template.")
    if first in mapping and second in mapping[first]:
        return resolve(mapping[first][second], scope)
    if default is not NO_VALUE:
        return resolve(default, scope)
    raise errors.template_error(f"Unable to get mapping for {name}::{first}::{second}")


def _if(argument: Any, scope: Scope) -> Any:
    if not isinstance(argument, list) or len(argument) != 3:
        raise errors.template_error("Fn::If requires a list argument with three elements")
    if not isinstance(argument[0], str):
        raise errors.template_error("Fn::If requires a list argument with the first element being a condition")
    if argument[0] not in scope.conditions:
        raise errors.template_error(f"unresolved condition dependency {argument[0]} in Fn::If")
    return resolve(argument[1] if scope.conditions[argument[0]] else argument[2], scope)


def _condition(argument: Any, scope: Scope) -> Any:
    """`{"Condition": x}` as a value is a policy's Condition block more often than not: left as it is."""
    return {"Condition": resolve(argument, scope)}


def _boolean(name: str) -> Callable[[Any, Scope], Any]:
    def function(argument: Any, scope: Scope) -> bool:
        return condition_holds({name: argument}, scope, lambda condition: _holds(condition, scope))

    return function


def _holds(condition: str, scope: Scope) -> bool:
    if condition not in scope.conditions:
        raise errors.template_error(f"unresolved condition dependency {condition}")
    return scope.conditions[condition]


def _base64(argument: Any, scope: Scope) -> Any:
    text = resolve(argument, scope)
    if isinstance(text, (dict, list)) or text is NO_VALUE:
        raise errors.template_error("every Fn::Base64 object must have a String-typed value.")
    return base64.b64encode(text_of(text).encode()).decode() if _known(text) else KNOWN_AFTER_APPLY


def _cidr(argument: Any, scope: Scope) -> Any:
    import ipaddress

    sentence = "every Fn::Cidr object requires two parameters, (1) the IP address block, (2) count, and an optional (3) cidrBits."
    arguments = resolve(argument, scope)
    if not isinstance(arguments, list) or len(arguments) not in (2, 3):
        raise errors.template_error(sentence)
    if not all(_known(item) for item in arguments):
        return KNOWN_AFTER_APPLY
    block, count, bits = str(arguments[0]), text_of(arguments[1]), text_of(arguments[2]) if len(arguments) == 3 else ""
    if not count.isdecimal() or not 1 <= int(count) <= CIDR_COUNT_MAX or (bits and not bits.isdecimal()):
        raise errors.template_error(sentence)
    try:
        network = ipaddress.ip_network(block, strict=False)
    except ValueError:
        raise errors.template_error(f"Fn::Cidr: {block} is not a valid CIDR block.") from None
    prefix = network.max_prefixlen - (int(bits) if bits else (8 if network.version == 4 else 64))
    if not network.prefixlen <= prefix <= network.max_prefixlen or 2 ** (prefix - network.prefixlen) < int(count):
        raise errors.template_error(f"Fn::Cidr: {block} does not have room for {count} blocks of /{prefix}.")
    blocks = network.subnets(new_prefix=prefix)
    return [scope.produce(str(next(blocks))) for _ in range(int(count))]


def _get_azs(argument: Any, scope: Scope) -> Any:
    region = resolve(argument, scope)
    if not isinstance(region, str):
        raise errors.template_error("every Fn::GetAZs object must have a String-typed value.")
    return [f"{region or scope.parameters['AWS::Region']}{zone}" for zone in ZONES]


def _import_value(argument: Any, scope: Scope) -> Any:
    name = resolve(argument, scope)
    if not isinstance(name, str):
        raise errors.template_error("the attribute in Fn::ImportValue must be a string or a function that returns a string")
    return scope.imported(name) if _known(name) else KNOWN_AFTER_APPLY


def _transform(argument: Any, scope: Scope) -> Any:
    name = argument.get("Name") if isinstance(argument, dict) else argument
    raise errors.not_implemented(f"Fn::Transform with {name}")


def _length(argument: Any, scope: Scope) -> Any:
    _needs_extensions("Fn::Length", scope)
    values = resolve(argument, scope)
    if isinstance(values, str) and not _known(values):
        return KNOWN_AFTER_APPLY
    if not isinstance(values, list):
        raise errors.transform_failed("AWS::LanguageExtensions", "Fn::Length layout is incorrect")
    return len(values)


def _to_json_string(argument: Any, scope: Scope) -> Any:
    _needs_extensions("Fn::ToJsonString", scope)
    value = resolve(argument, scope)
    if not isinstance(value, (dict, list)):
        raise errors.transform_failed("AWS::LanguageExtensions", "Fn::ToJsonString layout is incorrect")
    return scope.produce(json.dumps(value, separators=(",", ":"), ensure_ascii=False))


def _needs_extensions(name: str, scope: Scope) -> None:
    if not scope.extended:
        raise errors.template_error(f"Encountered unsupported function: {name} Supported functions are: [{_SUPPORTED}]")


_FUNCTIONS: dict[str, Callable[[Any, Scope], Any]] = {
    "Ref": _ref,
    "Condition": _condition,
    "Fn::And": _boolean("Fn::And"),
    "Fn::Base64": _base64,
    "Fn::Cidr": _cidr,
    "Fn::Equals": _boolean("Fn::Equals"),
    "Fn::FindInMap": _find_in_map,
    "Fn::GetAZs": _get_azs,
    "Fn::GetAtt": _get_att,
    "Fn::If": _if,
    "Fn::ImportValue": _import_value,
    "Fn::Join": _join,
    "Fn::Length": _length,
    "Fn::Not": _boolean("Fn::Not"),
    "Fn::Or": _boolean("Fn::Or"),
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::Sub": _sub,
    "Fn::ToJsonString": _to_json_string,
    "Fn::Transform": _transform,
}
_SUPPORTED = ", ".join(name for name in _FUNCTIONS if name.startswith("Fn::") and name not in ("Fn::Length", "Fn::ToJsonString"))
