"""What a server is started with."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from groundcloud.base.limits import REGION_DEFAULT


@dataclass
class Settings:
    """`port` and `endpoint` are filled in once the server listens. `data_dir` is a temporary directory with `memory`."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 4566
    memory: bool = False
    region: str = REGION_DEFAULT
    strict: bool = False
    """`--strict-runtimes`: refuse a runtime that is not present instead of taking a newer one."""
    function_network: Literal["host", "isolated"] = "host"
    """`--function-network`: what functions reach: all that the machine does, or the platform's endpoint alone."""
    function_memory_mb: int = 0
    """`--function-memory`: what the sandboxes of all functions together may hold; 0 for three quarters of the machine's."""
    seed: int | None = None
    """Seeds identifiers and randomness, for a run that can be replayed."""
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server; the well-known `test` credentials are valid on loopback alone."""
        return _is_loopback(self.host)

    @property
    def endpoint(self) -> str:
        shown = "localhost" if self.loopback else self.host
        return f"http://{shown}:{self.port}"

    @property
    def function_endpoint(self) -> str:
        """Where functions reach the platform: a numeric address, since a sandbox may have no resolver."""
        address = "127.0.0.1" if self.loopback or self.host in ("0.0.0.0", "::") else self.host
        return f"http://{address}:{self.port}"


@cache
def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
