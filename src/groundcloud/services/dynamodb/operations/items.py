"""One item: put, get, update, delete."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from groundcloud.kernel.service import operation
from groundcloud.services.dynamodb import access, capacity, errors, indexes, items, keys, replication, shapes, state, throttling, values
from groundcloud.services.dynamodb.capacity import Usage
from groundcloud.services.dynamodb.expressions import NOTHING, Expressions, Types, legacy, read_expressions
from groundcloud.services.dynamodb.expressions.comparisons import Test
from groundcloud.services.dynamodb.expressions.paths import Path, Projection
from groundcloud.services.dynamodb.expressions.updates import Update
from groundcloud.services.dynamodb.state import TableDefinition
from groundcloud.services.dynamodb.values import Item, Value

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

Request = dict[str, Any]


@operation(raw=True, resource=access.table_of_request, context=access.facts_of_key)
def put_item(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("PutItem", request)
    types = legacy.check_mixture("PutItem", request, ("ConditionExpression",), ("Expected", "ConditionalOperator"))
    item = request["Item"]
    size = values.check_item(item)
    _check_return_values(request)
    items.check_size(size)
    test, found, nested = read_condition(request, types)
    tx, table_name = access.place(call, request["TableName"])
    table = state.load_table(tx, table_name)
    key = keys.of_item(table.key, item)
    if table.indexes or table.vectors:
        indexes.check_index_keys(table, item)
    if nested:
        check_scalar_keys(table, nested)
    if table.replicas:
        replication.require_majority(call, tx, table)
    old_raw = items.read(tx, table, key)
    old = None
    if test is not None:
        old = _old(old_raw)
        if not test(old or {}, found):
            raise errors.condition_failed(old if request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" else None)
    usage = Usage(request["TableName"])
    items.write(call, tx, table, key, old_raw, item, size, old=old, usage=usage)
    answer: dict[str, Any] = {}
    if old_raw is not None and request.get("ReturnValues") == "ALL_OLD":
        answer["Attributes"] = old or state.unpack_item(old_raw)
    return _finish(call, tx, table, key, item, request, answer, usage)


@operation(raw=True, resource=access.table_of_request, context=access.facts_of_key)
def get_item(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("GetItem", request)
    check_projection("GetItem", request)
    values.check_item(request["Key"])
    projection = read_projection(request)
    tx, table_name = access.place(call, request["TableName"])
    table = state.load_table(tx, table_name)
    key = keys.of_key(table.key, request["Key"])
    if projection is not None and projection.nested:
        check_scalar_keys(table, projection.paths)
    if table.replicas and request.get("ConsistentRead"):
        replication.require_majority(call, tx, table)
    if table.throttled:
        throttling.admit(call, table, "read")
    raw = items.read(tx, table, key)
    answer: dict[str, Any] = {}
    size = 0
    if raw is not None:
        size = state.item_size(raw)
        if projection is not None:
            answer["Item"] = projection.apply(state.unpack_item(raw))
        elif call.http is not None:
            answer["Item"] = msgspec.Raw(raw[4:])  # stored as it is sent: nothing to decode
        else:
            answer["Item"] = state.unpack_item(raw)
    mode = request.get("ReturnConsumedCapacity")
    units = call.units[capacity.READ] = capacity.read_units(size, request.get("ConsistentRead"))
    if table.throttled or (mode is not None and mode != "NONE"):
        usage = Usage(request["TableName"], units)
        if table.throttled:
            throttling.charge(call, table, "read", usage)
        if mode is not None and mode != "NONE":
            answer["ConsumedCapacity"] = usage.consumed(mode)
    return answer


@operation(raw=True, resource=access.table_of_request, context=access.facts_of_key)
def delete_item(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("DeleteItem", request)
    types = legacy.check_mixture("DeleteItem", request, ("ConditionExpression",), ("Expected", "ConditionalOperator"))
    values.check_item(request["Key"])
    _check_return_values(request)
    test, found, nested = read_condition(request, types)
    tx, table_name = access.place(call, request["TableName"])
    table = state.load_table(tx, table_name)
    key = keys.of_key(table.key, request["Key"])
    if nested:
        check_scalar_keys(table, nested)
    if table.replicas:
        replication.require_majority(call, tx, table)
    old_raw = items.read(tx, table, key)
    old = None
    if test is not None:
        old = _old(old_raw)
        if not test(old or {}, found):
            raise errors.condition_failed(old if request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" else None)
    usage = Usage(request["TableName"])
    items.write(call, tx, table, key, old_raw, None, old=old, usage=usage)
    answer: dict[str, Any] = {}
    if old_raw is not None and request.get("ReturnValues") == "ALL_OLD":
        answer["Attributes"] = old or state.unpack_item(old_raw)
    return _finish(call, tx, table, key, request["Key"], request, answer, usage)


@operation(raw=True, resource=access.table_of_request, context=access.facts_of_key)
def update_item(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("UpdateItem", request)
    types = legacy.check_mixture(
        "UpdateItem", request, ("UpdateExpression", "ConditionExpression"), ("AttributeUpdates", "Expected", "ConditionalOperator")
    )
    values.check_item(request["Key"])
    update, test, found, nested = read_update(request, types)
    tx, table_name = access.place(call, request["TableName"])
    table = state.load_table(tx, table_name)
    key = keys.of_key(table.key, request["Key"])
    check_update_keys(table, update)
    if nested:
        check_scalar_keys(table, nested)
    if table.replicas:
        replication.require_majority(call, tx, table)
    old_raw = items.read(tx, table, key)
    old = _old(old_raw)
    if test is not None and not test(old or {}, found):
        raise errors.condition_failed(old if request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" else None)
    usage = Usage(request["TableName"])
    new = updated_item(table, request["Key"], old, update, found)
    if new is not None:
        size = updated_size(old_raw, old, new, update)
        if size > values.ITEM_BYTES_MAX:
            raise errors.updated_item_too_large()
        items.write(call, tx, table, key, old_raw, new, size, old=old, usage=usage)
    else:
        usage.table = 1.0
    answer: dict[str, Any] = {}
    wanted = request.get("ReturnValues")
    if wanted is not None and wanted != "NONE":
        attributes = _returned(wanted, old, new, update)
        if attributes:
            answer["Attributes"] = attributes
    return _finish(call, tx, table, key, request["Key"], request, answer, usage)


# --- what the other nouns share -----------------------------------------------------------------------------------------------------


def read_condition(request: Request, types: Types | None = None) -> tuple[Test | None, dict[str, Value], tuple[Path, ...]]:
    """ConditionExpression or Expected as a test, the values that it reads, and the paths that lead into documents."""
    legacy.check_conditional_operator(request, "Expected")
    if request.get("Expected"):
        return legacy.read_expected(request["Expected"], request.get("ConditionalOperator")), {}, ()
    if "ConditionExpression" not in request:
        return None, {}, ()
    expressions, found = read_expressions(request, types)
    assert expressions.condition is not None
    return expressions.condition.test, found, expressions.condition.nested


def read_update(request: Request, types: Types | None) -> tuple[Update | None, Test | None, dict[str, Value], tuple[Path, ...]]:
    """UpdateExpression or AttributeUpdates, ConditionExpression or Expected; and the condition's paths that lead into documents."""
    update = test = None
    found: dict[str, Value] = {}
    nested: tuple[Path, ...] = ()
    if "AttributeUpdates" in request:
        update = legacy.read_attribute_updates(request["AttributeUpdates"])
    legacy.check_conditional_operator(request, "Expected")
    if request.get("Expected"):
        test = legacy.read_expected(request["Expected"], request.get("ConditionalOperator"))
    expressions: Expressions = NOTHING
    if "UpdateExpression" in request or "ConditionExpression" in request:
        expressions, found = read_expressions(request, types)
    if expressions.condition is not None:
        test, nested = expressions.condition.test, expressions.condition.nested
    return expressions.update or update, test, found, nested


