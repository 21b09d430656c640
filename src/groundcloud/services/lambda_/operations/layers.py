"""Layers: numbered packages that functions of this and of other accounts may add to theirs."""

from __future__ import annotations

import json
import re
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.lambda_ import code_storage, configuration, errors, execution, markers, packages, policies, publishing
from groundcloud.services.lambda_.names import NUMBER_MAX, number_in
from groundcloud.services.lambda_.state import LAYER_VERSIONS, LAYERS, Layer, LayerVersion
from groundcloud.store import Transaction

ITEMS_MAX = 50
_ARN = re.compile(r"arn:aws[a-zA-Z-]*:lambda:([a-z0-9-]+):(\d{12}):layer:([a-zA-Z0-9-_]+)(?::(\d+))?")


def _place(call: Call, layer_name: str) -> tuple[str, str, str]:
    """Account, region and name of a layer that is given by name or ARN."""
    match = _ARN.fullmatch(layer_name)
    if match is None:
        return call.account, call.region, layer_name
    if match[1] != call.region:
        raise errors.other_region(match[1], call.region)
    return match[2], match[1], match[3]


def _arn(place: tuple[str, str, str], number: int | None = None) -> str:
    account, region, name = place
    arn = f"arn:aws:lambda:{region}:{account}:layer:{name}"
    return arn if number is None else f"{arn}:{number}"


def _layer_arn_of(call: Call, request: dict[str, Any]) -> str:
    return _arn(_place(call, request["LayerName"]))


def _version_arn_of(call: Call, request: dict[str, Any]) -> str:
    return _arn(_place(call, request["LayerName"]), request["VersionNumber"])


def _given_arn_of(call: Call, request: dict[str, Any]) -> str:
    return str(request["Arn"])


