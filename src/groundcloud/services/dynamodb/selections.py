"""PartiQL's SELECT: a query where the clause fixes the partition key, else a scan; the whole clause is tested on each item either way.

AWS: Developer Guide, "PartiQL select statements for DynamoDB".
"""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import msgspec

from groundcloud.services.dynamodb import access, capacity, errors, indexes, pages, replication, state
from groundcloud.services.dynamodb.capacity import Usage
from groundcloud.services.dynamodb.expressions.conditions import build
from groundcloud.services.dynamodb.expressions.paths import Projection
from groundcloud.services.dynamodb.pages import Page, Source
from groundcloud.services.dynamodb.partiql import Select
from groundcloud.services.dynamodb.partiql.clauses import Range, ranges_of
from groundcloud.services.dynamodb.values import Item, Value

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

Request = dict[str, Any]
_WHOLE: list[Range] = [(None, None, None)]  # type: ignore[list-item]


class Selection:
    """One page of a SELECT, read in turns. Made inside a transaction; raises ValidationException for what cannot be read."""

    def __init__(self, call: Call, request: Request, statement: Select, found: dict[str, Value]) -> None:
        tx, table_name = access.place(call, statement.table_name)
        table = state.load_table(tx, table_name)
        index = None
        if statement.index_name is not None:
            index = table.index(statement.index_name)
            if index is None:
                if table.vector_index(statement.index_name) is not None:
                    raise errors.not_searchable_so("Scan")
                raise errors.no_such_index(statement.index_name)
            if index.is_global and request.get("ConsistentRead"):
                raise errors.validation("Consistent reads are not supported on global secondary indexes")
        self._request, self._statement, self._found = request, statement, found
        self._source = source = Source(table, index)
        ranges = ranges_of(source, statement.where, found)
        self._reverse = _check_order(source, statement, ranges)
        self._walks = _WHOLE if ranges is None else ranges
        self._position, self._start_key = _read_token(request.get("NextToken"))
        self._test = build(statement.where) if statement.where is not None else None
        self._projection = None if statement.paths is None else Projection(statement.paths)
        self._fetch_whole = (
            index is not None and not index.is_global and index.projection_type != "ALL" and _reaches_beyond(source, statement)
        )
        self._page = Page()
        if table.replicas and request.get("ConsistentRead"):
            replication.require_majority(call, tx, table)

    def answer(self, call: Call) -> dict[str, Any] | Coroutine[Any, Any, dict[str, Any]]:
        """What one turn finds, or the promise of the rest."""
        tx, _ = access.place(call, self._statement.table_name)
        self._turn(call, tx)
        return self._finished(call) if self._page.paused is None else self._rest(call)

    async def _rest(self, call: Call) -> dict[str, Any]:
        """Raises ResourceNotFoundException where the table went meanwhile."""
        while self._page.paused is not None:
            await asyncio.sleep(0)
            with call.transaction():
                tx, table_name = access.place(call, self._statement.table_name)
                if state.load_table(tx, table_name).table_number != self._source.table.table_number:
                    raise errors.resource_not_found()
                self._turn(call, tx)
        return self._finished(call)

    def _turn(self, call: Call, tx: Any) -> None:
        """Reads on, through one range after another, until the page is whole or the turn is over."""
        source, page, limit = self._source, self._page, self._request.get("Limit")
        turn = pages.TURN_ITEMS_MAX
        while self._position < len(self._walks):
            partition, start, stop = self._walks[self._position]
            after = None
            if page.paused is not None:
                after = source.place_of(pages.last_key(source, page.paused))
            elif self._start_key is not None:
                source.check_start_key(self._start_key)
                after, self._start_key = source.place_of(self._start_key), None
            if after is not None and partition is not None:
                after = after[1:]
            before = page.scanned
            pages.read_page(
                tx,
                source,
                source.walk(tx, partition, start=start, stop=stop, after=after, reverse=self._reverse),
                limit=limit,
                test=self._test,
                found=self._found,
                projection=self._projection,
                only_count=False,
                as_stored=call.http is not None,
                fetch_whole=self._fetch_whole,
                page=page,
                turn=turn,
            )
            if page.last is not None or page.paused is not None:
                return
            turn -= page.scanned - before
            self._position += 1

    def _finished(self, call: Call) -> dict[str, Any]:
        page, source, consistent = self._page, self._source, self._request.get("ConsistentRead")
        usage = Usage(self._statement.table_name, sum(capacity.read_units(size, consistent) for size in page.fetched_bytes))
        units = capacity.read_units(page.size, consistent)
        if source.index is None:
            usage.table += units
        else:
            usage.add_index(source.index.index_name, source.index.is_global, units)
        capacity.record(call, capacity.READ, (usage,))
        answer: dict[str, Any] = {"Items": page.items}
        if page.last is not None:
            key = pages.last_key(source, page.last)
            answer["NextToken"] = _write_token(self._position, key)
            answer["LastEvaluatedKey"] = key
        mode = self._request.get("ReturnConsumedCapacity")
        if mode in ("TOTAL", "INDEXES"):
            answer["ConsumedCapacity"] = usage.consumed(mode)
        return answer


def _check_order(source: Source, statement: Select, ranges: list[Range] | None) -> bool:
    """Whether to read backwards. Raises ValidationException for an order that a table cannot give."""
    if not statement.order:
        return False
    if ranges is None:
        if statement.where is None:
            raise errors.validation("Must have WHERE clause in the statement when using ORDER BY clause.")
        raise errors.validation("Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.")
    names = [name for name, _ in (*source.partition_keys, *source.sort_keys)]
    for name, _ in statement.order:
        if name not in names:
            raise errors.validation(f"Variable reference {name} in ORDER BY clause must be part of the primary key")
    sort_names = [name for name, _ in source.sort_keys]
    return any(descending for name, descending in statement.order if name in sort_names)


def _reaches_beyond(source: Source, statement: Select) -> bool:
    assert source.index is not None
    if statement.paths is None:
        return False
    held = indexes.projected_names(source.index, source.table)
    return any(path[0] not in held for path in statement.paths)


def _write_token(position: int, key: Item) -> str:
    return b64encode(msgspec.json.encode([position, key])).decode()


def _read_token(text: str | None) -> tuple[int, Item | None]:
    if text is None:
        return 0, None
    try:
        position, key = msgspec.json.decode(b64decode(text, validate=True), type=tuple[int, dict[str, dict[str, Any]]])
    except (ValueError, msgspec.MsgspecError):
        raise errors.validation("NextToken does not match request") from None
    return position, key
