"""Amazon Ion text, as exports write it and imports read it: items from and to Ion.

Pure. Its binary form is read by `binary_ion`. Missing, and told as an error of the record: timestamps, clobs, symbols as values and
s-expressions, which stand for nothing in DynamoDB.
Source: the Amazon Ion specification, "Text encoding"; Developer Guide, "DynamoDB table export output format".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from groundcloud.services.dynamodb.values import Item, Value

NESTING_MAX = 60
BINARY_MARK = b"\xe0\x01\x00\xea"
VERSION = "$ion_1_0"

_TOKEN = re.compile(
    r"""(?P<space>(?:\s+|//[^\n]*|/\*.*?\*/)+)
    |(?P<long>'''(?:[^\\']|\\.|'(?!''))*''')
    |(?P<string>"(?:[^"\\]|\\.)*")
    |(?P<quoted>'(?:[^'\\]|\\.)*')
    |(?P<blob>\{\{[A-Za-z0-9+/=\s]*\}\})
    |(?P<number>[+-]?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[dDeE][+-]?[0-9]+)?(?![0-9A-Za-z_.:-]))
    |(?P<symbol>[A-Za-z_$][A-Za-z0-9_$]*)
    |(?P<mark>::|[{}\[\],:])""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|\r?\n|.)", re.DOTALL)
_ESCAPED = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "v": "\v", '"': '"', "'": "'", "?": "?", "\\": "\\",
    "/": "/", "\n": "", "\r\n": "",
}  # fmt: skip
_PLAIN_SYMBOL = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*", re.ASCII)
_KEYWORDS = frozenset(("null", "true", "false", "nan"))
SETS = {"$dynamodb_SS": ("SS", "S"), "$dynamodb_NS": ("NS", "N"), "$dynamodb_BS": ("BS", "B")}
_ANNOTATIONS = {kind: f"{annotation}::" for annotation, (kind, _) in SETS.items()}

_encode = msgspec.json.Encoder().encode


class NotIon(ValueError):
    """What is wrong with a text."""


def read_records(data: bytes) -> Iterator[dict[str, Value] | None]:
    """The fields of each struct at top level as attribute values; None for what is no struct, after which the next line is tried."""
    text = data.decode("utf-8", "replace")
    at = 0
    while True:
        reader = _Reader(text, at)
        try:
            value = reader.record()
        except NotIon:
            yield None
            at = text.find(f"\n{VERSION}", reader.at) + 1
            if not at:
                return
            continue
        if value is None:
            return
        at = reader.at
        yield value.get("M")


def write_record(fields: dict[str, Item]) -> bytes:
    """One line: the version marker and a struct of structs, as `{Item:{...}}`."""
    return f"{VERSION} {_struct({name: {'M': item} for name, item in fields.items()})}\n".encode()


