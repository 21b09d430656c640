"""Exports to S3 and imports from it: their records, and the formats of what they carry.

Pure but for the records. Source: Developer Guide, "DynamoDB table export output format", "DynamoDB import formats quotas and validation".
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any

import msgspec

from groundcloud.base.errors import AwsError, not_implemented
from groundcloud.services.dynamodb import binary_ion, ion
from groundcloud.services.dynamodb.filters import ExportFilter
from groundcloud.services.dynamodb.state import KeyParts, unpack_item
from groundcloud.services.dynamodb.values import Item
from groundcloud.store import Record, Table

EXPORT_TIMER = "dynamodb.export"
IMPORT_TIMER = "dynamodb.import"
PART_ITEMS_MAX = 10_000
"""Items in one data file of an export."""
TOKEN_LIFE_MS = 8 * 3_600_000
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
    key: KeyParts = ()
    from_ms: int = 0
    """Where an incremental export begins; 0 for a full one. It ends after `as_of_ms`."""

    @property
    def is_incremental(self) -> bool:
        return self.from_ms > 0

    @property
    def data_folder(self) -> str:
        """Incremental exports share one."""
        return f"{self.folder.rpartition('/')[0] if self.is_incremental else self.folder}/data"

    @property
    def folder(self) -> str:
        prefix = self.request.get("S3Prefix", "").strip("/")
        return f"{prefix + '/' if prefix else ''}AWSDynamoDB/{self.export_id}"


class ClientToken(Record, frozen=True):
    """A ClientToken that was used: for which request, and what that one began. `kind` is the operation's name."""

    kind: str
    token: str
    digest: bytes
    begun_id: str
    expires_ms: int


class Changed(Record, frozen=True):
    """An item that changed in the window of an export: as it was at its beginning, and when it changed last."""

    old_raw: bytes | None
    last_ms: int


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
TOKENS = Table("dynamodb/client-tokens", ClientToken, key=("kind", "token"))
CHANGED: Table[Changed] = Table("dynamodb/changed", Changed, key=3)
"""(export's items number, partition, sort) -> what an incremental export has found of an item so far."""

_encode_line = msgspec.json.Encoder().encode
_decode_line = msgspec.json.Decoder(dict[str, Any]).decode


def begun_before(call: Any, tx: Any, request: dict[str, Any], conflict: str) -> str | None:
    """What the same request began with the same ClientToken within eight hours. Raises the error `conflict` where it was another request."""
    text = request.get("ClientToken")
    known = None if text is None else TOKENS.get(tx, call.operation, text)
    if known is None or known.expires_ms <= call.now_ms:
        return None
    if known.digest != _digest(request):
        raise AwsError(conflict, "Request with the same client token was made before with other parameters.")
    return known.begun_id


def remember(call: Any, tx: Any, request: dict[str, Any], begun_id: str) -> None:
    """Keeps the request's ClientToken, if it has one."""
    if "ClientToken" in request:
        TOKENS.put(tx, ClientToken(call.operation, request["ClientToken"], _digest(request), begun_id, call.now_ms + TOKEN_LIFE_MS))


def _digest(request: dict[str, Any]) -> bytes:
    return blake2b(msgspec.json.encode(request, order="deterministic"), digest_size=16).digest()


def write_items(raw_items: list[bytes], format_: str) -> bytes:
    """Stored items as DynamoDB JSON or Ion, a line each, compressed."""
    if format_ == "ION":
        lines = b"".join(ion.write_record({"Item": unpack_item(raw)}) for raw in raw_items)
    else:
        lines = b"".join(b'{"Item":' + raw[4:] + b"}\n" for raw in raw_items)
    return gzip.compress(lines, 6, mtime=0)


def write_changes(
    changes: list[tuple[Changed, bytes | None]], key: KeyParts, view: str, format_: str, chosen: ExportFilter | None = None
) -> bytes:
    """Items that changed, each with its (stored) new image, as an incremental export has them."""
    lines = []
    for change, new_raw in changes:
        new = None if new_raw is None else unpack_item(new_raw)
        old = None if change.old_raw is None else unpack_item(change.old_raw)
        known = new or old
        if known is None:
            continue
        record: dict[str, Item] = {
            "Metadata": {"WriteTimestampMicros": {"N": str(change.last_ms * 1000)}},
            "Keys": {name: known[name] for name, _ in key},
        }
        if old is not None and view == "NEW_AND_OLD_IMAGES":
            record["OldImage"] = old if chosen is None else chosen.part(old)
        if new is not None:
            record["NewImage"] = new if chosen is None else chosen.part(new)
        lines.append(ion.write_record(record) if format_ == "ION" else _encode_line(record) + b"\n")
    return gzip.compress(b"".join(lines), 6, mtime=0)


def read_items(data: bytes, format_: str, compression: str, options: dict[str, Any], attributes: KeyParts) -> Iterator[Item | None]:
    """The items of one object; None for a line that holds none."""
    data = unpacked(data, compression)
    if format_ == "CSV":
        yield from _read_csv(data, options.get("Csv") or {}, dict(attributes))
        return
    if format_ == "ION":
        try:
            yield from binary_ion.read_items(data)
        except ion.NotIon:
            yield None
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


def unpacked(data: bytes, compression: str) -> bytes:
    """The content of an object. Raises an AwsError where it is not compressed as it should be."""
    if compression == "NONE":
        return data
    opened = zstd_file() if compression == "ZSTD" else lambda packed: gzip.GzipFile(fileobj=packed)
    try:
        with opened(io.BytesIO(data)) as packed:
            content: bytes = packed.read(INFLATED_BYTES_MAX + 1)
    except (OSError, EOFError, zlib.error) as problem:
        raise AwsError("InvalidCompression", f"An object is not compressed with {compression}.") from problem
    if len(content) > INFLATED_BYTES_MAX:
        raise AwsError("ItemSizeLimitExceeded", "A compressed object of the import unpacks to more than a gigabyte.")
    return content


def zstd_file() -> Callable[[io.BytesIO], Any]:
    """What opens content compressed with ZSTD, which Python 3.14 can, and others with the package zstandard. Refuses by name without."""
    try:
        from compression import zstd  # type: ignore[import-not-found]
    except ImportError:
        pass
    else:
        return lambda packed: zstd.ZstdFile(packed)
    try:
        import zstandard  # type: ignore[import-not-found]
    except ImportError:
        raise not_implemented("compression with ZSTD without Python 3.14 or the package zstandard") from None
    return lambda packed: zstandard.open(packed)
