"""The embedded metric format: metrics inside log events. Pure: messages in, data of PutMetricData out.

AWS: CloudWatch User Guide, "Specification: Embedded metric format". A document that breaks the format yields nothing and stays a log event.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

METRICS_MAX = 100
DIMENSIONS_MAX = 30
VALUES_MAX = 100

Datum = dict[str, Any]


class Definition(msgspec.Struct):
    Name: str
    Unit: str = "None"
    StorageResolution: int = 60


class Directive(msgspec.Struct):
    Namespace: str
    Metrics: list[Definition]
    Dimensions: list[list[str]] = []


class Metadata(msgspec.Struct):
    CloudWatchMetrics: list[Directive]
    Timestamp: int = 0


class _Root(msgspec.Struct):
    aws: Metadata = msgspec.field(name="_aws")


_metadata = msgspec.json.Decoder(_Root).decode
_members = msgspec.json.Decoder(dict[str, Any]).decode


def found_in(events: Iterable[tuple[int, str]]) -> dict[str, list[Datum]]:
    """What events say of metrics, by namespace. `events`: (milliseconds, message)."""
    found: dict[str, list[Datum]] = {}
    for timestamp, message in events:
        if '"_aws"' not in message or not message.lstrip().startswith("{"):
            continue
        try:
            metadata, members = _metadata(message).aws, _members(message)
        except (ValueError, RecursionError):
            continue
        for directive in metadata.CloudWatchMetrics:
            data = found.setdefault(directive.Namespace, [])
            data.extend(_data(directive, members, (metadata.Timestamp or timestamp) / 1000))
    return {namespace: data for namespace, data in found.items() if data}


def _data(directive: Directive, members: dict[str, Any], at_s: float) -> Iterable[Datum]:
    for names in directive.Dimensions or [[]]:
        values = [members.get(name) for name in names]
        if len(names) > DIMENSIONS_MAX or not all(isinstance(value, str | int | float) for value in values):
            continue  # AWS: a set that names a member which is not there is left out
        where = [{"Name": name, "Value": str(value)} for name, value in zip(names, values, strict=True)]
        for definition in directive.Metrics[:METRICS_MAX]:
            numbers = members.get(definition.Name)
            numbers = numbers if isinstance(numbers, list) else [numbers]
            if not numbers or len(numbers) > VALUES_MAX or not all(_is_number(number) for number in numbers):
                continue
            datum: Datum = {
                "MetricName": definition.Name,
                "Timestamp": at_s,
                "Values": [float(number) for number in numbers],
                "Unit": definition.Unit,
            }
            if where:
                datum["Dimensions"] = where
            if definition.StorageResolution == 1:
                datum["StorageResolution"] = 1
            yield datum


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
