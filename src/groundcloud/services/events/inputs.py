"""What a target is given of an event: all of it, a part of it (InputPath), a constant (Input), or a template filled in (InputTransformer). Pure.

A template is text in which `<name>` stands for a value. Where the template is JSON (it begins with a brace or a bracket), a value outside of quotes goes in as JSON,
and one within quotes as text; objects within quotes lose their quotation marks. Elsewhere values go in as text.
Source: EventBridge user guide, "Input transformation", "Common issues with transforming input"; API reference, Target, InputTransformer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from groundcloud.services.events.envelopes import Event
from groundcloud.wire.timestamps import iso8601

VARIABLES_MAX = 100
RESERVED = (
    "aws.events.rule-arn",
    "aws.events.rule-name",
    "aws.events.event",
    "aws.events.event.json",
    "aws.events.event.ingestion-time",
)

_STEP = re.compile(r"\.([^.\[\]'\"*]+)|\.(\*)|\[([0-9]+)\]|\[(\*)\]|\['([^']+)'\]|\[\"([^\"]+)\"\]")
_PLACEHOLDER = re.compile(r"<([A-Za-z0-9_\-.]+)>")
_encode = msgspec.json.Encoder().encode
_MISSING: Any = object()


class Source(NamedTuple):
    """What a template may speak of: the event, the rule that it met, when it arrived."""

    event: Event
    rule_arn: str
    rule_name: str
    arrived_ms: int


Make = Callable[[Source], str]


class InvalidInput(ValueError):
    """The sentence says what is wrong with the target's input."""


def compiled(document: dict[str, Any]) -> Make:
    """How the target of a PutTargets makes its input. Raises InvalidInput."""
    given = [name for name in ("Input", "InputPath", "InputTransformer") if document.get(name) is not None]
    target_id = document["Id"]
    if len(given) > 1:
        raise InvalidInput(f"Only one of Input, InputPath, or InputTransformer must be provided for target {target_id}.")
    if not given:
        return lambda source: source.event.text
    if given[0] == "Input":
        constant = document["Input"]
        try:
            msgspec.json.decode(constant)
        except (ValueError, RecursionError):
            raise InvalidInput(f"JSON syntax error in input for target {target_id} : {constant}") from None
        return lambda source: constant
    if given[0] == "InputPath":
        path = document["InputPath"]
        if path == "$" or not path:
            return lambda source: source.event.text
        find = _path(path, f"Invalid JSON Path for target {target_id}")

        def part(source: Source) -> str:
            found = find(source.event.document)
            return "null" if found is _MISSING else _encode(found).decode()

        return part
    return _transformer(document["InputTransformer"], target_id)


def path(text: str, what: str) -> Callable[[Any], Any]:
    """The value at a JSONPath, None where there is none. Raises InvalidInput with `what` before the reason."""
    find = _path(text, what)

    def at(document: Any) -> Any:
        found = find(document)
        return None if found is _MISSING else found

    return at


def _path(text: str, what: str) -> Callable[[Any], Any]:
    if not text.startswith("$"):
        raise InvalidInput(f"{what} : {text}")
    steps: list[str | int | None] = []
    at = 1
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            raise InvalidInput(f"{what} : {text}")
        name, star, index, bracket_star, single, double = found.groups()
        steps.append(None if star or bracket_star else int(index) if index is not None else name or single or double)
        at = found.end()
    return lambda document: _walk(document, steps, 0)


def _walk(value: Any, steps: list[str | int | None], at: int) -> Any:
    while at < len(steps):
        step = steps[at]
        at += 1
        if step is None:
            inner = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
            found = [_walk(one, steps, at) for one in inner]
            return [one for one in found if one is not _MISSING]
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return _MISSING
            value = value[step]
        else:
            if not isinstance(value, dict) or step not in value:
                return _MISSING
            value = value[step]
    return value


def _transformer(document: dict[str, Any], target_id: str) -> Make:
    template: str = document["InputTemplate"]
    paths = {
        name: _path(expression, f"Invalid JSON Path for target {target_id}")
        for name, expression in (document.get("InputPathsMap") or {}).items()
    }
    for name in paths:
        if name.upper().startswith("AWS."):
            raise InvalidInput(f"Invalid InputTransformer for target {target_id} : variable {name} must not begin with AWS.")
    for match in _PLACEHOLDER.finditer(template):
        if match[1].startswith("aws.") and match[1] not in RESERVED:
            raise InvalidInput(f"Invalid InputTemplate for target {target_id} : unknown reserved variable {match[1]}")
    is_json = template.lstrip()[:1] in ("{", "[")
    places = [(match.start(), match.end(), match[1], _is_quoted(template, match.start())) for match in _PLACEHOLDER.finditer(template)]
    if is_json:
        _check(template, places, target_id)

    def make(source: Source) -> str:
        pieces, last = [], 0
        for start, end, name, quoted in places:
            pieces.append(template[last:start])
            pieces.append(_filled(_value(source, name, paths), is_json, quoted))
            last = end
        pieces.append(template[last:])
        return "".join(pieces)

    return make


def _check(template: str, places: list[tuple[int, int, str, bool]], target_id: str) -> None:
    """A JSON template must be JSON with something in its placeholders' places."""
    pieces, last = [], 0
    for start, end, _, quoted in places:
        pieces += [template[last:start], "x" if quoted else "0"]
        last = end
    pieces.append(template[last:])
    try:
        json.loads("".join(pieces), strict=False)
    except (ValueError, RecursionError):
        raise InvalidInput(f"Invalid InputTemplate for target {target_id} : {template}") from None


def _is_quoted(template: str, at: int) -> bool:
    quoted = escaped = False
    for character in template[:at]:
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
    return quoted


def _value(source: Source, name: str, paths: dict[str, Callable[[Any], Any]]) -> Any:
    find = paths.get(name)
    if find is not None:
        found = find(source.event.document)
        return "" if found is _MISSING else found
    if name == "aws.events.rule-arn":
        return source.rule_arn
    if name == "aws.events.rule-name":
        return source.rule_name
    if name == "aws.events.event.ingestion-time":
        return iso8601(source.arrived_ms / 1000)
    if name == "aws.events.event.json":
        return source.event.document
    if name == "aws.events.event":
        return {key: value for key, value in source.event.document.items() if key != "detail"}
    return ""


def _filled(value: Any, is_json: bool, quoted: bool) -> str:
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
        return text if is_json and not quoted else text[1:-1] if is_json or quoted else value
    text = _encode(value).decode()
    if isinstance(value, (dict, list)) and (quoted or not is_json):
        return text.replace('\\"', "").replace('"', "")
    return text
