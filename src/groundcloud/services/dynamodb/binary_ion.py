"""Amazon Ion as imports read it, of either form: items from text by `ion`, from the binary form here.

Pure. Of the binary form are read the types that stand for something in DynamoDB, with symbols by local symbol tables. Timestamps, clobs, symbols as values and
s-expressions spoil their record, shared symbol tables that are not there give symbols without text, which do the same.
Source: the Amazon Ion specification, "Binary encoding" and "Symbols".
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from struct import unpack

from groundcloud.services.dynamodb import ion
from groundcloud.services.dynamodb.ion import BINARY_MARK, NESTING_MAX, SETS, NotIon, as_set
from groundcloud.services.dynamodb.values import Item, Value

SYSTEM_SYMBOLS: list[str | None] = [
    None, "$ion", "$ion_1_0", "$ion_symbol_table", "name", "version", "imports", "symbols", "max_id", "$ion_shared_symbol_table",
]  # fmt: skip
SYMBOLS_MAX = 1_000_000
NUMBER_BYTES_MAX = 64
"""More than DynamoDB's largest number takes."""

_BOOL, _POSITIVE, _NEGATIVE, _FLOAT, _DECIMAL, _SYMBOL, _STRING, _BLOB, _LIST, _STRUCT, _ANNOTATION = 1, 2, 3, 4, 5, 7, 8, 10, 11, 13, 14
_NULL_LENGTH, _LONG_LENGTH = 15, 14
_SYMBOL_TABLE = 3
_IMPORTS, _SYMBOLS, _MAX_ID = 6, 7, 8


def read_items(data: bytes) -> Iterator[Item | None]:
    """The items of an import: `{Item: {...}}`, their values not yet checked; None for what is none."""
    for record in read_records(data):
        yield None if record is None else record.get("Item", {}).get("M")


