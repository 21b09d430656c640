"""Functions with a key of their own (KMSKeyArn): who may use it, and what happens to a function whose key cannot be used.

AWS: "Securing Lambda environment variables": Lambda makes a grant on the key for the function's role, and decrypts with it when an environment starts.
Here a proof is encrypted in place of the variables, which rest where the whole configuration does: that it can be decrypted stands for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.base.errors import AwsError
from groundcloud.services.lambda_ import errors
from groundcloud.services.lambda_.names import FunctionName
from groundcloud.services.lambda_.state import Version

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

_PROOF = b"environment"

# KMS's error -> Lambda's at an invocation, and why.
_FAILURES = {
    "DisabledException": ("KMSDisabledException", "the KMS key used is disabled"),
    "KMSInvalidStateException": ("KMSInvalidStateException", "the KMS key used is in an invalid state for Decrypt"),
    "NotFoundException": ("KMSNotFoundException", "the KMS key was not found"),
}


async def granted(call: Call, name: FunctionName, request: dict[str, Any], latest: Version | None) -> bytes:
    """The proof of the key that a function is to have, its role allowed to decrypt it; b"" without a key. Raises InvalidParameterValueException.

    `latest` is what a function has that is changed by `request`.
    """
    before = (latest.kept.get("KMSKeyArn") or "", latest.role) if latest is not None else ("", "")
    key_arn = before[0] if request.get("KMSKeyArn") is None else request["KMSKeyArn"]
    role_arn = request.get("Role") or before[1]
    if not key_arn or (latest is not None and (key_arn, role_arn) == before):
        return latest.key_proof if latest is not None and key_arn else b""
    context = _context(name)
    grant = {
        "KeyId": key_arn,
        "GranteePrincipal": role_arn,
        "Operations": ["Decrypt"],
        "Constraints": {"EncryptionContextEquals": context},
        "Name": f"lambda-{name.name}",
    }
    try:
        await _kms(call, "CreateGrant", key_arn, grant)
        answer = await _kms(call, "Encrypt", key_arn, {"KeyId": key_arn, "Plaintext": _PROOF, "EncryptionContext": context})
    except AwsError as error:
        raise errors.invalid_parameter(
            "Lambda was unable to configure access to your environment variables because the KMS key is invalid for CreateGrant. "
            f"Please check your KMS key settings. KMS Exception: {error.code} KMS Message: {error.message}"
        ) from error
    return bytes(answer["CiphertextBlob"])


async def check(call: Call, name: FunctionName, version: Version) -> None:
    """As the function's role, before an environment starts. Raises KMSAccessDeniedException and its kin."""
    if not version.key_proof or not version.environment:
        return
    given = {"CiphertextBlob": version.key_proof, "EncryptionContext": _context(name)}
    try:
        await _kms(call, "Decrypt", version.kept["KMSKeyArn"], given, as_=version.role)
    except AwsError as error:
        code, why = _FAILURES.get(error.code, ("KMSAccessDeniedException", "KMS access was denied"))
        raise AwsError(
            code,
            f"Lambda was unable to decrypt the environment variables because {why}. Please check the function's KMS key settings. "
            f"KMS Exception: {error.code}KMS Message: {error.message}",
            fields={"Type": "Service"},
        ) from error


def shown(call: Call, name: FunctionName, version: Version, document: dict[str, Any]) -> dict[str, Any]:
    """FunctionConfiguration, its variables only for those who may decrypt them."""
    if version.key_proof and version.environment:
        key_arn, context = version.kept["KMSKeyArn"], _context(name)
        facts = {f"kms:EncryptionContext:{key}": value for key, value in context.items()}
        if not call.allowed("kms:Decrypt", key_arn, {**facts, "kms:EncryptionContextKeys": list(context)}):
            sentence = (
                "Lambda was unable to decrypt your environment variables because the KMS access was denied. Please check your KMS permissions. "
                f"KMS Exception: AccessDeniedException KMS Message: User: {call.principal.arn} is not authorized to perform: kms:Decrypt on "
                f"resource: {key_arn}"
            )
            document["Environment"] = {"Error": {"ErrorCode": "AccessDeniedException", "Message": sentence}}
    return document


def _context(name: FunctionName) -> dict[str, str]:
    return {"aws:lambda:FunctionArn": name.arn}


async def _kms(call: Call, operation: str, key_arn: str, params: dict[str, Any], as_: str | None = None) -> dict[str, Any]:
    parts = key_arn.split(":")
    if len(parts) < 6 or parts[2] != "kms":
        raise AwsError("InvalidArnException", f"Invalid arn {key_arn}", status=400)
    params = {**params, "KeyId": key_arn} if operation != "Decrypt" else params
    return await call.request("kms", operation, params, as_=as_, region=parts[3])
