"""The parameters from before expressions, turned into the same closures: Expected, AttributeUpdates, KeyConditions, QueryFilter, ScanFilter.

Pure. Source: Developer Guide, "Legacy DynamoDB conditional parameters". Sentences are AWS's.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from groundcloud.services.dynamodb import errors, payload
from groundcloud.services.dynamodb import values as attribute_values
from groundcloud.services.dynamodb.expressions import Types, check_names, read_values
from groundcloud.services.dynamodb.expressions.comparisons import (
    Test,
    begins_with,
    between,
    compare,
    constant,
    is_in,
    path_getter,
    value_contains,
)
from groundcloud.services.dynamodb.expressions.key_conditions import KeyTest
from groundcloud.services.dynamodb.expressions.updates import Compute, Step, Update
from groundcloud.services.dynamodb.values import SETS, Item, Value, order_key, type_of

Values = dict[str, Value]

_COMPARATORS = {"EQ": "=", "NE": "<>", "LT": "<", "LE": "<=", "GT": ">", "GE": ">="}
_ARGUMENTS = {"NULL": (0, 0), "NOT_NULL": (0, 0), "BETWEEN": (2, 2), "IN": (1, 100)}
_SCALARS = ("S", "N", "B")
_TYPES = {
    "EQ": ("S", "N", "B", "SS", "NS", "BS", "L", "M", "BOOL", "NULL"),
    "NE": ("S", "N", "B", "SS", "NS", "BS", "L", "M", "BOOL", "NULL"),
    "LE": _SCALARS, "LT": _SCALARS, "GE": _SCALARS, "GT": _SCALARS,
    "CONTAINS": ("S", "N", "B", "BOOL", "NULL"), "NOT_CONTAINS": ("S", "N", "B", "BOOL", "NULL"),
    "BEGINS_WITH": ("S", "B"), "IN": ("S", "N", "B", "BOOL", "NULL"), "BETWEEN": _SCALARS,
}  # fmt: skip
_KEY_OPERATORS = {"EQ": "=", "LT": "<", "LE": "<=", "GT": ">", "GE": ">=", "BETWEEN": "BETWEEN", "BEGINS_WITH": "begins_with"}


def check_mixture(operation: str, request: dict[str, Any], expressions: tuple[str, ...], others: tuple[str, ...]) -> Types | None:
    """Expressions and legacy parameters exclude each other; names and values want an expression, and must be well formed.

    AWS looks at these before anything else in the request. Gives the types of ExpressionAttributeValues, which are checked then.
    """
    given = request.keys()
    try:
        if not given.isdisjoint(expressions):
            if not given.isdisjoint(others):
                _refuse_mixture(request, expressions, others)
            if "ExpressionAttributeNames" in given:
                check_names(tuple(request["ExpressionAttributeNames"].items()))
        elif "ExpressionAttributeNames" in given:
            raise errors.validation("ExpressionAttributeNames can only be specified when using expressions")
        if "ExpressionAttributeValues" not in given:
            return None
        takers = _takers(expressions)
        if not takers:
            return None
        if given.isdisjoint(takers):
            raise errors.validation(
                "ExpressionAttributeValues can only be specified when using expressions: "
                f"{' and '.join(takers)} {'are' if len(takers) > 1 else 'is'} null"
            )
        return read_values(request["ExpressionAttributeValues"])
    except errors.AwsError:
        if operation:
            payload.check_types("dynamodb", operation, request)
        raise


def _refuse_mixture(request: dict[str, Any], expressions: tuple[str, ...], others: tuple[str, ...]) -> None:
    """KeyConditions may stand beside the other expressions."""
    mixed = [name for name in others if name in request and (name != "KeyConditions" or "KeyConditionExpression" in request)]
    if mixed:
        raise errors.validation(
            "Can not use both expression and non-expression parameters in the same request: "
            f"Non-expression parameters: {{{', '.join(mixed)}}} "
            f"Expression parameters: {{{', '.join(name for name in expressions if name in request)}}}"
        )


@lru_cache
def _takers(expressions: tuple[str, ...]) -> tuple[str, ...]:
    """The expressions that may hold values."""
    return tuple(name for name in expressions if name != "ProjectionExpression")


def check_attributes_to_get(names: list[str]) -> None:
    seen = set()
    for name in names:
        if name in seen:
            raise errors.invalid_parameters(f"Duplicate value in attribute name: {name}")
        seen.add(name)


def read_expected(expected: dict[str, Any], operator: str | None) -> Test:
    """Expected and ConditionalOperator as one test."""
    tests = [_expected_test(name, condition) for name, condition in expected.items()]
    return _joined(tests, operator)


def read_filter(conditions: dict[str, Any], operator: str | None) -> Test:
    """QueryFilter or ScanFilter and ConditionalOperator as one test."""
    check_conditions(conditions)
    tests = [
        _test(name, condition["ComparisonOperator"], condition.get("AttributeValueList") or []) for name, condition in conditions.items()
    ]
    return _joined(tests, operator)


def check_conditional_operator(request: dict[str, Any], parameter: str) -> None:
    if "ConditionalOperator" not in request:
        return
    count = len(request.get(parameter) or ())
    if count == 0:
        raise errors.validation("ConditionalOperator cannot be used without Filter or Expected")
    if count == 1:
        raise errors.validation("ConditionalOperator can only be used when Filter or Expected has two or more elements")


def read_key_conditions(conditions: dict[str, Any]) -> tuple[dict[str, KeyTest], Values]:
    """KeyConditions as tests over placeholders of their own, and the values of those."""
    check_conditions(conditions)
    if len(conditions) not in (1, 2):
        raise errors.validation("Conditions can be of length 1 or 2 only")
    tests: dict[str, KeyTest] = {}
    found: Values = {}
    for name, condition in conditions.items():
        operator = _KEY_OPERATORS.get(condition["ComparisonOperator"])
        if operator is None:
            raise errors.validation("Attempted conditional constraint is not an indexable operation")
        placeholders = []
        for value in condition.get("AttributeValueList") or []:
            placeholder = f":{len(found)}"
            found[placeholder] = value
            placeholders.append(placeholder)
        tests[name] = KeyTest(operator, tuple(placeholders))
    return tests, found


def read_attribute_updates(updates: dict[str, Any]) -> Update:
    """AttributeUpdates as an update that needs no values from outside."""
    steps: list[Step] = []
    for name, update in updates.items():
        action, value = update.get("Action", "PUT"), update.get("Value")
        if value is not None:
            attribute_values.check(value)
        if value is None and action != "DELETE":
            raise errors.invalid_parameters("Only DELETE action is allowed when no attribute value is specified")
        if value is not None:
            kind = type_of(value)
            if action == "DELETE" and kind not in SETS:
                raise errors.invalid_parameters(f"DELETE action with value is not supported for the type {kind}")
            if action == "ADD" and kind not in SETS and kind not in ("N", "L"):
                raise errors.invalid_parameters(f"ADD action is not supported for the type {kind}")
        steps.append(_update_step(name, action, value))
    only_deletes = all(update.get("Action", "PUT") == "DELETE" for update in updates.values())
    return Update(steps, [step[1] for step in steps], frozenset(updates), is_legacy=True, only_legacy_deletes=only_deletes)


def check_conditions(conditions: dict[str, Any]) -> None:
    for condition in conditions.values():
        operator = condition["ComparisonOperator"]
        operands = condition.get("AttributeValueList") or []
        for operand in operands:
            attribute_values.check(operand)
        _check_operands(operator, operands)


def _check_operands(operator: str, operands: list[Value]) -> None:
    least, most = _ARGUMENTS.get(operator, (1, 1))
    if not least <= len(operands) <= most:
        raise errors.invalid_parameters(f"Invalid number of argument(s) for the {operator} ComparisonOperator")
    kinds = [type_of(operand) for operand in operands]
    if len(set(kinds)) > 1:
        raise errors.invalid_parameters("AttributeValues inside AttributeValueList must be of same type")
    allowed = _TYPES.get(operator)
    if allowed:
        for kind in kinds:
            if kind not in allowed:
                raise errors.invalid_parameters(f"ComparisonOperator {operator} is not valid for {kind} AttributeValue type")
    if operator == "BETWEEN" and order_key(operands[0]) > order_key(operands[1]):
        raise errors.validation("The BETWEEN condition was provided a range where the lower bound is greater than the upper bound")


def _expected_test(name: str, condition: dict[str, Any]) -> Test:
    operands, value = condition.get("AttributeValueList"), condition.get("Value")
    exists, operator = condition.get("Exists"), condition.get("ComparisonOperator")
    if value is not None:
        attribute_values.check(value)
    for operand in operands or ():
        attribute_values.check(operand)
    if operands is not None and value is not None:
        raise errors.invalid_parameters(f"Value and AttributeValueList cannot be used together for Attribute: {name}")
    if operator is not None:
        if exists is not None:
            raise errors.invalid_parameters(f"Exists and ComparisonOperator cannot be used together for Attribute: {name}")
        if operator not in ("NULL", "NOT_NULL") and operands is None and value is None:
            raise errors.invalid_parameters(
                f"Value or AttributeValueList must be used with ComparisonOperator: {operator} for Attribute: {name}"
            )
        wanted = operands if operands is not None else ([] if value is None else [value])
        _check_operands(operator, wanted)
        return _test(name, operator, wanted)
    if operands is not None:
        raise errors.invalid_parameters(f"AttributeValueList can only be used with a ComparisonOperator for Attribute: {name}")
    if exists is False:
        if value is not None:
            raise errors.invalid_parameters(f"Value cannot be used when Exists is false for Attribute: {name}")
        return _test(name, "NULL", [])
    if value is None:
        shown = "null" if exists is None else "true"
        raise errors.invalid_parameters(f"Value must be provided when Exists is {shown} for Attribute: {name}")
    return _test(name, "EQ", [value])


def _joined(tests: list[Test], operator: str | None) -> Test:
    if len(tests) == 1:
        return tests[0]
    if operator == "OR":
        return lambda item, values: any(test(item, values) for test in tests)
    return lambda item, values: all(test(item, values) for test in tests)


def _test(name: str, operator: str, operands: list[Value]) -> Test:
    subject = path_getter((name,))
    if operator in _COMPARATORS:
        return compare(_COMPARATORS[operator], subject, constant(operands[0]))
    if operator == "BETWEEN":
        return between(subject, constant(operands[0]), constant(operands[1]))
    if operator == "IN":
        return is_in(subject, [constant(operand) for operand in operands])
    if operator == "BEGINS_WITH":
        return begins_with(subject, constant(operands[0]))
    if operator == "NULL":
        return lambda item, values: name not in item
    if operator == "NOT_NULL":
        return lambda item, values: name in item
    wanted = operands[0]
    if operator == "CONTAINS":
        return lambda item, values: name in item and value_contains(item[name], wanted)
    return lambda item, values: not (name in item and value_contains(item[name], wanted))


def _update_step(name: str, action: str, value: Value | None) -> Step:
    if value is None:
        return "REMOVE", (name,), None
    if action == "ADD" and "L" in value:
        return "SET", (name,), _appended(name, value)
    if action == "PUT":
        return "SET", (name,), lambda item, values: value
    return action, (name,), _typed(name, value)


def _appended(name: str, value: Value) -> Compute:
    def compute(item: Item, values: Values) -> Value:
        current = item.get(name)
        if current is None:
            return value
        if "L" not in current:
            raise errors.validation("Type mismatch for attribute to update")
        return {"L": current["L"] + value["L"]}

    return compute


def _typed(name: str, value: Value) -> Compute:
    kind = type_of(value)

    def compute(item: Item, values: Values) -> Value:
        current = item.get(name)
        if current is not None and kind not in current:
            raise errors.validation("Type mismatch for attribute to update")
        return value

    return compute
