"""Finding a route by its path: literal segments before `{variables}` before `{greedy+}` ones, with backtracking. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Methods = dict[str, Any]
"""HTTP method, or ANY -> the route. The routes of one path."""


class Node:
    """One segment of the tree. `variable` stands for any segment, `greedy` for all that follow."""

    __slots__ = ("children", "greedy", "methods", "variable")

    def __init__(self) -> None:
        self.children: dict[str, Node] = {}
        self.variable: Node | None = None
        self.greedy: Methods | None = None
        self.methods: Methods = {}


def add(root: Node, template: str, method: str, route: Any) -> None:
    """Puts the route of a path like `/pets/{id}/toys/{proxy+}` into the tree."""
    node = root
    for segment in template.split("/")[1:] if template != "/" else []:
        if segment.startswith("{") and segment.endswith("+}"):
            if node.greedy is None:
                node.greedy = {}
            node.greedy[method] = route
            return
        if segment.startswith("{") and segment.endswith("}"):
            if node.variable is None:
                node.variable = Node()
            node = node.variable
        else:
            node = node.children.setdefault(segment, Node())
    node.methods[method] = route


def variable_names(template: str) -> tuple[str, ...]:
    """`/pets/{id}/{proxy+}` -> ("id", "proxy")."""
    return tuple(part[1:-1].rstrip("+") for part in template.split("/") if part.startswith("{") and part.endswith("}"))


def find(root: Node, segments: list[str], accept: Callable[[Methods], Any]) -> tuple[Any, list[str]] | None:
    """What `accept` made of the best path's methods, and the values of its variables in order."""
    values: list[str] = []
    found = _find(root, segments, 0, values, accept)
    return None if found is None else (found, values)


def _find(node: Node, segments: list[str], index: int, values: list[str], accept: Callable[[Methods], Any]) -> Any:
    if index == len(segments):
        return accept(node.methods) if node.methods else None
    segment = segments[index]
    child = node.children.get(segment)
    if child is not None:
        found = _find(child, segments, index + 1, values, accept)
        if found is not None:
            return found
    if node.variable is not None and segment:
        values.append(segment)
        found = _find(node.variable, segments, index + 1, values, accept)
        if found is not None:
            return found
        values.pop()
    if node.greedy is not None:
        rest = "/".join(segments[index:])
        if rest:
            found = accept(node.greedy)
            if found is not None:
                values.append(rest)
                return found
    return None
