"""A tree of S3 Select in DuckDB's SQL. Only what is spelled out here comes through: no function or table of DuckDB's own can be named.

A term has a kind. Fields of CSV ("text") and members of JSON ("json") have no type of their own: they are taken for what they are compared with.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from groundcloud.services.s3.select import errors
from groundcloud.services.s3.select.syntax import Name, Node


class Term(NamedTuple):
    """`kind`: num, str, bool, ts, null, text (a field of CSV), json (a member of JSON) or native (a column of Parquet that is none of these)."""

    sql: str
    kind: str


Path = Callable[[Sequence[Name | int]], Term]
NULL = Term("NULL", "null")
_PARTS = {"YEAR": "to_years", "MONTH": "to_months", "DAY": "to_days", "HOUR": "to_hours", "MINUTE": "to_minutes", "SECOND": "to_seconds"}
_PATTERN = {
    "yyyy": "%Y", "y": "%Y", "yy": "%y", "MMMM": "%B", "MMM": "%b", "MM": "%m", "M": "%-m", "dd": "%d", "d": "%-d", "a": "%p", "hh": "%I", "h": "%-I",
    "HH": "%H", "H": "%-H", "mm": "%M", "m": "%-M", "ss": "%S", "s": "%-S", "SSS": "%g", "SSSSSS": "%f", "X": "Z", "x": "+00", "XXX": "Z", "xxx": "+00:00",
}  # fmt: skip
"""AWS: TO_STRING. Timestamps are in UTC here."""


# What paths stand for


def without_alias(steps: Sequence[Name | int], alias: str) -> Sequence[Name | int]:
    """The steps below a record."""
    first = steps[0]
    assert isinstance(first, Name)
    wanted = alias or "S3Object"
    return steps[1:] if first.text == wanted or (not first.quoted and first.text.lower() == wanted.lower()) else steps


def fields(header: Sequence[str] | None, alias: str) -> Path:
    """Of records of CSV: `r` is a list of texts."""

    def path(steps: Sequence[Name | int]) -> Term:
        rest = without_alias(steps, alias)
        if len(rest) > 1:
            raise errors.of("InvalidTableAlias" if rest is steps else "InvalidKeyPath")
        if not rest or not isinstance(rest[0], Name):
            raise errors.of("InvalidKeyPath")
        name = rest[0]
        if header is not None:
            number = _find(name, header)
            if number is not None:
                return Term(f"r[{number + 1}]", "text")
        if re.fullmatch(r"_\d{1,9}", name.text):
            if int(name.text[1:]) == 0:
                raise errors.of("InvalidColumnIndex")
            return Term(f"r[{int(name.text[1:])}]", "text")
        raise errors.of("MissingHeaders")

    return path


def members(alias: str) -> Path:
    """Of records of JSON: `r` is a JSON value."""

    def path(steps: Sequence[Name | int]) -> Term:
        rest = without_alias(steps, alias)
        pointer = "".join("/" + (step.text if isinstance(step, Name) else str(step)).replace("~", "~0").replace("/", "~1") for step in rest)
        if not pointer:
            return Term("r", "json")
        if pointer == "/_1":
            return Term("(CASE WHEN json_type(r) IN ('OBJECT', 'ARRAY') THEN r->'/_1' ELSE r END)", "json")
        return Term(f"(r->{quoted(pointer)})", "json")

    return path


def columns(types: dict[str, str], alias: str) -> Path:
    """Of Parquet, by DuckDB's names of the columns' types."""
    names = list(types)

    def path(steps: Sequence[Name | int]) -> Term:
        rest = without_alias(steps, alias)
        if not rest or not isinstance(rest[0], Name):
            raise errors.of("InvalidKeyPath")
        number = _find(rest[0], names)
        if number is None and re.fullmatch(r"_\d{1,9}", rest[0].text):
            number = int(rest[0].text[1:]) - 1
            if not 0 <= number < len(names):
                raise errors.of("InvalidColumnIndex")
        if number is None:
            raise errors.of("MissingHeaders")
        sql = identifier(names[number])
        for step in rest[1:]:
            sql = f"({sql})[{step + 1}]" if isinstance(step, int) else f"({sql}).{identifier(step.text)}"
        return Term(sql, kind_of(types[names[number]]) if len(rest) == 1 else "native")

    return path


def kind_of(duckdb_type: str) -> str:
    name = duckdb_type.partition("(")[0]
    if duckdb_type.endswith("]"):
        return "native"
    if name in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL") or name.startswith("U"):
        return "num" if name not in ("UUID", "UNION") else "native"
    return {"VARCHAR": "str", "BOOLEAN": "bool", "DATE": "ts"}.get(name, "ts" if name.startswith("TIMESTAMP") else "native")


def _find(name: Name, among: Sequence[str]) -> int | None:
    found = [number for number, one in enumerate(among) if one == name.text]
    if not found and not name.quoted:
        found = [number for number, one in enumerate(among) if one.lower() == name.text.lower()]
    if len(found) > 1:
        raise errors.of("AmbiguousFieldName")
    return found[0] if found else None


# SQL


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''").replace("\0", "") + "'"


def identifier(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def literal(value: Any) -> Term:
    """A value of Python, as it comes out of DuckDB too."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return Term("true" if value else "false", "bool")
    if isinstance(value, str):
        return Term(quoted(value), "str")
    if isinstance(value, datetime):
        return Term(f"TIMESTAMP {quoted(value.replace(tzinfo=None).isoformat(sep=' '))}", "ts")
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return Term(f"CAST({quoted(str(value))} AS DOUBLE)", "num")
    return Term(f"({value})" if str(value).startswith("-") else str(value), "num")


