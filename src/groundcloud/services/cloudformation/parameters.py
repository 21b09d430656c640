"""Template parameters: what a caller gave, what is used, and AWS's sentence for each constraint that does not hold."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from groundcloud.services.cloudformation import characters, errors, intrinsics

NAME_LENGTH_MAX = 255
VALUE_BYTES_MAX = 4_096
NO_ECHO = "****"
PATTERN_TIMEOUT_S = 2.0  # ours: Python's matcher can backtrack for ever
_SAFE_LENGTH = 24  # ours: up to here even the worst pattern ends within milliseconds

_MEMBERS = {
    "Type",
    "Default",
    "AllowedPattern",
    "AllowedValues",
    "ConstraintDescription",
    "Description",
    "MaxLength",
    "MaxValue",
    "MinLength",
    "MinValue",
    "NoEcho",
}
_LISTS = ("CommaDelimitedList", "List<String>", "List<Number>")
_EC2 = re.compile(r"AWS::EC2::[A-Za-z]+::[A-Za-z]+|AWS::Route53::HostedZone::Id")
_SSM_VALUE = re.compile(r"AWS::SSM::Parameter::Value<(.+)>")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_MATCHER = "import re,sys;sys.exit(0 if re.fullmatch(sys.argv[1],sys.argv[2]) else 1)"


def check_declarations(declared: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuses a Parameters section that AWS would refuse, whatever values are given."""
    for name, parameter in declared.items():
        if len(name) > NAME_LENGTH_MAX:
            raise errors.template_format(f"Parameter name {name} is longer than {NAME_LENGTH_MAX} characters.")
        kind = parameter.get("Type")
        if kind is None:
            raise errors.template_format("Every Parameters object must contain a Type member.")
        if not isinstance(kind, str) or not _is_type(kind):
            raise errors.template_format(f"Unrecognized parameter type: {kind}")
        for member in parameter:
            if member not in _MEMBERS:
                raise errors.validation(f"Invalid template parameter property '{member}'")
        if isinstance(parameter.get("Default", ""), (dict, list)):
            raise errors.template_format("Every Default member must be a string.")
        allowed = parameter.get("AllowedValues", [])
        if not isinstance(allowed, list) or any(isinstance(value, (dict, list)) for value in allowed):
            raise errors.template_format("Every AllowedValues value must be a string.")
        pattern = parameter.get("AllowedPattern", "")
        if not isinstance(pattern, str):
            raise errors.template_format("Every AllowedPattern member must be a string.")


