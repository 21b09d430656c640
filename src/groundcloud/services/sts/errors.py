"""STS's errors, in its own sentences."""

from __future__ import annotations

from groundcloud.base.errors import AwsError


def validation(sentence: str) -> AwsError:
    return AwsError("ValidationError", sentence, status=400)


def access_denied(sentence: str) -> AwsError:
    return AwsError("AccessDenied", sentence, status=403)


def duration_beyond_role() -> AwsError:
    return validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")


def duration_beyond_chain() -> AwsError:
    return validation("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")


def malformed_policy(sentence: str) -> AwsError:
    return AwsError("MalformedPolicyDocumentException", sentence)


def packed_policy_too_large(percent: int) -> AwsError:
    return AwsError("PackedPolicyTooLargeException", f"Packed policy consumes {percent}% of allotted space, please use smaller policy.")


def invalid_identity_token(sentence: str) -> AwsError:
    return AwsError("InvalidIdentityTokenException", sentence)


def expired_token(sentence: str) -> AwsError:
    return AwsError("ExpiredTokenException", sentence)


def provider_unreachable(sentence: str) -> AwsError:
    return AwsError("IDPCommunicationErrorException", sentence)


def not_authorized(action: str) -> AwsError:
    """For callers who are not signed in: AWS names neither them nor the role."""
    return access_denied(f"Not authorized to perform {action}")
