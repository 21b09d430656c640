"""What an operation acts on: the table that a request names (by name or ARN), the ARNs and the condition keys that IAM judges it by.

Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon DynamoDB".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from groundcloud.base import arn
from groundcloud.services.dynamodb import errors
from groundcloud.services.dynamodb.expressions import read_expressions
from groundcloud.services.dynamodb.state import TableDefinition, find_table, table_arn

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

Request = dict[str, Any]


def place(call: Call, table_name: str) -> tuple[Any, str]:
    """The transaction as seen from the table's account and region, and the table's bare name."""
    if not table_name.startswith("arn:"):
        return call.tx, table_name
    account, region, bare_name = parse_table_arn(table_name)
    if not table_name.endswith(f":table/{bare_name}"):  # neither an index nor a stream stands for its table
        raise errors.validation(f"Invalid TableArn: Invalid ResourceArn provided as input {table_name}")
    return call.tx.at(account, region), bare_name


def parse_table_arn(text: str) -> tuple[str, str, str]:
    """(account, region, table name). Raises ValidationException."""
    try:
        parsed = arn.parse(text)
    except ValueError:
        raise errors.validation("Invalid TableArn") from None
    kind, _, rest = parsed.resource.partition("/")
    table_name = rest.partition("/")[0]
    if parsed.service != "dynamodb" or kind != "table" or not table_name:
        raise errors.validation(f"Invalid TableArn: Invalid ResourceArn provided as input {text}")
    return parsed.account, parsed.region, table_name


def table_of_request(call: Call, request: Request) -> str:
    return named(call, request.get("TableName"))


def table_or_index_of_request(call: Call, request: Request) -> str:
    table = named(call, request.get("TableName"))
    index_name = request.get("IndexName")
    return f"{table}/index/{index_name}" if isinstance(index_name, str) and table != "*" else table


def arn_of_request(call: Call, request: Request) -> str:
    found = request.get("ResourceArn")
    return found if isinstance(found, str) and arn.is_arn(found) else "*"


def named(call: Call, table_name: Any) -> str:
    """The ARN of a table that a request names; an ill-formed name is refused later, by the operation."""
    if not isinstance(table_name, str) or not table_name:
        return "*"
    if table_name.startswith("arn:"):
        return table_name if arn.is_arn(table_name) else "*"
    return table_arn(call, table_name)


def tables_in(member: str) -> Callable[[Call, Request], list[str]]:
    """For batches: the ARN of every table that is a key of the request's map `member`."""

    def arns(call: Call, request: Request) -> list[str]:
        tables = request.get(member)
        return [named(call, name) for name in tables] if isinstance(tables, dict) and tables else ["*"]

    return arns


class Facts:
    """Condition keys worked out when a policy asks for them, which for most callers is never."""

    __slots__ = ("_compute", "_found")

    def __init__(self, compute: Callable[[], dict[str, Any]]) -> None:
        self._compute = compute
        self._found: dict[str, Any] | None = None

    def __bool__(self) -> bool:
        return True

    def keys(self) -> Any:
        return self._facts().keys()

    def __getitem__(self, key: str) -> Any:
        return self._facts()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts())

    def _facts(self) -> dict[str, Any]:
        if self._found is None:
            try:
                self._found = self._compute()
            except (TypeError, AttributeError, KeyError, ValueError) as problem:
                # An ill-formed request must not pass for one without keys: a policy might allow that.
                raise errors.serialization("Unexpected value type in payload") from problem
        return self._found


def facts(compute: Callable[[], dict[str, Any]]) -> Any:
    """Stands for the mapping that `compute` gives."""
    return Facts(compute)


def facts_of_key(call: Call, request: Request) -> Any:
    """For operations on one item."""
    return Facts(lambda: _facts(call, request, [request.get("Key") or request.get("Item") or {}]))


def facts_of_query(call: Call, request: Request) -> Any:
    return Facts(lambda: _query_facts(call, request))


