"""A key as answers show it, and what its state allows.

    state                    reached by                                    left by
    Enabled                  CreateKey, EnableKey, ImportKeyMaterial       DisableKey, ScheduleKeyDeletion, material deleted or expired
    Disabled                 DisableKey, CancelKeyDeletion                 EnableKey, ScheduleKeyDeletion, material deleted or expired
    PendingImport            CreateKey (EXTERNAL), material gone           ImportKeyMaterial, ScheduleKeyDeletion
    PendingDeletion          ScheduleKeyDeletion                           CancelKeyDeletion, the waiting period's end (gone)
    PendingReplicaDeletion   ScheduleKeyDeletion of a primary with         CancelKeyDeletion, the deletion of the last replica
                             replicas                                      (PendingDeletion, whose period begins then)

AWS: "Key states of AWS KMS keys".
"""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.services.kms import errors
from groundcloud.services.kms.names import Found
from groundcloud.services.kms.specs import ALGORITHM_MEMBERS, SPECS, SYMMETRIC
from groundcloud.services.kms.state import (
    DISABLED,
    ENABLED,
    PENDING_DELETION,
    PENDING_IMPORT,
    PENDING_REPLICA_DELETION,
    USAGES,
    Key,
    Usage,
)

USAGE_WRITTEN_MS = 60_000
"""How old the written last use of a key may be; between, it is held in memory."""

USAGES_HELD = 10_000

_STATES = {
    PENDING_DELETION: "is pending deletion",
    PENDING_REPLICA_DELETION: "is pending replica deletion",
    PENDING_IMPORT: "is pending import",
}


def wrong_state(found: Found) -> AwsError:
    """Why a key that is not enabled cannot be used."""
    if found.key.state == DISABLED:
        return errors.disabled(found.arn)
    return errors.invalid_state(found.arn, _STATES[found.key.state])


def require_enabled(found: Found) -> None:
    if found.key.state != ENABLED:
        raise wrong_state(found)


def require_kept(found: Found) -> None:
    """Any state but those of a key on its way out."""
    if found.key.state in (PENDING_DELETION, PENDING_REPLICA_DELETION):
        raise wrong_state(found)


def require_usage(found: Found, usage: str, operation: str) -> None:
    if found.key.usage != usage:
        raise errors.invalid_usage(found.arn, found.key.usage, operation)


def require_algorithm(key: Key, algorithm: str) -> None:
    if algorithm not in SPECS[key.spec].algorithms[key.usage]:
        raise errors.incompatible_algorithm(algorithm, key.spec)


def used(call: Call, found: Found) -> None:
    """Notes a successful use for GetKeyLastUsage."""
    latest: dict[str, Usage] = call.own("usages", dict)
    before = latest.get(found.arn)
    if before is None and len(latest) >= USAGES_HELD:
        latest.clear()
    usage = Usage(key_id=found.key.key_id, operation=call.operation, at_ms=call.now_ms, request_id=call.request_id)
    latest[found.arn] = usage
    if before is None or call.now_ms // USAGE_WRITTEN_MS != before.at_ms // USAGE_WRITTEN_MS:
        USAGES.put(found.tx, usage)


def last_used(call: Call, found: Found) -> Usage | None:
    latest: dict[str, Usage] = call.own("usages", dict)
    return latest.get(found.arn) or USAGES.get(found.tx, found.key.key_id)


def algorithms(key: Key) -> dict[str, Any]:
    """The member that lists what the key can do."""
    return {ALGORITHM_MEMBERS[key.usage]: list(SPECS[key.spec].algorithms[key.usage])}


def metadata(found: Found) -> dict[str, Any]:
    """KeyMetadata."""
    key, tx = found.key, found.tx
    shown: dict[str, Any] = {
        "AWSAccountId": tx.account,
        "KeyId": key.key_id,
        "Arn": found.arn,
        "CreationDate": key.created_ms / 1000,
        "Enabled": key.state == ENABLED,
        "Description": key.description,
        "KeyUsage": key.usage,
        "KeyState": key.state,
        "Origin": key.origin,
        "KeyManager": "AWS" if key.service else "CUSTOMER",
        "CustomerMasterKeySpec": key.spec,
        "KeySpec": key.spec,
        "MultiRegion": bool(key.primary_region),
        **algorithms(key),
    }
    if key.spec == SYMMETRIC and key.material_id:
        shown["CurrentKeyMaterialId"] = key.material_id
    if key.state == PENDING_DELETION:
        shown["DeletionDate"] = key.deletion_ms / 1000
    if key.state == PENDING_REPLICA_DELETION:
        shown["PendingDeletionWindowInDays"] = key.window_days
    if key.origin == "EXTERNAL" and key.sealed:
        shown["ExpirationModel"] = "KEY_MATERIAL_EXPIRES" if key.expires_ms else "KEY_MATERIAL_DOES_NOT_EXPIRE"
        if key.expires_ms:
            shown["ValidTo"] = key.expires_ms / 1000
    if key.primary_region:
        shown["MultiRegionConfiguration"] = {
            "MultiRegionKeyType": "PRIMARY" if key.primary_region == tx.region else "REPLICA",
            "PrimaryKey": _related(found, key.primary_region),
            "ReplicaKeys": [_related(found, region) for region in key.replica_regions],
        }
    return shown


def _related(found: Found, region: str) -> dict[str, str]:
    return {"Arn": f"arn:aws:kms:{region}:{found.tx.account}:key/{found.key.key_id}", "Region": region}
