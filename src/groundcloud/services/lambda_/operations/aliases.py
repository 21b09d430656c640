"""Aliases: names that point to one version, or share invocations between two."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.lambda_ import conditions, errors, names
from groundcloud.services.lambda_.names import FunctionName
from groundcloud.services.lambda_.operations.functions import ITEMS_MAX
from groundcloud.services.lambda_.state import ALIASES, FUNCTIONS, INVOKE_CONFIGS, POLICIES, PROVISIONED, VERSIONS, Alias
from groundcloud.store import Transaction


def _arn_of(call: Call, request: dict[str, Any]) -> str:
    return names.of(call, request).arn


@operation(resource=_arn_of, context=conditions.of_function)
def create_alias(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx = _function(call, request)
    if ALIASES.has(tx, name.name, request["Name"]):
        raise errors.conflict(f"Alias already exists: {name.arn}:{request['Name']}")
    version = _version(tx, name, request["FunctionVersion"])
    alias = Alias(
        function_name=name.name,
        alias_name=request["Name"],
        version=version,
        revision_id=call.new_id(),
        description=request.get("Description") or "",
        weights=_weights(tx, name, request.get("RoutingConfig"), version),
    )
    ALIASES.put(tx, alias)
    return _document(name, alias)


@operation(resource=_arn_of, context=conditions.of_function)
def get_alias(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx = _function(call, request)
    return _document(name, _load(tx, name, request["Name"]))


@operation(resource=_arn_of, context=conditions.of_function)
def update_alias(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx = _function(call, request)
    alias = _load(tx, name, request["Name"])
    if request.get("RevisionId") is not None and request["RevisionId"] != alias.revision_id:
        raise errors.revision_changed()
    version = alias.version if request.get("FunctionVersion") is None else _version(tx, name, request["FunctionVersion"])
    changes: dict[str, Any] = {"version": version, "revision_id": call.new_id()}
    if request.get("Description") is not None:
        changes["description"] = request["Description"]
    if request.get("RoutingConfig") is not None:
        changes["weights"] = _weights(tx, name, request["RoutingConfig"], version)
    alias = alias.replace(**changes)
    ALIASES.put(tx, alias)
    return _document(name, alias)


@operation(resource=_arn_of, context=conditions.of_function)
def delete_alias(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx = _function(call, request)
    for table in (ALIASES, POLICIES, INVOKE_CONFIGS, PROVISIONED):
        table.delete(tx, name.name, request["Name"])
    return {}


@operation(resource=_arn_of, context=conditions.of_function)
def list_aliases(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, tx = _function(call, request)
    limit = min(request.get("MaxItems") or ITEMS_MAX, ITEMS_MAX)
    wanted = request.get("FunctionVersion")
    found: list[Alias] = []
    for alias in ALIASES.scan(tx, name.name, after=request.get("Marker")):
        if wanted is None or wanted == names.version_text(alias.version) or wanted in alias.weights:
            found.append(alias)
            if len(found) > limit:
                break
    marker = found[limit - 1].alias_name if len(found) > limit else None
    return {"Aliases": [_document(name, alias) for alias in found[:limit]], "NextMarker": marker}


def _function(call: Call, request: dict[str, Any]) -> tuple[FunctionName, Transaction]:
    name = names.of(call, request)._replace(qualifier="")
    tx = call.tx.at(name.account, name.region)
    if not FUNCTIONS.has(tx, name.name):
        raise errors.function_not_found(name.arn)
    return name, tx


def _load(tx: Transaction, name: FunctionName, alias_name: str) -> Alias:
    alias = ALIASES.get(tx, name.name, alias_name)
    if alias is None:
        raise errors.alias_not_found(f"{name.arn}:{alias_name}")
    return alias


def _version(tx: Transaction, name: FunctionName, text: str) -> int:
    """The number of a version that exists; 0 is $LATEST."""
    known = text in (names.LATEST, names.PUBLISHED) or text.isdigit()
    if not known or not VERSIONS.has(tx, name.name, names.number_of(text)):
        raise errors.function_not_found(f"{name.arn}:{text}")
    return names.number_of(text)


def _weights(tx: Transaction, name: FunctionName, routing: dict[str, Any] | None, version: int) -> dict[str, float]:
    weights = (routing or {}).get("AdditionalVersionWeights") or {}
    if not weights:
        return {}
    if len(weights) > 1:
        raise errors.invalid_parameter("Number of items in AdditionalVersionWeights cannot be greater than 1")
    if version == 0:
        raise errors.invalid_parameter("$LATEST is not supported for an alias pointing to more than 1 version")
    for other in weights:
        if other == names.LATEST:
            raise errors.invalid_parameter("$LATEST is not supported for an alias pointing to more than 1 version")
        if _version(tx, name, other) == version:
            raise errors.invalid_parameter(
                f"Invalid function version {other}. Function version {other} is already included in routing configuration."
            )
    return {other: float(weight) for other, weight in weights.items()}


def _document(name: FunctionName, alias: Alias) -> dict[str, Any]:
    document: dict[str, Any] = {
        "AliasArn": f"{name.arn}:{alias.alias_name}",
        "Name": alias.alias_name,
        "FunctionVersion": names.version_text(alias.version),
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    }
    if alias.weights:
        document["RoutingConfig"] = {"AdditionalVersionWeights": alias.weights}
    return document
