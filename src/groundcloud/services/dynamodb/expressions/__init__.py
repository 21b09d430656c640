"""The expression languages of DynamoDB: condition, filter, key condition, update and projection.

`read_expressions(request)` gives the compiled expressions of a request and its checked values. Compilation depends on the texts, the
names and the *types* of the values only, so a compiled set is kept and reused for every request of the same make.
Pure; raises ValidationException with AWS's sentences in AWS's order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.services.dynamodb import errors
from groundcloud.services.dynamodb import values as attribute_values
from groundcloud.services.dynamodb.expressions.conditions import Condition, compile_condition
from groundcloud.services.dynamodb.expressions.key_conditions import KeyTest, to_key_tests
from groundcloud.services.dynamodb.expressions.operands import ValueTypes
from groundcloud.services.dynamodb.expressions.paths import Names, Projection, compile_projection
from groundcloud.services.dynamodb.expressions.search_conditions import to_equalities
from groundcloud.services.dynamodb.expressions.tokens import InvalidExpression, check_length
from groundcloud.services.dynamodb.expressions.updates import Update, compile_update
from groundcloud.services.dynamodb.values import Value

__all__ = [
    "NOTHING", "Expressions", "Types", "check_names", "compile_expressions", "read_expressions", "read_search", "read_values",
]  # fmt: skip

Types = tuple[tuple[str, str], ...]
"""(placeholder, type) of each of the ExpressionAttributeValues."""

CACHED_MAX = 4096
"""Compiled requests kept; applications have tens."""

_NAME_KEY = re.compile(r"#[A-Za-z0-9_]+", re.ASCII)
_VALUE_KEY = re.compile(r":[A-Za-z0-9_]+", re.ASCII)


@dataclass(slots=True)
class Expressions:
    """The compiled expressions of one request; None where the request has none of that kind."""

    update: Update | None = None
    condition: Condition | None = None
    key_tests: dict[str, KeyTest] | None = None
    filter: Condition | None = None
    projection: Projection | None = None
    equalities: dict[str, str] | None = None
    """A SearchConditionExpression: attribute -> placeholder."""
    checks: list[Callable[[dict[str, Value]], None]] = field(default_factory=list)


NOTHING = Expressions()
"""For requests without expressions."""


def read_expressions(request: dict[str, Any], types: Types | None = None) -> tuple[Expressions, dict[str, Value]]:
    """Compiles the request's expressions: Update-, Condition-, KeyCondition-, Filter- and ProjectionExpression.

    `types` is what `read_values` gave, where the values were checked before.
    """
    names = request.get("ExpressionAttributeNames")
    found_values = request.get("ExpressionAttributeValues")
    if found_values is None:
        found_values = {}
        types = ()
    elif types is None:
        types = read_values(found_values)
    compiled = compile_expressions(
        request.get("UpdateExpression"),
        request.get("ConditionExpression"),
        request.get("KeyConditionExpression"),
        request.get("FilterExpression"),
        request.get("ProjectionExpression"),
        tuple(names.items()) if names is not None else None,
        types,
    )
    for check in compiled.checks:
        check(found_values)
    return compiled, found_values


def read_search(request: dict[str, Any]) -> tuple[Expressions, dict[str, Value]]:
    """The same for SearchVectors: SearchConditionExpression and ProjectionExpression."""
    names, found_values = request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues")
    types = () if found_values is None else read_values(found_values)
    condition, projection = request.get("SearchConditionExpression"), request.get("ProjectionExpression")
    if condition is None and projection is None:
        if names is not None:
            raise errors.validation("ExpressionAttributeNames can only be specified when using expressions")
        if found_values is not None:
            raise errors.validation("ExpressionAttributeValues can only be specified when using expressions")
    return _compile_search(condition, projection, None if names is None else tuple(names.items()), types), found_values or {}


def read_values(found: dict[str, Value]) -> Types:
    """Checks ExpressionAttributeValues and gives the type of each."""
    if not found:
        raise errors.validation("ExpressionAttributeValues must not be empty")
    types = []
    check = attribute_values.check
    for placeholder, value in found.items():
        try:
            check(value)
        except AwsError as error:
            if error.code != "ValidationException":
                raise
            _check_value_keys(tuple(found))
            raise errors.validation(f"ExpressionAttributeValues contains invalid value: {error.message} for key {placeholder}") from None
        types.append((placeholder, next(iter(value))))
    _check_value_keys(tuple(found))
    return tuple(types)


@lru_cache(maxsize=CACHED_MAX)
def compile_expressions(
    update: str | None,
    condition: str | None,
    key_condition: str | None,
    filter_: str | None,
    projection: str | None,
    names: tuple[tuple[str, str], ...] | None,
    types: tuple[tuple[str, str], ...],
) -> Expressions:
    check_names(names)
    compiler = _Compiler(dict(names or ()), dict(types))
    compiled = compiler.compiled
    if update is not None:
        compiled.update = compiler.run("UpdateExpression", update, compile_update)
    if condition is not None:
        compiled.condition = compiler.run_condition("ConditionExpression", condition)
    key_tree = compiler.run_condition("KeyConditionExpression", key_condition) if key_condition is not None else None
    if filter_ is not None:
        compiled.filter = compiler.run_condition("FilterExpression", filter_)
    if projection is not None:
        compiled.projection = compiler.run("ProjectionExpression", projection, lambda text, names, _: compile_projection(text, names))
    compiler.check_unused()
    if key_tree is not None:
        try:
            compiled.key_tests = to_key_tests(key_tree.tree)
        except InvalidExpression as problem:
            raise errors.validation(str(problem)) from None
    return compiled


@lru_cache(maxsize=CACHED_MAX)
def _compile_search(
    condition: str | None, projection: str | None, names: tuple[tuple[str, str], ...] | None, types: tuple[tuple[str, str], ...]
) -> Expressions:
    check_names(names)
    compiler = _Compiler(dict(names or ()), dict(types))
    compiled = compiler.compiled
    tree = None if condition is None else compiler.run_condition("SearchConditionExpression", condition).tree
    if projection is not None:
        compiled.projection = compiler.run("ProjectionExpression", projection, lambda text, names, _: compile_projection(text, names))
    compiler.check_unused()
    if tree is not None:
        try:
            compiled.equalities = to_equalities(tree)
        except InvalidExpression as problem:
            raise errors.validation(f"Invalid SearchConditionExpression: {problem}") from None
    return compiled


class _Compiler:
    """One request's expressions, which share their names and values."""

    def __init__(self, names: dict[str, str], types: dict[str, str]) -> None:
        self.names = names
        self.types = types
        self.used_names: set[str] = set()
        self.used_values: set[str] = set()
        self.compiled = Expressions()

    def run(self, parameter: str, text: str, compile_: Callable[[str, Names, ValueTypes], Any]) -> Any:
        check_length(parameter, text)
        names, types = Names(self.names), ValueTypes(self.types)
        try:
            result = compile_(text, names, types)
        except InvalidExpression as problem:
            raise errors.validation(f"Invalid {parameter}: {problem}") from None
        self.used_names |= names.used
        self.used_values |= types.used
        return result

    def run_condition(self, parameter: str, text: str) -> Condition:
        checks: list[Callable[[dict[str, Value]], str | None]] = []
        condition: Condition = self.run(parameter, text, lambda text, names, types: compile_condition(text, names, types, checks))
        self.compiled.checks.extend(_raising(parameter, check) for check in checks)
        return condition

    def check_unused(self) -> None:
        for parameter, provided, used in (
            ("ExpressionAttributeNames", self.names, self.used_names),
            ("ExpressionAttributeValues", self.types, self.used_values),
        ):
            unused = [placeholder for placeholder in provided if placeholder not in used]
            if unused:
                raise errors.validation(f"Value provided in {parameter} unused in expressions: keys: {{{', '.join(unused)}}}")


