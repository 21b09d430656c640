"""Key conditions: from an expression or from the legacy KeyConditions to one (operator, operands) for each attribute.

Pure. Which attributes are keys is the table's affair: `bind` settles that.
Source: API_Query > KeyConditionExpression.
"""

from __future__ import annotations

from dataclasses import dataclass

from groundcloud.services.dynamodb import errors, keys
from groundcloud.services.dynamodb.expressions.conditions import COMPARATORS, Logic, Node
from groundcloud.services.dynamodb.expressions.operands import FunctionOperand, Operand, PathOperand, ValueOperand
from groundcloud.services.dynamodb.expressions.tokens import InvalidExpression
from groundcloud.services.dynamodb.values import Value, order_key

Values = dict[str, Value]

_FLIPPED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True)
class KeyTest:
    """`operator` is =, <, <=, >, >=, BETWEEN or begins_with."""

    operator: str
    placeholders: tuple[str, ...]


def to_key_tests(tree: Node) -> dict[str, KeyTest]:
    """One test for each attribute named. Raises InvalidExpression (its sentence without a preamble)."""
    tests: dict[str, KeyTest] = {}
    _collect(tree, tests)
    return tests


def _collect(node: Node, tests: dict[str, KeyTest]) -> None:
    if isinstance(node, Logic):
        if node.operator != "AND":
            raise InvalidExpression(f"Invalid operator used in KeyConditionExpression: {node.operator}")
        for inner in node.nodes:
            _collect(inner, tests)
        return
    operator, operands = node.operator, node.operands
    if operator in ("<>", "IN", "attribute_exists", "attribute_not_exists", "attribute_type", "contains"):
        raise InvalidExpression(f"Invalid operator used in KeyConditionExpression: {operator}")
    if any(isinstance(operand, FunctionOperand) for operand in operands):
        raise InvalidExpression("KeyConditionExpressions cannot contain nested operations")
    if operator in ("BETWEEN", "begins_with") and not isinstance(operands[0], PathOperand):
        raise InvalidExpression(
            f"Invalid condition in KeyConditionExpression: {operator} operator must have the key attribute as its first operand"
        )
    name, constants, position = _split(operands)
    if operator in COMPARATORS and position == 1:
        operator = _FLIPPED[operator]
    if name in tests:
        raise InvalidExpression("KeyConditionExpressions must only contain one condition per key")
    tests[name] = KeyTest(operator, constants)


def _split(operands: list[Operand]) -> tuple[str, tuple[str, ...], int]:
    """The one attribute, the placeholders, and the attribute's position."""
    found: tuple[str, int] | None = None
    constants = []
    for position, operand in enumerate(operands):
        if isinstance(operand, PathOperand):
            if found:
                raise InvalidExpression("Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition")
            if len(operand.path) > 1:
                raise InvalidExpression("KeyConditionExpressions cannot have conditions on nested attributes")
            found = (str(operand.path[0]), position)
        elif isinstance(operand, ValueOperand):
            constants.append(operand.placeholder)
    if found is None:
        raise InvalidExpression("Invalid condition in KeyConditionExpression: No key attribute specified")
    return found[0], tuple(constants), found[1]


def bind(
    tests: dict[str, KeyTest], partition_keys: list[tuple[str, str]], sort_keys: list[tuple[str, str]], values: Values
) -> tuple[list[Value], list[tuple[str, list[Value]]]]:
    """The partition key's values, and (operator, operands) for the leading sort keys.

    `partition_keys` and `sort_keys` are (name, type); a table has one and at most one, an index up to four of each.
    Raises ValidationException with AWS's sentence where the tests do not fit the keys.
    """
    unknown = len(tests)
    if unknown > len(partition_keys) and not sort_keys:
        raise errors.validation("Query key condition not supported")
    hashed = []
    for name, kind in partition_keys:
        test = tests.get(name)
        if test is None:
            raise errors.validation(f"Query condition missed key schema element: {name}")
        _check_types(test, kind, values)
        if test.operator != "=":
            raise errors.validation("Query key condition not supported")
        hashed.append(values[test.placeholders[0]])
    sorts: list[tuple[str, list[Value]]] = []
    remaining = unknown - len(partition_keys)
    for name, kind in sort_keys:
        if remaining == 0:
            break
        test = tests.get(name)
        if test is None:
            raise errors.validation(f"Query condition missed key schema element: {name}")
        _check_types(test, kind, values)
        if sorts and sorts[-1][0] != "=":
            raise errors.validation("Query key condition not supported")
        sorts.append((test.operator, [values[placeholder] for placeholder in test.placeholders]))
        remaining -= 1
    if remaining:
        raise errors.validation("Query key condition not supported")
    return hashed, sorts


def _check_types(test: KeyTest, kind: str, values: Values) -> None:
    for placeholder in test.placeholders:
        if kind not in values[placeholder]:
            raise errors.invalid_parameters("Condition parameter type does not match schema type")


def holds(operator: str, value: Value, operands: list[Value]) -> bool:
    """Whether a sort key's value meets a condition."""
    if operator == "begins_with":
        kind = next(iter(value))
        return keys.scalar(kind, value[kind]).startswith(keys.scalar(kind, operands[0][kind]))
    ours, bounds = order_key(value), [order_key(operand) for operand in operands]
    if operator == "BETWEEN":
        return bool(bounds[0] <= ours <= bounds[1])
    if operator == "=":
        return bool(ours == bounds[0])
    if operator[0] == "<":
        return bool(ours < bounds[0] or (operator == "<=" and ours == bounds[0]))
    return bool(ours > bounds[0] or (operator == ">=" and ours == bounds[0]))