class _Reader:
    """A position in a text. `kind` and `token` are what stands there."""

    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at
        self.kind = self.token = ""
        self._advance()

    def record(self) -> Value | None:
        while self.kind == "symbol" and self.token == VERSION:
            self._advance()
        if self.kind == "end":
            return None
        value = self._value(0)
        self.at -= len(self.token)
        return value

    def _advance(self) -> None:
        while True:
            if self.at == len(self.text):
                self.kind, self.token = "end", ""
                return
            match = _TOKEN.match(self.text, self.at)
            if match is None:
                raise NotIon(f"unexpected text at {self.at}")
            self.at = match.end()
            if match.lastgroup != "space":
                self.kind, self.token = match.lastgroup or "", match.group()
                return

    def _take(self, mark: str) -> bool:
        if self.token == mark and self.kind == "mark":
            self._advance()
            return True
        return False

    def _value(self, depth: int) -> Value:
        if depth > NESTING_MAX:
            raise NotIon("nested too deep")
        kind, token = self.kind, self.token
        self._advance()
        if kind in ("symbol", "quoted") and self._take("::"):
            annotated = self._value(depth)
            return as_set(token, annotated) if token in SETS else annotated
        if kind == "string":
            return {"S": _unescaped(token[1:-1])}
        if kind == "long":
            parts = [token]
            while self.kind == "long":
                parts.append(self.token)
                self._advance()
            return {"S": "".join(_unescaped(part[3:-3]) for part in parts)}
        if kind == "number":
            return {"N": _number(token)}
        if kind == "blob":
            return {"B": "".join(token[2:-2].split())}
        if kind == "symbol" and token in ("true", "false"):
            return {"BOOL": token == "true"}
        if kind == "symbol" and token == "null":
            return {"NULL": True}
        if kind == "mark" and token == "[":
            return {"L": self._list(depth)}
        if kind == "mark" and token == "{":
            return {"M": self._fields(depth)}
        raise NotIon(f"unexpected {token or 'end'}")

    def _list(self, depth: int) -> list[Value]:
        found: list[Value] = []
        while not self._take("]"):
            found.append(self._value(depth + 1))
            if not self._take(",") and self.token != "]":
                raise NotIon("a list that does not end")
        return found

    def _fields(self, depth: int) -> dict[str, Value]:
        found: dict[str, Value] = {}
        while not self._take("}"):
            kind, token = self.kind, self.token
            if kind not in ("symbol", "quoted", "string", "long"):
                raise NotIon("a field without a name")
            name = token if kind == "symbol" else _unescaped(token[3:-3] if kind == "long" else token[1:-1])
            self._advance()
            if not self._take(":"):
                raise NotIon("a field without a value")
            found[name] = self._value(depth + 1)
            if not self._take(",") and self.token != "}":
                raise NotIon("a struct that does not end")
        return found


def as_set(annotation: str, value: Value) -> Value:
    """The set that an annotated list stands for; `annotation` is one of SETS."""
    kind, of = SETS[annotation]
    members = value.get("L")
    if members is None or any(of not in member for member in members):
        raise NotIon(f"{annotation} of other than its kind")
    return {kind: [member[of] for member in members]}


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text

    def one(match: re.Match[str]) -> str:
        found = match.group(1)
        if found[0] in "xuU" and len(found) > 1:
            return chr(int(found[1:], 16))
        if found not in _ESCAPED:
            raise NotIon(f"unknown escape \\{found}")
        return _ESCAPED[found]

    try:
        return _ESCAPE.sub(one, text).encode("utf-16", "surrogatepass").decode("utf-16")
    except (ValueError, OverflowError) as problem:
        raise NotIon("an escape that is no character") from problem


def _number(token: str) -> str:
    return token.replace("_", "").lower().replace("d", "e").removeprefix("+")


def _show(value: Value) -> str:
    kind, content = next(iter(value.items()))
    if kind == "S":
        return _encode(content).decode()
    if kind == "N":
        return _decimal(content)
    if kind == "B":
        return "{{" + content + "}}"
    if kind == "BOOL":
        return "true" if content else "false"
    if kind == "NULL":
        return "null"
    if kind == "M":
        return _struct(content)
    if kind == "L":
        return "[" + ",".join(map(_show, content)) + "]"
    return f"{_ANNOTATIONS[kind]}[{','.join(_show({kind[0]: member}) for member in content)}]"


def _struct(fields: dict[str, Value]) -> str:
    return "{" + ",".join(f"{_symbol(name)}:{_show(value)}" for name, value in fields.items()) + "}"


def _symbol(name: str) -> str:
    if _PLAIN_SYMBOL.fullmatch(name) and name not in _KEYWORDS:
        return name
    return "'" + _encode(name).decode()[1:-1].replace('\\"', '"').replace("'", "\\'") + "'"


def _decimal(text: str) -> str:
    """A number in normal form as an Ion decimal: `103.`, `6d2`, `1.5`."""
    if "." in text:
        return text
    significant = text.rstrip("0")
    if significant in ("", "-") or len(significant) == len(text):
        return text + "."
    return f"{significant}d{len(text) - len(significant)}"
