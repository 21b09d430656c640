"""Auto scaling of tables' replicas and the settings of global tables of 2017.

Settings of auto scaling are kept, by region and index, and shown; nothing is scaled. Capacity, billing mode and table class take effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.service import operation
from groundcloud.services.dynamodb import access, errors, shapes, state
from groundcloud.services.dynamodb.operations.replicas import global_table_of_request, load_global_table
from groundcloud.services.dynamodb.operations.tables import load
from groundcloud.services.dynamodb.state import TableDefinition
from groundcloud.store import Record, Table

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

Request = dict[str, Any]

READ, WRITE = "Read", "Write"
SCALER = "role/aws-service-role/dynamodb.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_DynamoDBTable"


class Scaling(Record, frozen=True, kw_only=True):
    """Settings of one capacity of a table (`index_name` is empty) or an index; `kind` is Read or Write."""

    table_number: int
    index_name: str
    kind: str
    minimum_units: int = 0
    maximum_units: int = 0
    role_arn: str = ""
    policy_name: str = ""
    policy: dict[str, Any] = {}


SCALINGS = Table("dynamodb/scalings", Scaling, key=("table_number", "index_name", "kind"))


@operation(raw=True, resource=access.table_of_request)
def describe_table_replica_auto_scaling(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("DescribeTableReplicaAutoScaling", request)
    tx, table = load(call, request["TableName"])
    return {"TableAutoScalingDescription": _describe(tx, table)}


@operation(raw=True, resource=access.table_of_request)
def update_table_replica_auto_scaling(call: Call, request: Request) -> dict[str, Any]:
    """What concerns writing holds in every region, what concerns reading in the one that is named."""
    shapes.check("UpdateTableReplicaAutoScaling", request)
    tx, table = load(call, request["TableName"])
    replicas = _replicas(tx, table)
    for place, replica in replicas.values():
        _set(place, replica, "", WRITE, request.get("ProvisionedWriteCapacityAutoScalingUpdate"))
        for update in request.get("GlobalSecondaryIndexUpdates") or ():
            index_name = _index(replica, update.get("IndexName"))
            _set(place, replica, index_name, WRITE, update.get("ProvisionedWriteCapacityAutoScalingUpdate"))
    for update in request.get("ReplicaUpdates") or ():
        place, replica = _one(replicas, table, update["RegionName"])
        _set(place, replica, "", READ, update.get("ReplicaProvisionedReadCapacityAutoScalingUpdate"))
        for of_index in update.get("ReplicaGlobalSecondaryIndexUpdates") or ():
            index_name = _index(replica, of_index.get("IndexName"))
            _set(place, replica, index_name, READ, of_index.get("ProvisionedReadCapacityAutoScalingUpdate"))
    return {"TableAutoScalingDescription": _describe(tx, table)}


@operation(raw=True, resource=global_table_of_request)
def describe_global_table_settings(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("DescribeGlobalTableSettings", request)
    table = load_global_table(call, request["GlobalTableName"])
    return {"GlobalTableName": table.table_name, "ReplicaSettings": _describe_settings(call.tx, table)}


@operation(raw=True, resource=global_table_of_request)
def update_global_table_settings(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("UpdateGlobalTableSettings", request)
    table = load_global_table(call, request["GlobalTableName"])
    wanted = {update["RegionName"]: update for update in request.get("ReplicaSettingsUpdate") or ()}
    replicas = _replicas(call.tx, table)
    for region in wanted:
        _one(replicas, table, region)
    for region, (place, replica) in replicas.items():
        state.put_table(place, _with_settings(call, place, replica, request, wanted.get(region, {})))
    return {"GlobalTableName": table.table_name, "ReplicaSettings": _describe_settings(call.tx, table)}


def _with_settings(call: Call, place: Any, replica: TableDefinition, request: Request, own: Request) -> TableDefinition:
    """A replica with what is said of the whole table and of itself."""
    billing_mode = request.get("GlobalTableBillingMode", replica.billing_mode)
    changed = replica.replace(table_class=own.get("ReplicaTableClass", replica.table_class))
    if billing_mode != replica.billing_mode:
        changed = changed.replace(billing_mode=billing_mode)
        if billing_mode == "PAY_PER_REQUEST":
            none = tuple(index.replace(read_units=0, write_units=0) for index in changed.indexes)
            changed = changed.replace(billing_changed_ms=call.now_ms, read_units=0, write_units=0, indexes=none)
    reads, writes = own.get("ReplicaProvisionedReadCapacityUnits"), request.get("GlobalTableProvisionedWriteCapacityUnits")
    if (reads or writes) and billing_mode == "PAY_PER_REQUEST":
        raise errors.invalid_parameters(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"
        )
    changed = changed.replace(read_units=reads or changed.read_units, write_units=writes or changed.write_units)
    _set(place, replica, "", WRITE, request.get("GlobalTableProvisionedWriteCapacityAutoScalingSettingsUpdate"))
    _set(place, replica, "", READ, own.get("ReplicaProvisionedReadCapacityAutoScalingSettingsUpdate"))
    indexes = {index.index_name: index for index in changed.indexes}
    for update in request.get("GlobalTableGlobalSecondaryIndexSettingsUpdate") or ():
        name = _index(replica, update["IndexName"])
        indexes[name] = indexes[name].replace(write_units=update.get("ProvisionedWriteCapacityUnits", indexes[name].write_units))
        _set(place, replica, name, WRITE, update.get("ProvisionedWriteCapacityAutoScalingSettingsUpdate"))
    for update in own.get("ReplicaGlobalSecondaryIndexSettingsUpdate") or ():
        name = _index(replica, update["IndexName"])
        indexes[name] = indexes[name].replace(read_units=update.get("ProvisionedReadCapacityUnits", indexes[name].read_units))
        _set(place, replica, name, READ, update.get("ProvisionedReadCapacityAutoScalingSettingsUpdate"))
    return changed.replace(indexes=tuple(indexes.values()))  # type: ignore[no-any-return]


def _replicas(tx: Any, table: TableDefinition) -> dict[str, tuple[Any, TableDefinition]]:
    """Region -> (place, table), this region's first."""
    found = {tx.region: (tx, table)}
    for region in table.replicas:
        place = tx.at(tx.account, region)
        replica = state.find_table(place, table.table_name)
        if replica is not None:
            found[region] = (place, replica)
    return found


