"""S3 Select's SQL: an expression in, a tree out. AWS: "SQL reference for Amazon S3 Select".

query      SELECT items FROM S3Object path? (AS? alias)? (WHERE condition)? (LIMIT number)?
items      * | item (, item)*             item       path.* | value (AS? name)?
case       CASE value? (WHEN value THEN value)+ (ELSE value)? END
path       ([*] | [number] | .name)*      condition  OR over AND over NOT over comparisons over + - || over * / % over signs
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from groundcloud.services.s3.select import errors

EXPRESSION_BYTES_MAX = 256 * 1024
DEPTH_MAX = 40
"""Of nested values, and of sums and products in a row: a deeper tree is beyond the stack of what walks it."""
OPERATORS_MAX = 2000
"""Conditions joined by AND, and by OR."""
AGGREGATES = frozenset(("AVG", "COUNT", "MAX", "MIN", "SUM"))
TYPES = {
    "BOOL": "BOOLEAN",
    "BOOLEAN": "BOOLEAN",
    "INT": "BIGINT",
    "INTEGER": "BIGINT",
    "STRING": "VARCHAR",
    "FLOAT": "DOUBLE",
    "DECIMAL": "DECIMAL",
    "NUMERIC": "DECIMAL",
    "TIMESTAMP": "TIMESTAMP",
}
DATE_PARTS = frozenset(("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "TIMEZONE_HOUR", "TIMEZONE_MINUTE"))
KEYWORDS = frozenset((
    "SELECT", "FROM", "WHERE", "LIMIT", "AND", "OR", "NOT", "IS", "IN", "BETWEEN", "LIKE", "ESCAPE", "AS",
    "CAST", "NULL", "MISSING", "TRUE", "FALSE", "CASE", "WHEN", "THEN", "ELSE", "END", "GROUP", "ORDER", "HAVING",
    "JOIN", "UNION",
))  # fmt: skip

Step = str | int | None
"""A member's name, an element's number, or None for every element."""


class Node(NamedTuple):
    """`kind` is literal, timestamp, path, call, aggregate, cast, compare, and, or, not, in, like, missing, null, arithmetic, join, negative, trim
    or case (condition, result, condition, result..., and what else it is, where that is told)."""

    kind: str
    args: tuple[Node, ...] = ()
    value: Any = None


class Name(NamedTuple):
    """`quoted`: its case counts."""

    text: str
    quoted: bool


class Item(NamedTuple):
    node: Node | None
    """None for `*`."""
    name: str


class Query(NamedTuple):
    items: tuple[Item, ...]
    source: tuple[Step, ...]
    alias: str
    where: Node | None
    limit: int | None

    @property
    def aggregates(self) -> tuple[Node, ...]:
        found: dict[Node, None] = {}

        def look(node: Node) -> None:
            if node.kind == "aggregate":
                found[node] = None
            for arg in node.args:
                look(arg)

        for item in self.items:
            if item.node is not None:
                look(item.node)
        return tuple(found)


class _Token(NamedTuple):
    kind: str
    text: str

    @property
    def word(self) -> str:
        return self.text.upper() if self.kind == "name" else ""


_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | '(?P<string>(?:[^']|'')*)'
      | "(?P<quoted>(?:[^"]|"")*)"
      | `(?P<ion>[^`]*)`
      | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<name>[A-Za-z_][A-Za-z0-9_$]*)
      | (?P<operator><>|!=|<=|>=|\|\||[=<>+\-*/%(),.\[\];])""",
    re.VERBOSE,
)


def parse(text: str) -> Query:
    """Raises an error of Select."""
    if len(text.encode()) > EXPRESSION_BYTES_MAX:
        raise errors.of("ExpressionTooLong")
    return _Parser(_tokens(text)).query()


