"""Multi-Region keys: replicas, and which of the related keys is the primary."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import Access, operation
from groundcloud.services.kms import access, errors, keys, names, policies, rotations, tags
from groundcloud.services.kms.limits import KEYS_MAX
from groundcloud.services.kms.names import Found
from groundcloud.services.kms.state import ENABLED, KEYS, MATERIALS, PENDING_IMPORT, count_keys, put_new_key

Request = dict[str, Any]


def _to_replicate(call: Call, request: Request) -> list[Access]:
    """kms:ReplicateKey of the primary; kms:CreateKey, and for tags kms:TagResource, where the replica is to be."""
    access.to_administer(call, request)
    facts = {**access.of_caller(call), **access.of_request(request), "aws:RequestedRegion": request["ReplicaRegion"]}
    return [Access("kms:CreateKey", "*", facts), *([Access("kms:TagResource", "*", facts)] if request.get("Tags") else [])]


def _primary(call: Call, request: Request) -> Found:
    found = names.load_own(call, request["KeyId"])
    if found.key.primary_region != call.region:
        raise errors.not_primary(found.arn)
    keys.require_enabled(found)
    return found


@operation(access=_to_replicate)
def replicate_key(call: Call, request: Request) -> Request:
    """The replica is there at once, though the answer says Creating, as AWS's does."""
    found = _primary(call, request)
    region, key = request["ReplicaRegion"], found.key
    replica_arn = f"arn:aws:kms:{region}:{call.account}:key/{key.key_id}"
    if region in (key.primary_region, *key.replica_regions):
        raise errors.replica_exists(replica_arn)
    tx = call.tx.at(call.account, region)
    if count_keys(tx) >= KEYS_MAX:
        raise errors.too_many_keys()
    given_tags = tags.of_list(request.get("Tags") or [])
    if "Policy" in request:
        policies.check(call, replica_arn, request["Policy"], bypass=request.get("BypassPolicyLockoutSafetyCheck", False))
    external = key.origin == "EXTERNAL"
    changed = key.replace(replica_regions=(*key.replica_regions, region))
    for related in rotations.everywhere(found):
        related.put(related.key.replace(replica_regions=changed.replica_regions))
    replica = changed.replace(
        created_ms=call.now_ms,
        policy=request.get("Policy") or policies.default(call.account),
        description=request.get("Description", ""),
        tags=given_tags,
        state=PENDING_IMPORT if external else ENABLED,
        grant_count=0,
        **({"sealed": b"", "material_id": "", "expires_ms": 0} if external else {}),
    )
    put_new_key(tx, replica)
    for material in MATERIALS.scan(found.tx, key.key_id) if not external else ():
        MATERIALS.put(tx, material)
    shown = keys.metadata(Found(tx, replica, replica_arn))
    return {
        "ReplicaKeyMetadata": {**shown, "KeyState": "Creating", "Enabled": False},
        "ReplicaPolicy": replica.policy,
        "ReplicaTags": tags.to_list(replica.tags),
    }


def _to_update_primary(call: Call, request: Request) -> list[Access]:
    """Of the primary and of the replica that takes its place."""
    access.to_administer(call, request)
    named = names.place(call, request["KeyId"])
    tx = named.tx.at(named.account, request["PrimaryRegion"])
    if (replica := KEYS.get(tx, named.key_id)) is not None:
        access.require(call, "kms:UpdatePrimaryRegion", named._replace(tx=tx, key=replica), request)
    return []


@operation(access=_to_update_primary)
def update_primary_region(call: Call, request: Request) -> Request:
    found = _primary(call, request)
    region, key = request["PrimaryRegion"], found.key
    if region == call.region:
        raise errors.validation(f"{found.arn} is the primary key already.")
    if region not in key.replica_regions:
        raise errors.key_not_found(f"arn:aws:kms:{region}:{call.account}:key/{key.key_id}")
    replica = names.in_region(found, region)
    keys.require_enabled(replica)
    others = tuple(call.region if each == region else each for each in key.replica_regions)
    for related in rotations.everywhere(found):
        related.put(related.key.replace(primary_region=region, replica_regions=others))
    if key.rotation_days:
        # The schedule is the primary's.
        rotations.forget(call, found.tx, key.key_id)
        call.schedule(key.next_rotation_ms, "kms.rotate", key.key_id, key=key.key_id, tx=replica.tx)
    return {}
