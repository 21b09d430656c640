"""Several items in one request, each on its own: BatchGetItem, BatchWriteItem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from groundcloud.kernel.service import operation
from groundcloud.services.dynamodb import access, capacity, errors, indexes, items, keys, replication, shapes, state, throttling, values
from groundcloud.services.dynamodb.capacity import Usage
from groundcloud.services.dynamodb.operations.items import check_projection, check_scalar_keys, read_projection
from groundcloud.services.dynamodb.values import Item

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

Request = dict[str, Any]

GET_KEYS_MAX = 100
WRITES_MAX = 25
GET_BYTES_MAX = 16 * 1024 * 1024
"""Source: API_BatchGetItem."""


def _facts_of_get(call: Call, request: Request) -> Any:
    return access.facts_of_batch(call, lambda: {name: wanted["Keys"] for name, wanted in request["RequestItems"].items()})


def _facts_of_write(call: Call, request: Request) -> Any:
    return access.facts_of_batch(
        call, lambda: {name: [_item_of(write) for write in writes] for name, writes in request["RequestItems"].items()}
    )


@operation(raw=True, resource=access.tables_in("RequestItems"), context=_facts_of_get)
def batch_get_item(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("BatchGetItem", request)
    wanted = request["RequestItems"]
    if sum(len(of_table["Keys"]) for of_table in wanted.values()) > GET_KEYS_MAX:
        raise errors.validation("Too many items requested for the BatchGetItem call")
    plans = []
    for table_name, of_table in wanted.items():
        check_projection("", of_table)
        for key in of_table["Keys"]:
            values.check_item(key)
        _check_distinct(of_table["Keys"])
        projection = read_projection(of_table)
        plans.append((table_name, of_table, projection))
    responses: dict[str, list[Any]] = {}
    unprocessed: dict[str, Any] = {}
    consumed: list[Any] = []
    total_bytes = 0
    as_stored = call.http is not None
    for table_name, of_table, projection in plans:
        tx, bare_name = access.place(call, table_name)
        table = state.load_table(tx, bare_name)
        if projection is not None and projection.nested:
            check_scalar_keys(table, projection.paths)
        places = [keys.of_key(table.key, key) for key in of_table["Keys"]]
        if len(set(places)) != len(places):
            raise errors.validation("Provided list of item keys contains duplicates")
        if table.replicas and of_table.get("ConsistentRead"):
            replication.require_majority(call, tx, table)
        found: list[Any] = []
        usage = Usage(table_name)
        for key, place in zip(of_table["Keys"], places, strict=True):
            if total_bytes >= GET_BYTES_MAX or not _admitted(call, table, "read"):
                unprocessed.setdefault(table_name, {**of_table, "Keys": []})["Keys"].append(key)
                continue
            raw = items.read(tx, table, place)
            size = 0
            if raw is not None:
                size = state.item_size(raw)
                total_bytes += size
                if projection is not None:
                    found.append(projection.apply(state.unpack_item(raw)))
                else:
                    found.append(msgspec.Raw(raw[4:]) if as_stored else state.unpack_item(raw))
            units = capacity.read_units(size, of_table.get("ConsistentRead"))
            usage.table += units
            if table.throttled:
                throttling.charge(call, table, "read", Usage(table_name, units))
        responses[table_name] = found
        capacity.record(call, capacity.READ, (usage,))
        consumed.append(usage.consumed(request.get("ReturnConsumedCapacity")))
    if unprocessed and not total_bytes and not any(responses.values()):
        raise throttling.exceeded(call, table, "read")
    answer: dict[str, Any] = {"Responses": responses, "UnprocessedKeys": unprocessed}
    if consumed and consumed[0] is not None:
        answer["ConsumedCapacity"] = consumed
    return answer


@operation(raw=True, resource=access.tables_in("RequestItems"), context=_facts_of_write)
def batch_write_item(call: Call, request: Request) -> dict[str, Any]:
    """Each write stands alone; those that a throttled table does not admit are left unprocessed."""
    shapes.check("BatchWriteItem", request)
    wanted = request["RequestItems"]
    if sum(map(len, wanted.values())) > WRITES_MAX:
        raise errors.validation("Too many items requested for the BatchWriteItem call")
    sizes: dict[int, int] = {}
    for writes in wanted.values():
        for write in writes:
            put, delete = write.get("PutRequest"), write.get("DeleteRequest")
            if (put is None) is (delete is None):
                raise errors.validation(
                    "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
                )
            if put is not None:
                size = sizes[id(write)] = values.check_item(put["Item"])
                items.check_size(size)
            else:
                values.check_item(delete["Key"])
    consumed: list[Any] = []
    metrics: dict[str, list[Any]] = {}
    planned = []
    for table_name, writes in wanted.items():
        tx, bare_name = access.place(call, table_name)
        table = state.load_table(tx, bare_name)
        seen: set[items.Key] = set()
        for write in writes:
            put = write.get("PutRequest")
            if put is not None:
                item = put["Item"]
                key = keys.of_item(table.key, item)
                if table.indexes or table.vectors:
                    indexes.check_index_keys(table, item)
            else:
                key = keys.of_key(table.key, write["DeleteRequest"]["Key"])
            if key in seen:
                raise errors.validation("Provided list of item keys contains duplicates")
            seen.add(key)
            planned.append((table_name, tx, table, key, write))
        if table.replicas:
            replication.require_majority(call, tx, table)
    usages: dict[str, Usage] = {name: Usage(name) for name in wanted}
    unprocessed: dict[str, list[Any]] = {}
    for table_name, tx, table, key, write in planned:
        put = write.get("PutRequest")
        item = None if put is None else put["Item"]
        if not _admitted(call, table, "write"):
            unprocessed.setdefault(table_name, []).append(write)
            continue
        items.write(call, tx, table, key, items.read(tx, table, key), item, sizes.get(id(write), 0), usage=usages[table_name])
        if request.get("ReturnItemCollectionMetrics") == "SIZE":
            found = items.collection_metrics(tx, table, key, item or write["DeleteRequest"]["Key"])
            if found is not None and found not in metrics.setdefault(table_name, []):
                metrics[table_name].append(found)
    capacity.record(call, capacity.WRITE, usages.values())
    consumed = [usage.consumed(request.get("ReturnConsumedCapacity")) for usage in usages.values()]
    if sum(map(len, unprocessed.values())) == len(planned):
        raise throttling.exceeded(call, planned[0][2], "write")
    answer: dict[str, Any] = {"UnprocessedItems": unprocessed}
    if metrics:
        answer["ItemCollectionMetrics"] = metrics
    if consumed and consumed[0] is not None:
        answer["ConsumedCapacity"] = consumed
    return answer


def _check_distinct(found: list[Item]) -> None:
    """The same key twice, which AWS refuses before it looks at the table."""
    if len(found) > 1 and len({msgspec.json.encode(key, order="sorted") for key in found}) < len(found):
        raise errors.validation("Provided list of item keys contains duplicates")


def _item_of(write: Request) -> Request:
    """The item or key of one part of a BatchWriteItem."""
    put = write.get("PutRequest")
    found: Request = write["DeleteRequest"]["Key"] if put is None else put["Item"]
    return found


def _admitted(call: Call, table: state.TableDefinition, kind: str) -> bool:
    if not table.throttled:
        return True
    try:
        throttling.admit(call, table, kind)
    except errors.AwsError:
        return False
    return True