@operation(resource=_layer_arn_of)
async def publish_layer_version(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    place = _place(call, request["LayerName"])
    if place[0] != call.account:
        raise errors.invalid_parameter("A layer of another account cannot be changed.")
    async with packages.taken(call, request["Content"], call.operation) as package:
        with call.transaction() as tx:
            code_storage.check(tx, package.code)
            layer = LAYERS.get(tx, place[2]) or Layer(place[2])
            version = LayerVersion(
                layer_name=place[2],
                number=layer.last_version + 1,
                code=packages.name(tx, call, package),
                created_ms=call.now_ms,
                description=request.get("Description") or "",
                license=request.get("LicenseInfo") or "",
                runtimes=tuple(request.get("CompatibleRuntimes") or ()),
                architectures=tuple(request.get("CompatibleArchitectures") or ()),
            )
            LAYERS.put(tx, layer.replace(last_version=version.number))
            LAYER_VERSIONS.put(tx, version)
    return _document(call, place, version)


@operation(resource=_version_arn_of)
def get_layer_version(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    place = _place(call, request["LayerName"])
    return _document(call, place, _load(_seen(call, place), place, request["VersionNumber"]))


@operation(action="lambda:GetLayerVersion", resource=_given_arn_of)
def get_layer_version_by_arn(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    match = _ARN.fullmatch(request["Arn"])
    if match is None or match[4] is None:
        raise errors.validation(f"Layer version ARN {request['Arn']} is not valid.")
    place = (match[2], match[1], match[3])
    return _document(call, place, _load(_seen(call, place), place, number_in(match[4])))


@operation(resource=_version_arn_of)
def delete_layer_version(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Functions that use it keep it, as on AWS."""
    place = _place(call, request["LayerName"])
    tx = _seen(call, place)
    if request["VersionNumber"] < 1:
        raise errors.invalid_parameter("Layer Version Cannot be less than 1.")
    version = LAYER_VERSIONS.get(tx, place[2], min(request["VersionNumber"], NUMBER_MAX))
    if version is not None:
        packages.forget(tx, call, version.code, execution.of_server(call).pool)
        LAYER_VERSIONS.delete(tx, place[2], version.number)
    return {}


@operation()
def list_layers(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    limit = min(request.get("MaxItems") or ITEMS_MAX, ITEMS_MAX)
    found: list[dict[str, Any]] = []
    for layer in LAYERS.scan(call.tx, after=request.get("Marker")):
        place = (call.account, call.region, layer.layer_name)
        latest = next((one for one in LAYER_VERSIONS.scan(call.tx, layer.layer_name, reverse=True) if _fits(one, request)), None)
        if latest is None:
            continue
        if len(found) == limit:
            return {"Layers": found, "NextMarker": found[-1]["LayerName"]}
        shown = _listed(call, place, latest)
        found.append({"LayerName": layer.layer_name, "LayerArn": _arn(place), "LatestMatchingVersion": shown})
    return {"Layers": found}


@operation(action="lambda:ListLayerVersions", resource=_layer_arn_of)
def list_layer_versions(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Newest first."""
    place = _place(call, request["LayerName"])
    limit = min(request.get("MaxItems") or ITEMS_MAX, ITEMS_MAX)
    after = markers.number(request["Marker"]) if request.get("Marker") else None
    found: list[dict[str, Any]] = []
    for version in LAYER_VERSIONS.scan(_seen(call, place), place[2], after=after, reverse=True):
        if not _fits(version, request):
            continue
        if len(found) == limit:
            return {"LayerVersions": found, "NextMarker": str(found[-1]["Version"])}
        found.append(_listed(call, place, version))
    return {"LayerVersions": found}


@operation(resource=_version_arn_of)
def add_layer_version_permission(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    place = _place(call, request["LayerName"])
    tx = _seen(call, place)
    version = _load(tx, place, request["VersionNumber"], naming_it=True)
    _check_revision(version, request)
    sid = request["StatementId"]
    if sid in version.policy:
        raise errors.conflict(
            f"The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the existing statement."
        )
    if request["Action"] != "lambda:GetLayerVersion":
        raise errors.validation(
            f"1 validation error detected: Value '{request['Action']}' at 'action' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: lambda:GetLayerVersion"
        )
    statement: dict[str, Any] = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": policies.principal_element(request["Principal"]),
        "Action": request["Action"],
        "Resource": _arn(place, version.number),
    }
    if request.get("OrganizationId"):
        statement["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": request["OrganizationId"]}}
    version = version.replace(policy={**version.policy, sid: statement}, policy_revision=call.new_id())
    LAYER_VERSIONS.put(tx, version)
    return {"Statement": json.dumps(statement, separators=(",", ":")), "RevisionId": version.policy_revision}


@operation(resource=_version_arn_of)
def remove_layer_version_permission(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    place = _place(call, request["LayerName"])
    tx = _seen(call, place)
    version = _load(tx, place, request["VersionNumber"], naming_it=True)
    if request["StatementId"] not in version.policy:
        raise errors.resource_not_found(f"Statement {request['StatementId']} is not found in resource policy.")
    _check_revision(version, request)
    left = {sid: statement for sid, statement in version.policy.items() if sid != request["StatementId"]}
    LAYER_VERSIONS.put(tx, version.replace(policy=left, policy_revision=call.new_id() if left else ""))
    return {}


@operation(resource=_version_arn_of)
def get_layer_version_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    place = _place(call, request["LayerName"])
    version = _load(_seen(call, place), place, request["VersionNumber"], naming_it=True)
    if not version.policy:
        raise errors.resource_not_found("No policy is associated with the given resource.")
    return {"Policy": policies.of_function(call, _arn(place, version.number)), "RevisionId": version.policy_revision}


def _seen(call: Call, place: tuple[str, str, str]) -> Transaction:
    return call.tx.at(place[0], place[1])


def _load(tx: Transaction, place: tuple[str, str, str], number: int, *, naming_it: bool = False) -> LayerVersion:
    """`naming_it`: where AWS says which one is missing. Raises ResourceNotFoundException, InvalidParameterValueException."""
    if number < 1:
        raise errors.invalid_parameter("Layer Version Cannot be less than 1.")
    version = LAYER_VERSIONS.get(tx, place[2], min(number, NUMBER_MAX))
    if version is None and naming_it:
        raise errors.resource_not_found(f"Layer version {_arn(place, number)} does not exist.")
    if version is None:
        raise errors.resource_not_found()
    return version


def _check_revision(version: LayerVersion, request: dict[str, Any]) -> None:
    if request.get("RevisionId") is not None and request["RevisionId"] != version.policy_revision:
        raise errors.revision_changed("GetLayerPolicy")


def _fits(version: LayerVersion, request: dict[str, Any]) -> bool:
    runtime, architecture = request.get("CompatibleRuntime"), request.get("CompatibleArchitecture")
    return (runtime is None or runtime in version.runtimes) and (architecture is None or architecture in version.architectures)


def _listed(call: Call, place: tuple[str, str, str], version: LayerVersion) -> dict[str, Any]:
    document = _document(call, place, version)
    del document["Content"], document["LayerArn"]
    return document


def _document(call: Call, place: tuple[str, str, str], version: LayerVersion) -> dict[str, Any]:
    return {
        "LayerArn": _arn(place),
        "LayerVersionArn": _arn(place, version.number),
        "Description": version.description,
        "CreatedDate": configuration.last_modified(version.created_ms),
        "Version": version.number,
        "CompatibleRuntimes": list(version.runtimes) or None,
        "CompatibleArchitectures": list(version.architectures) or None,
        "LicenseInfo": version.license or None,
        "Content": {
            "Location": publishing.location(call, version.code),
            "CodeSha256": version.code.sha256,
            "CodeSize": version.code.size_bytes,
            **publishing.resolved(version.code),
        },
    }
