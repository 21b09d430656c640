"""UpdateTable: capacity, billing, streams, protection, class, encryption, and global indexes on a table in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.kernel.service import operation
from groundcloud.services.dynamodb import access, changes, descriptions, errors, schema, shapes, state, throughputs
from groundcloud.services.dynamodb.operations.replicas import change_replicas
from groundcloud.services.dynamodb.operations.tables import (
    NUMBERS,
    PURGE_TIMER,
    check_settled,
    load,
    named,
    read_encryption,
    read_stream_view,
)
from groundcloud.services.dynamodb.state import Index, TableDefinition

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

Request = dict[str, Any]

BACKFILL_TIMER = "dynamodb.backfill"

_CHANGES = (
    "ProvisionedThroughput", "BillingMode", "GlobalSecondaryIndexUpdates", "StreamSpecification", "SSESpecification", "TableClass",
    "DeletionProtectionEnabled", "OnDemandThroughput", "WarmThroughput", "ReplicaUpdates", "VectorIndexUpdates",
    "GlobalTableWitnessUpdates", "GlobalTableSettingsReplicationMode", "DisassociationProtectionEnabled",
)  # fmt: skip

_SHARED = (
    "TableName", "BillingMode", "ProvisionedThroughput", "AttributeDefinitions", "GlobalSecondaryIndexUpdates", "VectorIndexUpdates",
)  # fmt: skip
"""What a change of one replica changes in all."""


@operation(raw=True, resource=access.table_of_request)
def update_table(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("UpdateTable", named(request))
    if not any(request.get(name) not in (None, []) for name in _CHANGES):
        raise errors.validation(
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification or "
            "ReplicaUpdates is required"
        )
    if "TableClass" in request and sum(name in request for name in _CHANGES) > 1:
        raise errors.invalid_parameters("TableClass modification must be the only operation in the request")
    if "DisassociationProtectionEnabled" in request and sum(name in request for name in _CHANGES) > 1:
        raise errors.invalid_parameters("DisassociationProtectionEnabled modification must be the only operation in the request")
    _check_index_updates(request.get("GlobalSecondaryIndexUpdates") or [], request.get("VectorIndexUpdates") or [])
    tx, table = load(call, request["TableName"])
    check_settled(table)
    changed = _changed(call, tx, table, request)
    for region in table.replicas:
        place = tx.at(tx.account, region)
        replica = state.find_table(place, table.table_name)
        shared = {name: request[name] for name in _SHARED if name in request}
        if replica is not None and len(shared) > 1:
            state.put_table(place, _changed(call, place, replica, shared))
    changed = change_replicas(call, tx, changed, request)
    state.put_table(tx, changed)
    return {"TableDescription": descriptions.describe(tx, changed, "UPDATING", call.now_ms)}


def _changed(call: Call, tx: Any, table: TableDefinition, request: Request) -> TableDefinition:
    """The table with everything that concerns it alone."""
    changed = _with_capacity(call, table, request)
    changed = _with_stream(call, tx, changed, request)
    changed = _with_indexes(call, tx, changed, request)
    changed = _with_vectors(call, tx, changed, request)
    if "DeletionProtectionEnabled" in request:
        changed = changed.replace(deletion_protection=request["DeletionProtectionEnabled"])
    if "DisassociationProtectionEnabled" in request:
        if not table.replicas or table.consistency == "STRONG":
            raise errors.invalid_parameters(
                "DisassociationProtectionEnabled can only be specified for a replica of an eventual global table"
            )
        changed = changed.replace(disassociation_protected=request["DisassociationProtectionEnabled"])
    if "GlobalTableSettingsReplicationMode" in request:
        mode = request["GlobalTableSettingsReplicationMode"]
        if table.replicas or mode == "ENABLED_WITH_OVERRIDES":
            raise errors.invalid_parameters(
                "GlobalTableSettingsReplicationMode can only be set to ENABLED or DISABLED, for a table without replicas"
            )
        changed = changed.replace(settings_replication=mode)
    if "TableClass" in request:
        changed = changed.replace(table_class=request["TableClass"])
    if "OnDemandThroughput" in request:
        changed = changed.replace(on_demand_limits=throughputs.on_demand_limits(request["OnDemandThroughput"], changed.on_demand_limits))
    if "WarmThroughput" in request:
        warm = throughputs.warmer(request["WarmThroughput"], changed, changed.billing_mode, "table")
        changed = changed.replace(warm_throughput=warm)
    return changed.replace(  # type: ignore[no-any-return]
        encryption=read_encryption(call, request.get("SSESpecification"), changed.encryption)
    )


def _check_index_updates(updates: list[Request], vector_updates: list[Request]) -> None:
    seen: set[str] = set()
    for update in updates:
        given = [update[kind] for kind in ("Update", "Create", "Delete") if kind in update]
        if len(given) > 1:
            raise errors.invalid_parameters(
                "Only one of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete can be specified"
            )
        if not given:
            raise errors.invalid_parameters(
                "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete must not be null"
            )
        index_name = given[0]["IndexName"]
        if index_name in seen:
            raise errors.invalid_parameters(
                f"Only one global secondary index update per index is allowed simultaneously. Index: {index_name}"
            )
        seen.add(index_name)
        if "ProvisionedThroughput" in given[0]:
            schema.check_units(given[0]["ProvisionedThroughput"], index_name)
    for update in vector_updates:
        if sum(kind in update for kind in ("Create", "Delete")) != 1:
            raise errors.invalid_parameters("One of VectorIndexUpdate.Create, VectorIndexUpdate.Delete must not be null")
    if sum("Create" in update or "Delete" in update for update in (*updates, *vector_updates)) > 1:
        raise _one_at_a_time()


def _one_at_a_time() -> errors.AwsError:
    return errors.limit_exceeded("Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table")


def _with_capacity(call: Call, table: TableDefinition, request: Request) -> TableDefinition:
    throughput = request.get("ProvisionedThroughput")
    billing_mode = request.get("BillingMode") or table.billing_mode
    if throughput is not None:
        schema.check_units(throughput)
        if billing_mode == "PAY_PER_REQUEST":
            raise errors.invalid_parameters(
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"
            )
    if billing_mode != table.billing_mode:
        if billing_mode == "PAY_PER_REQUEST":
            return throughputs.switched_to_on_demand(table, call.now_ms)
        if table.vectors:
            schema.check_vectors_billed(billing_mode)
        if throughput is None:
            raise errors.invalid_parameters("ProvisionedThroughput must be specified when BillingMode is PROVISIONED")
        given = {update["Update"]["IndexName"] for update in request.get("GlobalSecondaryIndexUpdates") or () if "Update" in update}
        for index in table.indexes:
            if index.is_global and index.index_name not in given:
                raise errors.invalid_parameters(f"ProvisionedThroughput must be specified for index: {index.index_name}")
        units = {"read_units": throughput["ReadCapacityUnits"], "write_units": throughput["WriteCapacityUnits"]}
        return table.replace(billing_mode=billing_mode, units_changed_ms=call.now_ms, **units)  # type: ignore[no-any-return]
    if throughput is None:
        return table
    return throughputs.changed(table, throughput, "the table", call.now_ms)


def _with_stream(call: Call, tx: Any, table: TableDefinition, request: Request) -> TableDefinition:
    if "StreamSpecification" not in request:
        return table
    view = read_stream_view(request)
    if view is not None:
        if table.stream_view is not None:
            raise errors.validation(f"Table already has an enabled stream: TableName: {table.table_name}")
        return changes.open_stream(call, tx, table, view)
    if table.stream_view is None:
        raise errors.validation(f"Table does not have a stream to disable: TableName: {table.table_name}")
    return changes.close_stream(call, tx, table)


def _with_indexes(call: Call, tx: Any, table: TableDefinition, request: Request) -> TableDefinition:
    updates = request.get("GlobalSecondaryIndexUpdates") or []
    if not updates:
        return table
    types = dict(table.attributes)
    for name, kind in schema.definitions_of(request):
        if types.get(name, kind) != kind:
            raise errors.invalid_parameters(f"Attribute {name} is already defined with another type: {types[name]}")
        types[name] = kind
    indexes = {index.index_name: index for index in table.indexes}
    for update in updates:
        if "Create" in update:
            created = _created(tx, table, update["Create"], dict(schema.definitions_of(request)), indexes)
            indexes[created.index_name] = created
            _backfill(call, tx, table, created.index_number)
        elif "Delete" in update:
            index = indexes.pop(update["Delete"]["IndexName"], None)
            if index is None or not index.is_global:
                raise errors.resource_not_found()
            call.schedule(call.now_ms, PURGE_TIMER, {"tables": [], "indexes": [index.index_number]}, tx=tx)
        else:
            spec = update["Update"]
            index = indexes.get(spec["IndexName"])
            if index is None or not index.is_global:
                raise errors.resource_not_found()
            indexes[index.index_name] = _updated(index, spec, table.billing_mode, call.now_ms)
    found = tuple(indexes.values())
    others = _searched(table, request)
    used = {name for name, _ in table.key} | {name for index in found for name, _ in (*index.partition_keys, *index.sort_keys)} | others
    schema.check_all_used(dict(schema.definitions_of(request)), table.key, list(found), others)
    attributes = tuple((name, kind) for name, kind in types.items() if name in used)
    return table.replace(indexes=found, attributes=attributes)  # type: ignore[no-any-return]


def _with_vectors(call: Call, tx: Any, table: TableDefinition, request: Request) -> TableDefinition:
    """One vector index made or deleted. AWS: what its search schema names must be defined in this very request."""
    found, attributes = table.vectors, dict(table.attributes)
    for update in request.get("VectorIndexUpdates") or []:
        if "Create" in update:
            if table.is_filling_index:
                raise _one_at_a_time()
            index_name = update["Create"]["IndexName"]
            if table.index(index_name) is not None or table.vector_index(index_name) is not None:
                raise errors.validation("Attempting to create an index which already exists")
            schema.check_vectors_billed(table.billing_mode)
            if len(found) >= schema.VECTOR_INDEXES_MAX:
                raise errors.limit_exceeded(
                    f"Subscriber limit exceeded: Number of vector secondary indexes exceeds per-table limit of {schema.VECTOR_INDEXES_MAX}"
                )
            types = dict(schema.definitions_of(request))
            index = schema.read_vector_index(update["Create"], table.key, types, set(), found, lambda: tx.sequence(NUMBERS))
            attributes.update({name: kind for name, _, kind in index.search_schema})
            found = (*found, index.replace(status="CREATING"))
            _backfill(call, tx, table, index.index_number)
        else:
            gone = table.vector_index(update["Delete"]["IndexName"])
            if gone is None:
                raise errors.resource_not_found()
            found = tuple(index for index in found if index is not gone)
            call.schedule(call.now_ms, PURGE_TIMER, {"tables": [], "indexes": [], "vectors": [gone.index_number]}, tx=tx)
            keys_used = {name for name, _ in table.key}
            keys_used |= {name for index in table.indexes for name, _ in (*index.partition_keys, *index.sort_keys)}
            keys_used |= {name for index in found for name, _, _ in index.search_schema}
            attributes = {name: kind for name, kind in attributes.items() if name in keys_used}
    return table.replace(vectors=found, attributes=tuple(attributes.items()))  # type: ignore[no-any-return]


def _searched(table: TableDefinition, request: Request) -> set[str]:
    """What the search schemas name, of vector indexes that are there and those that the request makes."""
    asked = [update["Create"] for update in request.get("VectorIndexUpdates") or () if "Create" in update]
    return schema.searched(asked) | {name for index in table.vectors for name, _, _ in index.search_schema}


def _backfill(call: Call, tx: Any, table: TableDefinition, index_number: int) -> None:
    payload = {"table_name": table.table_name, "table_number": table.table_number, "index_number": index_number}
    call.schedule(call.now_ms, BACKFILL_TIMER, payload, tx=tx)


def _created(tx: Any, table: TableDefinition, spec: Request, types: dict[str, str], indexes: dict[str, Index]) -> Index:
    if table.is_filling_index:
        raise _one_at_a_time()
    if spec["IndexName"] in indexes or table.vector_index(spec["IndexName"]) is not None:
        raise errors.validation("Attempting to create an index which already exists")
    if sum(index.is_global for index in indexes.values()) >= schema.GLOBAL_INDEXES_MAX:
        raise errors.invalid_parameters(f"GlobalSecondaryIndex count exceeds the per-table limit of {schema.GLOBAL_INDEXES_MAX}")
    index = schema.read_global_index(spec, types, set(), table.billing_mode, lambda: tx.sequence(NUMBERS))
    return index.replace(status="CREATING")  # type: ignore[no-any-return]


def _updated(index: Index, spec: Request, billing_mode: str, now_ms: int) -> Index:
    throughput = spec.get("ProvisionedThroughput")
    if throughput is not None:
        if billing_mode == "PAY_PER_REQUEST":
            raise errors.invalid_parameters(
                f"ProvisionedThroughput should not be specified for index: {index.index_name} when BillingMode is PAY_PER_REQUEST"
            )
        index = throughputs.changed(index, throughput, f"the index {index.index_name}", now_ms)
    if "OnDemandThroughput" in spec:
        index = index.replace(on_demand_limits=throughputs.on_demand_limits(spec["OnDemandThroughput"], index.on_demand_limits))
    if "WarmThroughput" in spec:
        index = index.replace(warm_throughput=throughputs.warmer(spec["WarmThroughput"], index, billing_mode, f"index {index.index_name}"))
    return index