def check_projection(operation: str, request: Request) -> None:
    """What AWS looks at before the keys of a read."""
    if "ProjectionExpression" in request or "ExpressionAttributeNames" in request:
        legacy.check_mixture(operation, request, ("ProjectionExpression",), ("AttributesToGet",))


def read_projection(request: Request) -> Projection | None:
    """ProjectionExpression or AttributesToGet, after `check_projection`."""
    if "ProjectionExpression" in request:
        return read_expressions(request)[0].projection
    if "AttributesToGet" in request:
        legacy.check_attributes_to_get(request["AttributesToGet"])
        return Projection((name,) for name in request["AttributesToGet"])
    return None


def check_scalar_keys(table: TableDefinition, paths: Iterable[Path]) -> None:
    """Key attributes, of the table or of an index, have nothing inside."""
    heads = [path[0] for path in paths if len(path) > 1]
    if not heads:
        return
    for name, _ in table.key:
        if name in heads:
            raise errors.key_is_no_document("Key", name)
    for index in table.indexes:
        for name, _ in (*index.partition_keys, *index.sort_keys):
            if name in heads:
                raise errors.key_is_no_document("IndexKey", name)


def check_update_keys(table: TableDefinition, update: Update | None) -> None:
    if update is not None:
        for name, _ in table.key:
            if name in update.top:
                raise errors.cannot_update_key(name)
        if update.deep:
            check_scalar_keys(table, update.paths)