def given_values(
    declared: Mapping[str, Mapping[str, Any]],
    given: Sequence[Mapping[str, Any]],
    previous: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The text of every declared parameter: given, previous (UsePreviousValue), or default. Raises AWS's ValidationErrors."""
    unknown = [parameter["ParameterKey"] for parameter in given if parameter.get("ParameterKey") not in declared]
    if unknown:
        raise errors.validation(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    texts: dict[str, str] = {}
    for parameter in given:
        key = parameter["ParameterKey"]
        if key in texts:
            raise errors.validation(f"Duplicate parameter key {key}")
        if parameter.get("UsePreviousValue"):
            if parameter.get("ParameterValue"):
                raise errors.validation(
                    f"Invalid input for parameter key {key}. Cannot specify usePreviousValue as true and non empty value for a parameter"
                )
            if previous is None or key not in previous:
                raise errors.validation(
                    f"Invalid input for parameter key {key}. Cannot specify usePreviousValue as true for a new parameter"
                )
            texts[key] = previous[key]
        elif "ParameterValue" in parameter:
            texts[key] = parameter["ParameterValue"]
    missing = [key for key, parameter in declared.items() if key not in texts and "Default" not in parameter]
    if missing:
        raise errors.validation(f"Parameters: [{', '.join(missing)}] must have values")
    return {key: texts[key] if key in texts else intrinsics.text_of(parameter["Default"]) for key, parameter in declared.items()}


def check_values(declared: Mapping[str, Mapping[str, Any]], texts: Mapping[str, str]) -> None:
    """Holds every value against its declaration's constraints."""
    for name, parameter in declared.items():
        text = texts[name]
        characters.refuse_unwritable(f"Parameter '{name}'", text)
        if len(text.encode("utf-8", "surrogatepass")) > VALUE_BYTES_MAX:
            raise errors.validation(f"Parameter '{name}' must contain at most {VALUE_BYTES_MAX} characters")
        failure = _failure(name, parameter, text)
        if failure is not None:
            description = parameter.get("ConstraintDescription")
            if description:
                failure = f"Parameter {name} failed to satisfy constraint: {description}"
            raise errors.validation(failure)


def reference_values(declared: Mapping[str, Mapping[str, Any]], texts: Mapping[str, str]) -> dict[str, Any]:
    """What `Ref` answers for each parameter: text, or a list for the list types."""
    return {name: _split(texts[name]) if is_list(parameter["Type"]) else texts[name] for name, parameter in declared.items()}


def stored_names(declared: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The parameters whose value is the name of an SSM parameter, to be looked up before they are used."""
    return [name for name, parameter in declared.items() if _SSM_VALUE.fullmatch(parameter["Type"])]


def is_list(kind: str) -> bool:
    match = _SSM_VALUE.fullmatch(kind)
    kind = match.group(1) if match else kind
    return kind == "CommaDelimitedList" or kind.startswith("List<")


def is_hidden(parameter: Mapping[str, Any]) -> bool:
    return intrinsics.text_of(parameter.get("NoEcho", False)).lower() == "true"


def _is_type(kind: str) -> bool:
    if kind in ("String", "Number", "AWS::SSM::Parameter::Name") or kind in _LISTS or _EC2.fullmatch(kind):
        return True
    if kind.startswith("List<") and kind.endswith(">"):
        return _EC2.fullmatch(kind[5:-1]) is not None
    stored = _SSM_VALUE.fullmatch(kind)
    if stored is None:
        return False
    inner = stored.group(1)
    return inner != "Number" and inner != "List<Number>" and not inner.startswith("AWS::SSM::") and _is_type(inner)


def _split(text: str) -> list[str]:
    return [item.strip() for item in text.split(",")] if text else []


def _failure(name: str, parameter: Mapping[str, Any], text: str) -> str | None:
    kind = parameter["Type"]
    if _SSM_VALUE.fullmatch(kind):
        return None
    values = _split(text) if is_list(kind) else [text]
    if kind in ("Number", "List<Number>") and not all(_NUMBER.fullmatch(value) for value in values):
        return f"Parameter '{name}' must be a number." if kind == "Number" else f"Parameter '{name}' must be a list of numbers."
    allowed = [intrinsics.text_of(value) for value in parameter.get("AllowedValues", [])]
    if allowed and not all(value in allowed for value in values):
        return f"Parameter '{name}' must be one of AllowedValues"
    pattern = parameter.get("AllowedPattern")
    if pattern and not all(_matches(pattern, value) for value in values):
        return f"Parameter '{name}' must match pattern {pattern}"
    if kind == "String":
        if "MinLength" in parameter and len(text) < _bound(name, parameter, "MinLength"):
            return f"Parameter '{name}' must contain at least {intrinsics.text_of(parameter['MinLength'])} characters"
        if "MaxLength" in parameter and len(text) > _bound(name, parameter, "MaxLength"):
            return f"Parameter '{name}' must contain at most {intrinsics.text_of(parameter['MaxLength'])} characters"
    if kind in ("Number", "List<Number>"):
        if "MinValue" in parameter and any(float(value) < _bound(name, parameter, "MinValue") for value in values):
            return f"Parameter '{name}' must be a number not less than {intrinsics.text_of(parameter['MinValue'])}"
        if "MaxValue" in parameter and any(float(value) > _bound(name, parameter, "MaxValue") for value in values):
            return f"Parameter '{name}' must be a number not greater than {intrinsics.text_of(parameter['MaxValue'])}"
    return None


def _bound(name: str, parameter: Mapping[str, Any], member: str) -> float:
    text = intrinsics.text_of(parameter[member])
    if not _NUMBER.fullmatch(text):
        raise errors.template_format(f"Every {member} member must be a number. [/Parameters/{name}]")
    return float(text)


def _matches(pattern: str, value: str) -> bool:
    """Whether the whole value matches. A pattern that may backtrack without end runs in a process of its own, for a bounded time."""
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        raise errors.template_error(f"AllowedPattern {pattern} is not a valid regular expression") from None
    if len(value) <= _SAFE_LENGTH or pattern.count("*") + pattern.count("+") + pattern.count("{") < 2:
        return compiled.fullmatch(value) is not None
    import subprocess
    import sys

    try:
        matcher = subprocess.run([sys.executable, "-I", "-S", "-c", _MATCHER, pattern, value], timeout=PATTERN_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise errors.validation(f"AllowedPattern {pattern} takes more than {PATTERN_TIMEOUT_S:g} s to match") from None
    except ValueError:  # a NUL in the value cannot be an argument, nor match what people write
        return False
    return matcher.returncode == 0
