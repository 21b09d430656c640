"""Checks a decoded request against its shape in the model: JSON types first, then every constraint, in one message.

The operations of this room are raw: their requests are the decoded JSON, because attribute values are checked in one walk of their own
(`values`), which also measures them. What is not an attribute value is checked here, by a function compiled once per operation.
Sentences are those of AWS's front end for this service; they differ from the other services' in the types and in a few orders.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from groundcloud.services.dynamodb import errors, payload, values
from groundcloud.wire import model as models
from groundcloud.wire import validate

Problems = list[str]
Check = Callable[[Any, str, Problems], None]

PROBLEMS_MAX = 10
"""AWS lists no more than ten."""

# AWS prints the members of an enumeration in the order of its own tables, not of the model.
ENUM_ORDER = {
    "ReturnValue": ("ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"),
    "ReturnConsumedCapacity": ("INDEXES", "TOTAL", "NONE"),
    "ReturnItemCollectionMetrics": ("SIZE", "NONE"),
    "ComparisonOperator": (
        "IN", "NULL", "BETWEEN", "LT", "NOT_CONTAINS", "EQ", "GT", "NOT_NULL", "NE", "LE", "BEGINS_WITH", "GE", "CONTAINS",
    ),
    "Select": ("SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"),
    "ConditionalOperator": ("OR", "AND"),
    "ScalarAttributeType": ("B", "N", "S"),
    "KeyType": ("HASH", "RANGE"),
    "ProjectionType": ("ALL", "INCLUDE", "KEYS_ONLY"),
    "BillingMode": ("PROVISIONED", "PAY_PER_REQUEST"),
}  # fmt: skip

TABLE_NAME_PATTERN = "[a-zA-Z0-9_.-]+"
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")

_UNCHECKED = frozenset(("AttributeValue", "Key", "AttributeMap", "PutItemInputAttributeMap", "ExpressionAttributeValueMap"))
"""Checked and measured by `values` when they are used."""


def check(operation: str, request: Any) -> None:
    """Raises SerializationException or ValidationException; drops members that are JSON null."""
    problems: Problems = []
    _compiled("dynamodb", operation)(request, "", problems)
    if problems:
        payload.check_types("dynamodb", operation, request)
        raise complaint(problems)


def check_streams(operation: str, request: Any) -> None:
    """The same for DynamoDB Streams."""
    problems: Problems = []
    _compiled("dynamodbstreams", operation)(request, "", problems)
    if problems:
        payload.check_types("dynamodbstreams", operation, request)
        raise complaint(problems)


def complaint(problems: Problems) -> Exception:
    shown = problems[:PROBLEMS_MAX]
    return errors.validation(f"{len(shown)} validation error{'s' if len(shown) > 1 else ''} detected: {'; '.join(shown)}")


def table_name_problems(name: str, path: str) -> Problems:
    """What is wrong with a table's or an index's name (an ARN is looked at elsewhere)."""
    if name == "":
        return [_problem(name, path, "Member must have length greater than or equal to 1")]
    problems = []
    if len(name) < 3:
        problems.append(_problem(name, path, "Member must have length greater than or equal to 3"))
    if len(name) > 255:
        problems.append(_problem(name, path, "Member must have length less than or equal to 255"))
    if not _NAME_CHARACTERS.issuperset(name):
        problems.append(_problem(name, path, f"Member must satisfy regular expression pattern: {TABLE_NAME_PATTERN}"))
    return problems


@lru_cache(maxsize=256)
def _compiled(service: str, operation: str) -> Check:
    model = models.load(service)
    shape_name = model.operation(operation).input_shape
    return _structure(model, shape_name, "") if shape_name else (lambda value, path, problems: None)


def _of(model: models.Model, shape_name: str) -> Check | None:
    if shape_name in _UNCHECKED:
        return None
    shape = model.shapes[shape_name]
    kind = shape["type"]
    if kind == "structure":
        return _structure(model, shape_name, "")
    if kind == "list":
        return _list(model, shape_name)
    if kind == "map":
        return _map(model, shape_name)
    if kind == "string":
        return _string(model, shape_name)
    if kind in payload.JAVA_TYPES:
        return _number(shape, payload.JAVA_TYPES[kind])
    if kind == "boolean":
        return _boolean
    return None


def _structure(model: models.Model, shape_name: str, _: str) -> Check:
    shape = model.shapes[shape_name]
    required = tuple(shape.get("required", ()))
    members = {name: (_lower(name), _of(model, reference["shape"])) for name, reference in shape["members"].items()}
    whole = {name for name, reference in shape["members"].items() if model.shapes[reference["shape"]]["type"] in ("integer", "long")}

    def check_structure(value: Any, path: str, problems: Problems) -> None:
        if value.__class__ is not dict:
            raise errors.serialization(values.not_a_structure(value, shape_name))
        prefix = path + "." if path else ""
        absent = None
        for name, content in value.items():
            if content is None:
                absent = [*(absent or ()), name]
                continue
            member = members.get(name)
            if member is not None and member[1] is not None:
                member[1](content, prefix + member[0], problems)
                if content.__class__ is float and name in whole:
                    value[name] = int(content)
        if absent:
            for name in absent:
                del value[name]
        for name in required:
            if name not in value:
                where = prefix + _lower(name)
                problems.append(f"Value null at '{where}' failed to satisfy constraint: Member must not be null")

    return check_structure


def _list(model: models.Model, shape_name: str, *, bounded: bool = True) -> Check:
    shape = model.shapes[shape_name]
    element = _of(model, shape["member"]["shape"])
    lengths = _lengths(model, shape_name) if bounded else _anything

    def check_list(value: Any, path: str, problems: Problems) -> None:
        if value.__class__ is not list:
            raise errors.serialization(values.not_a_list(value))
        lengths(value, path, problems)
        if element is not None:
            for position, content in enumerate(value, 1):
                element(content, f"{path}.{position}.member", problems)

    return check_list


def _map(model: models.Model, shape_name: str) -> Check:
    shape = model.shapes[shape_name]
    value_name = shape["value"]["shape"]
    value_shape = model.shapes[value_name]
    bounded = value_shape["type"] == "list" and "max" in value_shape
    element = _list(model, value_name, bounded=False) if bounded else _of(model, value_name)
    lengths = _lengths(model, shape_name)
    java = payload.java_class(model, value_name)
    keys_are_tables = shape["key"]["shape"] == "TableArn"

    def check_map(value: Any, path: str, problems: Problems) -> None:
        if value.__class__ is not dict:
            raise errors.serialization(values.not_a_map(value, java))
        lengths(value, path, problems)
        for key, content in value.items():
            if keys_are_tables and not key.startswith("arn:"):
                sentences = table_name_problems(key, path)
                if sentences:
                    problems.append(
                        _problem(show(model, shape_name, value), path, "Map keys must satisfy constraint: [Member must have length less than or equal to 255, "
                                 "Member must have length greater than or equal to 3, "
                                 f"Member must satisfy regular expression pattern: {TABLE_NAME_PATTERN}]")
                    )  # fmt: skip
            if element is not None:
                element(content, f"{path}.{key}.member", problems)
            if bounded and not value_shape["min"] <= len(content) <= value_shape["max"]:
                problems.append(
                    _problem(show(model, shape_name, value), path, "Map value must satisfy constraint: "
                             f"[Member must have length less than or equal to {value_shape['max']}, "
                             f"Member must have length greater than or equal to {value_shape['min']}]")
                )  # fmt: skip

    return check_map


def _string(model: models.Model, shape_name: str) -> Check:
    shape = model.shapes[shape_name]
    lengths = _lengths(model, shape_name)
    enum = ENUM_ORDER.get(shape_name) or shape.get("enum")
    pattern = None if enum else shape.get("pattern")
    is_table = shape_name == "TableArn"

    def check_string(value: Any, path: str, problems: Problems) -> None:
        if value.__class__ is not str:
            raise errors.serialization(values.not_a("String", value))
        if is_table and not value.startswith("arn:"):
            if not (3 <= len(value) <= 255 and _NAME_CHARACTERS.issuperset(value)):
                problems.extend(table_name_problems(value, path))
            return
        lengths(value, path, problems)
        if enum is not None:
            if value not in enum:
                problems.append(_problem(value, path, f"Member must satisfy enum value set: [{', '.join(enum)}]"))
        elif pattern is not None and not validate.matches(pattern, value):
            problems.append(_problem(value, path, f"Member must satisfy regular expression pattern: {pattern}"))

    return check_string


def _number(shape: dict[str, Any], java: str) -> Check:
    low, high = shape.get("min"), shape.get("max")

    def check_number(value: Any, path: str, problems: Problems) -> None:
        if value.__class__ is not int and value.__class__ is not float:
            raise errors.serialization(values.not_a(java, value))
        if low is not None and value < low:
            problems.append(_problem(str(value), path, f"Member must have value greater than or equal to {low}"))
        if high is not None and value > high:
            problems.append(_problem(str(value), path, f"Member must have value less than or equal to {high}"))

    return check_number


def _boolean(value: Any, path: str, problems: Problems) -> None:
    if value.__class__ is not bool:
        raise errors.serialization(values.not_a_boolean(value))


def _anything(value: Any, path: str, problems: Problems) -> None:
    pass


def _lengths(model: models.Model, shape_name: str) -> Check:
    shape = model.shapes[shape_name]
    low, high = shape.get("min"), shape.get("max")
    if low is None and high is None:
        return _anything

    def check_lengths(value: Any, path: str, problems: Problems) -> None:
        if low is not None and len(value) < low:
            problems.append(_problem(show(model, shape_name, value), path, f"Member must have length greater than or equal to {low}"))
        if high is not None and len(value) > high:
            problems.append(_problem(show(model, shape_name, value), path, f"Member must have length less than or equal to {high}"))

    return check_lengths


def _problem(shown: str, path: str, constraint: str) -> str:
    return f"Value '{shown}' at '{path}' failed to satisfy constraint: {constraint}"


def show(model: models.Model, shape_name: str, value: Any) -> str:
    """As Java prints it: `[a, b]`, `{k=v}`, `KeySchemaElement(attributeName=a, keyType=HASH)`."""
    shape = model.shapes[shape_name]
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if shape["type"] == "list" and isinstance(value, list):
        return "[" + ", ".join(show(model, shape["member"]["shape"], content) for content in value) + "]"
    if shape["type"] == "map" and isinstance(value, dict):
        return "{" + ", ".join(f"{key}={show(model, shape['value']['shape'], content)}" for key, content in value.items()) + "}"
    if shape["type"] == "structure" and isinstance(value, dict):
        members = (f"{_lower(name)}={show(model, reference['shape'], value.get(name))}" for name, reference in shape["members"].items())
        return f"{shape_name}({', '.join(members)})"
    return str(value)


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]
