"""The words of an expression, and the cursor over them that every grammar of this package shares.

Pure. A syntax error is told as AWS tells it: the offending token, and the text from the token before it to the one after.
"""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn

from groundcloud.base.errors import AwsError

EXPRESSION_BYTES_MAX = 4096
"""Source: Developer Guide, "Quotas" > Expression parameters > Lengths."""

NESTING_MAX = 100
"""Parentheses, functions and negations within one another; ours, to bound the parser's recursion."""

_TOKEN = re.compile(
    r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<alias>\#[A-Za-z0-9_]*)|(?P<value>:[A-Za-z0-9_]*)|(?P<number>[0-9]+)"
    r"|(?P<symbol><=|>=|<>|[()\[\],.=<>+\-])|(?P<space>[ \t\r\n]+)|(?P<other>.)",
    re.ASCII | re.DOTALL,
)


class Token(NamedTuple):
    kind: str
    """name, alias (`#n`), value (`:v`), number, symbol, other, end."""
    text: str
    start: int
    end: int


class InvalidExpression(Exception):
    """What is wrong with an expression, without the words `Invalid UpdateExpression: ` that say which."""


class Cursor:
    """A position among the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokenize(text)
        self.at = 0
        self.token = self.tokens[0]
        self.depth = 0

    def descend(self) -> None:
        """Call on the way into something nested, with `ascend` on the way out."""
        self.depth += 1
        if self.depth > NESTING_MAX:
            raise InvalidExpression(f"The expression has too many nesting elements; nesting levels: {self.depth}")

    def ascend(self) -> None:
        self.depth -= 1

    def advance(self) -> Token:
        """Steps over the current token and returns it."""
        token = self.token
        if token.kind != "end":
            self.at += 1
            self.token = self.tokens[self.at]
        return token

    def symbol(self, text: str) -> bool:
        """Steps over this symbol if it is the current token."""
        if self.token.text == text and self.token.kind == "symbol":
            self.advance()
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.symbol(text):
            self.fail()

    def keyword(self, *words: str) -> str | None:
        """The current token in upper case if it is one of these keywords; does not step over it."""
        if self.token.kind == "name":
            upper = self.token.text.upper()
            if upper in words:
                return upper
        return None

    def following(self) -> Token:
        return self.tokens[min(self.at + 1, len(self.tokens) - 1)]

    def fail(self) -> NoReturn:
        token = self.token
        start = self.tokens[self.at - 1].start if self.at else token.start
        end = self.following().end
        shown = "<EOF>" if token.kind == "end" else token.text
        near = self.text[start:end].rstrip()
        raise InvalidExpression(f'Syntax error; token: "{shown}", near: "{near}"')


def tokenize(text: str) -> list[Token]:
    """Always ends with a token of kind `end`."""
    tokens = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "other"
        if kind != "space":
            tokens.append(Token(kind, match[0], match.start(), match.end()))
    tokens.append(Token("end", "", len(text), len(text)))
    return tokens


def check_length(parameter: str, text: str) -> None:
    """Raises ValidationException where an expression is empty or longer than AWS takes."""
    if not text:
        raise AwsError("ValidationException", f"Invalid {parameter}: The expression can not be empty;")
    size = len(text.encode())
    if size > EXPRESSION_BYTES_MAX:
        raise AwsError(
            "ValidationException",
            f"Invalid {parameter}: Expression size has exceeded the maximum allowed size; expression size: {size}",
        )
