"""Functions with a key of their own (KMSKeyArn): their variables rest encrypted, and are opened where an environment starts or a caller may see them.

Encrypting and the grant for the role are the caller's doing, opening at a start is the role's by that grant. AWS: "Securing Lambda environment variables",
"Data encryption at rest for AWS Lambda". Variables fit in one KMS Encrypt: both end at 4 KB.
"""

from __future__ import annotations

import json
from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any

from groundcloud.auth.principals import Principal
from groundcloud.base.errors import AwsError
from groundcloud.services.lambda_ import errors
from groundcloud.services.lambda_.names import FunctionName
from groundcloud.services.lambda_.state import VERSIONS, Sealed, Version

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

_GRANTED = ["Decrypt", "RetireGrant"]

# KMS's error -> Lambda's at an invocation, why, and a StateReasonCode.
_FAILURES = {
    "DisabledException": ("KMSDisabledException", "the KMS key used is disabled", "DisabledKMSKey"),
    "KMSInvalidStateException": (
        "KMSInvalidStateException",
        "the state of the KMS key used is not valid for Decrypt",
        "InvalidStateKMSKey",
    ),
    "NotFoundException": ("KMSNotFoundException", "the KMS key was not found", "KMSKeyNotFound"),
}
_DENIED = ("KMSAccessDeniedException", "KMS access was denied", "KMSKeyAccessDenied")

# Those errors, each with the StateReasonCode of a version that it kept from being made.
STATE_REASON_CODES = {code: reason_code for code, _, reason_code in (*_FAILURES.values(), _DENIED)}


def needs_key(version: Version) -> bool:
    """Whether its environments start only with the key: without variables nothing else of a plain package is under it."""
    kept = version.sealed
    return kept is not None and bool(kept.count or version.snap_start or version.code.image is not None or version.code.key_arn)


# Giving and changing


async def changed(call: Call, name: FunctionName, request: dict[str, Any], latest: Version | None) -> dict[str, Any]:
    """What becomes of `environment` and `sealed` of the record; empty where no key has to do with it. Raises InvalidParameterValueException.

    `latest` is what a function has that is changed by `request`; None for a new one.
    """
    old = latest.sealed if latest is not None else None
    old_key_arn = latest.kept.get("KMSKeyArn") or "" if latest is not None else ""
    key_arn = old_key_arn if request.get("KMSKeyArn") is None else request["KMSKeyArn"]
    if not key_arn and old is None:
        return {}
    given = request["Environment"].get("Variables") or {} if request.get("Environment") is not None else None
    role_arn = request.get("Role") or (latest.role if latest is not None else "")
    same_key = old is not None and key_arn == old_key_arn
    if given is None and latest is not None:
        given = latest.environment if old is None else None if same_key else await _variables(call, name, old)
    if not key_arn:
        return {"environment": given or {}, "sealed": None}
    if same_key and old is not None and (given is None or await _is(call, name, old, given)):
        kept = old
    else:
        kept = await _encrypted(call, name, key_arn, given or {})
    if old is None or latest is None or kept.key_arn != old.key_arn or role_arn != latest.role:
        kept = kept.replace(grant_id=await _granted(call, name, kept.key_arn, role_arn))
    else:
        kept = kept.replace(grant_id=old.grant_id)
    return {"environment": {}, "sealed": kept}


