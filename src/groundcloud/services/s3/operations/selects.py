"""SelectObjectContent: a query over one object, answered as a stream of events."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.s3 import contents, encryption, errors, restores
from groundcloud.services.s3.operations.objects import open_version
from groundcloud.services.s3.state import Bucket, Version
from groundcloud.store import Transaction

HEADER_BYTES_MAX = 1024 * 1024
"""Of a range of a CSV file: how far its header is looked for."""
QUIET_BYTES = 4 * 1024 * 1024
"""Of the object before there is an answer without records: what is wrong by then is an answer of its own."""
_REFUSED_CLASSES = restores.ARCHIVED | {"REDUCED_REDUNDANCY"}

Event = dict[str, Any]


@operation(public=True)
async def select_object_content(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    from groundcloud.services.s3.select import engine, settings, syntax
    from groundcloud.services.s3.select import errors as wrong

    tx = call.reading()
    bucket, version = open_version(call, tx, request, "s3:GetObject", "s3:GetObjectVersion")
    if call.principal.kind == "anonymous":
        raise errors.access_denied()
    if version.storage_class in _REFUSED_CLASSES:
        raise wrong.of("UnsupportedStorageClass")
    customer = encryption.check_read(call, request, version.seal)
    form = settings.of_request(request, version.size_bytes)
    query = syntax.parse(request["Expression"])
    keys = await encryption.keys_of(call, bucket, version.seal, customer)
    now = datetime.fromtimestamp(call.now_ms / 1000, UTC).replace(tzinfo=None)

    def read(start: int, stop: int) -> AsyncIterator[bytes]:
        return _pieces(call, tx, bucket, request["Key"], version, start, stop, keys)

    header = None
    start = max(form.scan[0] - 1, 0) if form.scan is not None else 0
    if start and form.source == "csv" and form.csv.header != "NONE":
        top = b"".join([piece async for piece in read(0, min(HEADER_BYTES_MAX, version.size_bytes))])
        header = await call.in_thread(engine.header_of, form, top)
    running = engine.Engine(form, query, now, header=header)
    events = _events(call, running, form.source == "parquet", form.progress, read(start, version.size_bytes))
    # What is wrong from the start is an answer of its own, not the end of a stream.
    first = await anext(events)
    return {"Payload": _from(first, events)}


async def _pieces(
    call: Call, tx: Transaction, bucket: Bucket, key: str, version: Version, start: int, stop: int, keys: encryption.Keys
) -> AsyncIterator[bytes]:
    body = contents.read(call, tx, bucket.bucket_name, key, version, start, stop, keys)
    if isinstance(body, bytes):
        if body:
            yield body
        return
    async for piece in body:
        yield bytes(piece)


async def _from(first: Event, events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    yield first
    async for event in events:
        yield event


async def _events(call: Call, running: Any, parquet: bool, progress: bool, body: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """Records as they come, Cont where none do, Progress if asked for, then Stats and End. AWS: "Appendix: SelectObjectContent Response"."""
    try:
        async for payloads in _parquet(call, running, body) if parquet else _batches(call, running, body):
            for payload in payloads:
                yield {"Records": {"Payload": payload}}
            if running.scanned_bytes < QUIET_BYTES and not running.returned_bytes:
                continue
            if not payloads:
                yield {"Cont": {}}
            if progress:
                yield {"Progress": {"Details": _details(running)}}
        yield {"Stats": {"Details": _details(running)}}
        yield {"End": {}}
    finally:
        await call.in_thread(running.close)


async def _batches(call: Call, running: Any, body: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    async for piece in body:
        yield await call.in_thread(running.feed, piece)
        if running.done:
            break
    yield await call.in_thread(running.finish)


async def _parquet(call: Call, running: Any, body: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """Parquet is read from its end: it is written to a private file while the query runs."""
    descriptor, name = tempfile.mkstemp(suffix=".parquet")
    try:
        with os.fdopen(descriptor, "wb") as file:
            async for piece in body:
                await call.in_thread(file.write, piece)
        rows = running.parquet(Path(name))
        while (payloads := await call.in_thread(next, rows, None)) is not None:
            yield payloads
    finally:
        Path(name).unlink()


def _details(running: Any) -> dict[str, int]:
    return {"BytesScanned": running.scanned_bytes, "BytesProcessed": running.processed_bytes, "BytesReturned": running.returned_bytes}
