"""Replicas of a table in other regions: added and removed by UpdateTable, or by the older operations on global tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.base.errors import AwsError
from groundcloud.base.regions import REGIONS
from groundcloud.kernel.service import operation
from groundcloud.services.dynamodb import changes, errors, history, items, replication, shapes, state
from groundcloud.services.dynamodb.operations.tables import NUMBERS, read_encryption, remove
from groundcloud.services.dynamodb.state import TableDefinition

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

Request = dict[str, Any]

LIST_MAX = 100
STRONG_REGIONS = (
    frozenset(("us-east-1", "us-east-2", "us-west-2")),
    frozenset(("eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1")),
    frozenset(("ap-northeast-1", "ap-northeast-2", "ap-northeast-3")),
)
"""Source: API_CreateGlobalTableWitnessGroupMemberAction."""


def change_replicas(call: Call, tx: Any, table: TableDefinition, request: Request) -> TableDefinition:
    """ReplicaUpdates and MultiRegionConsistency of UpdateTable."""
    updates = request.get("ReplicaUpdates") or []
    consistency = request.get("MultiRegionConsistency", table.consistency)
    witness_update = (request.get("GlobalTableWitnessUpdates") or [{}])[0]
    if "GlobalTableWitnessUpdates" in request and len(witness_update) != 1:
        raise errors.validation("One of Create or Delete must be given in each GlobalTableWitnessUpdate")
    witness = witness_update.get("Create", {}).get("RegionName", "")
    if consistency != table.consistency:
        if table.replicas or state.counts(tx, table.table_number)[0]:
            raise errors.validation("MultiRegionConsistency can only be set while replicas are added to an empty table without replicas")
        if consistency == "STRONG":
            if table.time_to_live_attribute is not None:
                raise errors.not_of_strong_tables("Time to live is")
            if any(not index.is_global for index in table.indexes):
                raise errors.not_of_strong_tables("Local secondary indexes are")
            _check_regions(tx, updates, witness)
        table = table.replace(consistency=consistency, witness=witness)
    elif witness:
        raise errors.validation("A witness can only be added together with a replica when MultiRegionConsistency STRONG is set")
    if "Delete" in witness_update and (table.witness != witness_update["Delete"]["RegionName"] or not _leaves_none(table, updates)):
        raise errors.validation("A witness can only be deleted together with the other replica of its table")
    for update in updates:
        given = [kind for kind in ("Create", "Update", "Delete") if kind in update]
        if "Disassociate" in update:
            if given or len(updates) > 1:
                raise errors.validation("Disassociate must be the only ReplicaUpdate of its request")
            return _disassociate(call, tx, table, update["Disassociate"]["RegionName"])
        if len(given) != 1:
            raise errors.validation("One of Create, Update or Delete must be given in each ReplicaUpdate")
        spec = update[given[0]]
        region = spec["RegionName"]
        if region not in REGIONS:
            raise errors.invalid_parameters(f"Region {region} is not supported")
        if region == tx.region:
            raise errors.validation(
                "Cannot add, delete, or update the local region through ReplicaUpdates. "
                "Use CreateTable, DeleteTable, or UpdateTable as required."
            )
        if given[0] == "Create":
            table = _add(call, tx, table, region, spec)
            continue
        if region not in table.replicas:
            raise errors.validation("Replica specified in the Replica Update or Replica Delete action of the request was not found.")
        if given[0] == "Delete":
            table = _remove(call, tx, table, region)
        else:
            _override(call, tx, table, region, spec)
    if "Delete" in witness_update:
        table = table.replace(witness="", consistency="EVENTUAL")
    return table


def _check_regions(tx: Any, updates: list[Request], witness: str) -> None:
    """Three regions of one set: three replicas, or two and a witness."""
    regions = [tx.region, *(update["Create"]["RegionName"] for update in updates if "Create" in update)]
    if witness:
        regions.append(witness)
    if len(regions) != 3 or len(set(regions)) != 3:
        raise errors.validation(
            "A global table with MultiRegionConsistency STRONG must have exactly three replicas, or two replicas and one witness"
        )
    if not any(set(regions) <= one for one in STRONG_REGIONS):
        raise errors.validation(
            f"The Regions of a global table with MultiRegionConsistency STRONG must be of one Region set: {', '.join(regions)}"
        )


def _leaves_none(table: TableDefinition, updates: list[Request]) -> bool:
    return {update["Delete"]["RegionName"] for update in updates if "Delete" in update} >= set(table.replicas)


def _add(call: Call, tx: Any, table: TableDefinition, region: str, spec: Request) -> TableDefinition:
    place = tx.at(tx.account, region)
    if region in table.replicas or state.find_table(place, table.table_name) is not None:
        raise errors.validation(
            f"Failed to create a the new replica of table with name: '{table.table_name}' because one or more replicas already existed as tables."
        )
    if table.stream_view is None:
        table = changes.open_stream(call, tx, table, "NEW_AND_OLD_IMAGES")
    elif table.stream_view != "NEW_AND_OLD_IMAGES":
        raise errors.validation("Table needs to have a stream with both new and old images to have replicas")
    everyone = (tx.region, *table.replicas, region)
    replica = table.replace(
        table_number=place.sequence(NUMBERS),
        table_id=call.new_id(),
        created_ms=call.now_ms,
        indexes=tuple(index.replace(index_number=place.sequence(NUMBERS)) for index in table.indexes),
        vectors=tuple(index.replace(index_number=place.sequence(NUMBERS)) for index in table.vectors),
        stream_view=None,
        stream_label=None,
        stream_number=0,
        replicas=tuple(other for other in everyone if other != region),
        status="CREATING",
        copies=0,
        deletion_protection=bool(spec.get("DeletionProtectionEnabled")),
        point_in_time_since_ms=0,
        restored_from={},
        kinesis=None,
        overrides={},
        disassociation_protected=True,
        time_to_live_changed_ms=0,
    )
    replica = _overridden(call, replica, spec)
    replica = changes.open_stream(call, place, replica, "NEW_AND_OLD_IMAGES")
    state.put_table(place, replica)
    for other in table.replicas:
        _relist(tx.at(tx.account, other), table.table_name, everyone)
    table = table.replace(replicas=(*table.replicas, region), copies=table.copies + 1)
    history.begin_copy(
        call, place, replica.table_number, table.table_number, table.table_name, source_region=tx.region, restored_table=table.table_name
    )
    return table


def _remove(call: Call, tx: Any, table: TableDefinition, region: str) -> TableDefinition:
    place = tx.at(tx.account, region)
    replica = state.find_table(place, table.table_name)
    if replica is not None:
        remove(call, place, replica.replace(replicas=()))
    left = tuple(other for other in table.replicas if other != region)
    for other in left:
        _relist(tx.at(tx.account, other), table.table_name, (tx.region, *left))
    return table.replace(replicas=left)  # type: ignore[no-any-return]


def _disassociate(call: Call, tx: Any, table: TableDefinition, region: str) -> TableDefinition:
    """This region's replica becomes a table of its own, after what was on its way from it and to it has arrived."""
    if region != tx.region:
        raise errors.validation(f"Disassociate must name the Region of the request: {tx.region}")
    if not table.replicas:
        raise errors.validation(f"Table is not a replica of a global table: {table.table_name}")
    if table.consistency == "STRONG":
        raise errors.validation("A replica with MultiRegionConsistency STRONG cannot be disassociated")
    if table.disassociation_protected:
        raise errors.validation(
            "Replica cannot be disassociated as it is currently protected against disassociation. Disable disassociation protection first."
        )
    for other in table.replicas:
        place = tx.at(tx.account, other)
        replica = state.find_table(place, table.table_name)
        if replica is None:
            continue
        if replica.status != "ACTIVE":
            raise errors.table_in_use(
                f"Attempt to change a resource which is still in use: Replica is being created: {table.table_name} in {other}"
            )
        for there, of_table, write in replication.pending(tx, table.table_number, other):
            items.write_replicated(call, there, of_table, write)
        for here, of_table, write in replication.pending(place, replica.table_number, tx.region):
            items.write_replicated(call, here, of_table, write)
    replication.leave(tx, table)
    return table.replace(replicas=(), disassociation_protected=True)  # type: ignore[no-any-return]


