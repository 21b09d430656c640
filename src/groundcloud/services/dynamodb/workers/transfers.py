"""Writing exports to S3 and reading imports from it, as the one who asked for them."""

from __future__ import annotations

from base64 import b64encode
from hashlib import md5
from typing import TYPE_CHECKING, Any

import msgspec

from groundcloud.base.errors import AwsError
from groundcloud.kernel.service import timer
from groundcloud.services.dynamodb import indexes, items, keys, state, values
from groundcloud.services.dynamodb.operations.tables import PURGE_TIMER
from groundcloud.services.dynamodb.transfers import (
    EXPORT_TIMER,
    EXPORTS,
    IMPORT_TIMER,
    IMPORTS,
    PART_ITEMS_MAX,
    Export,
    Import,
    read_items,
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
        done = await _write_out(call, found)
    except AwsError as error:
        done = found.replace(status="FAILED", failure=("S3" + error.code, error.message))
    with call.transaction() as tx:
        EXPORTS.put(tx, done.replace(ended_ms=call.clock.now_ms()))
        call.schedule(call.now_ms, PURGE_TIMER, {"tables": [found.items_number], "indexes": []}, tx=tx)


async def _write_out(call: Call, export: Export) -> Export:
    """Data files, then the manifest of files, then the summary."""
    after: tuple[Any, ...] | None = None
    files: list[dict[str, Any]] = []
    count = size = 0
    while True:
        with call.transaction() as tx:
            rows = list(state.ITEMS.items(tx, export.items_number, after=after, limit=PART_ITEMS_MAX))
        if rows:
            after = rows[-1][0][1:]
            size += sum(state.item_size(raw) for _, raw in rows)
            count += len(rows)
            content = await call.in_thread(write_items, [raw[4:] for _, raw in rows])
            key = f"{export.folder}/data/{call.token(26)}.json.gz"
            etag = await _put(call, export, key, content)
            checksum = b64encode(md5(content, usedforsecurity=False).digest()).decode()
            files.append({"itemCount": len(rows), "md5Checksum": checksum, "etag": etag, "dataFileS3Key": key})
        if len(rows) < PART_ITEMS_MAX:
            break
    listing = b"".join(msgspec.json.encode(entry) + b"\n" for entry in files)
    await _put(call, export, f"{export.folder}/manifest-files.json", listing)
    summary = {
        "version": "2020-06-30",
        "exportArn": f"{call.arn('dynamodb', f'table/{export.table_name}')}/export/{export.export_id}",
        "tableArn": call.arn("dynamodb", f"table/{export.table_name}"),
        "tableId": export.table_id,
        "s3Bucket": export.request["S3Bucket"],
        "s3Prefix": export.request.get("S3Prefix"),
        "s3SseAlgorithm": "AES256",
        "manifestFilesS3Key": f"{export.folder}/manifest-files.json",
        "billedSizeBytes": size,
        "itemCount": count,
        "outputFormat": "DYNAMODB_JSON",
        "exportType": "FULL_EXPORT",
    }
    await _put(call, export, f"{export.folder}/manifest-summary.json", msgspec.json.encode(summary))
    return export.replace(status="COMPLETED", item_count=count, size_bytes=size)  # type: ignore[no-any-return]


async def _put(call: Call, export: Export, key: str, content: bytes) -> str:
    request = {"Bucket": export.request["S3Bucket"], "Key": key, "Body": Body(None, len(content), content)}
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
        for entry in page.get("Contents", ()):
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