def _one(replicas: dict[str, tuple[Any, TableDefinition]], table: TableDefinition, region: str) -> tuple[Any, TableDefinition]:
    if region not in replicas:
        raise AwsError("ReplicaNotFoundException", f"Replica not found: {table.table_name} in {region}")
    return replicas[region]


def _index(table: TableDefinition, index_name: str | None) -> str:
    index = None if index_name is None else table.index(index_name)
    if index is None or not index.is_global:
        raise AwsError("IndexNotFoundException", f"Requested resource not found: Index: {index_name} not found")
    return index.index_name


def _set(place: Any, table: TableDefinition, index_name: str, kind: str, update: Request | None) -> None:
    """AutoScalingSettingsUpdate; what it leaves out stays."""
    if update is None:
        return
    if update.get("AutoScalingDisabled"):
        SCALINGS.delete(place, table.table_number, index_name, kind)
        return
    current = SCALINGS.get(place, table.table_number, index_name, kind)
    if current is None:
        resource = f"table/{table.table_name}" + (f"/index/{index_name}" if index_name else "")
        current = Scaling(
            table_number=table.table_number,
            index_name=index_name,
            kind=kind,
            role_arn=f"arn:aws:iam::{place.account}:{SCALER}",
            policy_name=f"DynamoDB{kind}CapacityUtilization:{resource}",
        )
    policy = update.get("ScalingPolicyUpdate") or {}
    changed = current.replace(
        minimum_units=update.get("MinimumUnits", current.minimum_units),
        maximum_units=update.get("MaximumUnits", current.maximum_units),
        role_arn=update.get("AutoScalingRoleArn", current.role_arn),
        policy_name=policy.get("PolicyName", current.policy_name),
        policy=policy.get("TargetTrackingScalingPolicyConfiguration", current.policy),
    )
    if not changed.minimum_units or not changed.maximum_units:
        raise errors.validation("MinimumUnits and MaximumUnits must be specified when auto scaling is enabled")
    if changed.minimum_units > changed.maximum_units:
        raise errors.validation("MinimumUnits must be less than or equal to MaximumUnits")
    SCALINGS.put(place, changed)