def read_records(data: bytes) -> Iterator[dict[str, Value] | None]:
    """The fields of each struct at top level as attribute values; None for what is no struct. Raises NotIon where the rest is lost."""
    if not data.startswith(BINARY_MARK):
        yield from ion.read_records(data)
        return
    reader = _Reader(data)
    at = 0
    while at < len(data):
        if data.startswith(BINARY_MARK, at):
            reader.symbols = list(SYSTEM_SYMBOLS)
            at += len(BINARY_MARK)
            continue
        kind, length, start, stop = reader.header(at)
        at = stop
        if kind == 0 and length != _NULL_LENGTH:  # padding
            continue
        try:
            if kind == _ANNOTATION and reader.take_symbols(start, stop):
                continue
            yield reader.value(kind, length, start, stop, 0).get("M")
        except NotIon:
            yield None


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.symbols = list(SYSTEM_SYMBOLS)

    def header(self, at: int) -> tuple[int, int, int, int]:
        """(type, length code, first byte, byte after the last) of the value at a position."""
        if at >= len(self._data):
            raise NotIon("the end within a value")
        kind, length = self._data[at] >> 4, self._data[at] & 15
        at += 1
        size = length
        if length == _NULL_LENGTH or kind == _BOOL:
            size = 0
        elif length == _LONG_LENGTH or (kind == _STRUCT and length == 1):
            size, at = self._unsigned(at)
        if at + size > len(self._data):
            raise NotIon("a value that does not end")
        return kind, length, at, at + size

    def take_symbols(self, start: int, stop: int) -> bool:
        """Whether an annotated value is a symbol table, which then holds for what follows."""
        annotations, inner = self._annotations(start)
        kind, length, first, last = self.header(inner)
        if annotations[:1] != [_SYMBOL_TABLE] or kind != _STRUCT or length == _NULL_LENGTH:
            return False
        fields = dict(self._places(first, last))
        symbols = list(SYSTEM_SYMBOLS)
        if _IMPORTS in fields:
            kind, _, first, last = self.header(fields[_IMPORTS])
            if kind == _SYMBOL:
                symbols = self.symbols
            elif kind == _LIST:
                symbols += [None] * self._imported(first, last)
        if _SYMBOLS in fields:
            kind, _, first, last = self.header(fields[_SYMBOLS])
            while kind == _LIST and first < last:
                of_kind, length, begin, first = self.header(first)
                symbols.append(self._text(begin, first) if of_kind == _STRING and length != _NULL_LENGTH else None)
        if len(symbols) > SYMBOLS_MAX:
            raise NotIon("too many symbols")
        self.symbols = symbols
        return True

    def value(self, kind: int, length: int, start: int, stop: int, depth: int) -> Value:
        """Raises NotIon for what DynamoDB has none of."""
        if depth > NESTING_MAX:
            raise NotIon("nested too deep")
        if length == _NULL_LENGTH and kind != _ANNOTATION:
            return {"NULL": True}
        data = self._data[start:stop]
        if kind == _BOOL:
            return {"BOOL": length == 1}
        if kind in (_POSITIVE, _NEGATIVE):
            return {"N": ("-" if kind == _NEGATIVE else "") + self._digits(start, stop)}
        if kind == _FLOAT:
            return {"N": self._float(data)}
        if kind == _DECIMAL:
            return {"N": self._decimal(start, stop)}
        if kind == _STRING:
            return {"S": self._text(start, stop)}
        if kind == _BLOB:
            return {"B": b64encode(data).decode()}
        if kind == _LIST:
            return {"L": list(self._elements(start, stop, depth))}
        if kind == _STRUCT:
            return {"M": {self._name(name): self._at(place, depth) for name, place in self._places(start, stop)}}
        if kind == _ANNOTATION:
            annotations, inner = self._annotations(start)
            annotated = self._at(inner, depth)
            name = self._name(annotations[0])
            return as_set(name, annotated) if name in SETS else annotated
        raise NotIon(f"a value of type {kind}")

    def _at(self, at: int, depth: int) -> Value:
        return self.value(*self.header(at), depth + 1)

    def _elements(self, at: int, stop: int, depth: int) -> Iterator[Value]:
        while at < stop:
            kind, length, first, last = self.header(at)
            if kind or length == _NULL_LENGTH:
                yield self.value(kind, length, first, last, depth + 1)
            at = last

    def _places(self, at: int, stop: int) -> Iterator[tuple[int, int]]:
        """(symbol of the name, position of the value) of a struct's fields."""
        while at < stop:
            name, place = self._unsigned(at)
            kind, length, _, at = self.header(place)
            if kind or length == _NULL_LENGTH:
                yield name, place

    def _imported(self, at: int, stop: int) -> int:
        """How many symbols the shared tables of an import list have; their texts are not there."""
        count = 0
        while at < stop:
            _, _, first, at = self.header(at)
            for name, place in self._places(first, at):
                if name == _MAX_ID:
                    _, _, begin, end = self.header(place)
                    count += int(self._digits(begin, end))
        if count > SYMBOLS_MAX:
            raise NotIon("too many symbols")
        return count

    def _annotations(self, at: int) -> tuple[list[int], int]:
        size, at = self._unsigned(at)
        stop = at + size
        found = []
        while at < stop:
            symbol, at = self._unsigned(at)
            found.append(symbol)
        if not found:
            raise NotIon("an annotation of none")
        return found, at

    def _name(self, symbol: int) -> str:
        text = self.symbols[symbol] if symbol < len(self.symbols) else None
        if text is None:
            raise NotIon(f"symbol {symbol} without text")
        return text

    def _text(self, start: int, stop: int) -> str:
        try:
            return self._data[start:stop].decode()
        except UnicodeDecodeError as problem:
            raise NotIon("text that is not UTF-8") from problem

    def _unsigned(self, at: int) -> tuple[int, int]:
        """A VarUInt and the position after it."""
        number = 0
        for size in range(9):
            if at + size >= len(self._data):
                break
            byte = self._data[at + size]
            number = number << 7 | byte & 127
            if byte & 128:
                return number, at + size + 1
        raise NotIon("a number that does not end")

    def _decimal(self, start: int, stop: int) -> str:
        """A VarInt exponent, then a signed coefficient."""
        if start == stop:
            return "0"
        raw, at = self._unsigned(start)
        bits = 7 * (at - start) - 1
        exponent = -(raw & ~(1 << bits)) if raw >> bits else raw
        negative = at < stop and self._data[at] >= 128
        return f"{'-' if negative else ''}{self._digits(at, stop, negative)}e{exponent}"

    def _digits(self, start: int, stop: int, negative: bool = False) -> str:
        """A magnitude; the first bit of a `negative` one is its sign."""
        if stop - start > NUMBER_BYTES_MAX:
            raise NotIon("a number too large")
        magnitude = int.from_bytes(self._data[start:stop], "big")
        return str(magnitude - (1 << (8 * (stop - start) - 1)) if negative else magnitude)

    def _float(self, data: bytes) -> str:
        if not data:
            return "0"
        if len(data) not in (4, 8):
            raise NotIon("a float of an odd size")
        (number,) = unpack(">f" if len(data) == 4 else ">d", data)
        return repr(number)
