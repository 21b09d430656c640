"""Export of a table to S3 as of a moment, and import of a new table from S3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.base import arn as arns
from groundcloud.base.errors import AwsError
from groundcloud.kernel.service import Access, operation
from groundcloud.services.dynamodb import access, errors, history, schema, shapes, state
from groundcloud.services.dynamodb.filters import ExportFilter
from groundcloud.services.dynamodb.operations.tables import NUMBERS, new_table
from groundcloud.services.dynamodb.transfers import EXPORTS, IMPORT_TIMER, IMPORTS, Export, Import, begun_before, remember, zstd_file

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

Request = dict[str, Any]

PAGE_MAX = 25
WINDOW_MS_MIN, WINDOW_MS_MAX = 15 * 60_000, 24 * 3_600_000
"""Of an incremental export. Source: Developer Guide, "Requesting a table export in DynamoDB"."""
_EXPORT_MEMBERS = (
    "ClientToken", "S3Bucket", "S3BucketOwner", "S3Prefix", "S3SseAlgorithm", "S3SseKmsKeyId", "ExportFormat",
    "IncrementalExportSpecification", "FilterSpecification",
)  # fmt: skip
_IMPORT_MEMBERS = ("ClientToken", "S3BucketSource", "InputFormat", "InputFormatOptions", "InputCompressionType", "TableCreationParameters")


def _table_by_arn(call: Call, request: Request) -> str:
    return access.named(call, request.get("TableArn"))


def _one_by_arn(member: str) -> Any:
    def resource(call: Call, request: Request) -> str:
        found = request.get(member)
        return found if isinstance(found, str) and arns.is_arn(found) else "*"

    return resource


def _access_to_import(call: Call, request: Request) -> list[Access]:
    shapes.check("ImportTable", request)
    return [Access("dynamodb:ImportTable", access.named(call, request["TableCreationParameters"]["TableName"]))]


@operation(raw=True, resource=_table_by_arn)
def export_table_to_point_in_time(call: Call, request: Request) -> dict[str, Any]:
    """Point-in-time recovery must be on. The work is done in the background, with the caller's permissions on the bucket."""
    shapes.check("ExportTableToPointInTime", request)
    tx, table_name = access.place(call, request["TableArn"])
    table = state.find_table(tx, table_name)
    if table is None:
        raise errors.backup_table_not_found(table_name)
    known = begun_before(call, tx, request, "ExportConflictException")
    before = None if known is None else EXPORTS.get(tx, table_name, known)
    if before is not None:
        return {"ExportDescription": _describe_export(tx, before)}
    if not table.point_in_time_since_ms:
        raise AwsError("PointInTimeRecoveryUnavailableException", f"Point in time recovery is not enabled for table '{table_name}'")
    from_ms, as_of_ms = _window(call, table, request)
    if "FilterSpecification" in request:
        ExportFilter(request["FilterSpecification"], table.key)
    export = Export(
        table_name=table_name,
        export_id=f"{call.now_ms:014d}-{call.token(8)}",
        table_id=table.table_id,
        request={name: request[name] for name in _EXPORT_MEMBERS if name in request},
        started_ms=call.now_ms,
        as_of_ms=as_of_ms,
        items_number=tx.sequence(NUMBERS),
        from_ms=from_ms,
        key=table.key,
    )
    EXPORTS.put(tx, export)
    remember(call, tx, request, export.export_id)
    state.put_table(tx, table.replace(copies=table.copies + 1))
    history.begin_copy(
        call, tx, export.items_number, table.table_number, table_name, as_of_ms=as_of_ms, export=(table_name, export.export_id)
    )
    return {"ExportDescription": _describe_export(tx, export)}


