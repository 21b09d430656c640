"""Functions on a capacity provider (Lambda Managed Instances): what their configuration must be, which versions a provider has. Pure but for reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from groundcloud.services.lambda_ import errors
from groundcloud.services.lambda_.state import PROVIDERS, VERSIONS, CapacityProvider, Function, Version
from groundcloud.store import Transaction

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

MEMORY_MB_MIN = 2048
"""AWS: Lambda Managed Instances, "Memory and vCPU": the smallest function, here also that of a request which names no size."""

PROVIDERS_MAX = 1000
VERSIONS_MAX = 100
"""AWS: Lambda quotas, "Lambda Managed Instances": capacity providers of an account, function versions of a capacity provider."""

MEMORY_GIB_PER_VCPU = 2.0
CONCURRENCY_PER_VCPU = {"nodejs": 64, "python": 16}
"""AWS: Lambda Managed Instances, "Understand Lambda Managed Instances execution environments", default concurrency."""

_NOT_TOGETHER = ("VpcConfig", "TenancyConfig")


def config_of(version: Version) -> dict[str, Any] | None:
    """LambdaManagedInstancesCapacityProviderConfig; None for a function without a capacity provider."""
    config = version.kept.get("CapacityProviderConfig")
    return config["LambdaManagedInstancesCapacityProviderConfig"] if config else None


def with_memory(request: dict[str, Any]) -> dict[str, Any]:
    """CreateFunction's request with the memory that a function on a provider has by default."""
    if request.get("CapacityProviderConfig") and request.get("MemorySize") is None:
        return {**request, "MemorySize": MEMORY_MB_MIN}
    return request


def check(call: Call, request: dict[str, Any], latest: Version | None) -> None:
    """Of CreateFunction, or of UpdateFunctionConfiguration with `latest`: a provider is given at creation, and can be changed for another. Raises AwsError."""
    config = request.get("CapacityProviderConfig")
    if latest is not None and config and config_of(latest) is None:
        raise errors.invalid_parameter("CapacityProviderConfig isn't supported for Lambda Default functions.")
    if not config and (latest is None or config_of(latest) is None):
        return
    if request.get("MemorySize") is not None and request["MemorySize"] < MEMORY_MB_MIN:
        raise errors.invalid_parameter(f"MemorySize must be at least {MEMORY_MB_MIN} MB for functions with a capacity provider.")
    if (request.get("SnapStart") or {}).get("ApplyOn") == "PublishedVersions":
        raise errors.invalid_parameter("SnapStart is not supported for functions with a capacity provider.")
    for member in _NOT_TOGETHER:
        if any((request.get(member) or {}).values()):
            raise errors.invalid_parameter(f"{member} is not supported for functions with a capacity provider.")
    if config:
        provider_arn = config["LambdaManagedInstancesCapacityProviderConfig"]["CapacityProviderArn"]
        call.authorize("lambda:PassCapacityProvider", provider_arn)
        parts = provider_arn.split(":")
        if (parts[3], parts[4]) != (call.region, call.account) or not PROVIDERS.has(call.reading(), parts[6]):
            raise errors.capacity_provider_not_found(provider_arn)


def provider(tx: Transaction, provider_name: str, provider_arn: str) -> CapacityProvider:
    """Raises ResourceNotFoundException."""
    found = PROVIDERS.get(tx, provider_name)
    if found is None:
        raise errors.capacity_provider_not_found(provider_arn)
    return found


def versions_of(tx: Transaction, provider_arn: str, after: tuple[str, int] | None = None) -> Iterator[Version]:
    """The versions that run on a provider, by function and number."""
    for version in VERSIONS.scan(tx, after=after):
        config = config_of(version)
        if config is not None and config["CapacityProviderArn"] == provider_arn:
            yield version


def check_room(tx: Transaction, latest: Version) -> None:
    """That the provider of a function may have one version more. Raises FunctionVersionsPerCapacityProviderLimitExceededException."""
    config = config_of(latest)
    if config is None:
        return
    published = sum(version.number != 0 for version in versions_of(tx, config["CapacityProviderArn"]))
    if published >= VERSIONS_MAX:
        raise errors.too_many_versions(VERSIONS_MAX)


def ceiling(function: Function, version: Version) -> int | None:
    """How many invocations of a version its scaling lets run at once: its environments, times what each of them takes. Raises AwsError of one that
    is deactivated."""
    scaling = function.scaling.get(version.text, {})
    environments = scaling.get("MaxExecutionEnvironments")
    config = config_of(version)
    if environments is None or config is None:
        return None
    if deactivated(scaling):
        raise errors.not_in_state("Deactivated")
    return environments * (config.get("PerExecutionEnvironmentMaxConcurrency") or _concurrency(version, config))


def deactivated(scaling: dict[str, int]) -> bool:
    """AWS: "Scaling Lambda Managed Instances": "To deactivate a function version, set both minimum and maximum to 0"."""
    return scaling.get("MaxExecutionEnvironments") == 0 == scaling.get("MinExecutionEnvironments")


def _concurrency(version: Version, config: dict[str, Any]) -> int:
    """Of an environment that was given none: by the runtime, for each of its vCPUs."""
    language = version.runtime.rstrip("0123456789.x")
    memory_mb_per_vcpu = 1024 * float(config.get("ExecutionEnvironmentMemoryGiBPerVCpu") or MEMORY_GIB_PER_VCPU)
    return max(1, int(version.memory_mb / memory_mb_per_vcpu)) * CONCURRENCY_PER_VCPU.get(language, 1)