def facts_of_scan(call: Call, request: Request) -> Any:
    return Facts(lambda: {**_facts(call, request, []), "dynamodb:FullTableScan": "true"})


def facts_of_item(call: Call, request: Request, item: dict[str, Any], enclosing: str) -> Any:
    """For one part of a batch or transaction called `enclosing`."""
    return Facts(lambda: {**_facts(call, request, [item]), "dynamodb:EnclosingOperation": enclosing})


def facts_of_batch(call: Call, requests: Callable[[], dict[str, list[dict[str, Any]]]]) -> Any:
    """For a batch: `requests` gives the keys or items of each table."""

    def compute() -> dict[str, Any]:
        leading: list[str] = []
        attributes: set[str] = set()
        for table_name, items in requests().items():
            table = find(call, table_name)
            if table is not None:
                leading += _leading(table, items)
            attributes.update(name for item in items for name in item)
        return {"dynamodb:LeadingKeys": leading, "dynamodb:Attributes": sorted(attributes)}

    return Facts(compute)


def _facts(call: Call, request: Request, items: list[dict[str, Any]]) -> dict[str, Any]:
    table = find(call, request.get("TableName", ""))
    found: dict[str, Any] = {}
    if table is not None and items:
        found["dynamodb:LeadingKeys"] = _leading(table, items)
    found["dynamodb:Attributes"] = sorted(_attributes(request, items))
    for member in ("Select", "ReturnValues", "ReturnConsumedCapacity"):
        if member in request:
            found[f"dynamodb:{member}"] = request[member]
    if "Select" not in found and ("ProjectionExpression" in request or "AttributesToGet" in request):
        found["dynamodb:Select"] = "SPECIFIC_ATTRIBUTES"
    return found


def _query_facts(call: Call, request: Request) -> dict[str, Any]:
    found = _facts(call, request, [])
    table = find(call, request.get("TableName", ""))
    if table is None:
        return found
    index = table.index(request["IndexName"]) if "IndexName" in request else None
    name = (table.key if index is None else index.partition_keys)[0][0]
    if "KeyConditions" in request:
        operands = request["KeyConditions"].get(name, {}).get("AttributeValueList", [])
    else:
        expressions, values = read_expressions(request)
        test = (expressions.key_tests or {}).get(name)
        operands = [values[placeholder] for placeholder in test.placeholders] if test is not None else []
    found["dynamodb:LeadingKeys"] = [text_of(value) for value in operands]
    return found


def find(call: Call, table_name: str) -> TableDefinition | None:
    """A table by name or ARN, outside of the operation's transaction; None where there is none."""
    tx = call.reading()
    if table_name.startswith("arn:"):
        account, region, table_name = parse_table_arn(table_name)
        tx = tx.at(account, region)
    return find_table(tx, table_name)


def _leading(table: TableDefinition, items: list[dict[str, Any]]) -> list[str]:
    name = table.key[0][0]
    return [text_of(item[name]) for item in items if name in item]


def _attributes(request: Request, items: list[dict[str, Any]]) -> set[str]:
    """Every top-level attribute that a request names, in items, legacy parameters and expressions."""
    names = {name for item in items for name in item}
    for member in ("AttributeUpdates", "Expected", "KeyConditions", "QueryFilter", "ScanFilter"):
        names.update(request.get(member) or ())
    names.update(request.get("AttributesToGet") or ())
    expressions, _ = read_expressions(dict(request))
    for condition in (expressions.condition, expressions.filter):
        if condition is not None:
            names.update(str(path[0]) for path in condition.paths)
    if expressions.update is not None:
        names.update(expressions.update.top)
    if expressions.projection is not None:
        names.update(expressions.projection.top)
    names.update(expressions.key_tests or ())
    return names


def text_of(value: dict[str, Any]) -> str:
    """A key's value as dynamodb:LeadingKeys has it."""
    return str(next(iter(value.values())))