def _window(call: Call, table: state.TableDefinition, request: Request) -> tuple[int, int]:
    """(from, as of): of a full export `from` is 0; of an incremental one `as of` is the last moment before its end."""
    earliest_ms, now_ms = table.point_in_time_since_ms, call.now_ms
    if request.get("ExportType", "FULL_EXPORT") == "FULL_EXPORT":
        if "IncrementalExportSpecification" in request:
            raise errors.validation("IncrementalExportSpecification can only be specified when ExportType is INCREMENTAL_EXPORT")
        as_of_ms = int(request["ExportTime"] * 1000) if "ExportTime" in request else now_ms
        if not earliest_ms <= as_of_ms <= now_ms:
            raise AwsError("InvalidExportTimeException", "The specified ExportTime is outside of the point in time recovery window.")
        return 0, as_of_ms
    if "ExportTime" in request:
        raise errors.validation("ExportTime can only be specified when ExportType is FULL_EXPORT")
    specification = request.get("IncrementalExportSpecification") or {}
    if "ExportFromTime" not in specification:
        raise errors.validation("ExportFromTime must be specified when ExportType is INCREMENTAL_EXPORT")
    from_ms = int(specification["ExportFromTime"] * 1000)
    to_ms = int(specification["ExportToTime"] * 1000) if "ExportToTime" in specification else now_ms
    if not earliest_ms <= from_ms < to_ms <= now_ms:
        raise AwsError(
            "InvalidExportTimeException", "The specified ExportFromTime or ExportToTime is outside of the point in time recovery window."
        )
    if not WINDOW_MS_MIN <= to_ms - from_ms <= WINDOW_MS_MAX:
        raise errors.validation("The window of an incremental export must be at least 15 minutes and at most 24 hours")
    return from_ms, to_ms - 1


