"""Terms: words, quoted phrases, `?` for any of, `-` for none of, `%regex%`.

All plain terms must be there and no excluded one. `?` terms mean any of them, and are ignored where a plain or an excluded term stands beside them.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from groundcloud.services.logs.patterns.pattern import Pattern, PatternError, invalid_characters
from groundcloud.services.logs.patterns.regex import regex_from

_WORD = re.compile(r"\w+")

Test = Callable[[str], bool]


def parse(text: str) -> Pattern:
    """Raises PatternError."""
    wanted: list[Test] = []
    any_of: list[Test] = []
    unwanted: list[Test] = []
    position, length = 0, len(text)
    regexes = 0
    while position < length:
        if text[position].isspace():
            position += 1
            continue
        into, sign = wanted, text[position]
        if sign in "?-":
            into = any_of if sign == "?" else unwanted
            position += 1
        if text[position : position + 1] == '"':
            phrase, position = quoted(text, position)
            if not phrase:
                raise invalid_characters('""')
            into.append(_contains(phrase))
            continue
        if text[position : position + 1] == "%":
            found, position = regex_from(text, position)
            regexes += 1
            into.append(_searches(found))
            continue
        end = position
        while end < length and not text[end].isspace():
            end += 1
        word = text[position:end]
        if not _WORD.fullmatch(word):
            raise invalid_characters(word)
        into.append(_contains(word))
        position = end
    if regexes > 2:
        raise PatternError("A filter pattern cannot contain more than 2 regular expressions")
    if wanted or unwanted:
        if len(wanted) == 1 and not unwanted:
            return Pattern(wanted[0])
        return Pattern(lambda message: all(test(message) for test in wanted) and not any(test(message) for test in unwanted))
    if any_of:
        return Pattern(lambda message: any(test(message) for test in any_of))
    return Pattern(_everything)


def quoted(text: str, position: int) -> tuple[str, int]:
    """The phrase whose opening quote is at `position`, and where it ends. Raises PatternError if it is not closed."""
    out: list[str] = []
    begin = position
    position += 1
    while position < len(text):
        character = text[position]
        if character == "\\" and position + 1 < len(text) and text[position + 1] in '"\\':
            out.append(text[position + 1])
            position += 2
            continue
        if character == '"':
            return "".join(out), position + 1
        out.append(character)
        position += 1
    raise invalid_characters(text[begin:])


def _contains(term: str) -> Test:
    return lambda message: term in message


def _searches(found: re.Pattern[str]) -> Test:
    return lambda message: found.search(message) is not None


def _everything(message: str) -> bool:
    return True
