"""JSON as a stream of tokens that know where they stand, so that an error can say the line and column that AWS's services say.

Positions and sentences are those of the Jackson parser, which AWS's services use: a string's position is behind its opening quote, a field name's is that of the
value that follows it, any other token's is behind it.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

SOURCE_SHOWN = 500
"""Characters of the text that an error repeats (Jackson's ContentReference)."""

DEPTH_MAX = 200

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"', re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[A-Za-z0-9_$]+")
_LITERALS = {"true": True, "false": False, "null": None}
_VALUE_EXPECTED = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"


class JsonError(ValueError):
    """The text is not JSON, or not what its reader wants; the sentence ends with the place."""


class Token(NamedTuple):
    """`kind` is one of `{ } [ ]`, "name", "string", "number", "literal"; `value` is the name, the text, the number, the literal; `at` is the position."""

    kind: str
    value: Any
    at: int


class Tokens:
    """The tokens of one JSON text, in order. Raises JsonError for what is no JSON."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._index = 0
        self._tokens: list[Token] = []
        self._read()
        self.last = self._tokens[0]

    def next(self) -> Token:
        token = self.last = self._tokens[self._index]
        self._index += 1
        return token

    def peek(self) -> Token:
        return self._tokens[self._index]

    def skip_value(self) -> None:
        """Past one value, with all that is in it."""
        depth = 0
        while True:
            kind = self.next().kind
            depth += (kind in "{[") - (kind in "}]")
            if depth == 0 and kind != "name":
                return

    def mark(self) -> int:
        return self._index

    def go_back(self, mark: int) -> None:
        self._index = mark

    def error(self, sentence: str) -> JsonError:
        """`sentence` with the place of the token that was read last."""
        return self._error_at(sentence, self.last.at)

    def _error_at(self, sentence: str, at: int) -> JsonError:
        return JsonError(f"{sentence}\n at {self._place(at)}")

    def _place(self, at: int) -> str:
        line = self.text.count("\n", 0, at) + 1
        column = at - (self.text.rfind("\n", 0, at) + 1) + 1
        left = len(self.text) - SOURCE_SHOWN
        shown = f'"{self.text}"' if left <= 0 else f'"{self.text[:SOURCE_SHOWN]}"[truncated {left} chars]'
        return f"[Source: (String){shown}; line: {line}, column: {column}]"

    def _read(self) -> None:
        text, tokens = self.text, self._tokens
        stack: list[tuple[str, int]] = []
        at = self._space(0)
        if at == len(text):
            raise self._error_at("No content to map due to end-of-input", at)
        expecting = "value"
        """What may come: "value", "value or ]", "name", "name or }", "comma"."""
        while True:
            at = self._space(at)
            if at == len(text):
                if not stack:
                    return
                kind, start = stack[-1]
                noun = "Object" if kind == "{" else "Array"
                raise self._error_at(
                    f"Unexpected end-of-input: expected close marker for {noun} (start marker at {self._place(start)})", at
                )
            character = text[at]
            if not stack and tokens:
                return  # what follows the document is not looked at
            if expecting == "comma":
                opened = stack[-1][0]
                if character == ("}" if opened == "{" else "]"):
                    at = self._close(stack, at)
                    continue
                if character != ",":
                    noun = "Object" if opened == "{" else "Array"
                    raise self._unexpected(character, at, f"was expecting comma to separate {noun} entries")
                at += 1
                expecting = "name" if opened == "{" else "value"
                continue
            if expecting.startswith("name"):
                if character == "}" and expecting == "name or }":
                    at = self._close(stack, at)
                    expecting = "comma"
                    continue
                if character != '"':
                    raise self._unexpected(character, at, "was expecting double-quote to start field name")
                name, at = self._string(at)
                at = self._space(at)
                if at == len(text) or text[at] != ":":
                    raise self._unexpected(text[at] if at < len(text) else "", at, "was expecting a colon to separate field name and value")
                at = self._space(at + 1)
                tokens.append(Token("name", name, 0))
                expecting = "value"
                continue
            if character == "]" and expecting == "value or ]":
                at = self._close(stack, at)
                expecting = "comma"
                continue
            token, end = self._value(character, at)
            if tokens and tokens[-1].kind == "name":
                tokens[-1] = tokens[-1]._replace(at=token.at)
            tokens.append(token)
            expecting = "comma"
            if token.kind in "{[":
                if len(stack) == DEPTH_MAX:
                    raise self._error_at(f"Document nesting depth ({DEPTH_MAX + 1}) exceeds the maximum allowed ({DEPTH_MAX})", end)
                stack.append((token.kind, at))
                expecting = "name or }" if token.kind == "{" else "value or ]"
            at = end

    def _close(self, stack: list[tuple[str, int]], at: int) -> int:
        stack.pop()
        self._tokens.append(Token(self.text[at], None, at + 1))
        return at + 1

    def _space(self, at: int) -> int:
        found = _SPACE.match(self.text, at)
        return found.end() if found is not None else at

    def _value(self, character: str, at: int) -> tuple[Token, int]:
        if character in "{[":
            return Token(character, None, at + 1), at + 1
        if character == '"':
            value, end = self._string(at)
            return Token("string", value, at + 1), end
        number = _NUMBER.match(self.text, at)
        if number is not None:
            end = number.end()
            parsed = json.loads(number[0]) if len(number[0]) < 400 else float(number[0])
            return Token("number", parsed, end), end
        word = _WORD.match(self.text, at)
        if word is not None:
            if word[0] in _LITERALS:
                return Token("literal", _LITERALS[word[0]], word.end()), word.end()
            raise self._error_at(f"Unrecognized token '{word[0]}': was expecting {_VALUE_EXPECTED}", word.end())
        raise self._unexpected(character, at, f"expected a valid value {_VALUE_EXPECTED}")

    def _string(self, at: int) -> tuple[str, int]:
        found = _STRING.match(self.text, at)
        if found is None:
            raise self._error_at("Unexpected end-of-input in VALUE_STRING", len(self.text))
        try:
            return json.loads(found[0]), found.end()
        except ValueError:
            raise self._error_at("Unrecognized character escape in VALUE_STRING", found.end()) from None

    def _unexpected(self, character: str, at: int, wanted: str) -> JsonError:
        if not character:
            return self._error_at("Unexpected end-of-input within/between Object entries", at)
        return self._error_at(f"Unexpected character ('{character}' (code {ord(character)})): {wanted}", at + 1)
