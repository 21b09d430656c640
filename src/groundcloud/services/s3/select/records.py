"""Content cut into records: decompressed, decoded, split. A batch of records is a JSON array, which is how DuckDB is handed it.

Of content that comes in pieces no more is held than the record that is not yet whole (and of a JSON document, which is one record, all of it).
"""

from __future__ import annotations

import bz2
import codecs
import csv
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import msgspec

from groundcloud.services.s3.select import errors
from groundcloud.services.s3.select.settings import RECORD_CHARACTERS_MAX, CsvInput
from groundcloud.services.s3.select.syntax import Step

INFLATED_BYTES = 1024 * 1024
"""Decompressed at once, however well it was compressed."""
DOCUMENT_BYTES_MAX = 64 * 1024 * 1024
_CONTINUATIONS = bytes(range(0x80, 0xC0))
csv.field_size_limit(RECORD_CHARACTERS_MAX)


Batch = bytes | str
"""The elements of a JSON array; or, of CSV without quotes, text that DuckDB splits several times faster. Empty where no record is whole."""


class Cutter(Protocol):
    """`feed` takes content and gives the records that are whole; `finish` gives the last."""

    done: bool

    def feed(self, data: bytes) -> Batch: ...

    def finish(self) -> Batch: ...


# Decompression


class Plain:
    def pieces(self, data: bytes) -> Iterator[bytes]:
        yield data

    def finish(self) -> None:
        pass


class Inflated:
    """GZIP or BZIP2, of one member or several. Raises TruncatedInput for what is neither or breaks off."""

    def __init__(self, compression: str) -> None:
        self._gzip = compression == "GZIP"
        self._stream: Any = self._new()
        self._begun = False

    def _new(self) -> Any:
        return zlib.decompressobj(31) if self._gzip else bz2.BZ2Decompressor()

    def pieces(self, data: bytes) -> Iterator[bytes]:
        try:
            while data:
                self._begun = True
                piece = self._stream.decompress(data, INFLATED_BYTES)
                if piece:
                    yield piece
                if self._stream.eof:
                    data = self._stream.unused_data
                    self._stream, self._begun = self._new(), bool(data)
                elif self._gzip:
                    data = self._stream.unconsumed_tail
                else:
                    data = b""
                    while not self._stream.needs_input and not self._stream.eof:
                        yield self._stream.decompress(b"", INFLATED_BYTES)
                    if self._stream.eof:
                        data = self._stream.unused_data
                        self._stream, self._begun = self._new(), bool(data)
        except (zlib.error, OSError, EOFError):
            raise errors.of("TruncatedInput") from None

    def finish(self) -> None:
        if self._begun:
            raise errors.of("TruncatedInput")


# CSV


