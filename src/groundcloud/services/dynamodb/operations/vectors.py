"""SearchVectors: the items whose vectors are nearest to a given one.

Every vector of the index (or of the asked partition) is looked at, in turns, other calls between them: the answer is exact, where AWS's is
nearly so. Items that are equally near come in the order of their keys.
AWS: API_SearchVectors.
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from groundcloud.kernel.service import operation
from groundcloud.services.dynamodb import access, errors, keys, shapes, state, vectors
from groundcloud.services.dynamodb.expressions import read_search
from groundcloud.services.dynamodb.expressions.paths import Projection
from groundcloud.services.dynamodb.state import VECTORS, TableDefinition, VectorIndex
from groundcloud.services.dynamodb.values import Value

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

Request = dict[str, Any]

TURN_NUMBERS_MAX = 150_000
"""The numbers of vectors that are looked at before other calls are let in: some five milliseconds."""
ANSWER_BYTES_MAX = 16 * 1024 * 1024


@operation(raw=True, resource=access.table_or_index_of_request)
def search_vectors(call: Call, request: Request) -> dict[str, Any] | Coroutine[Any, Any, dict[str, Any]]:
    shapes.check("SearchVectors", request)
    if request["TopK"] > vectors.TOP_K_MAX:
        raise errors.validation(
            f"Provided TopK value '{request['TopK']}' is out of valid range. The value must be between 1 and {vectors.TOP_K_MAX} inclusive"
        )
    vector = vectors.read_search_vector(request["SearchVector"])
    expressions, found = read_search(request)
    tx, table_name = access.place(call, request["TableName"])
    table = state.load_table(tx, table_name)
    index = _load_index(table, request["IndexName"])
    if len(vector) != index.dimensions:
        raise errors.validation(f"Input search vector dimension {len(vector)} does not match vector index dimension {index.dimensions}")
    partition, wanted = _conditions(index, expressions.equalities, found)
    search = _Searching(request, table, index, partition, vectors.Search(index, vector, wanted), expressions.projection)
    return search.finished(call) if search.turn(tx) else search.rest(call)


def _load_index(table: TableDefinition, index_name: str) -> VectorIndex:
    index = table.vector_index(index_name)
    if index is None:
        raise errors.no_such_index(index_name)
    if index.status == "CREATING":
        raise errors.validation(f"Cannot search backfilling vector index: {index_name}")
    return index


def _conditions(index: VectorIndex, equalities: dict[str, str] | None, found: dict[str, Value]) -> tuple[bytes | None, list[Value | None]]:
    """The partition to look at (None: all there is), and what each inline filter has to be."""
    asked = {name: found[placeholder] for name, placeholder in (equalities or {}).items()}
    partition_key = index.partition_key
    if partition_key is not None and partition_key[0] not in asked:
        raise errors.validation("SearchConditionExpression must be provided when SearchSchema has a HASH key")
    types = {name: kind for name, _, kind in index.search_schema}
    for name, value in asked.items():
        if name not in types:
            raise errors.validation(
                f"Invalid SearchConditionExpression: Attribute {name} is not defined in the SearchSchema of index {index.index_name}"
            )
        if types[name] not in value:
            raise errors.invalid_parameters("Condition parameter type does not match schema type")
    partition = None
    if partition_key is not None:
        name, kind = partition_key
        partition = keys.scalar(kind, asked[name][kind])
    return partition, [asked.get(name) for name, role, _ in index.search_schema if role == "INLINE_FILTER"]


class _Searching:
    """A search under way: the nearest entries so far, best first, and where it goes on."""

    def __init__(
        self,
        request: Request,
        table: TableDefinition,
        index: VectorIndex,
        partition: bytes | None,
        search: vectors.Search,
        projection: Projection | None,
    ) -> None:
        self._request, self._table, self._index, self._search = request, table, index, search
        self._projection = projection
        self._prefix = (index.index_number,) if partition is None else (index.index_number, partition)
        self._after: tuple[Any, ...] | None = None
        self._nearest: list[tuple[float, int, bytes]] = []
        self._sign = -1.0 if index.distance == "DOT_PRODUCT" else 1.0
        self._looked_at = 0
        self._examined_bytes = 0

    def turn(self, tx: Any) -> bool:
        """Looks at some entries; whether those were the last."""
        top_k, nearest, score_of, sign = self._request["TopK"], self._nearest, self._search.score, self._sign
        left = max(TURN_NUMBERS_MAX // self._index.dimensions, 1)
        for key, raw in VECTORS.items(tx, *self._prefix, after=self._after, limit=left):
            left -= 1
            self._looked_at += 1
            self._after = key[len(self._prefix) :]
            score = score_of(raw)
            if score is None:
                continue
            self._examined_bytes += 4 * self._index.dimensions
            rank = sign * score
            if len(nearest) < top_k:
                insort(nearest, (rank, self._looked_at, raw))
            elif rank < nearest[-1][0]:
                nearest.pop()
                insort(nearest, (rank, self._looked_at, raw))
        return left > 0

    async def rest(self, call: Call) -> dict[str, Any]:
        """The answer, once all is looked at. Raises ResourceNotFoundException where the table or the index went meanwhile."""
        done = False
        while not done:
            await asyncio.sleep(0)
            with call.transaction():
                tx, table_name = access.place(call, self._request["TableName"])
                table = state.load_table(tx, table_name)
                if table.table_number != self._table.table_number:
                    raise errors.resource_not_found()
                if _load_index(table, self._request["IndexName"]).index_number != self._index.index_number:
                    raise errors.no_such_index(self._request["IndexName"])
                done = self.turn(tx)
        return self.finished(call)

    def finished(self, call: Call) -> dict[str, Any]:
        results = []
        size = self._examined_bytes
        for rank, _, raw in self._nearest:
            size += vectors.entry_size(raw) - 4 * self._index.dimensions
            results.append({"Item": self._item(call, raw), "Score": vectors.single(self._sign * rank)})
        if sum(len(raw) for _, _, raw in self._nearest) > ANSWER_BYTES_MAX:
            raise errors.validation("The response of SearchVectors exceeds the limit of 16 MB")
        answer: dict[str, Any] = {"SearchResults": results}
        consumed = float(max(size, vectors.REQUEST_BYTES_MIN))
        call.units["VectorSearchRequestBytes"] = consumed
        if self._request.get("ReturnConsumedCapacity", "NONE") != "NONE":
            answer["ConsumedCapacity"] = {"VectorSearchRequestBytes": consumed}
        return answer

    def _item(self, call: Call, raw: bytes) -> Any:
        """The vector comes only where it is asked for; what the index does not project is left out without a word."""
        if self._projection is None and call.http is not None:
            return vectors.without_vector(raw)
        item = vectors.item_of(self._index, raw)
        if self._projection is not None:
            return self._projection.apply(item)
        del item[self._index.attribute]
        return item
