"""Tags of functions, event source mappings, code signing configurations and capacity providers."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.lambda_ import conditions, errors, tags
from groundcloud.services.lambda_.state import FUNCTIONS, MAPPINGS, PROVIDERS, SIGNING_CONFIGS
from groundcloud.store import Table, Transaction

_TABLES: dict[str, Table[Any]] = {
    "function": FUNCTIONS,
    "event-source-mapping": MAPPINGS,
    "code-signing-config": SIGNING_CONFIGS,
    "capacity-provider": PROVIDERS,
}


def _resource_of(call: Call, request: dict[str, Any]) -> str:
    return str(request["Resource"])


def _context(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The resource's own tags, and those that are given or taken."""
    parts = request["Resource"].split(":")
    table = _TABLES.get(parts[5]) if len(parts) == 7 else None
    record = table.get(call.reading().at(parts[4], parts[3]), parts[6]) if table is not None else None
    return {**conditions.resource_tags(record.tags if record is not None else {}), **conditions.of_tags(call, request)}


@operation(resource=_resource_of, context=_context)
def list_tags(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    _, _, record = _load(call, request["Resource"])
    return {"Tags": record.tags}


@operation(resource=_resource_of, context=_context)
def tag_resource(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    tx, table, record = _load(call, request["Resource"])
    if not request["Tags"]:
        raise errors.invalid_parameter("An error occurred and the request cannot be processed.")
    together = {**record.tags, **request["Tags"]}
    tags.check(call, request["Tags"], len(together))
    table.put(tx, record.replace(tags=together))
    return {}


@operation(resource=_resource_of, context=_context)
def untag_resource(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    tx, table, record = _load(call, request["Resource"])
    gone = set(request["TagKeys"])
    table.put(tx, record.replace(tags={name: value for name, value in record.tags.items() if name not in gone}))
    return {}


def _load(call: Call, resource_arn: str) -> tuple[Transaction, Table[Any], Any]:
    """Where the resource is, and its record. Raises AwsError."""
    parts = resource_arn.split(":")
    if len(parts) == 8:
        raise errors.invalid_parameter("Tags on function aliases and versions are not supported. Please specify a function ARN.")
    table = _TABLES.get(parts[5]) if len(parts) == 7 else None
    if table is None:
        raise errors.invalid_parameter(f"The resource {resource_arn} cannot be tagged.")
    tx = call.tx.at(parts[4], parts[3])
    record = table.get(tx, parts[6])
    if record is None:
        if parts[5] == "function":
            raise errors.function_not_found(resource_arn)
        raise errors.resource_not_found()
    return tx, table, record