def _tokens(text: str) -> list[_Token]:
    found = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise errors.of("LexerInvalidChar")
        at = match.end()
        kind = match.lastgroup or ""
        if kind == "string":
            found.append(_Token(kind, match[kind].replace("''", "'")))
        elif kind == "quoted":
            found.append(_Token(kind, match[kind].replace('""', '"')))
        elif kind != "space":
            found.append(_Token(kind, match[kind]))
    return found


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    # Tokens

    def _peek(self, ahead: int = 0) -> _Token:
        at = self._at + ahead
        return self._tokens[at] if at < len(self._tokens) else _Token("end", "")

    def _take(self) -> _Token:
        token = self._peek()
        self._at += 1
        return token

    def _word(self, *words: str) -> bool:
        """Takes the words if they come next."""
        if all(self._peek(number).word == word for number, word in enumerate(words)):
            self._at += len(words)
            return True
        return False

    def _sign(self, text: str) -> bool:
        token = self._peek()
        if token.kind == "operator" and token.text == text:
            self._at += 1
            return True
        return False

    def _expect(self, text: str, code: str) -> None:
        if not self._sign(text):
            raise errors.of(code)

    # The query

    def query(self) -> Query:
        if not self._word("SELECT"):
            raise errors.of("ParseUnsupportedSelect" if not self._tokens else "ParseUnexpectedToken")
        items = self._items()
        if not self._word("FROM"):
            raise errors.of("ParseSelectMissingFrom" if self._peek().kind == "end" else "ParseUnexpectedToken")
        source, alias = self._source()
        where = limit = None
        if self._word("WHERE"):
            where = self._value()
        if self._word("LIMIT"):
            limit = self._limit()
        self._sign(";")
        token = self._peek()
        if token.kind != "end":
            codes = {"GROUP": "ParseExpectedIdentForGroupName", "JOIN": "ParseMalformedJoin"}
            raise errors.of("MultipleDataSourcesUnsupported" if token.text == "," else codes.get(token.word, "ParseUnexpectedToken"))
        query = Query(items, source, alias, where, limit)
        if where is not None and _has_aggregate(where):
            raise errors.of("UnsupportedSqlStructure")
        return query

    def _limit(self) -> int:
        if self._sign("-"):
            raise errors.of("EvaluatorNegativeLimit")
        token = self._take()
        if token.kind != "number" or not token.text.isdigit():
            raise errors.of("ParseExpectedNumber")
        return int(token.text)

    def _items(self) -> tuple[Item, ...]:
        if self._peek().word == "FROM" or self._peek().kind == "end":
            raise errors.of("ParseEmptySelect")
        found = [self._item(1)]
        while self._sign(","):
            found.append(self._item(len(found) + 1))
        if len(found) > 1 and any(item.node is None for item in found):
            raise errors.of("ParseAsteriskIsNotAloneInSelectList")
        return tuple(found)

    def _item(self, number: int) -> Item:
        if self._sign("*"):
            return Item(None, "*")
        if self._peek().kind in ("name", "quoted") and self._peek(1).text == "." and self._peek(2) == _Token("operator", "*"):
            self._at += 3
            return Item(None, "*")
        node = self._value()
        if self._word("AS"):
            token = self._take()
            if token.kind not in ("name", "quoted") or token.word in KEYWORDS:
                raise errors.of("ParseExpectedIdentForAlias")
            return Item(node, token.text)
        token = self._peek()
        if token.kind == "quoted" or (token.kind == "name" and token.word not in KEYWORDS):
            return Item(node, self._take().text)
        if node.kind == "path":
            last = node.value[-1]
            if isinstance(last, Name):
                return Item(node, last.text)
        return Item(node, f"_{number}")

    def _source(self) -> tuple[tuple[Step, ...], str]:
        token = self._take()
        if token.kind not in ("name", "quoted"):
            raise errors.of("ParseUnexpectedToken")
        if token.text.upper() != "S3OBJECT":
            raise errors.of("InvalidDataSource")
        steps: list[Step] = []
        while True:
            if self._sign("["):
                if self._sign("*"):
                    steps.append(None)
                else:
                    number = self._take()
                    if number.kind != "number" or not number.text.isdigit():
                        raise errors.of("ParseInvalidPathComponent")
                    steps.append(int(number.text))
                self._expect("]", "ParseExpectedTokenType")
            elif self._sign("."):
                member = self._take()
                if member.kind not in ("name", "quoted"):
                    raise errors.of("ParseInvalidPathComponent")
                steps.append(member.text)
            else:
                break
        alias = ""
        named = self._word("AS")
        token = self._peek()
        if token.kind == "quoted" or (token.kind == "name" and token.word not in KEYWORDS):
            alias = self._take().text
        elif named:
            raise errors.of("ParseExpectedIdentForAlias")
        if self._sign(","):
            raise errors.of("MultipleDataSourcesUnsupported")
        return tuple(steps), alias

    # Values, by precedence

    def _value(self) -> Node:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise errors.of("MaxOperatorsExceeded")
        either = [self._both()]
        while self._word("OR"):
            either.append(self._both())
        self._depth -= 1
        return self._all("or", either)

    def _both(self) -> Node:
        every = [self._not()]
        while self._word("AND"):
            every.append(self._not())
        return self._all("and", every)

    def _all(self, kind: str, nodes: list[Node]) -> Node:
        if len(nodes) > OPERATORS_MAX:
            raise errors.of("MaxOperatorsExceeded")
        return nodes[0] if len(nodes) == 1 else Node(kind, tuple(nodes))

    def _count(self, count: int) -> int:
        if count >= DEPTH_MAX:
            raise errors.of("MaxOperatorsExceeded")
        return count + 1

    def _not(self) -> Node:
        negations = 0
        while self._word("NOT"):
            negations += 1
        node = self._comparison()
        return Node("not", (node,)) if negations % 2 else node

    def _comparison(self) -> Node:
        node = self._sum()
        count = 0
        while True:
            count = self._count(count)
            token = self._peek()
            if token.kind == "operator" and token.text in ("=", "<>", "!=", "<", "<=", ">", ">="):
                self._at += 1
                node = Node("compare", (node, self._sum()), "<>" if token.text == "!=" else token.text)
            elif self._word("IS"):
                negated = self._word("NOT")
                if self._word("NULL"):
                    tested = Node("null", (node,))
                elif self._word("MISSING"):
                    tested = Node("missing", (node,))
                else:
                    raise errors.of("ParseExpectedKeyword")
                node = Node("not", (tested,)) if negated else tested
            else:
                negated = token.word == "NOT" and self._peek(1).word in ("IN", "BETWEEN", "LIKE")
                if negated:
                    self._at += 1
                if self._word("IN"):
                    tested = Node("in", (node, *self._arguments("ParseExpectedTokenType")))
                elif self._word("BETWEEN"):
                    low = self._sum()
                    if not self._word("AND"):
                        raise errors.of("ParseExpectedKeyword")
                    high = self._sum()
                    tested = Node("and", (Node("compare", (node, low), ">="), Node("compare", (node, high), "<=")))
                elif self._word("LIKE"):
                    pattern = self._sum()
                    tested = Node("like", (node, pattern, self._sum()) if self._word("ESCAPE") else (node, pattern))
                else:
                    return node
                node = Node("not", (tested,)) if negated else tested

    def _sum(self) -> Node:
        node = self._product()
        count = 0
        while True:
            count = self._count(count)
            token = self._peek()
            if token.kind != "operator" or token.text not in ("+", "-", "||"):
                return node
            self._at += 1
            node = Node("join" if token.text == "||" else "arithmetic", (node, self._product()), token.text)

    def _product(self) -> Node:
        node = self._signed()
        count = 0
        while True:
            count = self._count(count)
            token = self._peek()
            if token.kind != "operator" or token.text not in ("*", "/", "%"):
                return node
            self._at += 1
            node = Node("arithmetic", (node, self._signed()), token.text)

    def _signed(self) -> Node:
        negative = False
        while self._peek().kind == "operator" and self._peek().text in "+-":
            negative ^= self._take().text == "-"
        node = self._primary()
        return Node("negative", (node,)) if negative else node

    def _primary(self) -> Node:
        token = self._take()
        if token.kind == "string":
            return Node("literal", (), token.text)
        if token.kind == "number":
            return Node("literal", (), int(token.text) if token.text.isdigit() else float(token.text))
        if token.kind == "ion":
            return Node("timestamp", (), token.text)
        if token.kind == "operator" and token.text == "(":
            node = self._value()
            self._expect(")", "ParseExpectedTokenType")
            return node
        if token.kind == "quoted":
            return self._path(Name(token.text, True))
        if token.kind != "name":
            raise errors.of("ParseUnsupportedToken" if token.kind == "operator" and token.text in "[;" else "ParseExpectedExpression")
        word = token.word
        if word in ("TRUE", "FALSE"):
            return Node("literal", (), word == "TRUE")
        if word in ("NULL", "MISSING"):
            return Node("literal")
        if word == "CASE":
            return self._case()
        if word == "CAST":
            return self._cast()
        if word in KEYWORDS:
            raise errors.of("ParseUnExpectedKeyword")
        if self._peek() == _Token("operator", "("):
            return self._call(word)
        return self._path(Name(token.text, False))

    def _path(self, first: Name) -> Node:
        steps: list[Name | int] = [first]
        while True:
            if self._peek().text == "." and self._peek().kind == "operator":
                self._at += 1
                token = self._take()
                if token.kind not in ("name", "quoted"):
                    code = "ParseInvalidContextForWildcardInSelectList" if token.text == "*" else "ParseInvalidPathComponent"
                    raise errors.of(code)
                steps.append(Name(token.text, token.kind == "quoted"))
            elif self._peek() == _Token("operator", "["):
                self._at += 1
                token = self._take()
                if token.kind == "string":
                    steps.append(Name(token.text, True))
                elif token.kind == "number" and token.text.isdigit():
                    steps.append(int(token.text))
                else:
                    raise errors.of("ParseInvalidPathComponent")
                self._expect("]", "ParseExpectedTokenType")
            else:
                return Node("path", (), tuple(steps))

    def _case(self) -> Node:
        subject = None if self._peek().word == "WHEN" else self._value()
        branches: list[Node] = []
        while self._word("WHEN"):
            wanted = self._value()
            branches.append(wanted if subject is None else Node("compare", (subject, wanted), "="))
            if not self._word("THEN"):
                raise errors.of("ParseExpectedKeyword")
            branches.append(self._value())
            if len(branches) > 2 * OPERATORS_MAX:
                raise errors.of("MaxOperatorsExceeded")
        if not branches:
            raise errors.of("ParseExpectedWhenClause")
        if self._word("ELSE"):
            branches.append(self._value())
        if not self._word("END"):
            raise errors.of("ParseExpectedKeyword")
        return Node("case", tuple(branches))

    def _cast(self) -> Node:
        self._expect("(", "ParseExpectedLeftParenAfterCast")
        node = self._value()
        if not self._word("AS"):
            raise errors.of("ParseExpectedKeyword")
        name = self._take().word
        if not name:
            raise errors.of("ParseExpectedTypeName")
        if name not in TYPES:
            raise errors.of("InvalidDataType")
        kind = TYPES[name]
        if self._sign("("):
            sizes = [self._limit()]
            if self._sign(","):
                sizes.append(self._limit())
            self._expect(")", "ParseExpectedTokenType")
            if kind == "DECIMAL":
                if not 1 <= sizes[0] <= 38 or sizes[-1] > sizes[0]:
                    raise errors.of("InvalidDataType")
                kind = f"DECIMAL({sizes[0]},{sizes[1] if len(sizes) > 1 else 0})"
        elif kind == "DECIMAL":
            kind = "DECIMAL(38,10)"
        self._expect(")", "ParseExpectedRightParenBuiltinFunctionCall")
        return Node("cast", (node,), kind)

    def _arguments(self, code: str) -> tuple[Node, ...]:
        self._expect("(", code)
        found: list[Node] = []
        if not self._sign(")"):
            found.append(self._value())
            while self._sign(","):
                found.append(self._value())
            self._expect(")", "ParseExpectedRightParenBuiltinFunctionCall")
        return tuple(found)

    def _call(self, name: str) -> Node:
        if name in AGGREGATES:
            return self._aggregate(name)
        if name in ("EXTRACT", "DATE_ADD", "DATE_DIFF"):
            self._expect("(", "ParseExpectedLeftParenBuiltinFunctionCall")
            part = self._take().word
            if part not in DATE_PARTS:
                raise errors.of("ParseExpectedDatePart")
            if name == "EXTRACT":
                if not self._word("FROM"):
                    raise errors.of("ParseExpectedKeyword")
                args: tuple[Node, ...] = (self._value(),)
            else:
                self._expect(",", "ParseExpectedArgumentDelimiter")
                first = self._value()
                self._expect(",", "ParseExpectedArgumentDelimiter")
                args = (first, self._value())
            self._expect(")", "ParseExpectedRightParenBuiltinFunctionCall")
            return Node("call", args, (name, part))
        if name == "TRIM":
            return self._trim()
        if name == "SUBSTRING":
            self._expect("(", "ParseExpectedLeftParenBuiltinFunctionCall")
            found = [self._value()]
            while self._sign(",") or self._word("FROM" if len(found) == 1 else "FOR"):
                found.append(self._value())
            self._expect(")", "ParseExpectedRightParenBuiltinFunctionCall")
            return Node("call", tuple(found), (name, ""))
        return Node("call", self._arguments("ParseExpectedLeftParenBuiltinFunctionCall"), (name, ""))

    def _trim(self) -> Node:
        self._expect("(", "ParseExpectedLeftParenBuiltinFunctionCall")
        side = self._take().word if self._peek().word in ("LEADING", "TRAILING", "BOTH") else "BOTH"
        characters = Node("literal", (), " ")
        if self._word("FROM"):
            node = self._value()
        else:
            node = self._value()
            if self._word("FROM"):
                characters, node = node, self._value()
        self._expect(")", "ParseExpectedRightParenBuiltinFunctionCall")
        return Node("trim", (node, characters), side)

    def _aggregate(self, name: str) -> Node:
        self._expect("(", "ParseExpectedLeftParenBuiltinFunctionCall")
        if self._sign("*"):
            if name != "COUNT":
                raise errors.of("ParseUnsupportedCallWithStar")
            args: tuple[Node, ...] = ()
        else:
            args = (self._value(),)
            if self._sign(","):
                raise errors.of("ParseNonUnaryAgregateFunctionCall")
        self._expect(")", "ParseExpectedRightParenBuiltinFunctionCall")
        if args and _has_aggregate(args[0]):
            raise errors.of("UnsupportedSqlStructure")
        return Node("aggregate", args, name)


def _has_aggregate(node: Node) -> bool:
    return node.kind == "aggregate" or any(_has_aggregate(arg) for arg in node.args)
