"""What a PartiQL statement says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from groundcloud.services.dynamodb.expressions.conditions import Node
from groundcloud.services.dynamodb.expressions.paths import Path
from groundcloud.services.dynamodb.expressions.updates import Step
from groundcloud.services.dynamodb.values import Value

Bind = Callable[[list[Value]], Value]
"""A literal, or a parameter, or a literal with parameters inside: the parameters to a value."""


@dataclass(slots=True)
class Statement:
    """`values` are the constants of its conditions and updates by placeholder; `parameters` counts its question marks."""

    table_name: str = ""
    index_name: str | None = None
    where: Node | None = None
    values: dict[str, Bind] = field(default_factory=dict)
    parameters: int = 0

    def bind(self, parameters: list[Value]) -> dict[str, Value]:
        return {placeholder: bind(parameters) for placeholder, bind in self.values.items()}


@dataclass(slots=True)
class Select(Statement):
    """`paths` is None for `*`. `order` is (attribute, whether descending)."""

    paths: list[Path] | None = None
    order: list[tuple[str, bool]] = field(default_factory=list)


@dataclass(slots=True)
class Exists(Statement):
    """`EXISTS(SELECT ...)`: a condition check in a transaction."""


@dataclass(slots=True)
class Insert(Statement):
    item: Bind | None = None


@dataclass(slots=True)
class Update(Statement):
    """`returning` is ALL_OLD, UPDATED_OLD, ALL_NEW, UPDATED_NEW or None."""

    steps: list[Step] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    returning: str | None = None


@dataclass(slots=True)
class Delete(Statement):
    returning: str | None = None
