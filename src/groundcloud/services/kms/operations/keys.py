"""Keys: create, describe, list, enable and disable, delete."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import not_implemented
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import Access, operation
from groundcloud.services.kms import (
    access,
    deletions,
    errors,
    grant_tokens,
    keys,
    materials,
    names,
    pages,
    policies,
    rotations,
    specs,
    tags,
)
from groundcloud.services.kms.limits import KEYS_MAX, PENDING_WINDOW_DAYS, PENDING_WINDOW_DAYS_DEFAULT
from groundcloud.services.kms.names import Found
from groundcloud.services.kms.state import (
    DISABLED,
    ENABLED,
    KEYS,
    MATERIALS,
    PENDING_DELETION,
    PENDING_IMPORT,
    PENDING_REPLICA_DELETION,
    Key,
    Material,
    count_keys,
    put_new_key,
)

Request = dict[str, Any]


def _spec_of(request: Request) -> str:
    return str(request.get("KeySpec") or request.get("CustomerMasterKeySpec") or specs.SYMMETRIC)


def _to_create(call: Call, request: Request) -> list[Access]:
    """kms:CreateKey, and kms:TagResource for tags."""
    spec, usage = _spec_of(request), request.get("KeyUsage", specs.ENCRYPT_DECRYPT)
    facts = {
        **access.of_caller(call),
        **access.of_request(request),
        **access.of_spec(spec, usage, request.get("Origin", "AWS_KMS"), bool(request.get("MultiRegion"))),
    }
    wanted = [Access("kms:CreateKey", "*", facts)]
    if request.get("Tags"):
        wanted.append(Access("kms:TagResource", "*", facts))
    return wanted


@operation(access=_to_create)
async def create_key(call: Call, request: Request) -> Request:
    """`async` for the keys that take long to make."""
    spec, usage = _check_kind(request)
    origin, multi_region = request.get("Origin", "AWS_KMS"), bool(request.get("MultiRegion"))
    given_tags = tags.of_list(request.get("Tags") or [])
    digits = call.new_id()
    key_id = "mrk-" + digits.replace("-", "") if multi_region else digits
    key_arn = call.arn("kms", f"key/{key_id}")
    if "Policy" in request:
        policies.check(call, key_arn, request["Policy"], bypass=request.get("BypassPolicyLockoutSafetyCheck", False))
    if count_keys(call.reading()) >= KEYS_MAX:
        raise errors.too_many_keys()
    material = b""
    if origin == "AWS_KMS":
        slow = specs.SPECS[spec].kind in materials.SLOW_KINDS
        material = await call.in_thread(materials.generate, spec) if slow else materials.generate(spec)
    key = Key(
        key_id=key_id,
        created_ms=call.now_ms,
        policy=request.get("Policy") or policies.default(call.account),
        spec=spec,
        usage=usage,
        origin=origin,
        state=ENABLED if material else PENDING_IMPORT,
        material_id=materials.material_id(key_id, material) if material else "",
        sealed=materials.seal(call, key_id, material) if material else b"",
        description=request.get("Description", ""),
        tags=given_tags,
        primary_region=call.region if multi_region else "",
    )
    with call.transaction() as tx:
        put_new_key(tx, key)
        if material:
            MATERIALS.put(tx, Material(key_id=key_id, material_id=key.material_id, number=1, sealed=key.sealed))
        answer = {"KeyMetadata": keys.metadata(Found(tx, key, key_arn))}
        if call.parent is not None:
            call.parent.answered(call, answer)
    return answer


def _check_kind(request: Request) -> tuple[str, str]:
    """(spec, usage). What a key can not be is refused here."""
    origin = request.get("Origin", "AWS_KMS")
    if origin in ("AWS_CLOUDHSM", "EXTERNAL_KEY_STORE") or "CustomKeyStoreId" in request or "XksKeyId" in request:
        raise not_implemented("KMS keys in custom key stores")
    if "KeySpec" in request and "CustomerMasterKeySpec" in request:
        raise errors.validation(
            "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated."
        )
    spec = _spec_of(request)
    if spec not in specs.SPECS:
        raise not_implemented(f"KMS keys of the spec {spec}")
    usage = request.get("KeyUsage")
    if usage is None:
        if spec != specs.SYMMETRIC:
            raise errors.validation("You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.")
        usage = specs.ENCRYPT_DECRYPT
    if usage not in specs.SPECS[spec].algorithms:
        raise errors.validation(f"KeyUsage {usage} is not compatible with KeySpec {spec}")
    if origin == "EXTERNAL" and specs.SPECS[spec].kind in ("ml-dsa", "ml-kem"):
        raise errors.validation(f"KeySpec {spec} is not supported for Origin {origin}")
    return spec, usage


@operation(access=access.to_use)
def describe_key(call: Call, request: Request) -> Request:
    if tokens := request.get("GrantTokens"):
        grant_tokens.check(call, tokens)
    return {"KeyMetadata": keys.metadata(names.load(call, request["KeyId"]))}


@operation()
def list_keys(call: Call, request: Request) -> Request:
    found = KEYS.keys(call.tx, after=pages.after(request))
    return pages.page(
        "Keys",
        (key_id for (key_id,) in found),
        pages.limit_of(request, 100, 1000),
        str,
        lambda key_id: {"KeyId": key_id, "KeyArn": call.arn("kms", f"key/{key_id}")},
    )


@operation(access=access.to_administer)
def update_key_description(call: Call, request: Request) -> Request:
    found = names.load_own(call, request["KeyId"])
    keys.require_kept(found)
    found.put(found.key.replace(description=request["Description"]))
    return {}


@operation(access=access.to_administer)
def enable_key(call: Call, request: Request) -> Request:
    found = names.load_own(call, request["KeyId"])
    if found.key.state not in (ENABLED, DISABLED):
        raise keys.wrong_state(found)
    enabled = found._replace(key=found.key.replace(state=ENABLED))
    enabled.put(enabled.key)
    rotations.resume(call, enabled)
    return {}


@operation(access=access.to_administer)
def disable_key(call: Call, request: Request) -> Request:
    found = names.load_own(call, request["KeyId"])
    if found.key.state not in (ENABLED, DISABLED):
        raise keys.wrong_state(found)
    found.put(found.key.replace(state=DISABLED))
    return {}


@operation(access=access.to_administer)
def schedule_key_deletion(call: Call, request: Request) -> Request:
    found = names.load_own(call, request["KeyId"])
    days = request.get("PendingWindowInDays", PENDING_WINDOW_DAYS_DEFAULT)
    least, most = PENDING_WINDOW_DAYS
    if days < least:
        raise errors.constraint("pendingWindowInDays", days, f"Member must have value greater than or equal to {least}")
    if days > most:
        raise errors.constraint("pendingWindowInDays", days, f"Member must have value less than or equal to {most}")
    keys.require_kept(found)
    key = deletions.schedule(call, found, days)
    answer = {"KeyId": found.arn, "KeyState": key.state, "PendingWindowInDays": days}
    if key.state == PENDING_DELETION:
        answer["DeletionDate"] = key.deletion_ms / 1000
    return answer


@operation(access=access.to_administer)
def cancel_key_deletion(call: Call, request: Request) -> Request:
    found = names.load_own(call, request["KeyId"])
    if found.key.state not in (PENDING_DELETION, PENDING_REPLICA_DELETION):
        raise errors.invalid_state(found.arn, "is not pending deletion")
    deletions.cancel(call, found)
    return {"KeyId": found.arn}


@operation(access=access.to_administer)
def get_key_last_usage(call: Call, request: Request) -> Request:
    found = names.load_own(call, request["KeyId"])
    usage = keys.last_used(call, found)
    return {
        "KeyId": found.arn,
        "KeyLastUsage": {}
        if usage is None
        else {"Operation": usage.operation, "Timestamp": usage.at_ms / 1000, "KmsRequestId": usage.request_id},
        "TrackingStartDate": found.key.created_ms / 1000,
        "KeyCreationDate": found.key.created_ms / 1000,
    }
