"""May the caller use this key? The key policy, the caller's own policies, and grants decide together; a grant allows what nothing denies outright.

Every function here is an operation's `access`: it has decided when it returns, so it leaves nothing for the chain to ask.
AWS: "Determining access to AWS KMS keys", "Condition keys for AWS KMS".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from groundcloud.auth import policy
from groundcloud.base.errors import AwsError
from groundcloud.kernel import authorization
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import Access
from groundcloud.services.kms import ciphertexts, errors, grants, names, specs
from groundcloud.services.kms.names import Place
from groundcloud.services.kms.state import ALIASES_OF_KEY, KEYS, Key

Request = dict[str, Any]

_TEXTS = {
    "EncryptionAlgorithm": "kms:EncryptionAlgorithm",
    "SigningAlgorithm": "kms:SigningAlgorithm",
    "MessageType": "kms:MessageType",
    "MacAlgorithm": "kms:MacAlgorithm",
    "KeyAgreementAlgorithm": "kms:KeyAgreementAlgorithm",
    "EncapsulationAlgorithm": "kms:EncapsulationAlgorithm",
    "KeyPairSpec": "kms:DataKeyPairSpec",
    "PendingWindowInDays": "kms:ScheduleKeyDeletionPendingWindowInDays",
    "RotationPeriodInDays": "kms:RotationPeriodInDays",
    "WrappingAlgorithm": "kms:WrappingAlgorithm",
    "WrappingKeySpec": "kms:WrappingKeySpec",
    "ExpirationModel": "kms:ExpirationModel",
    "GranteePrincipal": "kms:GranteePrincipal",
    "RetiringPrincipal": "kms:RetiringPrincipal",
    "ReplicaRegion": "kms:ReplicaRegion",
    "PrimaryRegion": "kms:PrimaryRegion",
}
"""Members of requests that are condition keys as they are."""

_DEFAULTS = {
    "Encrypt": {"kms:EncryptionAlgorithm": specs.SYMMETRIC},
    "Decrypt": {"kms:EncryptionAlgorithm": specs.SYMMETRIC},
    "Sign": {"kms:MessageType": "RAW"},
    "Verify": {"kms:MessageType": "RAW"},
}
"""Condition keys of operations whose member was left out."""


THIS_RESOURCE, OF_CIPHERTEXT = "this resource", "the resource associated with this ciphertext"


class Facts:
    """The condition keys of a call that touches a key, put together when some statement asks for one."""

    __slots__ = ("_call", "_extra", "_named", "_request", "_values")

    def __init__(self, call: Call, named: Place, request: Request, extra: dict[str, Any] | None) -> None:
        self._call = call
        self._named = named
        self._request = request
        self._extra = extra
        self._values: dict[str, Any] | None = None

    def keys(self) -> Iterator[str]:
        self._values = {
            **of_caller(self._call),
            **of_key(self._named),
            **_DEFAULTS.get(self._call.operation, {}),
            **of_request(self._request),
            **(self._extra or {}),
        }
        return iter(self._values)

    def __getitem__(self, name: str) -> Any:
        assert self._values is not None
        return self._values[name]


def of_caller(call: Call) -> dict[str, Any]:
    facts: dict[str, Any] = {"kms:CallerAccount": call.principal.account or call.account}
    parent = call.parent
    if call.http is None and parent is not None and parent.service != "kms":
        facts["kms:ViaService"] = f"{parent.service}.{call.region}.amazonaws.com"
    if call.operation in ("CreateGrant", "ListGrants", "RevokeGrant"):
        facts["kms:GrantIsForAWSResource"] = "true" if "kms:ViaService" in facts else "false"
    return facts


def of_key(named: Place) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if named.alias:
        facts["kms:RequestAlias"] = named.alias
    key = named.key
    if key is None:
        return facts
    facts |= of_spec(key.spec, key.usage, key.origin, bool(key.primary_region))
    if key.primary_region:
        facts["kms:MultiRegionKeyType"] = "PRIMARY" if key.primary_region == named.tx.region else "REPLICA"
    facts["kms:ResourceAliases"] = [alias_name for _, alias_name in ALIASES_OF_KEY.keys(named.tx, key.key_id)]
    for name, value in key.tags.items():
        facts[f"aws:ResourceTag/{name}"] = value
    return facts


def of_spec(spec: str, usage: str, origin: str, multi_region: bool) -> dict[str, Any]:
    return {
        "kms:KeySpec": spec,
        "kms:CustomerMasterKeySpec": spec,
        "kms:KeyUsage": usage,
        "kms:CustomerMasterKeyUsage": usage,
        "kms:KeyOrigin": origin,
        "kms:MultiRegion": "true" if multi_region else "false",
    }


def of_request(request: Request) -> dict[str, Any]:
    facts: dict[str, Any] = {key: str(request[member]) for member, key in _TEXTS.items() if member in request}
    if (context := request.get("EncryptionContext")) is not None:
        facts |= of_encryption_context(context)
    if "BypassPolicyLockoutSafetyCheck" in request:
        facts["kms:BypassPolicyLockoutSafetyCheck"] = "true" if request["BypassPolicyLockoutSafetyCheck"] else "false"
    if "ValidTo" in request:
        facts["kms:ValidTo"] = str(int(request["ValidTo"]))
    if "Operations" in request:
        facts["kms:GrantOperations"] = request["Operations"]
    if constraints := request.get("Constraints"):
        kinds = [kind for kind in ("EncryptionContextEquals", "EncryptionContextSubset", "SourceArn") if kind in constraints]
        facts["kms:GrantConstraintType"] = kinds
    if "Tags" in request:
        facts["aws:TagKeys"] = [tag["TagKey"] for tag in request["Tags"]]
        facts |= {f"aws:RequestTag/{tag['TagKey']}": tag["TagValue"] for tag in request["Tags"]}
    if "TagKeys" in request:
        facts["aws:TagKeys"] = request["TagKeys"]
    return facts


def of_encryption_context(context: dict[str, str]) -> dict[str, Any]:
    return {"kms:EncryptionContextKeys": list(context), **{f"kms:EncryptionContext:{name}": value for name, value in context.items()}}


def policy_of(call: Call, resource_arn: str) -> str | None:
    """The policy on a key, None where there is none: the room's `resource_policy`."""
    parts = resource_arn.split(":", 5)
    if len(parts) != 6 or not parts[5].startswith("key/"):
        return None
    key = KEYS.get(call.reading().at(parts[4], parts[3]), parts[5][4:])
    return key.policy if key is not None else None


