"""Runs functions' code in sandboxes; knows no AWS service. The lambda_ room is its only user."""

from groundcloud.runtime.function import FunctionSpec, Invocation, InvokeResult, PoolSettings, SandboxStart
from groundcloud.runtime.interpreters import RuntimeChoice, RuntimeNotAvailable, resolve_runtime
from groundcloud.runtime.package import UNPACKED_BYTES_MAX, PackageRefused, unpack
from groundcloud.runtime.pool import Capabilities, Pool, PoolFull
from groundcloud.runtime.sandbox import Sandbox
from groundcloud.runtime.zygote import ZygoteFailed

__all__ = [
    "UNPACKED_BYTES_MAX",
    "Capabilities",
    "FunctionSpec",
    "Invocation",
    "InvokeResult",
    "PackageRefused",
    "Pool",
    "PoolFull",
    "PoolSettings",
    "RuntimeChoice",
    "RuntimeNotAvailable",
    "Sandbox",
    "SandboxStart",
    "ZygoteFailed",
    "resolve_runtime",
    "unpack",
]
