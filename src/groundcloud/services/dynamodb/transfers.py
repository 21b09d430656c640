"""Exports to S3 and imports from it: their records, and the formats of what they carry.

Pure but for the records. Source: Developer Guide, "DynamoDB table export output format", "DynamoDB import formats quotas and validation".
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from typing import Any

import msgspec

from groundcloud.base.errors import AwsError
from groundcloud.services.dynamodb.state import KeyParts
from groundcloud.services.dynamodb.values import Item
from groundcloud.store import Record, Table

EXPORT_TIMER = "dynamodb.export"
IMPORT_TIMER = "dynamodb.import"
PART_ITEMS_MAX = 10_000
"""Items in one data file of an export."""
INFLATED_BYTES_MAX = 1 << 30
"""A compressed object may not unpack to more."""


class Export(Record, frozen=True, kw_only=True):
    """`items_number` holds the copy that is written out; `request` is what was asked for."""

    table_name: str
    export_id: str
    table_id: str
    request: dict[str, Any]
    started_ms: int
    as_of_ms: int
    items_number: int
    status: str = "IN_PROGRESS"
    ended_ms: int = 0
    item_count: int = 0
    size_bytes: int = 0
    failure: tuple[str, str] = ("", "")

    @property
    def folder(self) -> str:
        prefix = self.request.get("S3Prefix", "").strip("/")
        return f"{prefix + '/' if prefix else ''}AWSDynamoDB/{self.export_id}"


class Import(Record, frozen=True, kw_only=True):
    table_name: str
    import_id: str
    table_id: str
    request: dict[str, Any]
    started_ms: int
    status: str = "IN_PROGRESS"
    ended_ms: int = 0
    processed: int = 0
    imported: int = 0
    errors: int = 0
    size_bytes: int = 0
    failure: tuple[str, str] = ("", "")


EXPORTS = Table("dynamodb/exports", Export, key=("table_name", "export_id"))
IMPORTS = Table("dynamodb/imports", Import, key=("table_name", "import_id"))

_encode_line = msgspec.json.Encoder().encode
_decode_line = msgspec.json.Decoder(dict[str, Any]).decode


def write_items(raw_items: list[bytes]) -> bytes:
    """Items as DynamoDB JSON, a line each, compressed. `raw_items` are their JSON."""
    lines = b"".join(b'{"Item":' + raw + b"}\n" for raw in raw_items)
    return gzip.compress(lines, 6, mtime=0)


def read_items(data: bytes, format_: str, compression: str, options: dict[str, Any], attributes: KeyParts) -> Iterator[Item | None]:
    """The items of one object; None for a line that holds none."""
    if compression == "GZIP":
        data = _inflated(data)
    if format_ == "CSV":
        yield from _read_csv(data, options.get("Csv") or {}, dict(attributes))
        return
    for line in data.splitlines():
        if not line.strip():
            continue
        try:
            item = _decode_line(line).get("Item")
        except msgspec.MsgspecError:
            item = None
        yield item if isinstance(item, dict) else None


def _read_csv(data: bytes, options: dict[str, Any], types: dict[str, str]) -> Iterator[Item | None]:
    """Every column is text but those that the table defines."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        yield None
        return
    rows = csv.reader(io.StringIO(text), delimiter=options.get("Delimiter", ","))
    header = options.get("HeaderList") or next(rows, [])
    for row in rows:
        if row:
            yield {name: {types.get(name, "S"): cell} for name, cell in zip(header, row, strict=False) if cell != ""}


def _inflated(data: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
        content = packed.read(INFLATED_BYTES_MAX + 1)
    if len(content) > INFLATED_BYTES_MAX:
        raise AwsError("ItemSizeLimitExceeded", "A compressed object of the import unpacks to more than a gigabyte.")
    return content
