"""What DescribeTable and its relatives say of a table."""

from __future__ import annotations

from typing import Any

from groundcloud.services.dynamodb import changes, state
from groundcloud.services.dynamodb.state import Index, KeyParts, TableDefinition, VectorIndex

DAY_MS = 86_400_000
ON_DEMAND_READ_UNITS = 12_000
ON_DEMAND_WRITE_UNITS = 4_000
"""What a new on-demand table takes at once. Source: Developer Guide, "Understanding DynamoDB warm throughput"."""


def describe(tx: Any, table: TableDefinition, status: str | None = None, now_ms: int = 0) -> dict[str, Any]:
    """A TableDescription. `status` is told instead of the table's own; while it is CREATING or DELETING its indexes have the same.

    `now_ms` says which day NumberOfDecreasesToday is about: without it, the day of the last decrease.
    """
    status = status or table.status
    arn = state.table_arn(tx, table.table_name)
    count, size = state.counts(tx, table.table_number)
    answer: dict[str, Any] = {
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, kind in table.attributes],
        "TableName": table.table_name,
        "KeySchema": key_schema(table.key[:1], table.key[1:]),
        "TableStatus": status,
        "CreationDateTime": table.created_ms / 1000,
        "ProvisionedThroughput": _throughput(table, now_ms),
        "TableSizeBytes": size,
        "ItemCount": count,
        "TableArn": arn,
        "TableId": table.table_id,
        "DeletionProtectionEnabled": table.deletion_protection,
    }
    if table.billing_mode == "PAY_PER_REQUEST" or table.billing_changed_ms:
        summary: dict[str, Any] = {"BillingMode": table.billing_mode}
        if table.billing_changed_ms and status != "CREATING":
            summary["LastUpdateToPayPerRequestDateTime"] = table.billing_changed_ms / 1000
        answer["BillingModeSummary"] = summary
    index_status = status if status in ("CREATING", "DELETING") else None
    local = [_index(tx, arn, table, index, index_status, now_ms) for index in table.indexes if not index.is_global]
    global_ = [_index(tx, arn, table, index, index_status, now_ms) for index in table.indexes if index.is_global]
    if local:
        answer["LocalSecondaryIndexes"] = local
    if global_:
        answer["GlobalSecondaryIndexes"] = global_
    if table.vectors:
        answer["VectorIndexes"] = [_vector_index(tx, arn, index, index_status) for index in table.vectors]
    if table.stream_view is not None:
        answer["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": table.stream_view}
    label = table.stream_label
    if label is not None:
        answer["LatestStreamLabel"] = label
        answer["LatestStreamArn"] = changes.stream_arn(tx, table.table_name, label)
    if table.table_class is not None:
        answer["TableClassSummary"] = {"TableClass": table.table_class}
    if table.encryption:
        answer["SSEDescription"] = dict(table.encryption)
    if table.on_demand_limits:
        answer["OnDemandThroughput"] = dict(table.on_demand_limits)
    if table.restored_from:
        answer["RestoreSummary"] = {**table.restored_from, "RestoreInProgress": status == "CREATING"}
    if table.replicas:
        answer["GlobalTableVersion"] = "2019.11.21"
        answer["Replicas"] = [_replica(tx, table, region) for region in table.replicas]
        if table.consistency == "STRONG":
            answer["MultiRegionConsistency"] = "STRONG"
        else:
            answer["DisassociationProtectionEnabled"] = table.disassociation_protected
        if table.witness:
            answer["GlobalTableWitnesses"] = [{"RegionName": table.witness, "WitnessStatus": "ACTIVE"}]
    if table.replicas or table.settings_replication:
        answer["GlobalTableSettingsReplicationMode"] = "ENABLED_WITH_OVERRIDES" if table.replicas else table.settings_replication
    answer["WarmThroughput"] = _warm(table.billing_mode, table, status)
    return answer


def warm_units(billing_mode: str, of: TableDefinition | Index) -> dict[str, int]:
    """The warm throughput that was asked for, or what a table or index has of itself."""
    on_demand = billing_mode == "PAY_PER_REQUEST"
    return {
        "ReadUnitsPerSecond": of.warm_throughput.get("ReadUnitsPerSecond", ON_DEMAND_READ_UNITS if on_demand else of.read_units),
        "WriteUnitsPerSecond": of.warm_throughput.get("WriteUnitsPerSecond", ON_DEMAND_WRITE_UNITS if on_demand else of.write_units),
    }