def _settings(place: Any, table: TableDefinition, index_name: str, kind: str) -> dict[str, Any]:
    found = SCALINGS.get(place, table.table_number, index_name, kind)
    if found is None:
        return {"AutoScalingDisabled": True}
    answer: dict[str, Any] = {
        "MinimumUnits": found.minimum_units,
        "MaximumUnits": found.maximum_units,
        "AutoScalingDisabled": False,
        "AutoScalingRoleArn": found.role_arn,
    }
    if found.policy:
        answer["ScalingPolicies"] = [{"PolicyName": found.policy_name, "TargetTrackingScalingPolicyConfiguration": found.policy}]
    return answer


def _describe(tx: Any, table: TableDefinition) -> dict[str, Any]:
    """A TableAutoScalingDescription."""
    replicas = []
    for region, (place, replica) in _replicas(tx, table).items():
        described: dict[str, Any] = {
            "RegionName": region,
            "ReplicaStatus": replica.status,
            "ReplicaProvisionedReadCapacityAutoScalingSettings": _settings(place, replica, "", READ),
            "ReplicaProvisionedWriteCapacityAutoScalingSettings": _settings(place, replica, "", WRITE),
            "GlobalSecondaryIndexes": [
                {
                    "IndexName": index.index_name,
                    "IndexStatus": index.status,
                    "ProvisionedReadCapacityAutoScalingSettings": _settings(place, replica, index.index_name, READ),
                    "ProvisionedWriteCapacityAutoScalingSettings": _settings(place, replica, index.index_name, WRITE),
                }
                for index in replica.indexes
                if index.is_global
            ],
        }
        replicas.append(described)
    return {"TableName": table.table_name, "TableStatus": table.status, "Replicas": replicas}


def _describe_settings(tx: Any, table: TableDefinition) -> list[dict[str, Any]]:
    settings = []
    for region, (place, replica) in _replicas(tx, table).items():
        described: dict[str, Any] = {
            "RegionName": region,
            "ReplicaStatus": replica.status,
            "ReplicaBillingModeSummary": {"BillingMode": replica.billing_mode},
            "ReplicaProvisionedReadCapacityUnits": replica.read_units,
            "ReplicaProvisionedReadCapacityAutoScalingSettings": _settings(place, replica, "", READ),
            "ReplicaProvisionedWriteCapacityUnits": replica.write_units,
            "ReplicaProvisionedWriteCapacityAutoScalingSettings": _settings(place, replica, "", WRITE),
        }
        indexes = [
            {
                "IndexName": index.index_name,
                "IndexStatus": index.status,
                "ProvisionedReadCapacityUnits": index.read_units,
                "ProvisionedReadCapacityAutoScalingSettings": _settings(place, replica, index.index_name, READ),
                "ProvisionedWriteCapacityUnits": index.write_units,
                "ProvisionedWriteCapacityAutoScalingSettings": _settings(place, replica, index.index_name, WRITE),
            }
            for index in replica.indexes
            if index.is_global
        ]
        if indexes:
            described["ReplicaGlobalSecondaryIndexSettings"] = indexes
        if replica.table_class is not None:
            described["ReplicaTableClassSummary"] = {"TableClass": replica.table_class}
        settings.append(described)
    return settings
