"""Bulk operations at work: object by object, some records in each transaction, then the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from groundcloud.base.errors import AwsError
from groundcloud.kernel.service import timer
from groundcloud.services.dynamodb import bulk, indexes, items, keys, replication, state, values, vectors
from groundcloud.services.dynamodb.bulk import BULKS, REPORTS, Bulk
from groundcloud.services.dynamodb.operations.items import read_condition
from groundcloud.wire.message import Body

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call
    from groundcloud.services.dynamodb.state import TableDefinition

Record = dict[str, Any]

BITE = 200
"""Records in one transaction: a few milliseconds of the loop."""
REPORT_LINES_MAX = 10_000
"""In one object of the report."""

_CONDITION = {"ConditionExpression": str, "ExpressionAttributeNames": dict, "ExpressionAttributeValues": dict}

ERROR, CONDITION_CHECK_FAILURE = "ERROR", "CONDITION_CHECK_FAILURE"


class _Cancelled(Exception):
    """Someone has cancelled the operation."""


@timer(bulk.TIMER)
async def run(call: Call, payload: dict[str, Any]) -> None:
    with call.transaction() as tx:
        found = BULKS.get(tx, payload["operation_id"])
    if found is None or found.status in bulk.ENDED:
        return
    failure = ("", "")
    try:
        found = await _read_all(call, found)
        status = "COMPLETED_WITH_ERRORS" if found.failed else "COMPLETED"
    except _Cancelled:
        status, failure = "CANCELLED", ("UserCancelled", "The bulk operation was cancelled by the user.")
    except AwsError as error:
        status, failure = "FAILED", (error.code, error.message)
    try:
        await _report(call, found)
    except AwsError as error:
        status, failure = "FAILED", (error.code, error.message)
    with call.transaction() as tx:
        latest = BULKS.get(tx, found.operation_id)
        if latest is not None:
            BULKS.put(tx, latest.replace(status=status, failure=failure, ended_ms=call.clock.now_ms()))


async def _read_all(call: Call, found: Bulk) -> Bulk:
    source = found.request["InputS3Configuration"]
    names: list[str] = []
    total = 0
    listing: dict[str, Any] = {"Bucket": source["S3Bucket"], "Prefix": source.get("S3KeyPrefix", "")}
    while True:
        page = await call.request("s3", "ListObjectsV2", listing)
        for entry in page.get("Contents") or ():
            if not entry["Key"].endswith("/"):
                names.append(entry["Key"])
                total += entry["Size"]
        if not page.get("IsTruncated"):
            break
        listing["ContinuationToken"] = page["NextContinuationToken"]
    if found.total_bytes is None:
        found = _keep(call, found, total_bytes=total)
    for name in names:
        if name > found.last_key:
            found = await _read_object(call, found, source, name)
    return found


async def _read_object(call: Call, found: Bulk, source: Record, name: str) -> Bulk:
    answer = await call.request("s3", "GetObject", {"Bucket": source["S3Bucket"], "Key": name})
    body = answer["Body"]
    data = body if isinstance(body, bytes) else b"".join([chunk async for chunk in body])
    compression = source.get("InputCompressionType", "NONE")
    try:
        records = await call.in_thread(lambda: list(bulk.read_records(data, source["InputFormat"], compression)))
    except AwsError as error:
        records = []
        with call.transaction() as tx:
            found = _current(tx, found)
            line = {"S3Key": name, "ErrorCode": error.code, "ErrorMessage": error.message}
            found = _noted(tx, found, ERROR, line).replace(processed=found.processed + 1, failed=found.failed + 1)
            BULKS.put(tx, found)
    for start in range(found.records_done, len(records), BITE):
        with call.transaction() as tx:
            found = _current(tx, found)
            table = state.find_table(tx, found.table_name)
            if table is None or table.table_id != found.table_id:
                raise AwsError("TableDeleted", "The table was deleted while items were put into it.")
            for at, record in enumerate(records[start : start + BITE], start):
                found = _put(call, tx, table, found, name, at, record)
            found = found.replace(records_done=min(start + BITE, len(records)))
            BULKS.put(tx, found)
    return _keep(call, found, last_key=name, records_done=0, read_bytes=found.read_bytes + len(data))


def _put(call: Call, tx: Any, table: TableDefinition, found: Bulk, name: str, at: int, record: Record | None) -> Bulk:
    """Writes one record's item, or notes why not."""
    item = None if record is None else record.get("Item")
    found = found.replace(processed=found.processed + 1)
    try:
        if record is None or not isinstance(item, dict):
            raise AwsError("ValidationException", "The record holds no item")
        size = values.check_item(item)
        items.check_size(size)
        test, known, _ = read_condition(_condition(record))
        key = keys.of_item(table.key, item)
        indexes.check_index_keys(table, item)
        if table.replicas:
            replication.require_majority(call, tx, table)
        old_raw = items.read(tx, table, key)
        old = None if old_raw is None else state.unpack_item(old_raw)
        if test is not None and not test(old or {}, known):
            line = {"S3Key": name, "Record": at + 1, "Item": item}
            return _noted(tx, found, CONDITION_CHECK_FAILURE, line if old is None else {**line, "ExistingItem": old})
        items.write(call, tx, table, key, old_raw, item, size, old=old)
    except AwsError as error:
        line = {"S3Key": name, "Record": at + 1, "ErrorCode": error.code, "ErrorMessage": error.message}
        return _noted(tx, found, ERROR, line if item is None else {**line, "Item": item}).replace(failed=found.failed + 1)
    sizes = dict(found.sizes)
    for index_name, written in _sizes(table, key, item, size):
        sizes[index_name] = sizes.get(index_name, 0) + written
    return found.replace(sizes=sizes)  # type: ignore[no-any-return]