class Translation:
    """`aggregates`: the terms that stand for aggregates; `now`: what UTCNOW() is."""

    def __init__(self, path: Path, now: datetime, aggregates: dict[Node, Term] | None = None) -> None:
        self._resolve = path
        self._now = now
        self._aggregates = aggregates or {}

    def term(self, node: Node) -> Term:
        """Raises an error of Select."""
        one: Callable[[Node], Term] = getattr(self, f"_{node.kind}")
        return one(node)

    # Values as a type

    def string(self, term: Term) -> str:
        if term.kind in ("str", "text", "null"):
            return term.sql
        if term.kind == "json":
            return f"({term.sql}->>'$')"
        if term.kind == "ts":
            return f"strftime({term.sql}, '%Y-%m-%dT%H:%M:%SZ')"
        return f"CAST({term.sql} AS VARCHAR)"

    def number(self, term: Term) -> str:
        return term.sql if term.kind in ("num", "null", "native") else f"TRY_CAST({self.string(term)} AS DOUBLE)"

    def condition(self, node: Node) -> str:
        term = self.term(node)
        return term.sql if term.kind in ("bool", "null") else f"TRY_CAST({self.string(term)} AS BOOLEAN)"

    def timestamp(self, term: Term) -> str:
        if term.kind in ("ts", "null", "native"):
            return term.sql
        text = self.string(term)
        # Years and months alone are timestamps too: 2007T, 2007-02T.
        whole = (
            rf"CASE WHEN regexp_full_match({text}, '\d{{4}}T?') THEN {text}[1:4] || '-01-01' "
            rf"WHEN regexp_full_match({text}, '\d{{4}}-\d{{2}}T?') THEN {text}[1:7] || '-01' ELSE rtrim({text}, 'T') END"
        )
        return f"make_timestamp(epoch_us(CAST({whole} AS TIMESTAMPTZ)))"

    # Kinds of nodes

    def _literal(self, node: Node) -> Term:
        return literal(node.value)

    def _timestamp(self, node: Node) -> Term:
        return Term(self.timestamp(Term(quoted(node.value), "str")), "ts")

    def _path(self, node: Node) -> Term:
        return self._resolve(node.value)

    def _aggregate(self, node: Node) -> Term:
        found = self._aggregates.get(node)
        if found is None:
            raise errors.of("UnsupportedSqlStructure")
        return found

    def _compare(self, node: Node) -> Term:
        return self._compared(self.term(node.args[0]), node.value, self.term(node.args[1]))

    def _compared(self, left: Term, operator: str, right: Term) -> Term:
        kinds = {left.kind, right.kind}
        if "null" in kinds:
            return Term("CAST(NULL AS BOOLEAN)", "bool")
        if "num" in kinds:
            return Term(f"({self.number(left)} {operator} {self.number(right)})", "bool")
        if "ts" in kinds:
            return Term(f"({self.timestamp(left)} {operator} {self.timestamp(right)})", "bool")
        if "bool" in kinds:
            sides = [term.sql if term.kind == "bool" else f"TRY_CAST({self.string(term)} AS BOOLEAN)" for term in (left, right)]
            return Term(f"({sides[0]} {operator} {sides[1]})", "bool")
        if "native" in kinds:
            return Term(f"({left.sql} {operator} {right.sql})", "bool")
        texts = f"({self.string(left)} {operator} {self.string(right)})"
        if kinds == {"json"}:
            both = " AND ".join(f"json_type({term.sql}) IN ('BIGINT', 'UBIGINT', 'DOUBLE')" for term in (left, right))
            return Term(f"(CASE WHEN {both} THEN {self.number(left)} {operator} {self.number(right)} ELSE {texts} END)", "bool")
        return Term(texts, "bool")

    def _and(self, node: Node) -> Term:
        return Term(f"({' AND '.join(self.condition(arg) for arg in node.args)})", "bool")

    def _or(self, node: Node) -> Term:
        return Term(f"({' OR '.join(self.condition(arg) for arg in node.args)})", "bool")

    def _not(self, node: Node) -> Term:
        return Term(f"(NOT {self.condition(node.args[0])})", "bool")

    def _in(self, node: Node) -> Term:
        left = self.term(node.args[0])
        if len(node.args) == 1:
            return Term("false", "bool")
        return Term(f"({' OR '.join(self._compared(left, '=', self.term(arg)).sql for arg in node.args[1:])})", "bool")

    def _null(self, node: Node) -> Term:
        term = self.term(node.args[0])
        return Term(f"({self.string(term) if term.kind == 'json' else term.sql} IS NULL)", "bool")

    def _missing(self, node: Node) -> Term:
        term = self.term(node.args[0])
        return Term(f"({term.sql} IS NULL)" if term.kind in ("json", "text") else "false", "bool")

    def _like(self, node: Node) -> Term:
        texts = [self.term(arg) for arg in node.args]
        if any(term.kind in ("num", "bool", "ts") for term in texts):
            raise errors.of("UnsupportedSqlOperation")
        sql = f"{self.string(texts[0])} LIKE {self.string(texts[1])}"
        if len(texts) == 3:
            escape = node.args[2]
            if escape.kind != "literal" or not isinstance(escape.value, str) or len(escape.value) != 1:
                raise errors.of("EvaluatorLikePatternInvalidEscapeSequence")
            sql += f" ESCAPE {quoted(escape.value)}"
        return Term(f"({sql})", "bool")

    def _arithmetic(self, node: Node) -> Term:
        left, right = (self.number(self.term(arg)) for arg in node.args)
        return Term(f"({left} {node.value} {right})", "num")

    def _negative(self, node: Node) -> Term:
        return Term(f"(-{self.number(self.term(node.args[0]))})", "num")

    def _join(self, node: Node) -> Term:
        left, right = (self.string(self.term(arg)) for arg in node.args)
        return Term(f"({left} || {right})", "str")

    def _cast(self, node: Node) -> Term:
        term = self.term(node.args[0])
        kind = {"BOOLEAN": "bool", "VARCHAR": "str", "TIMESTAMP": "ts"}.get(node.value, "num")
        if kind == "ts":
            return Term(self.timestamp(term), "ts")
        if kind == "str":
            return Term(self.string(term), "str")
        source = term.sql if term.kind in ("num", "bool", "native", "null") else f"trim({self.string(term)})"
        if node.value == "BIGINT" and term.kind == "num":
            source = f"trunc({source})"
        return Term(f"CAST({source} AS {node.value})", kind)

    def _case(self, node: Node) -> Term:
        count = len(node.args) // 2
        tests = [self.condition(test) for test in node.args[: 2 * count : 2]]
        results = [self.term(result) for result in node.args[1 : 2 * count : 2]]
        if len(node.args) % 2:
            results.append(self.term(node.args[-1]))
        kinds = {term.kind for term in results} - {"null"}
        texts = [term.sql if len(kinds) <= 1 else self.string(term) for term in results]
        branches = " ".join(f"WHEN {test} THEN {text}" for test, text in zip(tests, texts, strict=False))
        otherwise = f" ELSE {texts[-1]}" if len(texts) > count else ""
        return Term(f"(CASE {branches}{otherwise} END)", "null" if not kinds else kinds.pop() if len(kinds) == 1 else "str")

    def _trim(self, node: Node) -> Term:
        function = {"LEADING": "ltrim", "TRAILING": "rtrim", "BOTH": "trim"}[node.value]
        return Term(f"{function}({self.string(self.term(node.args[0]))}, {self.string(self.term(node.args[1]))})", "str")

    def _call(self, node: Node) -> Term:
        name, part = node.value
        terms = [self.term(arg) for arg in node.args]
        if name == "COALESCE" and terms:
            return self._coalesced(terms)
        arity = _ARITY.get(name)
        if arity is None:
            raise errors.of("UnsupportedFunction")
        if len(terms) not in arity:
            raise errors.of("EvaluatorInvalidArguments")
        if name == "NULLIF":
            return Term(f"(CASE WHEN {self._compared(terms[0], '=', terms[1]).sql} THEN NULL ELSE {terms[0].sql} END)", terms[0].kind)
        if name in ("CHAR_LENGTH", "CHARACTER_LENGTH"):
            return Term(f"length({self.string(terms[0])})", "num")
        if name in ("LOWER", "UPPER"):
            return Term(f"{name.lower()}({self.string(terms[0])})", "str")
        if name == "SUBSTRING":
            text, start = self.string(terms[0]), f"CAST({self.number(terms[1])} AS BIGINT)"
            if len(terms) == 2:
                return Term(f"substring({text}, greatest({start}, 1))", "str")
            length = f"CAST({self.number(terms[2])} AS BIGINT)"
            return Term(f"substring({text}, greatest({start}, 1), greatest({start} + {length} - greatest({start}, 1), 0))", "str")
        return self._of_time(name, part, node, terms)

    def _of_time(self, name: str, part: str, node: Node, terms: list[Term]) -> Term:
        if name == "UTCNOW":
            return literal(self._now)
        if name == "TO_TIMESTAMP":
            return Term(self.timestamp(terms[0]), "ts")
        if name == "TO_STRING":
            return Term(f"strftime({self.timestamp(terms[0])}, {quoted(_format(node.args[1]))})", "str")
        if name == "EXTRACT":
            moment = self.timestamp(terms[0])
            return Term("0" if part.startswith("TIMEZONE") else f"extract({part.lower()} FROM {moment})", "num")
        if part.startswith("TIMEZONE"):
            raise errors.of("ParseExpectedDatePart")
        if name == "DATE_ADD":
            count = self.number(terms[0])
            amount = count if part == "SECOND" else f"CAST({count} AS {'INTEGER' if part in ('YEAR', 'MONTH', 'DAY') else 'BIGINT'})"
            return Term(f"({self.timestamp(terms[1])} + {_PARTS[part]}({amount}))", "ts")
        # AWS: DATE_DIFF counts whole parts: a day is 24 hours.
        return Term(f"date_sub({quoted(part.lower())}, {self.timestamp(terms[0])}, {self.timestamp(terms[1])})", "num")

    def _coalesced(self, terms: list[Term]) -> Term:
        kinds = {term.kind for term in terms} - {"null"}
        if len(kinds) <= 1:
            return Term(f"coalesce({', '.join(term.sql for term in terms)})", kinds.pop() if kinds else "null")
        return Term(f"coalesce({', '.join(self.string(term) for term in terms)})", "str")


_ARITY = {
    "NULLIF": (2,),
    "CHAR_LENGTH": (1,),
    "CHARACTER_LENGTH": (1,),
    "LOWER": (1,),
    "UPPER": (1,),
    "SUBSTRING": (2, 3),
    "UTCNOW": (0,),
    "TO_TIMESTAMP": (1,),
    "TO_STRING": (2,),
    "EXTRACT": (1,),
    "DATE_ADD": (2,),
    "DATE_DIFF": (2,),
}


def _format(node: Node) -> str:
    """A pattern of TO_STRING as one of strftime."""
    if node.kind != "literal" or not isinstance(node.value, str):
        raise errors.of("EvaluatorInvalidTimestampFormatPattern")
    found = []
    for match in re.finditer(r"'([^']*)'|(([A-Za-z])\3*)|([^A-Za-z'])", node.value):
        symbols = match[2]
        if symbols and symbols not in _PATTERN:
            raise errors.of("EvaluatorInvalidTimestampFormatPatternSymbol")
        found.append(_PATTERN[symbols] if symbols else (match[1] or match[4] or "").replace("%", "%%"))
    return "".join(found)
