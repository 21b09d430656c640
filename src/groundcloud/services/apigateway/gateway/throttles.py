"""Token buckets on the virtual clock, in memory: a throttle that a restart forgets is full again, as AWS's are best effort.

AWS: "Throttle requests to your REST APIs for better throughput"; a bucket holds `burst` tokens and gains `rate` a second.
"""

from __future__ import annotations

ACCOUNT_RATE = 10_000.0
ACCOUNT_BURST = 5_000
"""AWS: "Account-level throttling per Region"."""
BUCKETS_MAX = 100_000


class Throttles:
    """Every bucket of a server, by a key that names what is limited."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, ...], list[float]] = {}

    def take(self, key: tuple[str, ...], rate: float, burst: float, now_ms: int) -> bool:
        """One token, if there is one."""
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= BUCKETS_MAX:
                self._buckets.clear()
            bucket = self._buckets[key] = [burst, now_ms]
        tokens = bucket[0]
        if now_ms > bucket[1]:
            tokens += (now_ms - bucket[1]) * rate / 1000
        if tokens > burst:
            tokens = burst
        bucket[1] = now_ms
        if tokens < 1:
            bucket[0] = tokens
            return False
        bucket[0] = tokens - 1
        return True