def key_schema(partition_keys: KeyParts, sort_keys: KeyParts) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": "HASH"} for name, _ in partition_keys] + [
        {"AttributeName": name, "KeyType": "RANGE"} for name, _ in sort_keys
    ]


def vector_settings(index: VectorIndex) -> dict[str, Any]:
    """A vector index as CreateTable has it."""
    answer: dict[str, Any] = {
        "IndexName": index.index_name,
        "VectorAttribute": {"AttributeName": index.attribute},
        "Projection": projection(index),
        "Dimensions": index.dimensions,
        "DistanceFunction": index.distance,
    }
    if index.search_schema:
        answer["SearchSchema"] = [{"AttributeName": name, "SearchSchemaElementType": role} for name, role, _ in index.search_schema]
    return answer


def projection(index: Index | VectorIndex) -> dict[str, Any]:
    answer: dict[str, Any] = {"ProjectionType": index.projection_type}
    if index.non_key_attributes:
        answer["NonKeyAttributes"] = list(index.non_key_attributes)
    return answer


def _index(tx: Any, table_arn: str, table: TableDefinition, index: Index, status: str | None, now_ms: int) -> dict[str, Any]:
    count, size = state.counts(tx, index.index_number)
    answer: dict[str, Any] = {
        "IndexName": index.index_name,
        "KeySchema": key_schema(index.partition_keys, index.sort_keys),
        "Projection": projection(index),
        "IndexSizeBytes": size,
        "ItemCount": count,
        "IndexArn": f"{table_arn}/index/{index.index_name}",
    }
    if index.is_global:
        answer["IndexStatus"] = status or index.status
        if index.status == "CREATING" and status is None:
            answer["Backfilling"] = True
        answer["ProvisionedThroughput"] = _throughput(index, now_ms)
        if index.on_demand_limits:
            answer["OnDemandThroughput"] = dict(index.on_demand_limits)
        answer["WarmThroughput"] = _warm(table.billing_mode, index, status or index.status)
    return answer


def _vector_index(tx: Any, table_arn: str, index: VectorIndex, status: str | None) -> dict[str, Any]:
    count, size = state.counts(tx, index.index_number)
    answer = vector_settings(index)
    answer["IndexStatus"] = status or index.status
    if index.status == "CREATING" and status is None:
        answer["Backfilling"] = True
    return {**answer, "IndexSizeBytes": size, "ItemCount": count, "IndexArn": f"{table_arn}/index/{index.index_name}"}


def _replica(tx: Any, table: TableDefinition, region: str) -> dict[str, Any]:
    replica = state.find_table(tx.at(tx.account, region), table.table_name)
    if replica is None:
        return {"RegionName": region, "ReplicaStatus": "DELETING"}
    answer = {"RegionName": region, "ReplicaStatus": replica.status, **replica.overrides}
    if answer.pop("TableClassOverride", None) is not None:
        answer["ReplicaTableClassSummary"] = {"TableClass": replica.table_class}
    return answer


def decreases_today(of: TableDefinition | Index, now_ms: int) -> int:
    """How often the throughput was lowered in the UTC day of `now_ms`."""
    return of.units_decreases if not now_ms or of.units_decreased_ms // DAY_MS == now_ms // DAY_MS else 0


def _throughput(of: TableDefinition | Index, now_ms: int) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "NumberOfDecreasesToday": decreases_today(of, now_ms),
        "ReadCapacityUnits": of.read_units,
        "WriteCapacityUnits": of.write_units,
    }
    if of.units_changed_ms:
        answer["LastIncreaseDateTime"] = of.units_changed_ms / 1000
    if of.units_decreased_ms:
        answer["LastDecreaseDateTime"] = of.units_decreased_ms / 1000
    return answer


def _warm(billing_mode: str, of: TableDefinition | Index, status: str) -> dict[str, Any]:
    return {**warm_units(billing_mode, of), "Status": "UPDATING" if status == "CREATING" else "ACTIVE"}
