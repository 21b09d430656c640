"""IAM's errors, in its own sentences."""

from __future__ import annotations

from groundcloud.base.errors import AwsError

NOUNS = {"user": "User", "group": "Group", "role": "Role"}


def no_such_entity(sentence: str) -> AwsError:
    return AwsError("NoSuchEntityException", sentence)


def identity_not_found(kind: str, name: str) -> AwsError:
    return no_such_entity(f"The {kind} with name {name} cannot be found.")


def inline_policy_not_found(kind: str, policy_name: str) -> AwsError:
    return no_such_entity(f"The {kind} policy with name {policy_name} cannot be found.")


def policy_not_found(policy_arn: str) -> AwsError:
    return no_such_entity(f"Policy {policy_arn} was not found.")


def policy_not_attachable(policy_arn: str) -> AwsError:
    return no_such_entity(f"Policy {policy_arn} does not exist or is not attachable.")


def policy_version_not_found(policy_arn: str, version_id: str) -> AwsError:
    return no_such_entity(f"Policy {policy_arn} version {version_id} does not exist or is not attachable.")


def instance_profile_not_found(name: str) -> AwsError:
    return no_such_entity(f"Instance Profile {name} cannot be found.")


def access_key_not_found(access_key_id: str) -> AwsError:
    return no_such_entity(f"The Access Key with id {access_key_id} cannot be found.")


def login_profile_not_found(user_name: str) -> AwsError:
    return no_such_entity(f"Login Profile for User {user_name} cannot be found.")


def oidc_provider_not_found(arn: str) -> AwsError:
    return no_such_entity(f"OpenIDConnect Provider not found for arn {arn}")


def saml_provider_not_found(arn: str) -> AwsError:
    return no_such_entity(f"Manifest not found for arn {arn}")


def already_exists(sentence: str) -> AwsError:
    return AwsError("EntityAlreadyExistsException", sentence)


def identity_exists(kind: str, name: str) -> AwsError:
    return already_exists(f"{NOUNS[kind]} with name {name} already exists.")


def delete_conflict(sentence: str) -> AwsError:
    return AwsError("DeleteConflictException", sentence)


def limit_exceeded(sentence: str) -> AwsError:
    return AwsError("LimitExceededException", sentence)


def quota_exceeded(quota: str, limit: int) -> AwsError:
    return limit_exceeded(f"Cannot exceed quota for {quota}: {limit}")


def malformed_policy(sentence: str) -> AwsError:
    return AwsError("MalformedPolicyDocumentException", sentence)


def invalid_input(sentence: str) -> AwsError:
    return AwsError("InvalidInputException", sentence)


def validation(sentence: str) -> AwsError:
    return AwsError("ValidationError", sentence, status=400)


def protected_role(name: str) -> AwsError:
    return AwsError(
        "UnmodifiableEntityException",
        f"Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS",
    )