def require(
    call: Call,
    action: str,
    named: Place,
    request: Request,
    *,
    extra: dict[str, Any] | None = None,
    what: str = THIS_RESOURCE,
    context: dict[str, str] | None = None,
) -> Key:
    """The key, if the caller may do `action` ("kms:Encrypt") with it. Raises AccessDeniedException, and NotFoundException to whom may know.

    `context` is the encryption context that grants are held against; by default the request's.
    """
    key, arn = named.key, named.arn
    call.resource = call.resource or arn
    facts = cast(dict[str, Any], Facts(call, named, request, extra))
    decision = authorization.decide(call, action, arn, facts, _nothing if key is None else lambda _call, _arn: key.policy)
    if decision is not None and not decision.allowed:
        held = request.get("EncryptionContext") if context is None else context
        if decision.kind == "explicit deny" or not grants.allow(call, named, action, request, held, facts):
            raise denied(call, decision, named, what)
    if key is None:
        # Whoever has a ciphertext alone learns nothing of its key.
        raise hidden(call, action, what) if what is OF_CIPHERTEXT else errors.key_not_found(arn)
    return key


def denied(call: Call, decision: policy.Decision, named: Place, what: str) -> AwsError:
    """AWS does not tell another account whether a key is there."""
    if decision.policy_kind == "resource" and named.account != call.principal.account:
        return hidden(call, decision.request.action, what)
    return authorization.denied(call, policy.sentence(decision))


def hidden(call: Call, action: str, what: str) -> AwsError:
    who = f"User: {call.principal.arn} is not authorized to perform: {action} on {what}"
    reasons = "the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access"
    return authorization.denied(call, f"{who} because {reasons}")


def _nothing(call: Call, resource_arn: str) -> str | None:
    return None


# Operations' `access`


def to_use(call: Call, request: Request) -> list[Access]:
    """A key by any of its names, in any account."""
    require(call, f"kms:{call.operation}", names.place(call, request["KeyId"], True), request)
    return []


def to_share(call: Call, request: Request) -> list[Access]:
    """A key by id or ARN, in any account."""
    require(call, f"kms:{call.operation}", names.place(call, request["KeyId"]), request)
    return []


def to_administer(call: Call, request: Request) -> list[Access]:
    """A key by id or ARN, of the caller's own account."""
    named = names.place(call, request["KeyId"])
    if named.account != call.account:
        named = named._replace(key=None)
    require(call, f"kms:{call.operation}", named, request)
    return []


def to_decrypt(call: Call, request: Request) -> list[Access]:
    """The key that is named, else the one that the ciphertext names."""
    require_source(call, "kms:Decrypt", request, request.get("KeyId"), request.get("CiphertextBlob"), request.get("EncryptionContext"))
    return []


def require_source(
    call: Call,
    action: str,
    request: Request,
    key_id: str | None,
    blob: bytes | None,
    context: dict[str, str] | None,
    extra: dict[str, Any] | None = None,
) -> Key:
    """The key that opens a ciphertext. Raises InvalidCiphertextException where neither the request nor the blob names one."""
    if blob is None and (key_id is None or not ignores_ciphertext(request)):
        raise errors.validation(
            "1 validation error detected: Value null at 'ciphertextBlob' failed to satisfy constraint: Member must not be null"
        )
    if key_id is not None:
        return require(call, action, names.place(call, key_id, True), request, extra=extra, context=context or {})
    source = ciphertexts.place_of(blob) if blob is not None else None
    if source is None:
        raise errors.invalid_ciphertext()
    named = of_ciphertext(call, source)
    return require(call, action, named, request, extra=extra, what=OF_CIPHERTEXT, context=context or {})


def ignores_ciphertext(request: Request) -> bool:
    """A dry run of the permissions alone, which needs nothing to decrypt."""
    return bool(request.get("DryRun")) and "IGNORE_CIPHERTEXT" in request.get("DryRunModifiers", ())


def of_ciphertext(call: Call, source: ciphertexts.Place) -> Place:
    tx = call.reading()
    if source.account != tx.account:
        tx = tx.at(source.account, call.region)
    return Place(tx, source.account, source.key_id, "", KEYS.get(tx, source.key_id))
