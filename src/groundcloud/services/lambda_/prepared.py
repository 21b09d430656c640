"""What a version needs to run, made once for each of its generations: packages unpacked, runtime chosen, the runtime's own FunctionSpec.

Apart from `execution`, which runs it.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundcloud.runtime import FunctionSpec, PackageRefused, Pool, RuntimeNotAvailable
from groundcloud.services.lambda_ import errors, images, packages, reclaiming, runtimes
from groundcloud.services.lambda_.names import FunctionName
from groundcloud.services.lambda_.state import Version

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

TENANTS_MAX = 1000


class Prepared:
    """What a generation of a version needs to run, made once."""

    __slots__ = (
        "group_name",
        "name",
        "noted_ms",
        "opened",
        "own_group",
        "runtime_arn",
        "runtime_version",
        "spec",
        "tenants",
        "used_ms",
        "version",
        "warning",
    )

    def __init__(self, name: FunctionName, version: Version, spec: FunctionSpec, warning: str | None) -> None:
        self.name = name
        self.version = version
        self.spec = spec
        self.opened = version.sealed is None
        self.warning = warning
        self.own_group = spec.log_group_name != f"/aws/lambda/{name.name}"
        self.group_name = spec.log_group_name
        self.runtime_version, self.runtime_arn = spec.runtime_version, spec.runtime_version_arn
        self.tenants: dict[str, Prepared] = {}
        self.used_ms = 0
        self.noted_ms = -reclaiming.NOTED_MS if reclaiming.holds_something(version) else 1 << 62

    def open(self, variables: dict[str, str]) -> None:
        """Those that its record holds encrypted, for the sandboxes to come."""
        self.spec = dataclasses.replace(self.spec, environment={**variables, **logging_variables(self.version)})
        self.opened = True

    def of_tenant(self, tenant_id: str) -> Prepared:
        """The same with sandboxes of the tenant's own; itself for no tenant."""
        if not tenant_id:
            return self
        found = self.tenants.get(tenant_id)
        if found is None:
            if len(self.tenants) >= TENANTS_MAX:
                self.tenants.clear()
            spec = dataclasses.replace(self.spec, key=f"{self.spec.key}/{tenant_id}")
            found = self.tenants[tenant_id] = Prepared(self.name, self.version, spec, self.warning)
        return found


async def prepare(call: Call, pool: Pool, name: FunctionName, version: Version) -> Prepared | None:
    """None where the version was replaced while this waited, and its package is gone."""
    if version.code.image is not None:
        common = {**_common(call, name, version), "code_path": Path("/")}
        return Prepared(name, version, await images.spec(call, pool, version, common), None)
    try:
        choice = await call.in_thread(runtimes.choice, version.runtime, call.settings.strict)
    except RuntimeNotAvailable as failure:
        raise errors.cannot_run(str(failure)) from failure
    key = key_of(name, version)
    store = packages.of_server(call)
    tx = call.ground.store.transaction(name.account, name.region)
    paths = []
    try:
        for code in (version.code, *(layer.code for layer in version.layers)):
            blob = packages.blob_of(tx, code)
            if blob is None:
                return None
            paths.append(await store.unpacked(code.digest, blob, key))
    except KeyError:
        return None
    except PackageRefused as refused:
        raise errors.cannot_run(str(refused)) from refused
    spec = FunctionSpec(**_common(call, name, version), code_path=paths[0], layers=tuple(paths[1:]), snap_start=version.snap_start)
    return Prepared(name, version, spec, choice.warning)


def _common(call: Call, name: FunctionName, version: Version) -> dict[str, Any]:
    """What a FunctionSpec says of zip and image alike."""
    runtime_version, runtime_arn = runtimes.version_of(version.runtime, name.region) if version.runtime else ("", "")
    return {
        "key": key_of(name, version),
        "runtime": version.runtime,
        "runtime_version": runtime_version,
        "runtime_version_arn": runtime_arn,
        "handler": version.handler,
        "environment": {**version.environment, **logging_variables(version)},
        "memory_mb": version.memory_mb,
        "timeout_s": version.timeout_s,
        "ephemeral_mb": version.ephemeral_mb,
        "function_name": name.name,
        "function_version": version.text,
        "account_id": name.account,
        "network": call.settings.function_network,
        "log_group_name": version.logging.get("LogGroup") or f"/aws/lambda/{name.name}",
        "region": name.region,
        "endpoint_url": call.settings.function_endpoint,
    }


def logging_variables(version: Version) -> dict[str, str]:
    """AWS: "Configuring JSON and plain text log formats"."""
    if version.logging.get("LogFormat") != "JSON":
        return {}
    return {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": version.logging.get("ApplicationLogLevel", "INFO")}


def key_of(name: FunctionName, version: Version) -> str:
    return f"{name.account}/{name.region}/{name.name}/{version.number}/{version.generation}"