def _relist(place: Any, table_name: str, everyone: tuple[str, ...]) -> None:
    replica = state.find_table(place, table_name)
    if replica is not None:
        state.put_table(place, replica.replace(replicas=tuple(other for other in everyone if other != place.region)))


def _override(call: Call, tx: Any, table: TableDefinition, region: str, spec: Request) -> None:
    place = tx.at(tx.account, region)
    replica = state.find_table(place, table.table_name)
    if replica is not None:
        state.put_table(place, _overridden(call, replica, spec))


def _overridden(call: Call, replica: TableDefinition, spec: Request) -> TableDefinition:
    """A replica with what it has otherwise than the others; `overrides` keeps it as it was asked for."""
    changed = replica.replace(
        table_class=spec.get("TableClassOverride", replica.table_class),
        read_units=spec.get("ProvisionedThroughputOverride", {}).get("ReadCapacityUnits", replica.read_units),
        on_demand_limits={**replica.on_demand_limits, **spec.get("OnDemandThroughputOverride", {})},
        overrides={**replica.overrides, **{name: value for name, value in spec.items() if name != "RegionName"}},
    )
    if "KMSMasterKeyId" in spec:
        key = {"Enabled": True, "KMSMasterKeyId": spec["KMSMasterKeyId"]}
        changed = changed.replace(encryption=read_encryption(call, key, changed.encryption))
    indexes = {index.index_name: index for index in changed.indexes}
    for own in spec.get("GlobalSecondaryIndexes") or ():
        index = indexes.get(own["IndexName"])
        if index is None or not index.is_global:
            raise errors.resource_not_found()
        indexes[index.index_name] = index.replace(
            read_units=own.get("ProvisionedThroughputOverride", {}).get("ReadCapacityUnits", index.read_units),
            on_demand_limits={**index.on_demand_limits, **own.get("OnDemandThroughputOverride", {})},
        )
    return changed.replace(indexes=tuple(indexes.values()))  # type: ignore[no-any-return]


