"""Writing exports to S3 and reading imports from it, as the one who asked for them."""

from __future__ import annotations

from base64 import b64encode
from hashlib import md5
from typing import TYPE_CHECKING, Any

import msgspec

from groundcloud.base.errors import AwsError
from groundcloud.kernel.service import timer
from groundcloud.services.dynamodb import history, indexes, items, keys, state, values
from groundcloud.services.dynamodb.filters import ExportFilter
from groundcloud.services.dynamodb.operations.tables import PURGE_TIMER
from groundcloud.services.dynamodb.transfers import (
    CHANGED,
    EXPORT_TIMER,
    EXPORTS,
    IMPORT_TIMER,
    IMPORTS,
    PART_ITEMS_MAX,
    Changed,
    Export,
    Import,
    read_items,
    write_changes,
    write_items,
)
from groundcloud.wire.message import Body

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

IMPORT_BITE = 200
OBJECT_BYTES_MAX = 1 << 30


@timer(EXPORT_TIMER)
async def export(call: Call, payload: dict[str, Any]) -> None:
    with call.transaction() as tx:
        found = EXPORTS.get(tx, payload["table_name"], payload["export_id"])
    if found is None or found.status != "IN_PROGRESS":
        return
    try:
        await _put(call, found, f"{found.folder}/_started", b"")
        done = await (_write_changes if found.is_incremental else _write_out)(call, found)
    except AwsError as error:
        done = found.replace(status="FAILED", failure=("S3" + error.code, error.message))
    with call.transaction() as tx:
        EXPORTS.put(tx, done.replace(ended_ms=call.clock.now_ms()))
        call.schedule(call.now_ms, PURGE_TIMER, {"tables": [found.items_number], "indexes": []}, tx=tx)


async def _write_out(call: Call, export: Export) -> Export:
    """Data files, then the manifest of files, then the summary."""
    chosen = _filter(export)
    after: tuple[Any, ...] | None = None
    files: list[dict[str, Any]] = []
    count = size = 0
    while True:
        with call.transaction() as tx:
            rows = list(state.ITEMS.items(tx, export.items_number, after=after, limit=PART_ITEMS_MAX))
        if rows:
            after = rows[-1][0][1:]
            size += sum(state.item_size(raw) for _, raw in rows)
            kept = [raw for _, raw in rows]
            if chosen is not None:
                kept = [part for raw in kept if (part := chosen.kept(raw)) is not None]
            count += len(kept)
            content = await call.in_thread(write_items, kept, _format(export))
            files.append(await _put_data(call, export, content, len(kept)))
        if len(rows) < PART_ITEMS_MAX:
            break
    return await _put_manifests(call, export, files, count, size)


async def _write_changes(call: Call, export: Export) -> Export:
    """What changed in the window: found in the old images, then written out with the copy as of its end."""
    with call.transaction() as tx:
        table = state.find_table(tx, export.table_name)
    if table is None or table.table_id != export.table_id:
        raise AwsError("TableDeleted", "The table was deleted while it was exported.")
    after: Any = None
    while True:
        with call.transaction() as tx:
            images = list(history.IMAGES.items(tx, table.table_number, after=after, limit=history.BITE))
            for key, image in images:
                after = key[1]
                if not export.from_ms <= image.made_ms <= export.as_of_ms:
                    continue
                place = (export.items_number, image.partition, image.sort)
                known = CHANGED.get(tx, *place)
                CHANGED.put(tx, *place, Changed(image.raw if known is None else known.old_raw, image.made_ms))
        if len(images) < history.BITE:
            break
    view = (export.request.get("IncrementalExportSpecification") or {}).get("ExportViewType", "NEW_AND_OLD_IMAGES")
    chosen = _filter(export)
    files: list[dict[str, Any]] = []
    count = size = 0
    while True:
        with call.transaction() as tx:
            rows = list(CHANGED.items(tx, export.items_number, limit=PART_ITEMS_MAX))
            found = [(change, state.ITEMS.get(tx, *key)) for key, change in rows]
        found = [(change, new) for change, new in found if change.old_raw is not None or new is not None]
        if chosen is not None:
            found = [(change, new) for change, new in found if chosen.keeps(state.unpack_item(new or change.old_raw or b""))]
        if found:
            count += len(found)
            size += sum(len(change.old_raw or b"") + len(new or b"") for change, new in found)
            content = await call.in_thread(write_changes, found, table.key, view, _format(export), chosen)
            files.append(await _put_data(call, export, content, len(found)))
        with call.transaction() as tx:
            for key, _ in rows:
                CHANGED.delete(tx, *key)
        if len(rows) < PART_ITEMS_MAX:
            break
    return await _put_manifests(call, export, files, count, size)


def _filter(export: Export) -> ExportFilter | None:
    specification = export.request.get("FilterSpecification")
    return None if specification is None else ExportFilter(specification, export.key)


def _format(export: Export) -> str:
    return str(export.request.get("ExportFormat", "DYNAMODB_JSON"))


async def _put_data(call: Call, export: Export, content: bytes, count: int) -> dict[str, Any]:
    """Writes a data file; its line in the manifest of files."""
    key = f"{export.data_folder}/{call.token(26)}.{'ion' if _format(export) == 'ION' else 'json'}.gz"
    etag = await _put(call, export, key, content)
    return {"itemCount": count, "md5Checksum": _checksum(content), "etag": etag, "dataFileS3Key": key}


def _checksum(content: bytes) -> str:
    return b64encode(md5(content, usedforsecurity=False).digest()).decode()


def _moment(at_ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_ms % 1000:03d}Z"


