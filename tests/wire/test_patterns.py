"""The models' patterns are read, mean what they mean in Java, and end in bounded time."""

import random
import re
import time
from typing import Any

import pytest

from groundcloud.wire import model as models
from groundcloud.wire import patterns

ALL = sorted({shape["pattern"] for service in models.index() for shape in models.load(service).shapes.values() if "pattern" in shape})


def test_every_pattern_of_the_models_can_be_read() -> None:
    assert [pattern for pattern in ALL if patterns.compiled(pattern) is None] == []


@pytest.mark.parametrize(
    ("pattern", "text", "wanted"),
    [
        (r"[\w-_]*", "a-b_c", True),
        (r"[\w-_]*", "a+b", False),
        (r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+", "Zoë$1!", True),
        (r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+", "two words", False),
        (r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$", "Größe 1 東京", True),
        (r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$", "semi;colon", False),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*", "a\U0001f600\n", True),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*", "\x00", False),
        (r"[^\p{C}]+", "bell\x07", False),
        (r"^\P{C}*$", "plain", True),
        (r"\p{Print}+", "caf\u00e9", False),
        (r"[\P{M}\p{M}]{1,10000}", "anything\n", True),
        (r"[a-zA-Z](?:-?[a-zA-Z0-9]+)*", "my-db-1", True),
        (r"[a-zA-Z](?:-?[a-zA-Z0-9]+)*", "my--db", False),
        (r"^[a-z0-9*](?:[._\-/a-z0-9*]?[a-z0-9*]+)*$", "team/app.*", True),
        (r"^[a-z0-9*](?:[._\-/a-z0-9*]?[a-z0-9*]+)*$", "team//app", False),
        (r"^[ \t]*[\x20-\x7E]+([ \t]+[\x20-\x7E]+)*[ \t]*$", "\tBearer x\t", True),
        (r"^[ \t]*[\x20-\x7E]+([ \t]+[\x20-\x7E]+)*[ \t]*$", "\t", False),
        (r"[a-z]+", "abc\n", False),
    ],
)
def test_a_pattern_means_what_it_means_in_java(pattern: str, text: str, wanted: bool) -> None:
    assert patterns.matches(pattern, text) is wanted


@pytest.mark.parametrize("pattern", [pattern for pattern in patterns.REPLACED if "|" not in pattern])
def test_a_replaced_pattern_has_the_same_language(pattern: str) -> None:
    original = re.compile(patterns.translated(pattern + "(?:)"))
    alphabet = "aZ09-. \t\n*_/:\x7f"
    source = random.Random(7)
    for _ in range(3000):
        text = "".join(source.choices(alphabet, k=source.randint(0, 7)))
        if "{0,15}" not in pattern:
            assert (original.fullmatch(text) is not None) is patterns.matches(pattern, text), repr(text)


def test_text_that_is_too_long_for_a_pattern_is_left_to_the_length() -> None:
    assert patterns.matches("[a-z]+", "1" * (patterns.LENGTH_MAX + 1))


@pytest.mark.slow
def test_no_pattern_of_the_models_takes_long_on_hostile_text() -> None:
    slow = []
    for pattern in ALL:
        found = patterns.compiled(pattern)
        assert found is not None
        for text in hostile(found.pattern, patterns.length_max(pattern)):
            began = time.process_time()
            patterns.matches(pattern, text)
            if time.process_time() - began > 0.5:
                slow.append((round(time.process_time() - began, 1), pattern, text[:40]))
                break
    assert slow == []


def hostile(pattern: str, length_max: int) -> list[str]:
    """Texts that almost match: each repeat of the pattern in turn is pumped as far as may be, and the end is spoilt."""
    parser: Any = __import__("re._parser", fromlist=["parse"])
    tree = parser.parse(pattern)
    count = sum(1 for _ in _walk(tree))
    texts = []
    for pumped in range(count):
        for size in (30, min(length_max, 4000) // 2):
            text = _sample(tree, [pumped], size)
            texts += [text[: length_max - 1] + "\x00", (text * (length_max // max(len(text), 1)))[: length_max - 1] + "\x00"]
    return texts


def _walk(items: Any) -> Any:
    for operator, argument in items:
        name = str(operator)
        if name in ("MAX_REPEAT", "MIN_REPEAT"):
            yield operator
            yield from _walk(argument[2])
        elif name == "SUBPATTERN":
            yield from _walk(argument[3])
        elif name == "BRANCH":
            for branch in argument[1]:
                yield from _walk(branch)


def _sample(items: Any, pumped: list[int], size: int) -> str:
    out = ""
    for operator, argument in items:
        name = str(operator)
        if name == "LITERAL":
            out += chr(argument)
        elif name == "ANY":
            out += "a"
        elif name == "NOT_LITERAL":
            out += "b" if chr(argument) == "a" else "a"
        elif name == "IN":
            out += _one_of(argument)
        elif name in ("MAX_REPEAT", "MIN_REPEAT"):
            low, high, inner = argument
            pumped[0] -= 1
            times = min(high, size) if pumped[0] == -1 else max(low, 1 if high else 0)
            out += _sample(inner, pumped, size)
            out += (_sample(inner, [10**6], 1) or "") * (times - 1)
        elif name == "SUBPATTERN":
            out += _sample(argument[3], pumped, size)
        elif name == "BRANCH":
            out += _sample(argument[1][-1], pumped, size)
    return out


def _one_of(argument: Any) -> str:
    for candidate in "a-0A_ /.*:\t$":
        if re.fullmatch("[" + "".join(_class(item) for item in argument) + "]", candidate):
            return candidate
    return "a"


def _class(item: Any) -> str:
    operator, argument = item
    name = str(operator)
    if name == "LITERAL":
        return re.escape(chr(argument))
    if name == "RANGE":
        return f"{re.escape(chr(argument[0]))}-{re.escape(chr(argument[1]))}"
    if name == "NEGATE":
        return "^"
    return {"CATEGORY_DIGIT": r"\d", "CATEGORY_WORD": r"\w", "CATEGORY_SPACE": r"\s", "CATEGORY_NOT_SPACE": r"\S"}.get(str(argument), "")
