"""The AWS::LanguageExtensions transform: Fn::ForEach loops unrolled. The functions that it adds are in `intrinsics.py`."""

from __future__ import annotations

import json
from typing import Any

from groundcloud.services.cloudformation import errors, intrinsics
from groundcloud.services.cloudformation.template import ELEMENTS_MAX

TRANSFORM = "AWS::LanguageExtensions"
_LOOP = "Fn::ForEach::"
_LOOPED_SECTIONS = ("Conditions", "Outputs", "Resources", "Mappings")
_LOOPS_MAX = 5  # nested, as the documentation of Fn::ForEach says


def expand(document: dict[str, Any], scope: intrinsics.Scope) -> dict[str, Any]:
    """The document with every Fn::ForEach unrolled; `scope` knows the parameters and mappings that collections refer to."""
    unroller = _Unroller(scope)
    result = dict(document)
    for name in _LOOPED_SECTIONS:
        if isinstance(document.get(name), dict):
            result[name] = unroller.walk(document[name], {}, 0)
    return result


class _Unroller:
    def __init__(self, scope: intrinsics.Scope) -> None:
        self.scope = scope
        self.elements = 0

    def walk(self, value: Any, bound: dict[str, str], depth: int) -> Any:
        self.elements += 1
        if self.elements > ELEMENTS_MAX:
            raise errors.transform_failed(TRANSFORM, f"The expanded template has more than {ELEMENTS_MAX} values")
        if isinstance(value, list):
            return [self.walk(item, bound, depth) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1 and bound:
            replaced = _bound_function(value, bound)
            if replaced is not None:
                return self.walk(replaced, {}, depth) if isinstance(replaced, dict) and "Fn::Sub" not in replaced else replaced
        result: dict[str, Any] = {}
        for key, member in value.items():
            if key.startswith(_LOOP):
                for name, item in self.unroll(key, member, bound, depth).items():
                    if name in result:
                        raise errors.transform_failed(TRANSFORM, f"Duplicate key {name} made by {key}")
                    result[name] = item
            else:
                result[key] = self.walk(member, bound, depth)
        return result

    def unroll(self, key: str, loop: Any, bound: dict[str, str], depth: int) -> dict[str, Any]:
        layout = errors.transform_failed(TRANSFORM, f"Fn::ForEach layout is incorrect for {key}")
        if depth >= _LOOPS_MAX:
            raise errors.transform_failed(TRANSFORM, f"Fn::ForEach is nested deeper than {_LOOPS_MAX} loops")
        if not isinstance(loop, list) or len(loop) != 3 or not isinstance(loop[0], str) or not isinstance(loop[2], dict):
            raise layout
        variable, collection, body = loop
        values = intrinsics.resolve(self.walk(collection, bound, depth), self.scope)
        if not isinstance(values, list) or any(isinstance(item, (dict, list)) for item in values):
            raise layout
        result: dict[str, Any] = {}
        for item in values:
            text = intrinsics.text_of(item)
            inner = {**bound, variable: text}
            for name, member in body.items():
                if name.startswith(_LOOP):
                    made = self.unroll(_substitute_key(name, inner), member, inner, depth + 1)
                else:
                    made = {_substitute_key(name, inner): self.walk(member, inner, depth + 1)}
                for made_name, made_member in made.items():
                    if made_name in result:
                        raise errors.transform_failed(TRANSFORM, f"Duplicate key {made_name} made by {key}")
                    result[made_name] = made_member
        return result


def _substitute_key(name: str, bound: dict[str, str]) -> str:
    for variable, text in bound.items():
        name = name.replace("${" + variable + "}", text)
        if "&{" in name:
            name = name.replace("&{" + variable + "}", "".join(character for character in text if character.isalnum()))
    return name


def _bound_function(value: dict[str, Any], bound: dict[str, str]) -> Any:
    """A Ref, Fn::Sub or Fn::GetAtt that uses a loop's variable, with the value in its place; None where none is used."""
    name, argument = next(iter(value.items()))
    if name == "Ref" and isinstance(argument, str):
        if argument in bound:
            return bound[argument]
        replaced = _substitute_key(argument, bound)
        return {"Ref": replaced} if replaced != argument else None
    if name in ("Fn::Sub", "Fn::GetAtt") and ("${" in json.dumps(argument) or name == "Fn::GetAtt"):
        replaced = _in_strings(argument, bound)
        return {name: replaced} if replaced != argument else None
    return None


def _in_strings(value: Any, bound: dict[str, str]) -> Any:
    if isinstance(value, str):
        return _substitute_key(value, bound) if "{" in value else value
    if isinstance(value, list):
        return [_in_strings(item, bound) for item in value]
    if isinstance(value, dict):
        if len(value) == 1 and "Ref" in value and value["Ref"] in bound:
            return bound[value["Ref"]]
        return {key: _in_strings(item, bound) for key, item in value.items()}
    return value
