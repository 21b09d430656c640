"""What conditions and updates are made of: paths, value placeholders and functions, as nodes of a tree.

Pure. The tree is built first and judged afterwards, because AWS reports the gravest error of an expression, not the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from groundcloud.services.dynamodb.expressions.paths import Names, Path, parse_path, show_path
from groundcloud.services.dynamodb.expressions.tokens import Cursor

Item = dict[str, Any]
Values = Mapping[str, dict[str, Any]]


@dataclass(slots=True)
class PathOperand:
    path: Path


@dataclass(slots=True)
class ValueOperand:
    placeholder: str
    kind: str | None
    """The type of the value, None where the placeholder is not defined."""


@dataclass(slots=True)
class FunctionOperand:
    name: str
    arguments: list[Operand]


@dataclass(slots=True)
class Arithmetic:
    """`a + b` or `a - b`, in update expressions only."""

    operator: str
    left: Operand
    right: Operand


Operand = PathOperand | ValueOperand | FunctionOperand | Arithmetic


@dataclass(slots=True)
class ValueTypes:
    """ExpressionAttributeValues during one compilation, by their types alone: a compiled expression serves every value of them."""

    types: Mapping[str, str]
    used: set[str] = field(default_factory=set)

    def operand(self, placeholder: str) -> ValueOperand:
        kind = self.types.get(placeholder)
        if kind is not None:
            self.used.add(placeholder)
        return ValueOperand(placeholder, kind)


def parse_operand(cursor: Cursor, names: Names, types: ValueTypes, keywords: frozenset[str]) -> Operand:
    """A value, a function call or a path; `keywords` of the grammar at hand are no names."""
    token = cursor.token
    if token.kind == "value":
        cursor.advance()
        return types.operand(token.text)
    if token.kind == "name":
        if token.text.upper() in keywords:
            cursor.fail()
        if cursor.following().text == "(" and cursor.following().kind == "symbol":
            cursor.advance()
            cursor.advance()
            cursor.descend()
            arguments = [parse_argument(cursor, names, types, keywords)]
            while cursor.symbol(","):
                arguments.append(parse_argument(cursor, names, types, keywords))
            cursor.expect(")")
            cursor.ascend()
            return FunctionOperand(token.text, arguments)
    return PathOperand(parse_path(cursor, names))


def parse_argument(cursor: Cursor, names: Names, types: ValueTypes, keywords: frozenset[str]) -> Operand:
    """An operand, or one in parentheses."""
    if cursor.symbol("("):
        cursor.descend()
        operand = parse_argument(cursor, names, types, keywords)
        cursor.expect(")")
        cursor.ascend()
        return operand
    return parse_operand(cursor, names, types, keywords)


def undefined_value(operand: Operand) -> str | None:
    """AWS's sentence for the first undefined placeholder below an operand."""
    if isinstance(operand, ValueOperand):
        if operand.kind is None:
            return f"An expression attribute value used in expression is not defined; attribute value: {operand.placeholder}"
    elif isinstance(operand, FunctionOperand):
        for argument in operand.arguments:
            if problem := undefined_value(argument):
                return problem
    elif isinstance(operand, Arithmetic):
        return undefined_value(operand.left) or undefined_value(operand.right)
    return None


def constant_type(operand: Operand) -> str | None:
    return operand.kind if isinstance(operand, ValueOperand) else None


def operand_count_error(name: str, count: int) -> str:
    return f"Incorrect number of operands for operator or function; operator or function: {name}, number of operands: {count}"


def operand_type_error(name: str, kind: str) -> str:
    return f"Incorrect operand type for operator or function; operator or function: {name}, operand type: {kind}"


def path_required_error(name: str) -> str:
    return f"Operator or function requires a document path; operator or function: {name}"


def distinct_error(name: str, first: Operand, others: list[Operand]) -> str | None:
    if isinstance(first, PathOperand) and any(isinstance(other, PathOperand) and other.path == first.path for other in others):
        return (
            "The first operand must be distinct from the remaining operands for this operator or function; "
            f"operator: {name}, first operand: {show_path(first.path)}"
        )
    return None
