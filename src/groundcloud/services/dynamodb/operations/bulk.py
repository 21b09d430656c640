"""Bulk operations: start, describe, list, cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.base import arn as arns
from groundcloud.base.errors import AwsError
from groundcloud.kernel.service import operation
from groundcloud.services.dynamodb import access, bulk, errors, shapes, state
from groundcloud.services.dynamodb.bulk import BULKS, Bulk
from groundcloud.services.dynamodb.operations.tables import check_settled
from groundcloud.services.dynamodb.transfers import begun_before, remember, zstd_file

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

Request = dict[str, Any]

PAGE = 10
_KEPT = ("ClientToken", "InputS3Configuration", "OutputS3Configuration", "MaxWriteRequestUnits", "PerformanceTier")


def _one_by_arn(call: Call, request: Request) -> str:
    found = request.get("BulkOperationArn")
    return found if isinstance(found, str) and arns.is_arn(found) else "*"


@operation(raw=True, resource=access.table_of_request)
def start_bulk_put_items(call: Call, request: Request) -> dict[str, Any]:
    """The work is done in the background, with the caller's permissions on the buckets."""
    shapes.check("StartBulkPutItems", request)
    source, target = request["InputS3Configuration"], request["OutputS3Configuration"]
    if "S3Bucket" not in target or not target["OutputType"]:
        raise errors.validation("OutputS3Configuration must specify S3Bucket and at least one OutputType")
    if "S3SseKmsKeyId" in target and target.get("S3SseAlgorithm") != "KMS":
        raise errors.validation("S3SseKmsKeyId can only be specified when S3SseAlgorithm is KMS")
    if source.get("InputCompressionType") == "ZSTD":
        zstd_file()
    tx, table_name = access.place(call, request["TableName"])
    known = begun_before(call, tx, request, "IdempotentParameterMismatchException")
    before = None if known is None else BULKS.get(tx, known)
    if before is not None:
        return {"BulkOperationDescription": bulk.describe(tx, before)}
    table = state.find_table(tx, table_name)
    if table is None:
        raise errors.resource_not_found()
    check_settled(table)
    started = Bulk(
        operation_id=f"{call.now_ms:014d}-{call.token(8)}",
        table_name=table_name,
        table_id=table.table_id,
        request={name: request[name] for name in _KEPT if name in request},
        started_ms=call.now_ms,
    )
    BULKS.put(tx, started)
    remember(call, tx, request, started.operation_id)
    call.schedule(call.now_ms, bulk.TIMER, {"operation_id": started.operation_id}, tx=tx)
    return {"BulkOperationDescription": bulk.describe(tx, started)}


@operation(raw=True, resource=_one_by_arn)
def describe_bulk_operation(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("DescribeBulkOperation", request)
    tx, found = _load(call, request["BulkOperationArn"])
    return {"BulkOperationDescription": bulk.describe(tx, found)}


@operation(raw=True, resource=_one_by_arn)
def cancel_bulk_operation(call: Call, request: Request) -> dict[str, Any]:
    """What is written already stays; one that has ended is told as it is."""
    shapes.check("CancelBulkOperation", request)
    tx, found = _load(call, request["BulkOperationArn"])
    if found.status == "IN_PROGRESS":
        found = found.replace(status="CANCELLING")
        BULKS.put(tx, found)
    return {"BulkOperationArn": request["BulkOperationArn"], "BulkOperationStatus": found.status}


@operation(raw=True)
def list_bulk_operations(call: Call, request: Request) -> dict[str, Any]:
    """Those of the last 90 days, the latest first."""
    shapes.check("ListBulkOperations", request)
    limit, start = request.get("MaxResults", PAGE), int(request.get("NextToken", "0"), 16)
    oldest_ms = call.now_ms - bulk.LISTED_MS
    found = []
    for one in BULKS.scan(call.tx, reverse=True, limit=start + limit + 1):
        if one.started_ms < oldest_ms:
            break
        summary = {"BulkOperationArn": bulk.arn(call.tx, one), "BulkOperationStatus": one.status, "StartTime": one.started_ms / 1000}
        if one.ended_ms:
            summary["EndTime"] = one.ended_ms / 1000
        found.append(summary)
    answer: dict[str, Any] = {"BulkOperationsSummaryList": found[start : start + limit]}
    if len(found) > start + limit:
        answer["NextToken"] = f"{start + limit:016x}"
    return answer


def _load(call: Call, bulk_arn: str) -> tuple[Any, Bulk]:
    missing = AwsError("ResourceNotFoundException", f"Requested resource not found: Bulk operation: {bulk_arn} not found")
    try:
        parsed = arns.parse(bulk_arn)
        _, _, word, operation_id = parsed.resource.split("/", 3)
    except ValueError:
        raise errors.validation(f"Invalid BulkOperationArn: {bulk_arn}") from None
    tx = call.tx.at(parsed.account, parsed.region)
    found = BULKS.get(tx, operation_id) if word == "bulk-operation" else None
    if found is None:
        raise missing
    return tx, found