# --- the operations of 2017 ---------------------------------------------------------------------------------------------------------


def global_table_of_request(call: Call, request: Request) -> str:
    return f"arn:aws:dynamodb::{call.account}:global-table/{request.get('GlobalTableName', '*')}"


@operation(raw=True, resource=global_table_of_request)
def create_global_table(call: Call, request: Request) -> dict[str, Any]:
    """Joins tables of one name that are there already, empty and with streams."""
    shapes.check("CreateGlobalTable", request)
    name = request["GlobalTableName"]
    regions = [replica.get("RegionName") for replica in request["ReplicationGroup"]]
    if None in regions:
        raise errors.validation("RegionName must be given in each Replica of ReplicationGroup")
    if len(set(regions)) < len(regions):
        raise errors.validation(f"One or more Regions of the ReplicationGroup are duplicates: {', '.join(regions)}")
    found = []
    for region in regions:
        place = call.tx.at(call.account, region)
        table = state.find_table(place, name)
        if table is None:
            raise errors.backup_table_not_found(name)
        if table.replicas:
            raise AwsError("GlobalTableAlreadyExistsException", f"Global table with name: '{name}' already exists.")
        if table.stream_view != "NEW_AND_OLD_IMAGES":
            raise errors.validation(f"One or more tables of the global table do not have a stream with new and old images: {region}")
        if state.counts(place, table.table_number)[0]:
            raise errors.validation(f"One or more tables of the global table are not empty: {region}")
        found.append((place, table))
    for place, table in found:
        state.put_table(place, table.replace(replicas=tuple(region for region in regions if region != place.region)))
    return {"GlobalTableDescription": _describe(call, name, "CREATING", regions)}


@operation(raw=True, resource=global_table_of_request)
def describe_global_table(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("DescribeGlobalTable", request)
    table = load_global_table(call, request["GlobalTableName"])
    return {"GlobalTableDescription": _describe(call, table.table_name, "ACTIVE", [call.region, *table.replicas])}


@operation(raw=True)
def list_global_tables(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("ListGlobalTables", request)
    wanted, after = request.get("RegionName"), request.get("ExclusiveStartGlobalTableName", "")
    limit = request.get("Limit", LIST_MAX)
    found = []
    for table in state.all_tables(call.tx):
        regions = [call.region, *table.replicas]
        if table.replicas and table.table_name > after and (wanted is None or wanted in regions):
            found.append({"GlobalTableName": table.table_name, "ReplicationGroup": [{"RegionName": region} for region in regions]})
    answer: dict[str, Any] = {"GlobalTables": found[:limit]}
    if len(found) > limit:
        answer["LastEvaluatedGlobalTableName"] = found[limit - 1]["GlobalTableName"]
    return answer


@operation(raw=True, resource=global_table_of_request)
def update_global_table(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("UpdateGlobalTable", request)
    table = load_global_table(call, request["GlobalTableName"])
    changed = change_replicas(call, call.tx, table, {"ReplicaUpdates": request["ReplicaUpdates"]})
    state.put_table(call.tx, changed)
    return {"GlobalTableDescription": _describe(call, table.table_name, "UPDATING", [call.region, *changed.replicas])}


def load_global_table(call: Call, name: str) -> TableDefinition:
    table = state.find_table(call.tx, name)
    if table is None or not table.replicas:
        raise AwsError("GlobalTableNotFoundException", f"Global table with name: '{name}' does not exist.")
    return table


def _describe(call: Call, name: str, status: str, regions: list[str]) -> dict[str, Any]:
    table = state.find_table(call.tx, name)
    return {
        "GlobalTableName": name,
        "GlobalTableArn": f"arn:aws:dynamodb::{call.account}:global-table/{name}",
        "CreationDateTime": (table.created_ms if table is not None else call.now_ms) / 1000,
        "ReplicationGroup": [{"RegionName": region, "ReplicaStatus": "ACTIVE"} for region in regions],
        "GlobalTableStatus": status,
    }