@operation(raw=True, resource=_one_by_arn("ExportArn"))
def describe_export(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("DescribeExport", request)
    tx, table_name, export_id = _locate(call, request["ExportArn"], "export")
    export = EXPORTS.get(tx, table_name, export_id)
    if export is None:
        raise AwsError("ExportNotFoundException", f"Export not found: {request['ExportArn']}")
    return {"ExportDescription": _describe_export(tx, export)}


@operation(raw=True)
def list_exports(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("ListExports", request)
    tx, prefix = _within(call, request)
    found = [
        {
            "ExportArn": _arn(tx, export.table_name, "export", export.export_id),
            "ExportStatus": export.status,
            "ExportType": _type_of(export),
        }
        for export in EXPORTS.scan(tx, *prefix)
    ]
    return _paged("ExportSummaries", found, request, request.get("MaxResults", PAGE_MAX))


@operation(raw=True, access=_access_to_import)
def import_table(call: Call, request: Request) -> dict[str, Any]:
    """Makes the table and fills it in the background; until then it is CREATING."""
    if request.get("InputCompressionType") == "ZSTD":
        zstd_file()
    wanted = request["TableCreationParameters"]
    schema.check_billing(wanted)
    key = schema.read_table_key(wanted)
    table_name = wanted["TableName"]
    tx = call.tx
    known = begun_before(call, tx, request, "ImportConflictException")
    before = None if known is None else IMPORTS.get(tx, table_name, known)
    if before is not None:
        return {"ImportTableDescription": _describe_import(tx, before)}
    indexes = schema.read_indexes(wanted, key, lambda: tx.sequence(NUMBERS))
    vectors = schema.read_vector_indexes(wanted, key, indexes, lambda: tx.sequence(NUMBERS))
    if state.find_table(tx, table_name) is not None:
        raise errors.table_exists(table_name)
    table = new_table(call, tx, table_name, wanted, key).replace(indexes=indexes, vectors=vectors, status="CREATING")
    state.put_table(tx, table)
    made = Import(
        table_name=table_name,
        import_id=f"{call.now_ms:014d}-{call.token(8)}",
        table_id=table.table_id,
        request={name: request[name] for name in _IMPORT_MEMBERS if name in request},
        started_ms=call.now_ms,
    )
    IMPORTS.put(tx, made)
    remember(call, tx, request, made.import_id)
    call.schedule(call.now_ms, IMPORT_TIMER, {"table_name": table_name, "import_id": made.import_id})
    return {"ImportTableDescription": _describe_import(tx, made)}


@operation(raw=True, resource=_one_by_arn("ImportArn"))
def describe_import(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("DescribeImport", request)
    tx, table_name, import_id = _locate(call, request["ImportArn"], "import")
    made = IMPORTS.get(tx, table_name, import_id)
    if made is None:
        raise AwsError("ImportNotFoundException", f"Import not found: {request['ImportArn']}")
    return {"ImportTableDescription": _describe_import(tx, made)}


@operation(raw=True)
def list_imports(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("ListImports", request)
    tx, prefix = _within(call, request)
    found = [
        {
            "ImportArn": _arn(tx, made.table_name, "import", made.import_id),
            "ImportStatus": made.status,
            "TableArn": state.table_arn(tx, made.table_name),
            "S3BucketSource": made.request["S3BucketSource"],
            "InputFormat": made.request["InputFormat"],
            "StartTime": made.started_ms / 1000,
            **({"EndTime": made.ended_ms / 1000} if made.ended_ms else {}),
        }
        for made in IMPORTS.scan(tx, *prefix)
    ]
    return _paged("ImportSummaryList", found, request, request.get("PageSize", PAGE_MAX))


def _within(call: Call, request: Request) -> tuple[Any, tuple[str, ...]]:
    if "TableArn" not in request:
        return call.tx, ()
    tx, table_name = access.place(call, request["TableArn"])
    return tx, (table_name,)


def _paged(member: str, found: list[Any], request: Request, limit: int) -> dict[str, Any]:
    token = request.get("NextToken", "0")
    if not token.isdecimal():
        raise errors.validation("Invalid NextToken")
    start = int(token)
    answer: dict[str, Any] = {member: found[start : start + limit]}
    if len(found) > start + limit:
        answer["NextToken"] = f"{start + limit:0112d}"
    return answer


def _arn(tx: Any, table_name: str, word: str, number: str) -> str:
    return f"{state.table_arn(tx, table_name)}/{word}/{number}"


def _locate(call: Call, text: str, word: str) -> tuple[Any, str, str]:
    try:
        parsed = arns.parse(text)
        _, table_name, found, number = parsed.resource.split("/", 3)
    except ValueError:
        raise errors.validation(f"Invalid {word.capitalize()}Arn: {text}") from None
    if found != word:
        raise errors.validation(f"Invalid {word.capitalize()}Arn: {text}")
    return call.tx.at(parsed.account, parsed.region), table_name, number


def _describe_export(tx: Any, export: Export) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "ExportArn": _arn(tx, export.table_name, "export", export.export_id),
        "ExportStatus": export.status,
        "StartTime": export.started_ms / 1000,
        "TableArn": state.table_arn(tx, export.table_name),
        "TableId": export.table_id,
        "S3SseAlgorithm": "AES256",
        "ExportFormat": "DYNAMODB_JSON",
        "ExportType": _type_of(export),
        **export.request,
    }
    if export.is_incremental:
        specification = export.request["IncrementalExportSpecification"]
        answer["IncrementalExportSpecification"] = {
            "ExportFromTime": export.from_ms / 1000,
            "ExportToTime": (export.as_of_ms + 1) / 1000,
            "ExportViewType": specification.get("ExportViewType", "NEW_AND_OLD_IMAGES"),
        }
    else:
        answer["ExportTime"] = export.as_of_ms / 1000
    if export.ended_ms:
        answer["EndTime"] = export.ended_ms / 1000
    if export.status == "COMPLETED":
        answer["ExportManifest"] = f"{export.folder}/manifest-summary.json"
        answer["BilledSizeBytes"] = export.size_bytes
        answer["ItemCount"] = export.item_count
    if export.status == "FAILED":
        answer["FailureCode"], answer["FailureMessage"] = export.failure
    return answer


def _type_of(export: Export) -> str:
    return "INCREMENTAL_EXPORT" if export.is_incremental else "FULL_EXPORT"


def _describe_import(tx: Any, made: Import) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "ImportArn": _arn(tx, made.table_name, "import", made.import_id),
        "ImportStatus": made.status,
        "TableArn": state.table_arn(tx, made.table_name),
        "TableId": made.table_id,
        "StartTime": made.started_ms / 1000,
        "ErrorCount": made.errors,
        "ProcessedSizeBytes": made.size_bytes,
        "ProcessedItemCount": made.processed,
        "ImportedItemCount": made.imported,
        **made.request,
    }
    if made.ended_ms:
        answer["EndTime"] = made.ended_ms / 1000
    if made.status == "FAILED":
        answer["FailureCode"], answer["FailureMessage"] = made.failure
    return answer
