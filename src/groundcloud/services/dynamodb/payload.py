"""The JSON types of a whole request, attribute values included: what AWS's parser refuses before anything else is looked at.

Asked only when a request is about to be refused for another reason: a request that is carried out has had each value looked at by then.
Pure. It walks in the document's order and stops at the first mismatch.
"""

from __future__ import annotations

from typing import Any

from groundcloud.services.dynamodb import errors, values
from groundcloud.wire import model as models

DEPTH_MAX = 100
"""Deeper than any attribute value may be nested; what lies below is not looked at."""

JAVA_TYPES = {"integer": "Integer", "long": "Long", "double": "Double", "timestamp": "milliseconds since epoch"}
"""What AWS calls the kinds of numbers."""


def check_types(service: str, operation: str, request: Any) -> None:
    """Raises SerializationException for the first value that its member cannot hold."""
    model = models.load(service)
    shape_name = model.operation(operation).input_shape
    if shape_name is not None:
        _check(model, shape_name, request, 0)


def _check(model: models.Model, shape_name: str, value: Any, depth: int) -> None:
    if value is None or depth > DEPTH_MAX:
        return
    shape = model.shapes[shape_name]
    kind = shape["type"]
    if kind == "structure":
        if value.__class__ is not dict:
            raise errors.serialization(values.not_a_structure(value, shape_name))
        members = shape["members"]
        for name, content in value.items():
            if name in members:
                _check(model, members[name]["shape"], content, depth + 1)
    elif kind == "list":
        if value.__class__ is not list:
            raise errors.serialization(values.not_a_list(value))
        for content in value:
            _check(model, shape["member"]["shape"], content, depth + 1)
    elif kind == "map":
        if value.__class__ is not dict:
            raise errors.serialization(values.not_a_map(value, java_class(model, shape["value"]["shape"])))
        for content in value.values():
            _check(model, shape["value"]["shape"], content, depth + 1)
    elif kind == "boolean":
        if value.__class__ is not bool:
            raise errors.serialization(values.not_a_boolean(value))
    elif kind == "blob":
        values.decode_binary(value)
    elif kind == "string":
        if value.__class__ is not str:
            raise errors.serialization(values.not_a("String", value))
    elif value.__class__ is not int and value.__class__ is not float:
        raise errors.serialization(values.not_a(JAVA_TYPES[kind], value))


def java_class(model: models.Model, shape_name: str) -> str:
    """The class of a map's values, as AWS's parser names it."""
    shape = model.shapes[shape_name]
    if shape["type"] == "list":
        return f"java.util.List<{java_class(model, shape['member']['shape'])}>"
    return "java.lang.String" if shape["type"] == "string" else f"com.amazonaws.dynamodb.v20120810.{shape_name}"
