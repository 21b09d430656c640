"""The error that a caller of an AWS API gets."""

from __future__ import annotations

from typing import Any


class AwsError(Exception):
    """An answer that is an error by the caller's fault (or a named refusal).

    `code` is the error's shape name in the service's model where it has one (code, HTTP status and fault then come from the
    model), else the code itself. `status` overrides the model's; `fields` are the error shape's further members.
    """

    def __init__(self, code: str, message: str = "", *, status: int | None = None, fields: dict[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields or {}


def not_implemented(what: str) -> AwsError:
    """The refusal by name of something that AWS has and this server has not."""
    return AwsError("NotImplementedException", f"Groundcloud does not implement {what} yet.", status=501)
