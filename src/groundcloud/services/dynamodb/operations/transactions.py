"""All or nothing: TransactWriteItems, TransactGetItems.

A request of this server is one transaction of its store, so a transaction is isolated by construction and never meets a conflict.
Every part is checked against the items as they were; if one fails, all reasons are told, and nothing was written.
Source: API_TransactWriteItems, API_TransactGetItems.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from groundcloud.base.errors import AwsError
from groundcloud.kernel.service import Access, operation
from groundcloud.services.dynamodb import access, capacity, errors, indexes, items, keys, replication, shapes, state, throttling, values
from groundcloud.services.dynamodb.capacity import Usage
from groundcloud.services.dynamodb.expressions import legacy, read_expressions
from groundcloud.services.dynamodb.expressions.comparisons import Test
from groundcloud.services.dynamodb.expressions.paths import Path
from groundcloud.services.dynamodb.expressions.updates import Update
from groundcloud.services.dynamodb.operations.items import (
    check_projection,
    check_scalar_keys,
    check_update_keys,
    read_projection,
    updated_item,
)
from groundcloud.services.dynamodb.state import TableDefinition
from groundcloud.services.dynamodb.values import Item, Value
from groundcloud.store import Record, Table

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

Request = dict[str, Any]

TRANSACTION_BYTES_MAX = 4 * 1024 * 1024
TOKEN_LIFE_MS = 10 * 60 * 1000
"""Within ten minutes a request with the same token is answered without writing again."""

ACTIONS = {"ConditionCheck": "ConditionCheckItem", "Put": "PutItem", "Delete": "DeleteItem", "Update": "UpdateItem"}
"""A part of the request -> the IAM action that it needs."""


_REASON_CODES = {
    "ProvisionedThroughputExceededException": "ProvisionedThroughputExceeded",
    "ThrottlingException": "ThrottlingError",
    "ItemCollectionSizeLimitExceededException": "ItemCollectionSizeLimitExceeded",
}


class Token(Record, frozen=True):
    """A ClientRequestToken that was used: for which request, and what its answer said of capacity."""

    token: str
    digest: bytes
    expires_ms: int
    reads: dict[str, float]


TOKENS = Table("dynamodb/transaction-tokens", Token, key=("token",))
TOKEN_EXPIRY: Table[None] = Table("dynamodb/transaction-token-expiry", None, key=("expires_ms", "token"))


@dataclass(slots=True)
class Part:
    """One action of a transaction, checked and located. `kind` is a key of ACTIONS, or Insert (PartiQL: a Put of what must be new)."""

    kind: str
    spec: Request
    tx: Any
    table: TableDefinition
    key: items.Key | None
    """None where the key does not fit the table; `refused` says why."""
    key_item: Item
    test: Test | None
    update: Update | None
    found: dict[str, Value]
    new_size: int = 0
    old_raw: bytes | None = None
    old: Item | None = None
    new: Item | None = None
    refused: str = ""


def _access_to_write(call: Call, request: Request) -> list[Access]:
    shapes.check("TransactWriteItems", request)
    wanted = []
    for entry in request["TransactItems"]:
        for kind, action in ACTIONS.items():
            spec = entry.get(kind)
            if spec is not None:
                resource = access.named(call, spec.get("TableName"))
                item = spec.get("Key") or spec.get("Item") or {}
                wanted.append(Access(f"dynamodb:{action}", resource, access.facts_of_item(call, spec, item, "TransactWriteItems")))
    return wanted


def _access_to_get(call: Call, request: Request) -> list[Access]:
    shapes.check("TransactGetItems", request)
    wanted = []
    for entry in request["TransactItems"]:
        spec = entry["Get"]
        facts = access.facts_of_item(call, spec, spec["Key"], "TransactGetItems")
        wanted.append(Access("dynamodb:GetItem", access.named(call, spec["TableName"]), facts))
    return wanted


@operation(raw=True, access=_access_to_write)
def transact_write_items(call: Call, request: Request) -> dict[str, Any]:
    entries = request["TransactItems"]
    for entry in entries:
        kinds = [kind for kind in ACTIONS if kind in entry]
        if not kinds:
            raise errors.validation("Invalid Request: TransactWriteRequest should contain Delete or Put or Update request")
        if len(kinds) > 1:
            raise errors.validation("TransactItems can only contain one of Check, Put, Update or Delete")
    answered, token = seen_before(call, request, entries)
    if answered is not None:
        return answered
    parts = [_read_part(call, kind, spec) for entry in entries for kind, spec in entry.items() if kind in ACTIONS]
    check_distinct([(part.tx, part.table, part.key) for part in parts])
    return run_writes(call, request, parts, token)


@operation(raw=True, access=_access_to_get)
def transact_get_items(call: Call, request: Request) -> dict[str, Any]:
    located = []
    reasons: list[dict[str, Any]] = []
    for entry in request["TransactItems"]:
        spec = entry["Get"]
        check_projection("", spec)
        values.check_item(spec["Key"])
        projection = read_projection(spec)
        tx, table_name = access.place(call, spec["TableName"])
        table = state.load_table(tx, table_name)
        if table.consistency == "STRONG":
            raise errors.not_of_strong_tables("Transactions are")
        if projection is not None and projection.nested:
            check_scalar_keys(table, projection.paths)
        try:
            key: items.Key | None = keys.of_key(table.key, spec["Key"])
            reasons.append((_throttled(call, table, "read") if table.throttled else None) or {"Code": "None"})
        except AwsError as error:
            if errors.is_empty_key(error):
                raise
            key = None
            reasons.append({"Code": "ValidationError", "Message": error.message})
        located.append((spec, tx, table, key, projection))
    check_distinct([(tx, table, key) for _, tx, table, key, _ in located])
    responses: list[dict[str, Any]] = []
    usages: dict[str, Usage] = {}
    total_bytes = 0
    if any(reason["Code"] != "None" for reason in reasons):
        raise cancelled(reasons)
    for spec, tx, table, key, projection in located:
        assert key is not None
        if table.replicas:
            replication.require_majority(call, tx, table)
        if table.throttled:
            throttling.charge(call, table, "read", Usage(spec["TableName"], 2.0))
        raw = items.read(tx, table, key)
        size = 0 if raw is None else state.item_size(raw)
        total_bytes += size
        if raw is None:
            responses.append({})
        elif projection is not None:
            responses.append({"Item": projection.apply(state.unpack_item(raw))})
        else:
            responses.append({"Item": msgspec.Raw(raw[4:]) if call.http is not None else state.unpack_item(raw)})
        usages.setdefault(spec["TableName"], Usage(spec["TableName"])).table += 2 * capacity.read_units(size, True)
    if total_bytes > TRANSACTION_BYTES_MAX:
        raise errors.validation("Collection size of items in the transaction exceeded the limit of 4 MB")
    answer: dict[str, Any] = {"Responses": responses}
    capacity.record(call, capacity.READ, usages.values())
    mode = request.get("ReturnConsumedCapacity")
    if mode in ("TOTAL", "INDEXES"):
        answer["ConsumedCapacity"] = [usage.consumed(mode, kind="Read") for usage in usages.values()]
    return answer


def seen_before(call: Call, request: Request, entries: list[Request]) -> tuple[dict[str, Any] | None, Token | None]:
    """The answer to a request that was made before with the same token; else the token to keep, if the request has one."""
    text = request.get("ClientRequestToken")
    if text is None:
        return None, None
    digest = blake2b(msgspec.json.encode(entries), digest_size=16).digest()
    return _answered(call, text, digest, request), Token(text, digest, call.now_ms + TOKEN_LIFE_MS, {})


def run_writes(call: Call, request: Request, parts: list[Part], token: Token | None = None) -> dict[str, Any]:
    """Checks every part against the items as they are, then writes all, or raises TransactionCanceledException with the reasons."""
    reasons = [_prepare(call, part) for part in parts]
    if any(reason is not None for reason in reasons):
        raise cancelled([reason or {"Code": "None"} for reason in reasons])
    total_bytes = sum(part.new_size for part in parts)
    if total_bytes > TRANSACTION_BYTES_MAX:
        raise errors.validation("Collection size of items in the transaction exceeded the limit of 4 MB")
    usages: dict[str, Usage] = {}
    for part in parts:
        usage = usages.setdefault(part.spec["TableName"], Usage(part.spec["TableName"]))
        if part.kind == "ConditionCheck":
            usage.table += capacity.write_units(0 if part.old_raw is None else state.item_size(part.old_raw))
            continue
        assert part.key is not None
        try:
            items.write(call, part.tx, part.table, part.key, part.old_raw, part.new, part.new_size, old=part.old, usage=usage)
        except AwsError as error:
            reason = _reason_of(error)
            raise cancelled([reason if other is part else {"Code": "None"} for other in parts]) from None
    mode = request.get("ReturnConsumedCapacity")
    answer: dict[str, Any] = {}
    capacity.record(call, capacity.WRITE, usages.values(), 2.0)
    if mode in ("TOTAL", "INDEXES"):
        answer["ConsumedCapacity"] = [usage.consumed(mode, kind="Write", factor=2) for usage in usages.values()]
    if request.get("ReturnItemCollectionMetrics") == "SIZE":
        metrics: dict[str, list[Any]] = {}
        for part in parts:
            assert part.key is not None
            found = items.collection_metrics(part.tx, part.table, part.key, part.key_item)
            if found is not None and found not in metrics.setdefault(part.spec["TableName"], []):
                metrics[part.spec["TableName"]].append(found)
        if metrics:
            answer["ItemCollectionMetrics"] = metrics
    if token is not None:
        reads = dict.fromkeys(usages, 0.0)
        for part in parts:
            held = 0 if part.old_raw is None else state.item_size(part.old_raw)
            reads[part.spec["TableName"]] += 2 * capacity.read_units(max(part.new_size, held), True)
        remember(call, token.replace(reads=reads))
    return answer


def remember(call: Call, token: Token) -> None:
    """Keeps a token, and forgets up to two that have expired, so that their number does not grow."""
    for expires_ms, old in list(TOKEN_EXPIRY.keys(call.tx, stop=call.now_ms, limit=2)):
        TOKEN_EXPIRY.delete(call.tx, expires_ms, old)
        known = TOKENS.get(call.tx, old)
        if known is not None and known.expires_ms == expires_ms:
            TOKENS.delete(call.tx, old)
    TOKENS.put(call.tx, token)
    TOKEN_EXPIRY.put(call.tx, token.expires_ms, token.token)


def cancelled(reasons: list[dict[str, Any]]) -> AwsError:
    codes = ", ".join(reason["Code"] for reason in reasons)
    return AwsError(
        "TransactionCanceledException",
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
        fields={"CancellationReasons": reasons},
    )


def _answered(call: Call, token: str, digest: bytes, request: Request) -> dict[str, Any] | None:
    """The answer to a request that was made before with the same token; it costs reads."""
    known = TOKENS.get(call.tx, token)
    if known is None or known.expires_ms <= call.now_ms:
        return None
    if known.digest != digest:
        raise AwsError(
            "IdempotentParameterMismatchException",
            "DynamoDB rejected the request because you retried a request with a different payload but with an idempotent token that was "
            "already used.",
        )
    mode = request.get("ReturnConsumedCapacity")
    if mode not in ("TOTAL", "INDEXES"):
        return {}
    return {"ConsumedCapacity": [Usage(name, units).consumed(mode, kind="Read") for name, units in known.reads.items()]}


def _read_part(call: Call, kind: str, spec: Request) -> Part:
    """Everything about one action that needs no item. Raises ValidationException or ResourceNotFoundException for the whole request."""
    size = 0
    taken = ("UpdateExpression", "ConditionExpression") if kind == "Update" else ("ConditionExpression",)
    types = legacy.check_mixture("", spec, taken, ())
    if kind == "Put":
        size = values.check_item(spec["Item"])
        items.check_size(size)
    else:
        values.check_item(spec["Key"])
    test = update = None
    found: dict[str, Value] = {}
    nested: tuple[Path, ...] = ()
    if "UpdateExpression" in spec or "ConditionExpression" in spec:
        expressions, found = read_expressions(spec, types)
        update = expressions.update
        if expressions.condition is not None:
            test, nested = expressions.condition.test, expressions.condition.nested
    tx, table_name = access.place(call, spec["TableName"])
    table = state.load_table(tx, table_name)
    if table.consistency == "STRONG":
        raise errors.not_of_strong_tables("Transactions are")
    part = Part(kind, spec, tx, table, None, spec["Item"] if kind == "Put" else spec["Key"], test, update, found, size)
    try:
        if kind == "Put":
            part.key = keys.of_item(table.key, part.key_item)
            indexes.check_index_keys(table, part.key_item)
        else:
            part.key = keys.of_key(table.key, part.key_item)
            check_update_keys(table, update)
        check_scalar_keys(table, nested)
    except AwsError as error:
        if error.code != "ValidationException" or errors.is_empty_key(error):
            raise
        part.refused = error.message
    return part


def _throttled(call: Call, table: TableDefinition, kind: str) -> dict[str, Any] | None:
    """The reason of a part that its table has no throughput for."""
    try:
        throttling.admit(call, table, kind)
    except AwsError as error:
        return _reason_of(error)
    return None


def _reason_of(error: AwsError) -> dict[str, Any]:
    """Why a part could not be written. Raises `error` again where that is no reason of AWS's."""
    code = _REASON_CODES.get(error.code)
    if code is None:
        raise error
    return {"Code": code, "Message": "Collection size exceeded." if code == "ItemCollectionSizeLimitExceeded" else error.message}


