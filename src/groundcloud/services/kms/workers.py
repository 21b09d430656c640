"""What KMS does by itself: rotates keys, deletes those whose waiting period is over, forgets imported material that expires."""

from __future__ import annotations

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import timer
from groundcloud.services.kms import deletions, rotations
from groundcloud.services.kms.names import Found
from groundcloud.services.kms.state import KEYS


@timer("kms.delete")
def delete(call: Call, key_id: str) -> None:
    deletions.carry_out(call, call.tx, key_id)


@timer("kms.rotate")
def rotate(call: Call, key_id: str) -> None:
    key = KEYS.get(call.tx, key_id)
    if key is not None:
        rotations.due(call, Found(call.tx, key, call.arn("kms", f"key/{key_id}")))
