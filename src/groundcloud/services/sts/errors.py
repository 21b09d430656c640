"""STS's errors, in its own sentences."""

from __future__ import annotations

from groundcloud.base.errors import AwsError


def validation(sentence: str) -> AwsError:
    return AwsError("ValidationError", sentence, status=400)


def duration_beyond_role() -> AwsError:
    return validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