def _prepare(call: Call, part: Part) -> dict[str, Any] | None:
    """Works out what a part will write; the reason for which it cannot, if there is one."""
    if part.key is None or part.refused:
        return {"Code": "ValidationError", "Message": part.refused}
    if part.table.throttled and (reason := _throttled(call, part.table, "write")) is not None:
        return reason
    if part.table.replicas:
        replication.require_majority(call, part.tx, part.table)
    part.old_raw = items.read(part.tx, part.table, part.key)
    if part.old_raw is not None:
        part.old = state.unpack_item(part.old_raw)
    if part.test is not None and not part.test(part.old or {}, part.found):
        if part.kind == "Insert":
            return {"Code": "DuplicateItem", "Message": "Duplicate primary key exists in table"}
        reason = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
        if part.old is not None and part.spec.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD":
            reason["Item"] = part.old
        return reason
    if part.kind in ("Put", "Insert"):
        part.new = part.key_item
    elif part.kind == "Update":
        try:
            part.new = updated_item(part.table, part.key_item, part.old, part.update, part.found)
            assert part.new is not None
            part.new_size = values.check_item(part.new)
            if part.new_size > values.ITEM_BYTES_MAX:
                raise errors.updated_item_too_large()
        except AwsError as error:
            if error.code != "ValidationException" or errors.is_empty_key(error):
                raise
            return {"Code": "ValidationError", "Message": error.message}
    return None


def check_distinct(targets: list[tuple[Any, TableDefinition, items.Key | None]]) -> None:
    seen = set()
    for tx, table, key in targets:
        if key is None:
            continue
        target = (tx.account, tx.region, table.table_number, key)
        if target in seen:
            raise errors.validation("Transaction request cannot include multiple operations on one item")
        seen.add(target)
