"""Data keys of buckets, kept for some minutes, so that KMS is not asked for every object. AWS: "Reducing the cost of SSE-KMS with Amazon S3 Bucket Keys".

Kept apart for each caller, as AWS does: whoever has not asked KMS for the key himself does not have it. Never the only copy of anything.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

KEPT_S = 300
"""AWS says "for a time-limited period" alone."""
KEPT_MAX = 1000


class DataKey(NamedTuple):
    plain: bytes
    wrapped: bytes
    """As KMS encrypted it."""
    key_arn: str


class BucketKeys:
    """The least recently used go first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[int, DataKey]] = OrderedDict()

    def get(self, name: Hashable, now_s: int) -> DataKey | None:
        found = self._kept.get(name)
        if found is None:
            return None
        if found[0] <= now_s:
            del self._kept[name]
            return None
        self._kept.move_to_end(name)
        return found[1]

    def keep(self, name: Hashable, data_key: DataKey, now_s: int) -> None:
        self._kept[name] = (now_s + KEPT_S, data_key)
        self._kept.move_to_end(name)
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