class CsvCutter:
    """`header` is there once the first record was; `skips` says that the content begins within a record, which is another's."""

    def __init__(self, form: CsvInput, *, last: int | None = None, skips: bool = False, header: list[str] | None = None) -> None:
        self.header = header
        self._form = form
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._held = ""
        self._first = header is None and form.header != "NONE"
        self._skips = skips
        self._left = last
        """How many bytes from here on records may begin in."""
        self.done = False

    def feed(self, data: bytes) -> Batch:
        if self._skips and not self._held:
            whole = data.lstrip(_CONTINUATIONS)  # the range may begin within a character
            if self._left is not None:
                self._left -= len(data) - len(whole)
            data = whole
        return self._cut(data, final=False)

    def finish(self) -> Batch:
        return self._cut(b"", final=True)

    def _cut(self, data: bytes, *, final: bool) -> Batch:
        try:
            text = self._held + self._decoder.decode(data, final)
        except UnicodeDecodeError:
            raise errors.of("InvalidTextEncoding") from None
        lines = text.split(self._form.record_delimiter)
        self._held = "" if final else lines.pop()
        if self._form.quoted_record_delimiters and self._form.quote and self._form.quote in text:
            lines = self._joined(lines, final)
        if len(self._held) > RECORD_CHARACTERS_MAX:
            raise errors.of("OverMaxRecordSize")
        if lines and self._skips:
            self._skips = False
            self._count(lines.pop(0))
        if self._left is not None:
            lines = self._within(lines)
        comment = self._form.comment
        lines = [line for line in lines if line and line != "\r" and not (comment and line.startswith(comment))]
        if lines and self._first:
            self._first = False
            first = self._row(lines.pop(0))
            if self._form.header == "USE":
                self.header = first
        if not lines:
            return b""
        if self._form.quote and self._form.quote in text:
            return msgspec.json.encode([self._row(line) for line in lines])[1:-1]
        if len(text) > RECORD_CHARACTERS_MAX and max(len(line) for line in lines) > RECORD_CHARACTERS_MAX:
            raise errors.of("OverMaxRecordSize")
        if "\r" in text and self._form.record_delimiter == "\n":
            lines = [line.removesuffix("\r") for line in lines]
        return self._form.record_delimiter.join(lines)

    def _count(self, line: str) -> None:
        if self._left is not None:
            self._left -= len((line + self._form.record_delimiter).encode())

    def _within(self, lines: list[str]) -> list[str]:
        """Those that begin where they may."""
        found = []
        for line in lines:
            if self._left is not None and self._left <= 0:
                self.done = True
                break
            found.append(line)
            self._count(line)
        return found

    def _joined(self, lines: list[str], final: bool) -> list[str]:
        """Records whose quoted fields hold the delimiter, whole again: of quotes each has an even number."""
        found: list[str] = []
        held = ""
        for line in lines:
            held = f"{held}{self._form.record_delimiter}{line}" if held else line
            if held.count(self._form.quote) % 2 == 0:
                found.append(held)
                held = ""
        if held and final:
            found.append(held)
        elif held:
            self._held = f"{held}{self._form.record_delimiter}{self._held}"
        return found

    def _row(self, line: str) -> list[str]:
        form = self._form
        if form.record_delimiter == "\n" and line.endswith("\r"):
            line = line[:-1]
        if len(line) > RECORD_CHARACTERS_MAX:
            raise errors.of("OverMaxRecordSize")
        if not form.quote or form.quote not in line:
            return line.split(form.field_delimiter)
        delimiter = form.field_delimiter
        if len(delimiter) > 1:
            delimiter, line = "\x1f", line.replace(delimiter, "\x1f")
        doubled = form.escape == form.quote
        try:
            rows = list(
                csv.reader(
                    [line.replace("\n", "\x1e")],
                    delimiter=delimiter,
                    quotechar=form.quote,
                    doublequote=doubled,
                    escapechar=None if doubled else form.escape,
                )
            )
        except csv.Error:
            raise errors.of("CSVParsingError") from None
        row = rows[0] if rows else []
        return [
            field.replace("\x1e", "\n").replace("\x1f", form.field_delimiter)
            if len(form.field_delimiter) > 1
            else field.replace("\x1e", "\n")
            for field in row
        ]


# JSON


class LinesCutter:
    """A JSON value a line. `steps` lead from it to the records."""

    def __init__(self, steps: Sequence[Step], *, last: int | None = None, skips: bool = False) -> None:
        self._steps = steps
        self._held = b""
        self._skips = skips
        self._left = last
        self.done = False

    def feed(self, data: bytes) -> bytes:
        lines = (self._held + data).split(b"\n")
        self._held = lines.pop()
        if len(self._held) > RECORD_CHARACTERS_MAX:
            raise errors.of("OverMaxRecordSize")
        return self._records(lines)

    def finish(self) -> bytes:
        return self._records([self._held])

    def _records(self, lines: list[bytes]) -> bytes:
        if lines and self._skips:
            self._skips = False
            skipped = lines.pop(0)
            if self._left is not None:
                self._left -= len(skipped) + 1
        found = []
        for line in lines:
            if self._left is not None:
                if self._left <= 0:
                    self.done = True
                    break
                self._left -= len(line) + 1
            if line.strip():
                found.append(line)
        if not self._steps:
            return b",".join(found)
        return _encoded([_decoded(line) for line in found], self._steps)


class DocumentCutter:
    """JSON values one after the other, however they are laid out."""

    done = False

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._held = bytearray()

    def feed(self, data: bytes) -> bytes:
        self._held += data
        if len(self._held) > DOCUMENT_BYTES_MAX:
            raise errors.of("OverMaxRecordSize")
        return b""

    def finish(self) -> bytes:
        import json

        try:
            text = self._held.decode()
        except UnicodeDecodeError:
            raise errors.of("InvalidTextEncoding") from None
        decoder, at = json.JSONDecoder(), 0
        found: list[Any] = []
        while True:
            while at < len(text) and text[at].isspace():
                at += 1
            if at == len(text):
                return _encoded(found, self._steps)
            try:
                value, at = decoder.raw_decode(text, at)
            except (ValueError, RecursionError):
                raise errors.of("JSONParsingError") from None
            found.append(value)


def _decoded(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise errors.of("JSONParsingError") from None


def _encoded(values: list[Any], steps: Sequence[Step]) -> bytes:
    for step in steps:
        below: list[Any] = []
        for value in values:
            if step is None:
                below.extend(value if isinstance(value, list) else [value])
            elif isinstance(step, int):
                if isinstance(value, list) and step < len(value):
                    below.append(value[step])
            elif isinstance(value, dict) and step in value:
                below.append(value[step])
        values = below
    return msgspec.json.encode(values)[1:-1] if values else b""