def _condition(record: Record) -> Record:
    """The part of a record that says when to write its item."""
    found = {name: record[name] for name in _CONDITION if name in record}
    for name, value in found.items():
        if not isinstance(value, _CONDITION[name]) or (name == "ExpressionAttributeNames" and not all(map(_is_text, value.values()))):
            raise AwsError("ValidationException", f"{name} of the record has the wrong type")
    return found


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _sizes(table: TableDefinition, key: items.Key, item: values.Item, size: int) -> list[tuple[str, int]]:
    """What an item comes to in its table and its indexes."""
    written = [("", size)]
    for index in table.indexes:
        entry = indexes.entry_of(index, table, key, item, size)
        if entry is not None:
            written.append((f"{'global' if index.is_global else 'local'}/{index.index_name}", entry.size))
    for vector_index in table.vectors:
        found = vectors.entry_of(vector_index, table, key, item)
        if found is not None:
            written.append((f"vector/{vector_index.index_name}", found.size))
    return written


def _noted(tx: Any, found: Bulk, kind: str, line: Record) -> Bulk:
    """With a line of the report, where that kind is asked for."""
    if kind not in found.request["OutputS3Configuration"]["OutputType"]:
        return found
    REPORTS.put(tx, found.operation_id, kind, found.reports, msgspec.json.encode(line))
    return found.replace(reports=found.reports + 1)  # type: ignore[no-any-return]


def _current(tx: Any, found: Bulk) -> Bulk:
    latest = BULKS.get(tx, found.operation_id)
    if latest is None or latest.status == "CANCELLING":
        raise _Cancelled
    return latest


def _keep(call: Call, found: Bulk, **changes: Any) -> Bulk:
    with call.transaction() as tx:
        changed: Bulk = _current(tx, found).replace(**changes)
        BULKS.put(tx, changed)
    return changed


async def _report(call: Call, found: Bulk) -> None:
    """The lines of each kind, and a manifest that says where they are."""
    target = found.request["OutputS3Configuration"]
    prefix = target.get("S3KeyPrefix", "").strip("/")
    folder = f"{prefix + '/' if prefix else ''}AWSDynamoDB/{found.operation_id}"
    files: list[Record] = []
    for kind in (ERROR, CONDITION_CHECK_FAILURE):
        after: tuple[int, ...] | None = None
        while True:
            with call.transaction() as tx:
                rows = list(REPORTS.items(tx, found.operation_id, kind, after=after, limit=REPORT_LINES_MAX))
            if not rows:
                break
            after = (rows[-1][0][2],)
            name = f"{folder}/{kind.lower()}/{len(files):06d}.json"
            await _write(call, target, name, b"".join(line + b"\n" for _, line in rows))
            files.append({"outputType": kind, "itemCount": len(rows), "s3Key": name})
    manifest = {"bulkOperationArn": bulk.arn(call, found), "files": files}
    await _write(call, target, f"{folder}/manifest.json", msgspec.json.encode(manifest))
    with call.transaction() as tx:
        for key in list(REPORTS.keys(tx, found.operation_id)):
            REPORTS.delete(tx, *key)


async def _write(call: Call, target: Record, name: str, content: bytes) -> None:
    request: Record = {"Bucket": target["S3Bucket"], "Key": name, "Body": Body(None, len(content), content)}
    if target.get("S3SseAlgorithm") == "KMS":
        request["ServerSideEncryption"] = "aws:kms"
        if "S3SseKmsKeyId" in target:
            request["SSEKMSKeyId"] = target["S3SseKmsKeyId"]
    elif "S3SseAlgorithm" in target:
        request["ServerSideEncryption"] = "AES256"
    await call.request("s3", "PutObject", request)
