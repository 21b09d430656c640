"""The managed policies of AWS, as data in `managed_policies.json`: their documents as AWS publishes them, or a shorter form of the same meaning
for the services that there are here (`reasonable_form`). Unique ids that are not known are made from the name.

Source: AWS Managed Policy Reference Guide. Any other policy of AWS is not attachable here.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any, NamedTuple

import msgspec


class ManagedPolicy(NamedTuple):
    name: str
    path: str
    arn: str
    unique_id: str
    document: str
    description: str
    version: int
    created_s: int
    updated_s: int

    @property
    def version_id(self) -> str:
        return f"v{self.version}"


class ManagedPolicies(Mapping[str, ManagedPolicy]):
    """By ARN; read when the first is asked for."""

    def __init__(self) -> None:
        self._read: dict[str, ManagedPolicy] | None = None

    @property
    def _policies(self) -> dict[str, ManagedPolicy]:
        if self._read is None:
            raw: list[dict[str, Any]] = msgspec.json.decode((files(__package__) / "managed_policies.json").read_bytes())
            self._read = {policy.arn: policy for policy in map(_policy, raw)}
        return self._read

    def __getitem__(self, arn: str) -> ManagedPolicy:
        return self._policies[arn]

    def __contains__(self, arn: object) -> bool:
        return isinstance(arn, str) and arn.startswith(PREFIX) and arn in self._policies

    def get(self, arn: str, default: Any = None) -> Any:
        return self._policies.get(arn, default) if arn.startswith(PREFIX) else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._policies)

    def __len__(self) -> int:
        return len(self._policies)


PREFIX = "arn:aws:iam::aws:policy/"


def _policy(raw: dict[str, Any]) -> ManagedPolicy:
    name, path = raw["name"], raw.get("path", "/")
    arn = f"arn:aws:iam::aws:policy{path}{name}"
    digest = b32encode(hashlib.sha256(arn.encode()).digest()).decode()
    return ManagedPolicy(
        name,
        path,
        arn,
        raw.get("id") or "ANPA" + digest[:17],
        msgspec.json.format(msgspec.json.encode(raw["document"]), indent=2).decode(),
        raw.get("description", ""),
        raw.get("version", 1),
        raw.get("created_s", 1_423_251_420),
        raw.get("updated_s", raw.get("created_s", 1_423_251_420)),
    )


POLICIES = ManagedPolicies()
