"""Many items of one table or index: Query and Scan."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from groundcloud.kernel.service import operation
from groundcloud.services.dynamodb import access, capacity, errors, indexes, keys, pages, replication, shapes, state, throttling
from groundcloud.services.dynamodb.capacity import Usage
from groundcloud.services.dynamodb.expressions import NOTHING, Expressions, Types, key_conditions, legacy, read_expressions
from groundcloud.services.dynamodb.expressions.comparisons import Test
from groundcloud.services.dynamodb.expressions.key_conditions import KeyTest
from groundcloud.services.dynamodb.expressions.paths import Path, Projection
from groundcloud.services.dynamodb.operations.items import check_scalar_keys
from groundcloud.services.dynamodb.pages import Page, Source
from groundcloud.services.dynamodb.state import TableDefinition
from groundcloud.services.dynamodb.values import Item, Value, equal
from groundcloud.store import Transaction

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

Request = dict[str, Any]


@operation(raw=True, resource=access.table_or_index_of_request, context=access.facts_of_query)
def query(call: Call, request: Request) -> dict[str, Any] | Coroutine[Any, Any, dict[str, Any]]:
    """Most pages are read in one turn; a page of thousands of small items is read on in others, as a Scan's is."""
    shapes.check("Query", request)
    types = legacy.check_mixture(
        "Query",
        request,
        ("ProjectionExpression", "FilterExpression", "KeyConditionExpression"),
        ("AttributesToGet", "QueryFilter", "ConditionalOperator", "KeyConditions"),
    )
    expressions, found, test = _read(request, "QueryFilter", types)
    if "KeyConditions" not in request and "KeyConditionExpression" not in request:
        raise errors.validation("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
    tests, key_values = _key_tests(request, expressions, found)
    tx, table_name = access.place(call, request["TableName"])
    source = _source(state.load_table(tx, table_name), request)
    start_key = request.get("ExclusiveStartKey")
    if start_key is not None:
        source.check_start_key(start_key)
    hashed, sorts = key_conditions.bind(tests, list(source.partition_keys), list(source.sort_keys), key_values)
    if start_key is not None:
        _check_start_in_range(source, start_key, hashed, sorts)
    projection = _projection(source, request, expressions)
    _check_filter(source, request, expressions)
    _check_full(source, hashed, sorts)
    partition = keys.partition(
        keys.join([keys.scalar(kind, value[kind]) for (_, kind), value in zip(source.partition_keys, hashed, strict=True)])
    )
    start, stop = indexes.sort_range(source.sort_keys, sorts)
    after = None if start_key is None else source.place_of(start_key)[1:]
    if source.table.replicas and request.get("ConsistentRead"):
        replication.require_majority(call, tx, source.table)
    if source.table.throttled:
        throttling.admit(call, source.table, "read", source.index)
    reverse = request.get("ScanIndexForward") is False
    reading = Reading(request, source, partition, start, stop, reverse, test, found, projection)
    page = reading.turn(call, tx, None, after)
    return _answer_of(call, request, source, page) if page.paused is None else reading.rest(call, page)


@operation(raw=True, resource=access.table_or_index_of_request, context=access.facts_of_scan)
async def scan(call: Call, request: Request) -> dict[str, Any]:
    """A page is read in turns, other calls between them: it is no snapshot, on AWS neither."""
    with call.transaction():
        reading, tx, after = _begin_scan(call, request)
        page = reading.turn(call, tx, None, after)
    return await reading.rest(call, page)


@dataclass(slots=True)
class Reading:
    """What a Query or Scan was found to ask for; `partition` is None for a Scan."""

    request: Request
    source: Source
    partition: bytes | None
    start: Any
    stop: Any
    reverse: bool
    test: Test | None
    found: dict[str, Value]
    projection: Projection | None

    def turn(self, call: Call, tx: Transaction, page: Page | None, after: tuple[Any, ...] | None) -> Page:
        """Reads some items, after that place."""
        rows = self.source.walk(tx, self.partition, start=self.start, stop=self.stop, after=after, reverse=self.reverse)
        return pages.read_page(
            tx,
            self.source,
            rows,
            limit=self.request.get("Limit"),
            test=self.test,
            found=self.found,
            projection=self.projection,
            only_count=self.request.get("Select") == "COUNT",
            as_stored=call.http is not None,
            fetch_whole=_wants_whole(self.source, self.request, self.projection),
            page=page,
            turn=pages.TURN_ITEMS_MAX,
        )

    async def rest(self, call: Call, page: Page) -> dict[str, Any]:
        """The answer, once the page is whole. Raises ResourceNotFoundException where the table went meanwhile."""
        while page.paused is not None:
            await asyncio.sleep(0)
            with call.transaction():
                tx, table_name = access.place(call, self.request["TableName"])
                if state.load_table(tx, table_name).table_number != self.source.table.table_number:
                    raise errors.resource_not_found()
                place = self.source.place_of(pages.last_key(self.source, page.paused))
                page = self.turn(call, tx, page, place if self.partition is None else place[1:])
        return _answer_of(call, self.request, self.source, page)


def _begin_scan(call: Call, request: Request) -> tuple[Reading, Transaction, tuple[Any, ...] | None]:
    """Checks the request; the reading, where the table is, and the place after which to begin."""
    shapes.check("Scan", request)
    types = legacy.check_mixture(
        "Scan", request, ("ProjectionExpression", "FilterExpression"), ("AttributesToGet", "ScanFilter", "ConditionalOperator")
    )
    expressions, found, test = _read(request, "ScanFilter", types)
    segment, total = _segments(request)
    tx, table_name = access.place(call, request["TableName"])
    source = _source(state.load_table(tx, table_name), request)
    start, stop = (None, None) if total is None else keys.segment_bounds(segment, total)
    after = None
    if "ExclusiveStartKey" in request:
        source.check_start_key(request["ExclusiveStartKey"])
        after = source.place_of(request["ExclusiveStartKey"])
        if total is not None and not ((start or b"") <= after[0] and (stop is None or after[0] < stop)):
            raise errors.invalid_start_key(
                f"Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. TotalSegments: {total} Segment: {segment}"
            )
    projection = _projection(source, request, expressions)
    if expressions.filter is not None:
        check_scalar_keys(source.table, expressions.filter.paths)
    if source.table.replicas and request.get("ConsistentRead"):
        replication.require_majority(call, tx, source.table)
    if source.table.throttled:
        throttling.admit(call, source.table, "read", source.index)
    return Reading(request, source, None, start, stop, False, test, found, projection), tx, after


def _read(request: Request, legacy_filter: str, types: Types | None) -> tuple[Expressions, dict[str, Value], Test | None]:
    """The compiled expressions, their values, and the filter of either make."""
    test = None
    legacy.check_conditional_operator(request, legacy_filter)
    if request.get(legacy_filter):
        test = legacy.read_filter(request[legacy_filter], request.get("ConditionalOperator"))
    if "ExclusiveStartKey" in request:
        pages.check_start_values(request["ExclusiveStartKey"])
    if "AttributesToGet" in request:
        legacy.check_attributes_to_get(request["AttributesToGet"])
    expressions: Expressions = NOTHING
    found: dict[str, Value] = {}
    if "KeyConditionExpression" in request or "FilterExpression" in request or "ProjectionExpression" in request:
        expressions, found = read_expressions(request, types)
    if expressions.filter is not None:
        test = expressions.filter.test
    return expressions, found, test


def _key_tests(request: Request, expressions: Expressions, found: dict[str, Value]) -> tuple[dict[str, KeyTest], dict[str, Value]]:
    if expressions.key_tests is not None:
        if len(expressions.key_tests) > 8:
            raise errors.validation("Conditions can be of length 1 or 2 only")
        return expressions.key_tests, found
    return legacy.read_key_conditions(request["KeyConditions"])


def _source(table: TableDefinition, request: Request) -> Source:
    index_name = request.get("IndexName")
    if index_name is None:
        return Source(table, None)
    index = table.index(index_name)
    if index is None:
        if table.vector_index(index_name) is not None:
            raise errors.not_searchable_so("Query" if "KeyConditions" in request or "KeyConditionExpression" in request else "Scan")
        raise errors.no_such_index(index_name)
    if index.is_global and request.get("ConsistentRead"):
        raise errors.validation("Consistent reads are not supported on global secondary indexes")
    if index.status == "CREATING":
        raise errors.validation(f"Cannot read from backfilling global secondary index: {index_name}")
    return Source(table, index)


def _segments(request: Request) -> tuple[int, int | None]:
    segment, total = request.get("Segment"), request.get("TotalSegments")
    if segment is not None and total is None:
        raise errors.validation(
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is present"
        )
    if total is None:
        return 0, None
    if segment is None:
        raise errors.validation(
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is present"
        )
    if segment >= total:
        raise errors.validation(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: "
            f"Segment: {segment} is not less than TotalSegments: {total}"
        )
    return segment, total


def _check_full(source: Source, hashed: list[Value], sorts: list[tuple[str, list[Value]]]) -> None:
    """No key is compared with an empty string or binary."""
    operands = [[value] for value in hashed] + [found for _, found in sorts]
    for (name, kind), found in zip((*source.partition_keys, *source.sort_keys), operands, strict=False):
        for value in found:
            if not value[kind]:
                if source.index is not None and name not in dict(source.table.key):
                    raise errors.empty_index_key(source.index.index_name, name, kind)
                raise errors.empty_key(name, kind)


def _check_start_in_range(source: Source, key: Item, hashed: list[Value], sorts: list[tuple[str, list[Value]]]) -> None:
    """ExclusiveStartKey must be one that this query could have given."""
    same_partition = all(equal(key[name], value) for (name, _), value in zip(source.partition_keys, hashed, strict=True))
    for (name, _), (operator, operands) in zip(source.sort_keys, sorts, strict=False):
        if not key_conditions.holds(operator, key[name], operands):
            raise errors.validation("The provided starting key does not match the range key predicate")
    if sorts and sorts[0][0] == "=" and source.index is None:
        raise errors.validation("The query can return at most one row and cannot be restarted")
    if not same_partition:
        raise errors.validation("The provided starting key is outside query boundaries based on provided conditions")


def _projection(source: Source, request: Request, expressions: Expressions) -> Projection | None:
    """What to keep of each item, checked against Select and against what the index holds."""
    projection = expressions.projection
    if projection is None and "AttributesToGet" in request:
        projection = Projection((name,) for name in request["AttributesToGet"])
    select = request.get("Select")
    if select == "ALL_PROJECTED_ATTRIBUTES" and source.index is None:
        raise errors.invalid_parameters("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
    if select == "SPECIFIC_ATTRIBUTES" and projection is None:
        raise errors.invalid_parameters("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
    if select not in (None, "SPECIFIC_ATTRIBUTES") and projection is not None:
        parameter = "ProjectionExpression" if expressions.projection is not None else "AttributesToGet"
        shown = "only the Count" if select == "COUNT" else select
        raise errors.invalid_parameters(f"Cannot specify the {parameter} when choosing to get {shown}")
    if projection is not None and projection.nested:
        check_scalar_keys(source.table, projection.paths)
    index = source.index
    if index is not None and index.is_global and index.projection_type != "ALL":
        if select == "ALL_ATTRIBUTES":
            raise errors.invalid_parameters(
                f"Select type ALL_ATTRIBUTES is not supported for global secondary index {index.index_name} "
                "because its projection type is not ALL"
            )
        paths: list[Path] = list(projection.paths) if projection is not None else []
        held = indexes.projected_names(index, source.table)
        lacking = [str(path[0]) for path in paths if path[0] not in held]
        if lacking:
            raise errors.invalid_parameters(f"Global secondary index {index.index_name} does not project [{', '.join(lacking)}]")
    return projection


def _check_filter(source: Source, request: Request, expressions: Expressions) -> None:
    """A Query's filter sees no key: those belong into the key condition."""
    if expressions.filter is not None:
        heads, parameter = {str(path[0]) for path in expressions.filter.paths}, "Filter Expression"
    elif request.get("QueryFilter"):
        heads, parameter = set(request["QueryFilter"]), "QueryFilter"
    else:
        return
    for name, _ in (*source.partition_keys, *source.sort_keys):
        if name in heads:
            raise errors.validation(f"{parameter} can only contain non-primary key attributes: Primary key attribute: {name}")
    if expressions.filter is not None:
        check_scalar_keys(source.table, expressions.filter.paths)


def _answer_of(call: Call, request: Request, source: Source, page: Page) -> dict[str, Any]:
    throttled = source.table.throttled
    answer: dict[str, Any] = {"Count": page.count, "ScannedCount": page.scanned}
    if request.get("Select") != "COUNT":
        answer["Items"] = page.items
    if page.last is not None:
        answer["LastEvaluatedKey"] = pages.last_key(source, page.last)
    mode = request.get("ReturnConsumedCapacity")
    usage = _usage(source, request, page)
    call.units[capacity.READ] = usage.total
    if throttled:
        throttling.charge(call, source.table, "read", usage)
    if mode is not None and mode != "NONE":
        answer["ConsumedCapacity"] = usage.consumed(mode)
    return answer


def _wants_whole(source: Source, request: Request, projection: Projection | None) -> bool:
    """A local index gives attributes that it does not hold, by reading the table."""
    index = source.index
    if index is None or index.is_global or index.projection_type == "ALL":
        return False
    if request.get("Select") == "ALL_ATTRIBUTES":
        return True
    return projection is not None and not set(projection.top) <= set(indexes.projected_names(index, source.table))


def _usage(source: Source, request: Request, page: Page) -> Usage:
    consistent = request.get("ConsistentRead")
    units = capacity.read_units(page.size, consistent)
    if source.index is None:
        return Usage(request["TableName"], units)
    usage = Usage(request["TableName"], sum(capacity.read_units(size, consistent) for size in page.fetched_bytes))
    usage.add_index(source.index.index_name, source.index.is_global, units)
    return usage
