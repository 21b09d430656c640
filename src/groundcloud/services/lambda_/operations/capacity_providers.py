"""Capacity providers: kept and shown, ready at once; functions name them."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.lambda_ import capacity, conditions, configuration, errors, markers, tags
from groundcloud.services.lambda_.state import PROVIDERS, CapacityProvider

ITEMS_MAX = 50

# What a provider has that names none. AWS: "Capacity providers", default settings.
_INSTANCES = {"Architectures": ["x86_64"]}
_SCALING = {"MaxVCpuCount": 400, "ScalingMode": "Auto"}


def _provider_name(request: dict[str, Any]) -> str:
    """Without what an ARN has before it."""
    return str(request["CapacityProviderName"]).rsplit(":", 1)[-1]


def _arn_of(call: Call, request: dict[str, Any]) -> str:
    given = str(request["CapacityProviderName"])
    return given if given.startswith("arn:") else call.arn("lambda", f"capacity-provider:{given}")


@operation(resource=_arn_of, context=conditions.of_tags)
def create_capacity_provider(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    provider_name = _provider_name(request)
    if PROVIDERS.has(call.tx, provider_name):
        raise errors.conflict(f"Capacity provider already exists: {provider_name}")
    if sum(1 for _ in PROVIDERS.keys(call.tx)) >= capacity.PROVIDERS_MAX:
        raise errors.too_many_providers(capacity.PROVIDERS_MAX)
    role_arn = request["PermissionsConfig"]["CapacityProviderOperatorRoleArn"]
    call.authorize("iam:PassRole", role_arn, {"iam:PassedToService": "lambda.amazonaws.com"})
    settings = {
        "VpcConfig": request["VpcConfig"],
        "PermissionsConfig": request["PermissionsConfig"],
        "InstanceRequirements": {**_INSTANCES, **(request.get("InstanceRequirements") or {})},
        "CapacityProviderScalingConfig": {**_SCALING, **(request.get("CapacityProviderScalingConfig") or {})},
        **{member: request[member] for member in ("KmsKeyArn", "PropagateTags", "TelemetryConfig") if request.get(member)},
    }
    provider = CapacityProvider(
        provider_name=provider_name,
        last_modified_ms=call.now_ms,
        settings=settings,
        tags=tags.of_new(call, request.get("Tags"), _arn_of(call, request)),
    )
    PROVIDERS.put(call.tx, provider)
    # As with functions: ready at once, but clients know the answer as Pending.
    return {"CapacityProvider": _document(call, provider, "Pending")}


@operation(resource=_arn_of)
def get_capacity_provider(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"CapacityProvider": _document(call, _load(call, request))}


@operation()
def list_capacity_providers(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    if request.get("State") not in (None, "Active"):
        return {"CapacityProviders": []}
    limit = min(request.get("MaxItems") or ITEMS_MAX, ITEMS_MAX)
    found = list(PROVIDERS.scan(call.tx, after=request.get("Marker"), limit=limit + 1))
    marker = found[limit - 1].provider_name if len(found) > limit else None
    return {"CapacityProviders": [_document(call, provider) for provider in found[:limit]], "NextMarker": marker}


@operation(resource=_arn_of)
def update_capacity_provider(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    provider = _load(call, request)
    settings = dict(provider.settings)
    if request.get("CapacityProviderScalingConfig"):
        settings["CapacityProviderScalingConfig"] = {**_SCALING, **request["CapacityProviderScalingConfig"]}
    for member in ("PropagateTags", "TelemetryConfig"):
        if request.get(member) is not None:
            settings[member] = request[member]
    provider = provider.replace(settings=settings, last_modified_ms=call.now_ms)
    PROVIDERS.put(call.tx, provider)
    return {"CapacityProvider": _document(call, provider)}


@operation(resource=_arn_of)
def delete_capacity_provider(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    provider = _load(call, request)
    if any(capacity.versions_of(call.tx, _arn_of(call, request))):
        raise errors.conflict(f"Capacity provider {provider.provider_name} cannot be deleted: it is in use by function versions.")
    PROVIDERS.delete(call.tx, provider.provider_name)
    return {"CapacityProvider": _document(call, provider, "Deleting")}


@operation(resource=_arn_of)
def list_function_versions_by_capacity_provider(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    _load(call, request)
    provider_arn = _arn_of(call, request)
    limit = min(request.get("MaxItems") or ITEMS_MAX, ITEMS_MAX)
    after = markers.version(request["Marker"]) if request.get("Marker") else None
    shown: list[dict[str, Any]] = []
    marker = last = None
    for version in capacity.versions_of(call.tx, provider_arn, after):
        if last is not None and len(shown) == limit:
            marker = f"{last.function_name}:{last.number}"
            break
        state = "ActiveNonInvocable" if version.number == 0 else version.state
        shown.append({"FunctionArn": call.arn("lambda", f"function:{version.function_name}:{version.text}"), "State": state})
        last = version
    return {"CapacityProviderArn": provider_arn, "FunctionVersions": shown, "NextMarker": marker}


def _load(call: Call, request: dict[str, Any]) -> CapacityProvider:
    provider_arn = _arn_of(call, request)
    if not provider_arn.startswith(call.arn("lambda", "capacity-provider:")):
        raise errors.capacity_provider_not_found(provider_arn)
    return capacity.provider(call.tx, _provider_name(request), provider_arn)


def _document(call: Call, provider: CapacityProvider, state: str = "Active") -> dict[str, Any]:
    return {
        "CapacityProviderArn": call.arn("lambda", f"capacity-provider:{provider.provider_name}"),
        "State": state,
        **provider.settings,
        "LastModified": configuration.last_modified(provider.last_modified_ms),
    }
