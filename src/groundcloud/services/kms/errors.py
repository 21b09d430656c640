"""AWS KMS's errors, in its words. Source: API reference of each operation, "Key states of AWS KMS keys", and the service's answers."""

from __future__ import annotations

from groundcloud.base.errors import AwsError


def validation(message: str) -> AwsError:
    return AwsError("ValidationException", message, status=400)


def constraint(member: str, value: object, rule: str) -> AwsError:
    """A member that breaks a limit which the model does not hold, as the front end words those that it does."""
    return validation(f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {rule}")


def key_not_found(key_arn: str) -> AwsError:
    return AwsError("NotFoundException", f"Key '{key_arn}' does not exist")


def invalid_key_id(key_id: str) -> AwsError:
    return AwsError("NotFoundException", f"Invalid keyId '{key_id}'")


def alias_not_found(alias_arn: str) -> AwsError:
    return AwsError("NotFoundException", f"Alias {alias_arn} is not found.")


def invalid_arn(text: str) -> AwsError:
    return AwsError("InvalidArnException", f"Invalid arn {text}")


def arn_of_other_region(region: str) -> AwsError:
    return AwsError("NotFoundException", f"Invalid arn {region}")


def no_such_policy() -> AwsError:
    return AwsError("NotFoundException", "No such policy exists")


def disabled(key_arn: str) -> AwsError:
    return AwsError("DisabledException", f"{key_arn} is disabled.")


def invalid_state(key_arn: str, what: str) -> AwsError:
    """`what`: "is pending deletion", "is not pending deletion", "is pending import"."""
    return AwsError("KMSInvalidStateException", f"{key_arn} {what}.")


def invalid_usage(key_arn: str, usage: str, operation: str) -> AwsError:
    return AwsError("InvalidKeyUsageException", f"{key_arn} key usage is {usage} which is not valid for {operation}.")


def incompatible_algorithm(algorithm: str, spec: str) -> AwsError:
    return AwsError("InvalidKeyUsageException", f"Algorithm {algorithm} is incompatible with key spec {spec}.")


def unsupported(message: str = "") -> AwsError:
    return AwsError("UnsupportedOperationException", message)


def origin_not_valid(key_arn: str, origin: str) -> AwsError:
    return unsupported(f"{key_arn} origin is {origin} which is not valid for this operation.")


def invalid_ciphertext() -> AwsError:
    """AWS says nothing more, so that nobody learns from it."""
    return AwsError("InvalidCiphertextException")


def incorrect_key() -> AwsError:
    return AwsError("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.")


def invalid_signature() -> AwsError:
    return AwsError("KMSInvalidSignatureException")


def invalid_mac() -> AwsError:
    return AwsError("KMSInvalidMacException")


def dry_run() -> AwsError:
    return AwsError("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")


def alias_exists(alias_arn: str) -> AwsError:
    return AwsError("AlreadyExistsException", f"An alias with the name {alias_arn} already exists")


def alias_reserved() -> AwsError:
    return AwsError("NotAuthorizedException", "", status=400)


def alias_prefix() -> AwsError:
    return validation(
        'Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html'
    )


def invalid_alias_name(name: str) -> AwsError:
    return AwsError("InvalidAliasNameException", f"Invalid alias name {name}")


def alias_of_alias() -> AwsError:
    return validation("Aliases must refer to keys. Not aliases")


def malformed_policy(message: str) -> AwsError:
    return AwsError("MalformedPolicyDocumentException", message)


def limit_exceeded(message: str) -> AwsError:
    return AwsError("LimitExceededException", message)


def too_many_keys() -> AwsError:
    return limit_exceeded("You have reached the maximum number of KMS keys for this account and Region.")


def tag(message: str) -> AwsError:
    return AwsError("TagException", message)


def invalid_marker() -> AwsError:
    return AwsError("InvalidMarkerException", "Invalid marker")


def invalid_grant_id() -> AwsError:
    return AwsError("InvalidGrantIdException", "Invalid grant ID")


def grant_not_found(key_arn: str, grant_id: str) -> AwsError:
    return AwsError("NotFoundException", f"Grant ID {grant_id} not found for key {key_arn}")


def invalid_grant_token() -> AwsError:
    return AwsError("InvalidGrantTokenException", "Invalid grant token")


def invalid_principal(principal: str) -> AwsError:
    return AwsError("InvalidArnException", f"ARN does not refer to a valid principal: {principal}")


def expired_import_token() -> AwsError:
    return AwsError("ExpiredImportTokenException", "The import token has expired.")


def invalid_import_token() -> AwsError:
    return AwsError("InvalidImportTokenException", "The import token is invalid.")


def incorrect_key_material(message: str) -> AwsError:
    return AwsError("IncorrectKeyMaterialException", message)


def replica_exists(key_arn: str) -> AwsError:
    return AwsError("AlreadyExistsException", f"Unable to replicate key. A key with ARN {key_arn} already exists.")


def not_primary(key_arn: str) -> AwsError:
    return unsupported(f"{key_arn} is not a multi-Region primary key.")
