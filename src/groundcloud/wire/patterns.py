"""The models' regular expressions, which are Java's, as Python's; and matching that ends in bounded time.

Python's engine backtracks: a pattern with several unbounded repeats takes time in a power of the text's length. So a text is tried only up to
a length that depends on the pattern (a longer one passes: the shape's own maximum refuses it), and the few patterns that would take
exponential time are replaced by others of the same language.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from itertools import groupby
from typing import Any

LENGTH_MAX = 100_000
"""Text longer than this is not matched at all."""

LENGTH_MAX_BY_REPEATS = {0: LENGTH_MAX, 1: LENGTH_MAX, 2: 4096, 3: 512}
"""How long a text may be for a pattern with so many unbounded repeats; beyond the table, 256."""

REPLACED = {
    r"(.*[\n\r\t\f\ ]?)*": r"[\s\S]*",
    r"^[ \t]*[\x20-\x7E]+([ \t]+[\x20-\x7E]+)*[ \t]*$": r"\t*[\x20-\x7E][\t\x20-\x7E]*",
    r"[ \t]*[\x20-\x7E]+([ \t]+[\x20-\x7E]+)*[ \t]*|(\$(\.[\w/_-]+(\[(\d+|\*)\])*)*)": r"\t*[\x20-\x7E][\t\x20-\x7E]*",
    r"^[ \t]*[^\x00-\x1F:\x7F]+([ \t]+[^\x00-\x1F:\x7F]+)*[ \t]*$": r"\t*[^\x00-\x1F:\x7F](?:\t|[^\x00-\x1F:\x7F])*",
    r"^[a-z0-9*](?:[._\-/a-z0-9*]?[a-z0-9*]+)*$": r"[a-z0-9*]+(?:[._\-/][a-z0-9*]+)*",
    r"\$(\.[a-zA-Z0-9_.@\[\]\(\)-]+)*": r"\$(?:\.[a-zA-Z0-9_.@\[\]\(\)-]+)?",
    r"[a-zA-Z](?:-?[a-zA-Z0-9]+)*": r"[a-zA-Z][a-zA-Z0-9]*(?:-[a-zA-Z0-9]+)*",
    r"[a-z](?:-?[a-z0-9]+){0,15}": r"[a-z][a-z0-9]*(?:-[a-z0-9]+){0,15}",
}

_POSIX = {
    "ASCII": r"\x00-\x7F",
    "Alnum": "a-zA-Z0-9",
    "Alpha": "a-zA-Z",
    "Cntrl": r"\x00-\x1F\x7F",
    "Digit": "0-9",
    "Graph": r"\x21-\x7E",
    "Lower": "a-z",
    "Print": r"\x20-\x7E",
    "Punct": r"!-/:-@\[-`{-~",
    "Space": r" \t\n\x0b\f\r",
    "Upper": "A-Z",
    "XDigit": "0-9a-fA-F",
}
_PROPERTY = re.compile(r"\\([pP])(?:\{(?:Is)?(\w+)\}|(\w))")
_LEADING_FLAGS = re.compile(r"\(\?([a-z]+)\)")
_SURROGATES = r"\uD800\uDC00-\uDBFF\uDFFF"


def matches(pattern: str, text: str) -> bool:
    """Whether the whole `text` matches the model's `pattern`. True where that cannot be told (see `compiled`, `length_max`)."""
    found = compiled(pattern)
    return found is None or len(text) > length_max(pattern) or found.fullmatch(text) is not None


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> re.Pattern[str] | None:
    """None for a pattern that Python cannot read even so; `tests/wire/test_patterns.py` lists them."""
    try:
        return re.compile(translated(pattern))
    except (re.error, KeyError):
        return None


@lru_cache(maxsize=4096)
def length_max(pattern: str) -> int:
    found = compiled(pattern)
    if found is None:
        return LENGTH_MAX
    import re._parser as parser  # type: ignore[import-not-found,unused-ignore]

    return LENGTH_MAX_BY_REPEATS.get(_repeats(parser.parse(found.pattern)), 256)


def translated(pattern: str) -> str:
    """The pattern in Python's dialect. Raises KeyError for a class of characters that is not known here."""
    pattern = REPLACED.get(pattern, pattern).replace(_SURROGATES, r"\U00010000-\U0010FFFF").replace("|(?i).*<script>", "|(?i:.*<script>)")
    flags = _LEADING_FLAGS.match(pattern)
    if flags is not None:  # flags may stand only at the start, and the pattern may become part of another
        pattern = f"(?{flags[1]}:{pattern[flags.end() :]})"
    out: list[str] = []
    position, inside, after_class = 0, False, False
    while position < len(pattern):
        character = pattern[position]
        if character == "\\":
            property_ = _PROPERTY.match(pattern, position)
            if property_ is not None:
                name = property_[2] or property_[3]
                ranges = _POSIX.get(name) or _category(name, negated=False)
                if property_[1] == "P":
                    ranges = _category(name, negated=True)
                out.append(ranges if inside else f"[{ranges}]")
                position, after_class = property_.end(), True
                continue
            out.append(pattern[position : position + 2])
            after_class = pattern[position + 1 : position + 2] in ("w", "d", "s", "W", "D", "S")
            position += 2
            continue
        if inside and character == "]":
            inside = False
        elif inside and character == "[":
            character = r"\["
        elif inside and character == "-" and after_class:
            character = r"\-"
        elif not inside and character == "[":
            inside = True
            if pattern[position + 1 : position + 2] == "^":
                character, position = "[^", position + 1
            if pattern[position + 1 : position + 2] == "]":
                character, position = character + r"\]", position + 1
        out.append(character)
        after_class = False
        position += 1
    return "".join(out)


@lru_cache(maxsize=64)
def _category(name: str, negated: bool) -> str:
    """Characters of a Unicode general category as ranges for a class: exact to U+FFFF, everything above in (or, negated, out)."""
    if not 1 <= len(name) <= 2 or name[0] not in "LMNPSZC":
        raise KeyError(name)
    ranges: list[tuple[int, int]] = []
    for category, first, last in _runs():
        if category.startswith(name) is negated:
            continue
        if ranges and ranges[-1][1] == first - 1:
            ranges[-1] = (ranges[-1][0], last)
        else:
            ranges.append((first, last))
    text = [rf"\u{first:04x}-\u{last:04x}" for first, last in ranges]
    if (name[0] not in "ZC") is not negated:
        text.append(r"\U00010000-\U0010ffff")
    return "".join(text)


@cache
def _runs() -> list[tuple[str, int, int]]:
    """Stretches of one general category up to U+FFFF: (category, first, last)."""
    runs: list[tuple[str, int, int]] = []
    first = 0
    for category, group in groupby(map(unicodedata.category, map(chr, range(0x10000)))):
        length = sum(1 for _ in group)
        runs.append((category, first, first + length - 1))
        first += length
    return runs


def _repeats(items: Any) -> int:
    """How many repeats of the parsed pattern have no small bound; those inside one another count twice."""
    count = 0
    for operator, argument in items:
        name = str(operator)
        if name in ("MAX_REPEAT", "MIN_REPEAT"):
            low, high, inner = argument
            below = _repeats(inner)
            count += below
            if high - low > 64 or (below and high > 1):
                count += 1
        elif name == "SUBPATTERN":
            count += _repeats(argument[3])
        elif name == "BRANCH":
            count += max(_repeats(branch) for branch in argument[1])
        elif name in ("ASSERT", "ASSERT_NOT"):
            count += _repeats(argument[1])
        elif name == "ATOMIC_GROUP":
            count += _repeats(argument)
    return count