def updated_item(table: TableDefinition, key: Item, old: Item | None, update: Update | None, found: dict[str, Value]) -> Item | None:
    """The item after an update; None where nothing comes of it: legacy deletions from an item that is not there."""
    base = dict(key) if old is None else old
    if update is None:
        return base
    if old is None and update.only_legacy_deletes:
        return None
    new = update.apply(base, found)
    if table.indexes or table.vectors:
        indexes.check_index_keys(table, new, update)
    return new


def updated_size(old_raw: bytes | None, old: Item | None, new: Item, update: Update | None) -> int:
    """The size of an updated item, from the attributes that changed alone; checks how deep those have become."""
    if old_raw is None or old is None:
        return values.check_item(new)
    size = state.item_size(old_raw)
    if update is None:
        return size
    measure = values.check if update.deep else values.size_of
    for name in update.top:
        before, after = old.get(name), new.get(name)
        if before is after:
            continue
        name_size = len(name.encode())
        if before is not None:
            size -= name_size + values.size_of(before)
        if after is not None:
            size += name_size + measure(after)
    return size


def _old(raw: bytes | None) -> Item | None:
    return None if raw is None else state.unpack_item(raw)


def _check_return_values(request: Request) -> None:
    if request.get("ReturnValues") not in (None, "NONE", "ALL_OLD"):
        raise errors.validation("ReturnValues can only be ALL_OLD or NONE")


def _returned(wanted: str, old: Item | None, new: Item | None, update: Update | None) -> Item | None:
    if wanted == "ALL_OLD":
        return old
    if wanted == "ALL_NEW":
        return new
    source = old if wanted == "UPDATED_OLD" else new
    if source is None or update is None:
        return None
    return Projection(update.paths).apply(source)


def _finish(
    call: Call, tx: Any, table: TableDefinition, key: items.Key, item: Item, request: Request, answer: dict[str, Any], usage: Usage
) -> dict[str, Any]:
    call.units[capacity.WRITE] = usage.total
    mode = request.get("ReturnConsumedCapacity")
    if mode is not None and mode != "NONE":
        answer["ConsumedCapacity"] = usage.consumed(mode)
    if request.get("ReturnItemCollectionMetrics") == "SIZE":
        metrics = items.collection_metrics(tx, table, key, item)
        if metrics is not None:
            answer["ItemCollectionMetrics"] = metrics
    return answer
