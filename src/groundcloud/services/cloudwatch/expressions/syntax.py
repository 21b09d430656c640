"""Metric math as text: tokens and the tree.

or := and (("OR" | "||") and)*         and := comparison (("AND" | "&&") comparison)*        comparison := sum (("==" | "!=" | "<" | ...) sum)*
sum := product (("+" | "-") product)*  product := power (("*" | "/") power)*                 power := unary ("^" power)?
unary := "-" unary | primary           primary := number | "text" | id | NAME "(" arguments ")" | "[" arguments "]" | "(" or ")"
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple, TypeAlias

NESTING_MAX = 40

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+)|(?P<name>[A-Za-z][A-Za-z0-9_]*)|(?P<text>'[^']*'|\"[^\"]*\")"
    r"|(?P<sign>==|!=|<=|>=|&&|\|\||[-+*/^<>(),\[\]]))"
)


class ExpressionError(Exception):
    """The sentence behind `Error in expression 'id': `."""


class Number(NamedTuple):
    value: float


class Text(NamedTuple):
    value: str


class Reference(NamedTuple):
    """The id of another query."""

    name: str


class Listed(NamedTuple):
    items: tuple[Expression, ...]


class Applied(NamedTuple):
    """An operator or a function with its arguments."""

    name: str
    arguments: tuple[Expression, ...]


Expression: TypeAlias = Number | Text | Reference | Listed | Applied


@lru_cache(maxsize=512)
def parse(text: str) -> Expression:
    """Raises ExpressionError."""
    parser = _Parser(_tokens(text))
    found = parser.disjunction(0)
    if parser.position != len(parser.tokens):
        raise ExpressionError(f"Invalid syntax at '{parser.tokens[parser.position][1]}'")
    return found


def references(expression: Expression) -> set[str]:
    """The ids that an expression names."""
    if isinstance(expression, Reference):
        return {expression.name}
    if isinstance(expression, Listed):
        return set().union(*[references(item) for item in expression.items]) if expression.items else set()
    if isinstance(expression, Applied):
        return set().union(*[references(item) for item in expression.arguments]) if expression.arguments else set()
    return set()


def names_all(expression: Expression) -> bool:
    """Whether METRICS() is in it, which names every metric of the request."""
    if isinstance(expression, Listed):
        return any(names_all(item) for item in expression.items)
    if isinstance(expression, Applied):
        return expression.name == "METRICS" or any(names_all(item) for item in expression.arguments)
    return False


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        found = _TOKEN.match(text, position)
        if found is None:
            raise ExpressionError(f"Invalid syntax at '{text[position:].strip()[:20]}'")
        kind = found.lastgroup or ""
        tokens.append((kind, found[kind]))
        position = found.end()
    if not tokens:
        raise ExpressionError("The expression is empty")
    return tokens


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.position = 0

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.position] if self.position < len(self.tokens) else ("end", "")

    def take(self, *signs: str) -> str | None:
        kind, text = self.peek()
        if kind in ("sign", "name") and (text in signs or (kind == "name" and text.upper() in signs)):
            self.position += 1
            return text.upper()
        return None

    def expect(self, sign: str) -> None:
        if self.take(sign) is None:
            raise ExpressionError(f"Expected '{sign}' at '{self.peek()[1]}'")

    def disjunction(self, depth: int) -> Expression:
        if depth > NESTING_MAX:
            raise ExpressionError("The expression is nested too deeply")
        left = self.conjunction(depth)
        while self.take("||", "OR"):
            left = Applied("||", (left, self.conjunction(depth)))
        return left

    def conjunction(self, depth: int) -> Expression:
        left = self.comparison(depth)
        while self.take("&&", "AND"):
            left = Applied("&&", (left, self.comparison(depth)))
        return left

    def comparison(self, depth: int) -> Expression:
        left = self.sum(depth)
        while (sign := self.take("==", "!=", "<=", ">=", "<", ">")) is not None:
            left = Applied(sign, (left, self.sum(depth)))
        return left

    def sum(self, depth: int) -> Expression:
        left = self.product(depth)
        while (sign := self.take("+", "-")) is not None:
            left = Applied(sign, (left, self.product(depth)))
        return left

    def product(self, depth: int) -> Expression:
        left = self.power(depth)
        while (sign := self.take("*", "/")) is not None:
            left = Applied(sign, (left, self.power(depth)))
        return left

    def power(self, depth: int) -> Expression:
        base = self.unary(depth)
        if self.take("^"):
            if depth > NESTING_MAX:
                raise ExpressionError("The expression is nested too deeply")
            return Applied("^", (base, self.power(depth + 1)))
        return base

    def unary(self, depth: int) -> Expression:
        if self.take("-"):
            if depth > NESTING_MAX:
                raise ExpressionError("The expression is nested too deeply")
            return Applied("negative", (self.unary(depth + 1),))
        return self.primary(depth)

    def primary(self, depth: int) -> Expression:
        kind, text = self.peek()
        self.position += 1
        if kind == "number":
            return Number(float(text))
        if kind == "text":
            return Text(text[1:-1])
        if text == "(":
            inner = self.disjunction(depth + 1)
            self.expect(")")
            return inner
        if text == "[":
            return Listed(self.arguments("]", depth))
        if kind == "name":
            if self.take("("):
                return Applied(text.upper(), self.arguments(")", depth))
            return Reference(text)
        raise ExpressionError(f"Invalid syntax at '{text}'" if text else "The expression ends too early")

    def arguments(self, closing: str, depth: int) -> tuple[Expression, ...]:
        if self.take(closing):
            return ()
        found = [self.disjunction(depth + 1)]
        while self.take(","):
            found.append(self.disjunction(depth + 1))
        self.expect(closing)
        return tuple(found)
