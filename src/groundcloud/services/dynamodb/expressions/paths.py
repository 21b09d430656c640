"""Document paths: `a.b[1].#c` to steps, steps to the value they lead to, and projections (a set of paths).

Pure. A path is a tuple of steps: `str` into a map, `int` into a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from groundcloud.services.dynamodb.expressions.reserved import RESERVED_WORDS
from groundcloud.services.dynamodb.expressions.tokens import Cursor, InvalidExpression
from groundcloud.services.dynamodb.values import Item, Value

Path = tuple[str | int, ...]

PATH_DEPTH_MAX = 32
"""Source: Developer Guide, "Quotas" > Nested attribute depth."""


class Names:
    """ExpressionAttributeNames during one compilation: resolves, and remembers what was used and the first error of each kind."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names
        self.used: set[str] = set()
        self.reserved: str | None = None
        self.undefined: str | None = None

    def plain(self, name: str) -> str:
        if self.reserved is None and name.upper() in RESERVED_WORDS:
            self.reserved = f"Attribute name is a reserved keyword; reserved keyword: {name}"
        return name

    def alias(self, placeholder: str) -> str:
        resolved = self.names.get(placeholder)
        if resolved is None:
            if self.undefined is None:
                self.undefined = f"An expression attribute name used in the document path is not defined; attribute name: {placeholder}"
            return placeholder
        self.used.add(placeholder)
        return resolved


def parse_path(cursor: Cursor, names: Names) -> Path:
    steps: list[str | int] = [_parse_name(cursor, names)]
    while cursor.token.kind == "symbol":
        if cursor.symbol("."):
            steps.append(_parse_name(cursor, names))
        elif cursor.symbol("["):
            if cursor.token.kind != "number":
                cursor.fail()
            steps.append(int(cursor.advance().text[:18]))
            cursor.expect("]")
        else:
            break
    if len(steps) > PATH_DEPTH_MAX:
        raise InvalidExpression(f"The document path has too many nesting elements; nesting levels: {len(steps)}")
    return tuple(steps)


def _parse_name(cursor: Cursor, names: Names) -> str:
    token = cursor.token
    if token.kind == "name":
        cursor.advance()
        return names.plain(token.text)
    if token.kind == "alias":
        cursor.advance()
        return names.alias(token.text)
    cursor.fail()


def show_path(path: Path) -> str:
    """As AWS prints it: `[a, b, [1]]`."""
    return "[" + ", ".join(f"[{step}]" if isinstance(step, int) else step for step in path) + "]"


def lookup(item: Item, path: Path) -> Value | None:
    """The value at a path, or None."""
    value = item.get(path[0])  # type: ignore[arg-type]
    for step in path[1:]:
        if value is None:
            return None
        if step.__class__ is str:
            members = value.get("M")
            value = members.get(step) if members is not None else None
        else:
            elements = value.get("L")
            value = elements[step] if elements is not None and step < len(elements) else None  # type: ignore[operator]
    return value


def find_clash(path: Path, others: Iterable[Path]) -> str | None:
    """AWS's sentence where a path overlaps or contradicts an earlier one."""
    for other in others:
        for ours, theirs in zip(path, other, strict=False):
            if isinstance(ours, int) is not isinstance(theirs, int):
                return (
                    "Two document paths conflict with each other; must remove or rewrite one of these paths; "
                    f"path one: {show_path(other)}, path two: {show_path(path)}"
                )
            if ours != theirs:
                break
        else:
            return (
                "Two document paths overlap with each other; must remove or rewrite one of these paths; "
                f"path one: {show_path(other)}, path two: {show_path(path)}"
            )
    return None


class Projection:
    """The paths that an answer is cut down to; `top` is their first steps, `nested` whether any goes deeper."""

    __slots__ = ("_tree", "nested", "paths", "top")

    def __init__(self, paths: Iterable[Path]) -> None:
        self.paths = tuple(paths)
        self.top: list[str] = list(dict.fromkeys(str(path[0]) for path in self.paths))
        self.nested = any(len(path) > 1 for path in self.paths)
        self._tree: dict[Any, Any] = {}
        for path in self.paths:
            branch = self._tree
            for step in path[:-1]:
                branch = branch.setdefault(step, {})
            branch[path[-1]] = None

    def apply(self, item: Item) -> Item:
        """A new item with these paths only; lists close up over what is left out."""
        if not self.nested:
            return {name: item[name] for name in self.top if name in item}
        return _project_members(item, self._tree)


def _project_members(members: Item, tree: dict[Any, Any]) -> Item:
    picked: Item = {}
    for name, branch in tree.items():
        value = members.get(name)
        if value is not None:
            kept = value if branch is None else _project_value(value, branch)
            if kept is not None:
                picked[name] = kept
    return picked


def _project_value(value: Value, tree: dict[Any, Any]) -> Value | None:
    if isinstance(next(iter(tree)), int):
        elements = value.get("L")
        if elements is None:
            return None
        kept = []
        for index in sorted(tree):
            if index < len(elements):
                branch = tree[index]
                element = elements[index] if branch is None else _project_value(elements[index], branch)
                if element is not None:
                    kept.append(element)
        return {"L": kept} if kept else None
    members = value.get("M")
    if members is None:
        return None
    picked = _project_members(members, tree)
    return {"M": picked} if picked else None


def compile_projection(text: str, names: Names) -> Projection:
    """Raises InvalidExpression."""
    cursor = Cursor(text)
    paths: list[Path] = []
    clash: str | None = None
    while True:
        path = parse_path(cursor, names)
        clash = clash or find_clash(path, paths)
        paths.append(path)
        if not cursor.symbol(","):
            break
    if cursor.token.kind != "end":
        cursor.fail()
    for problem in (names.reserved, names.undefined, clash):
        if problem:
            raise InvalidExpression(problem)
    return Projection(paths)
