"""Tables: create, describe, list, delete; and what the account may have of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.kernel.service import Access, operation
from groundcloud.services.dynamodb import (
    access,
    changes,
    descriptions,
    destinations,
    errors,
    expiry,
    history,
    policies,
    replication,
    schema,
    shapes,
    state,
    tags,
    throttling,
    throughputs,
)
from groundcloud.services.dynamodb.state import TableDefinition

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

Request = dict[str, Any]

LIST_TABLES_MAX = 100
PURGE_TIMER = "dynamodb.purge"
NUMBERS = "dynamodb/numbers"
"""The sequence that numbers tables, indexes and streams."""

_UNTOLD_OF_A_DELETED = frozenset(
    (
        "AttributeDefinitions", "KeySchema", "CreationDateTime", "LocalSecondaryIndexes", "GlobalSecondaryIndexes", "VectorIndexes",
        "WarmThroughput",
    )
)  # fmt: skip
"""What DeleteTable leaves out of its answer. Source: API_DeleteTable > Examples."""


def _access_to_create(call: Call, request: Request) -> list[Access]:
    shapes.check("CreateTable", named(request))
    resource = access.table_of_request(call, request)
    wanted = [Access("dynamodb:CreateTable", resource)]
    if request.get("Tags"):
        wanted.append(Access("dynamodb:TagResource", resource))
    if request.get("ResourcePolicy"):
        wanted.append(Access("dynamodb:PutResourcePolicy", resource))
    return wanted


@operation(raw=True, access=_access_to_create)
def create_table(call: Call, request: Request) -> dict[str, Any]:
    """The answer says CREATING, as on AWS; the table is ACTIVE at once."""
    if "GlobalTableSourceArn" in request:
        raise errors.not_implemented("GlobalTableSourceArn of CreateTable")
    missing = [path for path, name in (("attributeDefinitions", "AttributeDefinitions"), ("keySchema", "KeySchema")) if name not in request]
    if missing:
        raise shapes.complaint([f"Value null at '{path}' failed to satisfy constraint: Member must not be null" for path in missing])
    schema.check_billing(request)
    key = schema.read_table_key(request)
    tx, table_name = access.place(call, request["TableName"])
    found = schema.read_indexes(request, key, lambda: tx.sequence(NUMBERS))
    vectors = schema.read_vector_indexes(request, key, found, lambda: tx.sequence(NUMBERS))
    if state.find_table(tx, table_name) is not None:
        raise errors.table_exists(table_name)
    table = new_table(call, tx, table_name, request, key).replace(indexes=found, vectors=vectors)
    view = read_stream_view(request)
    if view is not None:
        table = changes.open_stream(call, tx, table, view)
    arn = state.table_arn(tx, table_name)
    if request.get("Tags"):
        tags.add(tx, arn, request["Tags"])
        table = table.replace(throttled=throttling.is_on(tags.of(tx, arn)))
    state.put_table(tx, table)
    if "ResourcePolicy" in request:
        policies.put(call, tx, arn, request["ResourcePolicy"])
    return {"TableDescription": descriptions.describe(tx, table, "CREATING")}


@operation(raw=True, resource=access.table_of_request)
def describe_table(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("DescribeTable", named(request))
    tx, table = load(call, request["TableName"])
    return {"Table": descriptions.describe(tx, table, now_ms=call.now_ms)}


def _every_table(call: Call, request: Request) -> str:
    return call.arn("dynamodb", "table/*")


@operation(raw=True, resource=_every_table)
def list_tables(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("ListTables", request)
    limit = request.get("Limit", LIST_TABLES_MAX)
    names: list[str] = []
    for name in state.table_names(call.tx, after=request.get("ExclusiveStartTableName")):
        if len(names) == limit:
            return {"TableNames": names, "LastEvaluatedTableName": names[-1]}
        names.append(name)
    return {"TableNames": names}


@operation(raw=True, resource=access.table_of_request)
def delete_table(call: Call, request: Request) -> dict[str, Any]:
    """The name is free at once; the items are cleared in the background."""
    shapes.check("DeleteTable", named(request))
    tx, table = load(call, request["TableName"])
    check_settled(table)
    if table.is_filling_index:
        raise errors.table_in_use(
            "Attempt to change a resource which is still in use: Cannot delete table while indexes are being created, updated, or deleted."
        )
    if table.copies:
        raise errors.table_in_use(f"Attempt to change a resource which is still in use: Table is being backed up: {table.table_name}")
    if table.deletion_protection:
        raise errors.validation(
            "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first."
        )
    description = descriptions.describe(tx, table, "DELETING", call.now_ms)
    remove(call, tx, table)
    return {"TableDescription": {name: value for name, value in description.items() if name not in _UNTOLD_OF_A_DELETED}}


@operation(raw=True)
def describe_limits(call: Call, request: Request) -> dict[str, Any]:
    return {
        "AccountMaxReadCapacityUnits": 80_000,
        "AccountMaxWriteCapacityUnits": 80_000,
        "TableMaxReadCapacityUnits": 40_000,
        "TableMaxWriteCapacityUnits": 40_000,
    }


@operation(raw=True)
def describe_endpoints(call: Call, request: Request) -> dict[str, Any]:
    address = call.endpoint.partition("://")[2]
    return {"Endpoints": [{"Address": address, "CachePeriodInMinutes": 1440}]}


# --- what the other nouns share -----------------------------------------------------------------------------------------------------


def load(call: Call, table_name: str) -> tuple[Any, TableDefinition]:
    """A table for an operation on the table itself, and its place. Raises ResourceNotFoundException with its name."""
    tx, bare_name = access.place(call, table_name)
    table = state.find_table(tx, bare_name)
    if table is None:
        raise errors.table_not_found(bare_name)
    return tx, table


def check_settled(table: TableDefinition) -> None:
    """A table that is being restored cannot be changed."""
    if table.status != "ACTIVE":
        raise errors.table_in_use(f"Attempt to change a resource which is still in use: Table is being created: {table.table_name}")


def remove(call: Call, tx: Any, table: TableDefinition) -> None:
    """Forgets a table; what it held is cleared by a timer."""
    if table.stream_view is not None:
        changes.close_stream(call, tx, table)
    replication.leave(tx, table)
    expiry.forget_timer(call, tx, table)
    if table.images_wanted:
        history.forget(call, tx, table)
    destinations.forget(tx, table)
    arn = state.table_arn(tx, table.table_name)
    tags.forget(tx, arn)
    policies.forget(tx, arn)
    state.delete_table(tx, table.table_name)
    payload = {
        "tables": [table.table_number],
        "indexes": [index.index_number for index in table.indexes],
        "vectors": [index.index_number for index in table.vectors],
    }
    call.schedule(call.now_ms, PURGE_TIMER, payload, tx=tx)


def read_stream_view(request: Request) -> str | None:
    """The view type of a StreamSpecification that enables a stream."""
    specification = request.get("StreamSpecification")
    if specification is None:
        return None
    enabled, view = specification.get("StreamEnabled"), specification.get("StreamViewType")
    if enabled and view is None:
        raise errors.invalid_parameters("StreamViewType must be specified when StreamEnabled is true")
    if not enabled and view is not None:
        raise errors.invalid_parameters("StreamViewType can only be specified when StreamEnabled is true")
    return view if enabled else None


def read_encryption(call: Call, specification: Request | None, current: dict[str, str]) -> dict[str, str]:
    """An SSEDescription; empty for the key that AWS owns, which is the default."""
    if specification is None:
        return current
    if not specification.get("Enabled"):
        if "KMSMasterKeyId" in specification or "SSEType" in specification:
            raise errors.invalid_parameters("KMSMasterKeyId and SSEType can only be specified when SSE is enabled")
        return {}
    if specification.get("SSEType", "KMS") != "KMS":
        raise errors.invalid_parameters("SSEType AES256 is not supported")
    key = specification.get("KMSMasterKeyId") or call.new_id()
    if not key.startswith("arn:"):
        key = call.arn("kms", key if key.startswith("alias/") else f"key/{key}")
    return {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": key}


def new_table(call: Call, tx: Any, table_name: str, request: Request, key: state.KeyParts) -> TableDefinition:
    """A table as CreateTable's parameters describe it, without indexes and stream."""
    billing_mode = request.get("BillingMode") or "PROVISIONED"
    throughput = request.get("ProvisionedThroughput") or {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0}
    table = TableDefinition(
        table_name=table_name,
        table_number=tx.sequence(NUMBERS),
        table_id=call.new_id(),
        created_ms=call.now_ms,
        key=key,
        attributes=schema.definitions_of(request),
        billing_mode=billing_mode,
        read_units=throughput["ReadCapacityUnits"],
        write_units=throughput["WriteCapacityUnits"],
        deletion_protection=bool(request.get("DeletionProtectionEnabled")),
        table_class=request.get("TableClass"),
        encryption=read_encryption(call, request.get("SSESpecification"), {}),
        on_demand_limits=throughputs.on_demand_limits(request.get("OnDemandThroughput") or {}, {}),
        billing_changed_ms=call.now_ms if billing_mode == "PAY_PER_REQUEST" else 0,
        settings_replication=request.get("GlobalTableSettingsReplicationMode", ""),
    )
    if "WarmThroughput" not in request:
        return table
    return table.replace(  # type: ignore[no-any-return]
        warm_throughput=throughputs.warmer(request["WarmThroughput"], table, billing_mode, "table")
    )


def named(request: Request) -> Request:
    """AWS words a TableName that is missing, too short or too long in its own way for the operations on tables."""
    if isinstance(request, dict):
        name = request.get("TableName")
        if name is None:
            raise errors.validation("The parameter 'TableName' is required but was not present in the request")
        if isinstance(name, str) and not name.startswith("arn:") and not 3 <= len(name) <= 255:
            raise errors.validation("TableName must be at least 3 characters long and at most 255 characters long")
    return request
