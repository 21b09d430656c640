"""The parts of a time that metric math can ask for, in UTC."""

from __future__ import annotations

import time
from collections.abc import Callable

PARTS: dict[str, Callable[[int], float]] = {
    "EPOCH": float,
    "MINUTE": lambda at_s: float(at_s // 60 % 60),
    "HOUR": lambda at_s: float(at_s // 3600 % 24),
    "DAY": lambda at_s: float((at_s // 86_400 + 3) % 7 + 1),
    "DATE": lambda at_s: float(time.gmtime(at_s).tm_mday),
    "MONTH": lambda at_s: float(time.gmtime(at_s).tm_mon),
    "YEAR": lambda at_s: float(time.gmtime(at_s).tm_year),
}
"""DAY: Monday is 1. EPOCH: seconds."""
