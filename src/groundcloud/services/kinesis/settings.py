"""Rules of a stream's settings: retention, capacity mode, warm throughput."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.services.kinesis import errors
from groundcloud.services.kinesis.state import COMMITMENTS, Stream

if TYPE_CHECKING:
    from groundcloud.store import Transaction

RETENTION_H_MIN = 24
RETENTION_H_MAX = 8760
WARM_MIBPS_MAX = 10_240
"""AWS: "Scale to more than 10 GiBps for an on-demand stream"."""


def check_retention(hours: int) -> None:
    """Raises InvalidArgumentException."""
    if hours < RETENTION_H_MIN:
        raise errors.invalid_argument(
            f"Minimum allowed retention period is {RETENTION_H_MIN} hours. Requested retention period ({hours} hours) is too short."
        )
    if hours > RETENTION_H_MAX:
        raise errors.invalid_argument(
            f"Maximum allowed retention period is {RETENTION_H_MAX} hours. Requested retention period ({hours} hours) is too long."
        )


def check_warm_throughput(tx: Transaction, mibps: int) -> None:
    """Raises ValidationException without the account's commitment, LimitExceededException past the limit."""
    commitment = COMMITMENTS.get(tx)
    if commitment is None or not commitment.enabled:
        raise errors.validation("Warm throughput is only available for accounts that have MinimumThroughputBillingCommitment enabled.")
    if mibps > WARM_MIBPS_MAX:
        raise errors.limit_exceeded(f"Warm throughput cannot be more than {WARM_MIBPS_MAX} MiBps.")


def warm_throughput(stream: Stream) -> dict[str, Any]:
    return {"TargetMiBps": stream.warm_mibps, "CurrentMiBps": stream.warm_mibps}