def _raising(parameter: str, check: Callable[[dict[str, Value]], str | None]) -> Callable[[dict[str, Value]], None]:
    def run(found: dict[str, Value]) -> None:
        problem = check(found)
        if problem:
            raise errors.validation(f"Invalid {parameter}: {problem}")

    return run


@lru_cache(maxsize=CACHED_MAX)
def check_names(names: tuple[tuple[str, str], ...] | None) -> None:
    """Raises ValidationException unless there are ExpressionAttributeNames and all begin with `#`."""
    if names is not None:
        if not names:
            raise errors.validation("ExpressionAttributeNames must not be empty")
        _check_placeholders("ExpressionAttributeNames", _NAME_KEY, dict(names))
        for placeholder, name in names:
            if not name:
                raise errors.validation(f"ExpressionAttributeNames contains invalid value: Empty attribute name for key {placeholder}")


@lru_cache(maxsize=CACHED_MAX)
def _check_value_keys(placeholders: tuple[str, ...]) -> None:
    _check_placeholders("ExpressionAttributeValues", _VALUE_KEY, placeholders)


def _check_placeholders(parameter: str, pattern: re.Pattern[str], provided: Iterable[str]) -> None:
    for placeholder in provided:
        if not pattern.fullmatch(placeholder):
            raise errors.validation(f'{parameter} contains invalid key: Syntax error; key: "{placeholder}"')
