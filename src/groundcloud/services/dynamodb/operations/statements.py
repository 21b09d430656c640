"""PartiQL: ExecuteStatement, BatchExecuteStatement, ExecuteTransaction."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.service import Access, operation
from groundcloud.services.dynamodb import access, capacity, errors, indexes, items, keys, partiql, replication, shapes, state, values
from groundcloud.services.dynamodb.capacity import Usage
from groundcloud.services.dynamodb.expressions.conditions import build
from groundcloud.services.dynamodb.expressions.paths import Projection
from groundcloud.services.dynamodb.expressions.updates import Update
from groundcloud.services.dynamodb.operations.items import check_update_keys, updated_item
from groundcloud.services.dynamodb.operations.transactions import Part, check_distinct, run_writes, seen_before
from groundcloud.services.dynamodb.partiql import Delete, Exists, Insert, Select, Statement
from groundcloud.services.dynamodb.partiql.clauses import conjuncts, constraint_of, split_key
from groundcloud.services.dynamodb.selections import Selection
from groundcloud.services.dynamodb.state import TableDefinition
from groundcloud.services.dynamodb.values import Item, Value

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

Request = dict[str, Any]

_ERROR_CODES = {
    "ConditionalCheckFailedException": "ConditionalCheckFailed", "ValidationException": "ValidationError",
    "ResourceNotFoundException": "ResourceNotFound", "DuplicateItemException": "DuplicateItem", "AccessDeniedException": "AccessDenied",
    "ItemCollectionSizeLimitExceededException": "ItemCollectionSizeLimitExceeded", "SerializationException": "ValidationError",
}  # fmt: skip


def _access_of(call: Call, entry: Request) -> list[Access]:
    try:
        statement = partiql.parse(entry["Statement"])
    except AwsError:
        return []
    resource = access.named(call, statement.table_name)
    if statement.index_name:
        resource = f"{resource}/index/{statement.index_name}"
    if isinstance(statement, Select | Exists):
        return [Access("dynamodb:PartiQLSelect", resource, access.facts(lambda: _facts_of_select(call, statement, entry)))]
    return [Access(f"dynamodb:PartiQL{type(statement).__name__}", resource, access.facts(lambda: _facts_of_write(call, statement, entry)))]


def _facts_of_select(call: Call, statement: Select | Exists, entry: Request) -> dict[str, Any]:
    table = access.find(call, statement.table_name)
    if table is None:
        return {}
    index = table.index(statement.index_name) if statement.index_name else None
    name = (table.key if index is None else index.partition_keys)[0][0]
    _, found = _read(entry)
    fixed = [
        constraint for leaf in conjuncts(statement.where) if (constraint := constraint_of(leaf, name)) and constraint[0] in ("=", "IN")
    ]
    facts: dict[str, Any] = {"dynamodb:FullTableScan": "false" if fixed else "true"}
    if fixed:
        facts["dynamodb:LeadingKeys"] = [access.text_of(found[placeholder]) for placeholder in fixed[0][1]]
    if isinstance(statement, Select) and statement.paths is not None:
        facts["dynamodb:Attributes"] = sorted({str(path[0]) for path in statement.paths})
    return facts


def _facts_of_write(call: Call, statement: Statement, entry: Request) -> dict[str, Any]:
    table = access.find(call, statement.table_name)
    _, found = _read(entry)
    if table is None:
        return {}
    name = table.key[0][0]
    if isinstance(statement, Insert):
        item = found[":item"]["M"]
        return {"dynamodb:LeadingKeys": [access.text_of(item[name])] if name in item else [], "dynamodb:Attributes": sorted(item)}
    key, _ = split_key(table, statement.where, found)
    facts: dict[str, Any] = {"dynamodb:LeadingKeys": [access.text_of(key[name])] if key is not None else []}
    if isinstance(statement, partiql.Update):
        facts["dynamodb:Attributes"] = sorted({str(path[0]) for path in statement.paths})
    return facts


def _access_of_one(call: Call, request: Request) -> list[Access]:
    shapes.check("ExecuteStatement", request)
    return _access_of(call, request)


def _access_of_many(operation_name: str, member: str) -> Any:
    def wanted(call: Call, request: Request) -> list[Access]:
        shapes.check(operation_name, request)
        return [one for entry in request[member] for one in _access_of(call, entry)]

    return wanted


@operation(raw=True, access=_access_of_one)
def execute_statement(call: Call, request: Request) -> dict[str, Any] | Coroutine[Any, Any, dict[str, Any]]:
    statement, found = _read(request)
    if isinstance(statement, Exists):
        raise errors.validation("EXISTS is not supported in ExecuteStatement; it may only be used in ExecuteTransaction")
    if isinstance(statement, Select):
        return Selection(call, request, statement, found).answer(call)
    part, usage = _prepared(call, statement, found, request), Usage(statement.table_name)
    _write(call, part, usage, request)
    capacity.record(call, capacity.WRITE, (usage,))
    answer: dict[str, Any] = {"Items": []}
    returned = _returned(part, statement)
    if returned is not None:
        answer["Items"] = [returned]
    mode = request.get("ReturnConsumedCapacity")
    if mode in ("TOTAL", "INDEXES"):
        answer["ConsumedCapacity"] = usage.consumed(mode)
    return answer


@operation(raw=True, access=_access_of_many("BatchExecuteStatement", "Statements"))
def batch_execute_statement(call: Call, request: Request) -> dict[str, Any]:
    """Each statement stands alone; an error is told in its response."""
    entries = request["Statements"]
    parsed: list[Statement | AwsError] = []
    for entry in entries:
        try:
            parsed.append(partiql.parse(entry["Statement"]))
        except AwsError as error:
            parsed.append(error)
    kinds = {isinstance(statement, Select) for statement in parsed if isinstance(statement, Statement)}
    if len(kinds) > 1:
        raise errors.validation("Statements in a BatchExecuteStatement must be either all reads or all writes")
    responses: list[dict[str, Any]] = []
    usages: dict[str, Usage] = {}
    for entry, statement in zip(entries, parsed, strict=True):
        response: dict[str, Any] = {}
        try:
            if isinstance(statement, AwsError):
                raise statement
            response["TableName"] = statement.table_name
            usage = usages.setdefault(statement.table_name, Usage(statement.table_name))
            response.update(_run_alone(call, entry, usage))
        except AwsError as error:
            response["Error"] = {"Code": _ERROR_CODES.get(error.code, "InternalServerError"), "Message": error.message}
            if "Item" in error.fields:
                response["Error"]["Item"] = error.fields["Item"]
        responses.append(response)
    capacity.record(call, capacity.READ if kinds == {True} else capacity.WRITE, usages.values())
    answer: dict[str, Any] = {"Responses": responses}
    mode = request.get("ReturnConsumedCapacity")
    if mode in ("TOTAL", "INDEXES"):
        answer["ConsumedCapacity"] = [usage.consumed(mode) for usage in usages.values()]
    return answer


@operation(raw=True, access=_access_of_many("ExecuteTransaction", "TransactStatements"))
def execute_transaction(call: Call, request: Request) -> dict[str, Any]:
    entries = request["TransactStatements"]
    answered, remember = seen_before(call, request, entries)
    if answered is not None:
        return {"Responses": [], **answered}
    read = [_read(entry) for entry in entries]
    kinds = {isinstance(statement, Select) for statement, _ in read}
    if len(kinds) > 1:
        raise errors.validation("ExecuteTransaction can not contain both reads and writes")
    for statement, _ in read:
        table = access.find(call, statement.table_name)
        if table is not None and table.consistency == "STRONG":
            raise errors.not_of_strong_tables("Transactions are")
    if True in kinds:
        return _read_transaction(call, request, read)
    parts = [_prepared(call, statement, found, entry) for entry, (statement, found) in zip(entries, read, strict=True)]
    check_distinct([(part.tx, part.table, part.key) for part in parts])
    answer = run_writes(call, request, parts, remember)
    return {"Responses": [{} for _ in parts], **answer}


# --- one statement ------------------------------------------------------------------------------------------------------------------


def _read(entry: Request) -> tuple[Statement, dict[str, Value]]:
    """The statement and its constants, parameters filled in."""
    statement = partiql.parse(entry["Statement"])
    parameters = entry.get("Parameters") or []
    if len(parameters) != statement.parameters:
        raise errors.validation("Number of parameters in request and statement don't match.")
    for parameter in parameters:
        values.check(parameter)
    found = statement.bind(parameters)
    for value in found.values():
        values.check(value)
    if isinstance(statement, Insert):
        assert statement.item is not None
        item = statement.item(parameters)
        if "M" not in item:
            raise errors.validation("Statement wasn't well formed, can't be processed: Expected an item after VALUE")
        found = {":item": item}
    return statement, found


def _run_alone(call: Call, entry: Request, usage: Usage) -> dict[str, Any]:
    """One statement of a batch; it names a whole key."""
    statement, found = _read(entry)
    if isinstance(statement, Exists):
        raise errors.validation("EXISTS is not supported in BatchExecuteStatement; it may only be used in ExecuteTransaction")
    if not isinstance(statement, Select):
        part = _prepared(call, statement, found, entry)
        _write(call, part, usage, entry)
        returned = _returned(part, statement)
        return {} if returned is None else {"Item": returned}
    tx, table, key = _key_of_select(call, statement, found)
    if table.replicas and entry.get("ConsistentRead"):
        replication.require_majority(call, tx, table)
    raw = items.read(tx, table, key)
    usage.table += capacity.read_units(0 if raw is None else state.item_size(raw), entry.get("ConsistentRead"))
    item = _selected(statement, found, raw)
    return {} if item is None else {"Item": item}


def _key_of_select(call: Call, statement: Select, found: dict[str, Value]) -> tuple[Any, TableDefinition, items.Key]:
    tx, table_name = access.place(call, statement.table_name)
    table = state.load_table(tx, table_name)
    key_item, _ = split_key(table, statement.where, found)
    if key_item is None or statement.index_name:
        raise errors.validation("Select statements within BatchExecuteStatement must specify the primary key in the where clause.")
    return tx, table, keys.of_key(table.key, key_item)


def _selected(statement: Select, found: dict[str, Value], raw: bytes | None) -> Item | None:
    if raw is None:
        return None
    item = state.unpack_item(raw)
    if statement.where is not None and not build(statement.where)(item, found):
        return None
    return item if statement.paths is None else Projection(statement.paths).apply(item)


def _read_transaction(call: Call, request: Request, read: list[tuple[Statement, dict[str, Value]]]) -> dict[str, Any]:
    responses: list[dict[str, Any]] = []
    usages: dict[str, Usage] = {}
    for statement, found in read:
        assert isinstance(statement, Select)
        tx, table, key = _key_of_select(call, statement, found)
        if table.replicas:
            replication.require_majority(call, tx, table)
        raw = items.read(tx, table, key)
        item = _selected(statement, found, raw)
        responses.append({} if item is None else {"Item": item})
        usage = usages.setdefault(statement.table_name, Usage(statement.table_name))
        usage.table += 2 * capacity.read_units(0 if raw is None else state.item_size(raw), True)
    capacity.record(call, capacity.READ, usages.values())
    answer: dict[str, Any] = {"Responses": responses}
    mode = request.get("ReturnConsumedCapacity")
    if mode in ("TOTAL", "INDEXES"):
        answer["ConsumedCapacity"] = [usage.consumed(mode, kind="Read") for usage in usages.values()]
    return answer


def _prepared(call: Call, statement: Statement, found: dict[str, Value], entry: Request) -> Part:
    """A writing statement as a part of a transaction, the key found in its WHERE clause."""
    tx, table_name = access.place(call, statement.table_name)
    table = state.load_table(tx, table_name)
    spec = {"TableName": statement.table_name}
    if "ReturnValuesOnConditionCheckFailure" in entry:
        spec["ReturnValuesOnConditionCheckFailure"] = entry["ReturnValuesOnConditionCheckFailure"]
    if isinstance(statement, Insert):
        item = found[":item"]["M"]
        size = values.check_item(item)
        items.check_size(size)
        key = keys.of_item(table.key, item)
        indexes.check_index_keys(table, item)
        return Part("Insert", spec, tx, table, key, item, lambda old, _: not old, None, {}, size)
    key_item, rest = split_key(table, statement.where, found)
    if key_item is None:
        raise errors.validation("Where clause does not contain a mandatory equality on all key attributes")
    key = keys.of_key(table.key, key_item)
    test = build(rest) if rest is not None else None
    if isinstance(statement, Exists):
        assert statement.where is not None
        return Part("ConditionCheck", spec, tx, table, key, key_item, build(statement.where), None, found)
    if isinstance(statement, Delete):
        return Part("Delete", spec, tx, table, key, key_item, test, None, found)
    assert isinstance(statement, partiql.Update)
    update = Update(statement.steps, statement.paths, frozenset(str(path[0]) for path in statement.paths), deep=True)
    check_update_keys(table, update)
    assert statement.where is not None
    return Part("Update", spec, tx, table, key, key_item, build(statement.where), update, found)


def _write(call: Call, part: Part, usage: Usage, entry: Request) -> None:
    """Runs one writing statement by itself. Raises DuplicateItem, ConditionalCheckFailed or ValidationException."""
    assert part.key is not None
    if part.table.replicas:
        replication.require_majority(call, part.tx, part.table)
    part.old_raw = items.read(part.tx, part.table, part.key)
    part.old = None if part.old_raw is None else state.unpack_item(part.old_raw)
    if part.test is not None and not part.test(part.old or {}, part.found):
        if part.kind == "Insert":
            raise AwsError("DuplicateItemException", "Duplicate primary key exists in table")
        raise errors.condition_failed(part.old if entry.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" else None)
    if part.kind == "Insert":
        part.new = part.key_item
    elif part.kind == "Update":
        part.new = updated_item(part.table, part.key_item, part.old, part.update, part.found)
        assert part.new is not None
        part.new_size = values.check_item(part.new)
        if part.new_size > values.ITEM_BYTES_MAX:
            raise errors.updated_item_too_large()
    items.write(call, part.tx, part.table, part.key, part.old_raw, part.new, part.new_size, old=part.old, usage=usage)


def _returned(part: Part, statement: Statement) -> Item | None:
    returning = getattr(statement, "returning", None)
    if returning is None:
        return None
    source = part.old if returning.endswith("OLD") else part.new
    if source is None or returning.startswith("ALL") or part.update is None:
        return source
    return Projection(part.update.paths).apply(source) or None
