"""Metrics of AWS/Lambda that belong to no call: of asynchronous events, and of event source mappings. What reads the telemetry turns them into points."""

from __future__ import annotations

from typing import TYPE_CHECKING

from groundcloud.kernel.telemetry import CallRecord

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call


def measure(call: Call, account: str, region: str, dimensions: dict[str, str], **figures: float) -> None:
    """`figures` by AWS's names of the metrics: "Types of metrics for Lambda functions"."""
    call.ground.telemetry.emit(
        CallRecord(
            call.request_id,
            call.clock.now_ms(),
            account,
            region,
            "lambda",
            "Measure",
            "",
            "lambda.amazonaws.com",
            200,
            "",
            0,
            units={name: float(figure) for name, figure in figures.items()},
            dimensions=dimensions,
        )
    )