async def _encrypted(call: Call, name: FunctionName, key_arn: str, variables: dict[str, str]) -> Sealed:
    plaintext = json.dumps(variables, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    given = {"KeyId": key_arn, "Plaintext": plaintext, "EncryptionContext": _context(name)}
    try:
        answer = await call.request("kms", "Encrypt", given, region=name.region)
    except AwsError as error:
        raise errors.invalid_parameter(_sentence("encrypt", "Encrypt", error)) from error
    return Sealed(key_arn=answer["KeyId"], ciphertext=bytes(answer["CiphertextBlob"]), count=len(variables), grant_id="")


async def _granted(call: Call, name: FunctionName, key_arn: str, role_arn: str) -> str:
    """The id of the grant that lets the function's role decrypt its variables."""
    grant = {
        "KeyId": key_arn,
        "GranteePrincipal": _session_arn(name, role_arn),
        "Operations": _GRANTED,
        "Constraints": {"EncryptionContextEquals": _context(name)},
        "Name": name.name,
    }
    try:
        answer = await call.request("kms", "CreateGrant", grant, region=name.region)
    except AwsError as error:
        raise errors.invalid_parameter(_sentence("configure access to", "CreateGrant", error)) from error
    return str(answer["GrantId"])


async def _is(call: Call, name: FunctionName, kept: Sealed, variables: dict[str, str]) -> bool:
    """Whether these are the variables that are kept, as far as the caller may know: what is encrypted again is another configuration."""
    if kept.count != len(variables):
        return False
    try:
        return await _decrypted(call, name, kept) == variables
    except AwsError:
        return False


async def _variables(call: Call, name: FunctionName, kept: Sealed) -> dict[str, str]:
    """For a caller who takes them to another key. Raises InvalidParameterValueException."""
    try:
        return await _decrypted(call, name, kept)
    except AwsError as error:
        raise errors.invalid_parameter(_sentence("decrypt", "Decrypt", error)) from error


async def forget(call: Call, name: FunctionName, gone: Iterable[Version]) -> None:
    """Versions were changed or deleted: their roles retire the grants that no other version needs. A key or role that is gone has none."""
    grants = {(one.sealed.key_arn, one.sealed.grant_id): one.role for one in gone if one.sealed is not None}
    if not grants:
        return
    for version in VERSIONS.scan(call.reading().at(name.account, name.region), name.name):
        if version.sealed is not None:
            grants.pop((version.sealed.key_arn, version.sealed.grant_id), None)
    for (key_arn, grant_id), role_arn in grants.items():
        try:
            await _as_role(call, name, role_arn).request("kms", "RetireGrant", {"KeyId": key_arn, "GrantId": grant_id})
        except AwsError as error:
            call.log.info("a grant of %s stays: %s", name.arn, error.message)


# Starting


async def opened(call: Call, name: FunctionName, version: Version) -> dict[str, str]:
    """The variables, as the function's role. Raises KMSAccessDeniedException and its kin."""
    if version.sealed is None or not needs_key(version):
        return version.environment
    own = _as_role(call, name, version.role)
    try:
        return await _decrypted(own, name, version.sealed)
    except AwsError as refused:
        error = await _gone(call, version.sealed.key_arn) or refused
        code, why, _ = _FAILURES.get(error.code, _DENIED)
        raise AwsError(
            code,
            f"Lambda was unable to decrypt the environment variables because {why}. Please check the function's KMS key settings. "
            f"KMS Exception: {error.code}KMS Message: {error.message}",
            fields={"Type": "Service"},
        ) from refused


async def _gone(call: Call, key_arn: str) -> AwsError | None:
    """KMS's NotFoundException. With a key its grants go, so that KMS tells the role no more than that it may not."""
    _, _, _, region, account, _ = key_arn.split(":", 5)
    root = call.as_principal(Principal("root", f"arn:aws:iam::{account}:root", account, "", account), account=account, region=region)
    try:
        await root.request("kms", "DescribeKey", {"KeyId": key_arn})
    except AwsError as error:
        return error if error.code == "NotFoundException" else None
    return None


def _as_role(call: Call, name: FunctionName, role_arn: str) -> Call:
    """In the session that the function itself has."""
    try:
        principal = call.ground.assume(call.reading(), role_arn, name.name, "lambda.amazonaws.com", name.arn)
    except AwsError as error:
        raise errors.role_gone() from error
    return call.as_principal(principal, account=name.account, region=name.region)


def _session_arn(name: FunctionName, role_arn: str) -> str:
    head, _, role_name = role_arn.partition(":role/")
    return f"{head.replace(':iam:', ':sts:', 1)}:assumed-role/{role_name.rpartition('/')[2]}/{name.name}"


# Showing


Shown = tuple[FunctionName, Version, dict[str, Any]]
"""A version and the FunctionConfiguration that shows it."""

Answer = dict[str, Any] | Coroutine[Any, Any, dict[str, Any]]


def shown(call: Call, answer: dict[str, Any], documents: Iterable[Shown]) -> Answer:
    """`answer`; to be awaited where documents in it have variables that are decrypted as the caller."""
    hidden = [one for one in documents if one[1].sealed is not None and one[1].sealed.count]
    return filled(call, answer, hidden) if hidden else answer


async def filled(call: Call, answer: dict[str, Any], documents: Iterable[Shown]) -> dict[str, Any]:
    for name, version, document in documents:
        if version.sealed is None or not version.sealed.count:
            continue
        try:
            document["Environment"] = {"Variables": await _decrypted(call, name, version.sealed)}
        except AwsError as error:
            document["Environment"] = {"Error": {"ErrorCode": error.code, "Message": _sentence("decrypt", "Decrypt", error)}}
    return answer


async def _decrypted(call: Call, name: FunctionName, kept: Sealed) -> dict[str, str]:
    given = {"CiphertextBlob": kept.ciphertext, "KeyId": kept.key_arn, "EncryptionContext": _context(name)}
    answer = await call.request("kms", "Decrypt", given, region=name.region)
    variables: dict[str, str] = json.loads(bytes(answer["Plaintext"]).decode("utf-8", "surrogatepass"))
    return variables


def _context(name: FunctionName) -> dict[str, str]:
    return {"aws:lambda:FunctionArn": name.arn}


def _sentence(what: str, operation: str, error: AwsError) -> str:
    """To the one who gives or reads the configuration."""
    why, check = f"the KMS key is invalid for {operation}", "KMS key settings"
    if error.code == "AccessDeniedException":
        why, check = "the KMS access was denied", "KMS permissions"
    elif error.code == "DisabledException":
        why = "the KMS key used is disabled"
    return (
        f"Lambda was unable to {what} your environment variables because {why}. Please check your {check}. "
        f"KMS Exception: {error.code} KMS Message: {error.message}"
    )