async def _put_manifests(call: Call, export: Export, files: list[dict[str, Any]], count: int, size: int) -> Export:
    listing = b"".join(msgspec.json.encode(entry) + b"\n" for entry in files)
    view = (export.request.get("IncrementalExportSpecification") or {}).get("ExportViewType", "NEW_AND_OLD_IMAGES")
    window: dict[str, Any] = {"exportTime": _moment(export.as_of_ms)}
    if export.is_incremental:
        window = {"exportFromTime": _moment(export.from_ms), "exportToTime": _moment(export.as_of_ms + 1), "outputView": view}
    summary = {
        "version": "2023-08-01" if export.is_incremental else "2020-06-30",
        "exportArn": f"{call.arn('dynamodb', f'table/{export.table_name}')}/export/{export.export_id}",
        "startTime": _moment(export.started_ms),
        "endTime": _moment(call.clock.now_ms()),
        "tableArn": call.arn("dynamodb", f"table/{export.table_name}"),
        "tableId": export.table_id,
        **window,
        "s3Bucket": export.request["S3Bucket"],
        "s3Prefix": export.request.get("S3Prefix"),
        "s3SseAlgorithm": export.request.get("S3SseAlgorithm", "AES256"),
        "s3SseKmsKeyId": export.request.get("S3SseKmsKeyId"),
        "manifestFilesS3Key": f"{export.folder}/manifest-files.json",
        "billedSizeBytes": size,
        "itemCount": count,
        "outputFormat": _format(export),
        "exportType": "INCREMENTAL_EXPORT" if export.is_incremental else "FULL_EXPORT",
    }
    for name, content in (("manifest-files", listing), ("manifest-summary", msgspec.json.encode(summary))):
        await _put(call, export, f"{export.folder}/{name}.json", content)
        await _put(call, export, f"{export.folder}/{name}.checksum", _checksum(content).encode())
    return export.replace(status="COMPLETED", item_count=count, size_bytes=size)  # type: ignore[no-any-return]


async def _put(call: Call, export: Export, key: str, content: bytes) -> str:
    request: dict[str, Any] = {"Bucket": export.request["S3Bucket"], "Key": key, "Body": Body(None, len(content), content)}
    if export.request.get("S3SseAlgorithm") == "KMS":
        request["ServerSideEncryption"] = "aws:kms"
        if "S3SseKmsKeyId" in export.request:
            request["SSEKMSKeyId"] = export.request["S3SseKmsKeyId"]
    answer = await call.request("s3", "PutObject", request)
    return str(answer["ETag"]).strip('"')


@timer(IMPORT_TIMER)
async def import_(call: Call, payload: dict[str, Any]) -> None:
    with call.transaction() as tx:
        found = IMPORTS.get(tx, payload["table_name"], payload["import_id"])
    if found is None or found.status != "IN_PROGRESS":
        return
    try:
        done = (await _read_in(call, found)).replace(status="COMPLETED")
    except AwsError as error:
        done = found.replace(status="FAILED", failure=("S3" + error.code, error.message))
    with call.transaction() as tx:
        IMPORTS.put(tx, done.replace(ended_ms=call.clock.now_ms()))
        table = state.find_table(tx, found.table_name)
        if table is not None and table.table_id == found.table_id:
            state.put_table(tx, table.replace(status="ACTIVE"))


async def _read_in(call: Call, found: Import) -> Import:
    """Every object below the prefix; lines that hold no item of this table are counted as errors."""
    source = found.request["S3BucketSource"]
    listing: dict[str, Any] = {"Bucket": source["S3Bucket"], "Prefix": source.get("S3KeyPrefix", "")}
    while True:
        page = await call.request("s3", "ListObjectsV2", listing)
        for entry in page.get("Contents") or ():
            if not entry["Key"].endswith("/"):
                found = await _read_object(call, found, source["S3Bucket"], entry["Key"])
        if not page.get("IsTruncated"):
            return found
        listing["ContinuationToken"] = page["NextContinuationToken"]


async def _read_object(call: Call, found: Import, bucket: str, key: str) -> Import:
    answer = await call.request("s3", "GetObject", {"Bucket": bucket, "Key": key})
    body = answer["Body"]
    data = body if isinstance(body, bytes) else b"".join([chunk async for chunk in body])
    request = found.request
    table_attributes = tuple(
        (definition["AttributeName"], definition["AttributeType"])
        for definition in request["TableCreationParameters"]["AttributeDefinitions"]
    )
    rows = await call.in_thread(
        lambda: list(
            read_items(
                data,
                request["InputFormat"],
                request.get("InputCompressionType", "NONE"),
                request.get("InputFormatOptions") or {},
                table_attributes,
            )
        )
    )
    imported = failed = 0
    for start in range(0, len(rows), IMPORT_BITE):
        with call.transaction() as tx:
            table = state.find_table(tx, found.table_name)
            if table is None or table.table_id != found.table_id:
                raise AwsError("TableDeleted", "The table was deleted while it was imported.")
            for item in rows[start : start + IMPORT_BITE]:
                try:
                    if item is None:
                        raise AwsError("ValidationException", "no item")
                    size = values.check_item(item)
                    items.check_size(size)
                    place = keys.of_item(table.key, item)
                    indexes.check_index_keys(table, item)
                except AwsError:
                    failed += 1
                    continue
                items.write(call, tx, table, place, items.read(tx, table, place), item, size)
                imported += 1
    return found.replace(  # type: ignore[no-any-return]
        processed=found.processed + len(rows),
        imported=found.imported + imported,
        errors=found.errors + failed,
        size_bytes=found.size_bytes + len(data),
    )
