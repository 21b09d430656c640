"""Faults injected by plan: errors and latency for calls that match. None by default, and then one truth test a call.

Requests to APIs, function URLs and websites are calls of `execute-api`, `lambda-url` and `s3-website` by their method, in the region that their host names.
A region that is lost is a fault of every call there: `{"region": "eu-west-1", "code": "ServiceUnavailable", "status": 503}`. Replication is a call too, by the names
`dynamodb` `ReplicateItem` and `s3` `ReplicateObject`: what is on its way from or to a region that it strikes waits, and goes on when the plan lets it.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from random import Random

import msgspec

from groundcloud.base.errors import AwsError


class Fault(msgspec.Struct, frozen=True):
    """`service`, `operation` and `region` are patterns with `*`; `probability` from 0 to 1; `code` empty for latency alone."""

    service: str = "*"
    operation: str = "*"
    probability: float = 1.0
    code: str = ""
    message: str = "Injected by the fault plan."
    status: int = 500
    latency_ms: int = 0
    region: str = "*"


class Faults:
    def __init__(self, random: Random) -> None:
        self.plan: list[Fault] = []
        self._random = random

    def of(self, service: str, operation: str, region: str) -> Fault | None:
        """The first fault of the plan that strikes this call."""
        for fault in self.plan:
            if (
                fnmatchcase(service, fault.service)
                and fnmatchcase(operation, fault.operation)
                and fnmatchcase(region, fault.region)
                and self._random.random() < fault.probability
            ):
                return fault
        return None

    def strike(self, service: str, operation: str, *regions: str) -> bool:
        """Whether a fault with an error strikes this work in one of the regions; for work that waits and goes on by itself."""
        return bool(self.plan) and any(
            (fault := self.of(service, operation, region)) is not None and bool(fault.code) for region in regions
        )


def error_of(fault: Fault) -> AwsError:
    return AwsError(fault.code, fault.message, status=fault.status)
