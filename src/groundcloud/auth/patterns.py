"""Wildcards and policy variables: the texts of Action, Resource and Condition values, compiled to matchers.

`*` is any run of characters, `?` any one. No backtracking: each run between stars is found leftmost and kept (an atomic
group), so a hostile pattern costs at most pattern times value. `${key}`, `${key, 'default'}` stand for values of the request
and are taken literally once put in; `${*}`, `${?}`, `${$}` are the characters themselves. AWS: "IAM policy elements: Variables and tags".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import Enum
from functools import lru_cache
from typing import NamedTuple, Protocol


class Facts(Protocol):
    """What a request says of itself, by lower-case condition key."""

    def get(self, key: str) -> str | list[str] | None: ...


class Wild(Enum):
    STAR = "*"
    ANY = "?"


class Variable(NamedTuple):
    key: str  # lower case
    default: str | None


Piece = str | Wild | Variable
Matcher = Callable[[str], object]

_RESOLVED_MAX = 2048
_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_NAME = re.compile(r"\s*([^,\s']+)\s*(?:,\s*'([^']*)'\s*)?").fullmatch


def pieces_of(text: str, variables: bool, wildcards: bool = True) -> tuple[Piece, ...]:
    """`text` cut into literal runs, wildcards and variables. Raises ValueError on a malformed variable."""
    pieces: list[Piece] = []
    end = 0
    if variables and "${" in text:
        for found in _VARIABLE.finditer(text):
            _before(text[end : found.start()], wildcards, pieces)
            end = found.end()
            inner = found.group(1)
            if inner in ("*", "?", "$"):
                pieces.append(inner)
                continue
            named = _NAME(inner)
            if named is None:
                raise ValueError(f"malformed policy variable {found.group(0)!r}")
            pieces.append(Variable(named.group(1).lower(), named.group(2)))
        _before(text[end:], wildcards, pieces)
    else:
        _split(text, wildcards, pieces)
    return _joined(pieces)


def _before(text: str, wildcards: bool, pieces: list[Piece]) -> None:
    """Text around variables, in which none may be left open."""
    if "${" in text:
        raise ValueError(f"policy variable without its end in {text!r}")
    _split(text, wildcards, pieces)


def _split(text: str, wildcards: bool, pieces: list[Piece]) -> None:
    if not wildcards:
        if text:
            pieces.append(text)
        return
    for part in re.split(r"([*?])", text):
        if part == "*":
            pieces.append(Wild.STAR)
        elif part == "?":
            pieces.append(Wild.ANY)
        elif part:
            pieces.append(part)


def _joined(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """Adjacent literals in one; a run of stars is one star."""
    joined: list[Piece] = []
    for piece in pieces:
        if joined and isinstance(piece, str) and isinstance(joined[-1], str):
            joined[-1] += piece
        elif not (piece is Wild.STAR and joined and joined[-1] is Wild.STAR):
            joined.append(piece)
    return tuple(joined)


def resolve(pieces: tuple[Piece, ...], facts: Facts) -> tuple[Piece, ...] | None:
    """With every variable replaced, or None where the request has no (single) value for one and it has no default."""
    resolved: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Variable):
            value = facts.get(piece.key)
            if isinstance(value, list):
                value = value[0] if len(value) == 1 else None
            if value is None:
                value = piece.default
            if value is None:
                return None
            resolved.append(value)
        else:
            resolved.append(piece)
    return _joined(resolved)


def literal_of(pieces: tuple[Piece, ...]) -> str | None:
    """The text itself where `pieces` hold neither wildcard nor variable."""
    if not pieces:
        return ""
    return pieces[0] if len(pieces) == 1 and isinstance(pieces[0], str) else None


def prefix_of(pieces: tuple[Piece, ...]) -> str | None:
    """The text before a star that stands last and alone."""
    if pieces == (Wild.STAR,):
        return ""
    return pieces[0] if len(pieces) == 2 and isinstance(pieces[0], str) and pieces[1] is Wild.STAR else None


@lru_cache(_RESOLVED_MAX)
def matcher(pieces: tuple[Piece, ...], arn: bool = False) -> Matcher:
    """A test of a whole value. `arn`: a star inside one of an ARN's first five segments stays in its segment.

    AWS: "IAM JSON policy elements: Resource": wildcards hold within a segment; a star that ends a segment may go beyond the colon.
    """
    if (literal := literal_of(pieces)) is not None:
        return literal.__eq__
    if (prefix := prefix_of(pieces)) is not None:
        return lambda value: value.startswith(prefix)
    return re.compile(_expression(pieces, arn), re.DOTALL).fullmatch


def _expression(pieces: tuple[Piece, ...], arn: bool) -> str:
    """A regular expression in which nothing is tried twice: (?>.*?run) takes the leftmost place of each run.

    A run is what stands between two unbounded stars; within it, stars bounded by a colon nest as runs of their own. The
    leftmost place is always as good as any later one, since whatever may follow a later place may follow the earlier.
    """
    runs: list[list[list[str]]] = [[[]]]  # runs of parts of expressions
    colons = 0
    for index, piece in enumerate(pieces):
        bounded = arn and colons < 5
        if piece is Wild.STAR:
            following = pieces[index + 1] if index + 1 < len(pieces) else ":"
            if bounded and not (isinstance(following, str) and following[0] == ":"):
                runs[-1].append([])
            else:
                runs.append([[]])
        elif piece is Wild.ANY:
            runs[-1][-1].append("[^:]" if bounded else ".")
        elif isinstance(piece, str):
            colons += piece.count(":")
            runs[-1][-1].append(re.escape(piece))
    runs[-1][-1].append(r"\Z")
    written: list[str] = []
    for number, run in enumerate(runs):
        first, *rest = ["".join(part) for part in run]
        body = first + "".join(f"(?>[^:]*?{part})" for part in rest)
        written.append(body if number == 0 else f"(?>.*?{body})")
    return "".join(written)


class TextSet:
    """Patterns of which any may match, sorted by how cheap they are to try."""

    __slots__ = ("anything", "arn", "literals", "matchers", "prefixes", "templates")

    def __init__(self, patterns: Iterable[tuple[Piece, ...]], arn: bool = False) -> None:
        literals: list[str] = []
        prefixes: list[str] = []
        self.arn = arn
        self.matchers: list[Matcher] = []
        self.templates: list[tuple[Piece, ...]] = []
        for pieces in patterns:
            if any(isinstance(piece, Variable) for piece in pieces):
                self.templates.append(pieces)
            elif (literal := literal_of(pieces)) is not None:
                literals.append(literal)
            elif (prefix := prefix_of(pieces)) is not None:
                prefixes.append(prefix)
            else:
                self.matchers.append(matcher(pieces, arn))
        self.literals = frozenset(literals)
        self.prefixes = tuple(prefixes)
        self.anything = "" in prefixes

    def matches(self, value: str, facts: Facts) -> bool:
        if self.anything or value in self.literals:
            return True
        if self.prefixes and value.startswith(self.prefixes):
            return True
        for match in self.matchers:
            if match(value):
                return True
        for pieces in self.templates:
            resolved = resolve(pieces, facts)
            if resolved is not None and matcher(resolved, self.arn)(value):
                return True
        return False
