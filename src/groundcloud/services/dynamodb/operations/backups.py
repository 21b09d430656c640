"""Backups of a table and its way back to a moment of the last 35 days.

How a copy as of a moment is made while the table is in use: `history`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.base import arn as arns
from groundcloud.base.errors import AwsError
from groundcloud.kernel.service import Access, operation
from groundcloud.services.dynamodb import access, descriptions, errors, history, policies, schema, shapes, state, tags
from groundcloud.services.dynamodb.history import BACKUPS, Backup
from groundcloud.services.dynamodb.operations.tables import NUMBERS, PURGE_TIMER, read_encryption
from groundcloud.services.dynamodb.state import Index, TableDefinition, VectorIndex

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

Request = dict[str, Any]

LIST_BACKUPS_MAX = 100


def _backup_of_request(call: Call, request: Request) -> str:
    found = request.get("BackupArn")
    return found if isinstance(found, str) and arns.is_arn(found) else "*"


def _access_to_restore(member: str) -> Any:
    def wanted(call: Call, request: Request) -> list[Access]:
        target = access.named(call, request.get("TargetTableName"))
        source = request.get(member)
        action = "RestoreTableFromBackup" if member == "BackupArn" else "RestoreTableToPointInTime"
        resource = source if isinstance(source, str) and arns.is_arn(source) else access.named(call, source)
        return [Access(f"dynamodb:{action}", resource), Access(f"dynamodb:{action}", target)]

    return wanted


@operation(raw=True, resource=access.table_of_request)
def update_continuous_backups(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("UpdateContinuousBackups", request)
    tx, table = _load(call, request["TableName"])
    wanted = request["PointInTimeRecoverySpecification"]
    days = wanted.get("RecoveryPeriodInDays", table.point_in_time_days)
    enabled = wanted["PointInTimeRecoveryEnabled"]
    since_ms = (table.point_in_time_since_ms or call.now_ms) if enabled else 0
    changed = table.replace(point_in_time_since_ms=since_ms, point_in_time_days=days if enabled else 35)
    state.put_table(tx, changed)
    if enabled:
        history.schedule_trim(call, tx, changed)
    elif not changed.images_wanted:
        history.forget(call, tx, changed)
    return {"ContinuousBackupsDescription": _describe_recovery(call, changed)}


@operation(raw=True, resource=access.table_of_request)
def describe_continuous_backups(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("DescribeContinuousBackups", request)
    _, table = _load(call, request["TableName"])
    return {"ContinuousBackupsDescription": _describe_recovery(call, table)}


@operation(raw=True, resource=access.table_of_request)
def create_backup(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("CreateBackup", request)
    tx, table = _load(call, request["TableName"])
    count, size = state.counts(tx, table.table_number)
    number = tx.sequence(NUMBERS)
    backup = Backup(
        backup_id=f"{call.now_ms:014d}-{call.token(8)}",
        table_name=table.table_name,
        backup_name=request["BackupName"],
        created_ms=call.now_ms,
        items_number=number,
        item_count=count,
        size_bytes=size,
        definition=table,
    )
    BACKUPS.put(tx, backup)
    state.put_table(tx, table.replace(copies=table.copies + 1))
    history.begin_copy(call, tx, number, table.table_number, table.table_name, backup=(backup.table_name, backup.backup_id))
    return {"BackupDetails": _details(tx, backup)}


@operation(raw=True, resource=_backup_of_request)
def describe_backup(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("DescribeBackup", request)
    tx, backup = _load_backup(call, request["BackupArn"])
    return {"BackupDescription": _describe(tx, backup)}


@operation(raw=True, resource=_backup_of_request)
def delete_backup(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("DeleteBackup", request)
    tx, backup = _load_backup(call, request["BackupArn"])
    if backup.status == "CREATING":
        raise AwsError("BackupInUseException", f"Backup is being created: {request['BackupArn']}")
    BACKUPS.delete(tx, backup.table_name, backup.backup_id)
    call.schedule(call.now_ms, PURGE_TIMER, {"tables": [backup.items_number], "indexes": []}, tx=tx)
    description = _describe(tx, backup)
    description["BackupDetails"]["BackupStatus"] = "DELETED"
    return {"BackupDescription": description}


@operation(raw=True)
def list_backups(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("ListBackups", request)
    tx = call.tx
    prefix: tuple[str, ...] = ()
    if "TableName" in request:
        tx, table_name = access.place(call, request["TableName"])
        prefix = (table_name,)
    limit = request.get("Limit", LIST_BACKUPS_MAX)
    start = request.get("ExclusiveStartBackupArn")
    lower, upper = request.get("TimeRangeLowerBound", 0) * 1000, request.get("TimeRangeUpperBound", 1 << 40) * 1000
    wanted_type = request.get("BackupType", "ALL")
    found = []
    seen = start is None
    for backup in BACKUPS.scan(tx, *prefix):
        if not seen:
            seen = _arn(tx, backup) == start
            continue
        if lower <= backup.created_ms < upper and wanted_type in ("ALL", "USER"):
            found.append(backup)
    answer: dict[str, Any] = {"BackupSummaries": [_summary(tx, backup) for backup in found[:limit]]}
    if len(found) > limit:
        answer["LastEvaluatedBackupArn"] = _arn(tx, found[limit - 1])
    return answer


@operation(raw=True, access=_access_to_restore("BackupArn"))
def restore_table_from_backup(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("RestoreTableFromBackup", request)
    tx, backup = _load_backup(call, request["BackupArn"])
    if backup.status == "CREATING":
        raise AwsError("BackupInUseException", f"Backup is being created: {request['BackupArn']}")
    summary = {
        "SourceBackupArn": request["BackupArn"],
        "SourceTableArn": state.table_arn(tx, backup.table_name),
        "RestoreDateTime": backup.created_ms / 1000,
        "RestoreInProgress": False,
    }
    table = _restored(call, tx, backup.definition, request, summary)
    history.begin_copy(call, tx, table.table_number, backup.items_number, "", restored_table=table.table_name)
    return {"TableDescription": descriptions.describe(tx, table)}


@operation(raw=True, access=_access_to_restore("SourceTableName"))
def restore_table_to_point_in_time(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("RestoreTableToPointInTime", request)
    source_name = request.get("SourceTableName") or request.get("SourceTableArn")
    if source_name is None:
        raise errors.validation("Either SourceTableName or SourceTableArn must be specified in the request.")
    tx, source = _load(call, source_name)
    if not source.point_in_time_since_ms:
        raise AwsError("PointInTimeRecoveryUnavailableException", f"Point in time recovery is not enabled for table '{source.table_name}'")
    if request.get("UseLatestRestorableTime"):
        at_ms = call.now_ms
    elif "RestoreDateTime" in request:
        at_ms = int(request["RestoreDateTime"] * 1000)
    else:
        raise errors.validation("Either RestoreDateTime or UseLatestRestorableTime must be specified in the request.")
    if not _earliest_ms(call, source) <= at_ms <= call.now_ms:
        raise AwsError("InvalidRestoreTimeException", "The specified restore time is not valid.")
    summary = {"SourceTableArn": state.table_arn(tx, source.table_name), "RestoreDateTime": at_ms / 1000, "RestoreInProgress": False}
    table = _restored(call, tx, source, request, summary)
    state.put_table(tx, source.replace(copies=source.copies + 1))
    history.begin_copy(
        call, tx, table.table_number, source.table_number, source.table_name, as_of_ms=at_ms, restored_table=table.table_name
    )
    return {"TableDescription": descriptions.describe(tx, table)}


def _restored(call: Call, tx: Any, source: TableDefinition, request: Request, summary: Request) -> TableDefinition:
    """A new table like `source`, with what the request overrides; without stream, expiry, tags and policies, as on AWS."""
    table_name = request["TargetTableName"]
    if state.find_table(tx, table_name) is not None:
        raise AwsError("TableAlreadyExistsException", f"Table already exists: {table_name}")
    billing_mode = request.get("BillingModeOverride", source.billing_mode)
    throughput = request.get("ProvisionedThroughputOverride")
    if billing_mode == "PROVISIONED" and throughput is None and source.billing_mode != "PROVISIONED":
        raise errors.invalid_parameters("ProvisionedThroughput must be specified when BillingMode is PROVISIONED")
    reads = throughput["ReadCapacityUnits"] if throughput else source.read_units
    writes = throughput["WriteCapacityUnits"] if throughput else source.write_units
    indexes = _restored_indexes(tx, source, request, billing_mode)
    vectors = _restored_vectors(tx, source, request, billing_mode)
    used = {name for name, _ in source.key} | {name for index in indexes for name, _ in (*index.partition_keys, *index.sort_keys)}
    used |= {name for index in vectors for name, _, _ in index.search_schema}
    table = TableDefinition(
        table_name=table_name,
        table_number=tx.sequence(NUMBERS),
        table_id=call.new_id(),
        created_ms=call.now_ms,
        key=source.key,
        attributes=tuple((name, kind) for name, kind in source.attributes if name in used),
        billing_mode=billing_mode,
        read_units=reads if billing_mode == "PROVISIONED" else 0,
        write_units=writes if billing_mode == "PROVISIONED" else 0,
        indexes=indexes,
        vectors=vectors,
        table_class=source.table_class,
        encryption=read_encryption(call, request.get("SSESpecificationOverride"), source.encryption),
        on_demand_limits=request.get("OnDemandThroughputOverride", source.on_demand_limits),
        billing_changed_ms=call.now_ms if billing_mode == "PAY_PER_REQUEST" else 0,
        restored_from=summary,
        status="CREATING",
    )
    state.put_table(tx, table)
    arn = state.table_arn(tx, table_name)
    tags.forget(tx, arn)
    policies.forget(tx, arn)
    return table


def _restored_indexes(tx: Any, source: TableDefinition, request: Request, billing_mode: str) -> tuple[Index, ...]:
    global_, local = request.get("GlobalSecondaryIndexOverride"), request.get("LocalSecondaryIndexOverride")
    kept = []
    for index in source.indexes:
        override = global_ if index.is_global else local
        if override is not None and index.index_name not in {spec["IndexName"] for spec in override}:
            continue
        kept.append(index.replace(index_number=tx.sequence(NUMBERS), status="ACTIVE"))
    if global_ is not None:
        names = {index.index_name for index in source.indexes}
        types = dict(source.attributes)
        for spec in global_:
            if spec["IndexName"] not in names:
                raise errors.invalid_parameters(f"Index {spec['IndexName']} is not in the source table")
            schema.read_global_index(spec, types, set(), billing_mode, lambda: 0)
    return tuple(kept)


def _restored_vectors(tx: Any, source: TableDefinition, request: Request, billing_mode: str) -> tuple[VectorIndex, ...]:
    override = request.get("VectorIndexOverride")
    if override is not None:
        known = {index.index_name for index in source.vectors}
        for spec in override:
            if spec["IndexName"] not in known:
                raise errors.invalid_parameters(f"Index {spec['IndexName']} is not in the source table")
    wanted = None if override is None else {spec["IndexName"] for spec in override}
    kept = [index for index in source.vectors if wanted is None or index.index_name in wanted]
    if kept:
        schema.check_vectors_billed(billing_mode)
    return tuple(index.replace(index_number=tx.sequence(NUMBERS), status="ACTIVE") for index in kept)


def _load(call: Call, table_name: str) -> tuple[Any, TableDefinition]:
    tx, bare_name = access.place(call, table_name)
    table = state.find_table(tx, bare_name)
    if table is None:
        raise errors.backup_table_not_found(bare_name)
    return tx, table


def _load_backup(call: Call, backup_arn: str) -> tuple[Any, Backup]:
    missing = AwsError("BackupNotFoundException", f"Backup not found: {backup_arn}")
    try:
        parsed = arns.parse(backup_arn)
        _, table_name, word, backup_id = parsed.resource.split("/", 3)
    except ValueError:
        raise errors.validation(f"Invalid BackupArn: {backup_arn}") from None
    tx = call.tx.at(parsed.account, parsed.region)
    backup = BACKUPS.get(tx, table_name, backup_id) if word == "backup" else None
    if backup is None:
        raise missing
    return tx, backup


def _arn(tx: Any, backup: Backup) -> str:
    return f"{state.table_arn(tx, backup.table_name)}/backup/{backup.backup_id}"


def _details(tx: Any, backup: Backup) -> dict[str, Any]:
    return {
        "BackupArn": _arn(tx, backup),
        "BackupName": backup.backup_name,
        "BackupSizeBytes": backup.size_bytes,
        "BackupStatus": backup.status,
        "BackupType": "USER",
        "BackupCreationDateTime": backup.created_ms / 1000,
    }


def _summary(tx: Any, backup: Backup) -> dict[str, Any]:
    return {
        "TableName": backup.table_name,
        "TableId": backup.definition.table_id,
        "TableArn": state.table_arn(tx, backup.table_name),
        **_details(tx, backup),
    }


def _describe(tx: Any, backup: Backup) -> dict[str, Any]:
    table = backup.definition
    described = descriptions.describe(tx, table)
    features: dict[str, Any] = {}
    for member in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        if member in described:
            wanted = ("IndexName", "KeySchema", "Projection", "ProvisionedThroughput")
            features[member] = [{name: found[name] for name in wanted if name in found} for found in described[member]]
    if table.vectors:
        features["VectorIndexes"] = [descriptions.vector_settings(index) for index in table.vectors]
    if table.stream_view:
        features["StreamDescription"] = described["StreamSpecification"]
    if table.time_to_live_attribute:
        features["TimeToLiveDescription"] = {"TimeToLiveStatus": "ENABLED", "AttributeName": table.time_to_live_attribute}
    if table.encryption:
        features["SSEDescription"] = dict(table.encryption)
    return {
        "BackupDetails": _details(tx, backup),
        "SourceTableDetails": {
            "TableName": table.table_name,
            "TableId": table.table_id,
            "TableArn": state.table_arn(tx, table.table_name),
            "TableSizeBytes": backup.size_bytes,
            "ItemCount": backup.item_count,
            "KeySchema": described["KeySchema"],
            "TableCreationDateTime": table.created_ms / 1000,
            "ProvisionedThroughput": {"ReadCapacityUnits": table.read_units, "WriteCapacityUnits": table.write_units},
            "BillingMode": table.billing_mode,
        },
        "SourceTableFeatureDetails": features,
    }


def _earliest_ms(call: Call, table: TableDefinition) -> int:
    return max(table.point_in_time_since_ms, call.now_ms - table.point_in_time_days * 86_400_000)


def _describe_recovery(call: Call, table: TableDefinition) -> dict[str, Any]:
    enabled = bool(table.point_in_time_since_ms)
    recovery: dict[str, Any] = {"PointInTimeRecoveryStatus": "ENABLED" if enabled else "DISABLED"}
    if enabled:
        recovery["RecoveryPeriodInDays"] = table.point_in_time_days
        recovery["EarliestRestorableDateTime"] = _earliest_ms(call, table) / 1000
        recovery["LatestRestorableDateTime"] = call.now_ms / 1000
    return {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": recovery}
