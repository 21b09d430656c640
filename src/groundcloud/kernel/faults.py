"""Faults injected by plan: errors and latency for calls that match. None by default, and then one truth test a call."""

from __future__ import annotations

from fnmatch import fnmatchcase
from random import Random

import msgspec

from groundcloud.base.errors import AwsError


class Fault(msgspec.Struct, frozen=True):
    """`service` and `operation` are patterns with `*`; `probability` from 0 to 1; `code` empty for latency alone."""

    service: str = "*"
    operation: str = "*"
    probability: float = 1.0
    code: str = ""
    message: str = "Injected by the fault plan."
    status: int = 500
    latency_ms: int = 0


class Faults:
    def __init__(self, random: Random) -> None:
        self.plan: list[Fault] = []
        self._random = random

    def of(self, service: str, operation: str) -> Fault | None:
        """The first fault of the plan that strikes this call."""
        for fault in self.plan:
            if (
                fnmatchcase(service, fault.service)
                and fnmatchcase(operation, fault.operation)
                and self._random.random() < fault.probability
            ):
                return fault
        return None


def error_of(fault: Fault) -> AwsError:
    return AwsError(fault.code, fault.message, status=fault.status)
