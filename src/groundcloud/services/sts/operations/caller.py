"""Who is calling, and whose is an access key."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation


def _nothing(call: Call, request: dict[str, Any]) -> list[Any]:
    """No policy is asked, not even one that denies."""
    return []


@operation(access=_nothing)
def get_caller_identity(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    principal = call.principal
    return {"UserId": principal.unique_id, "Account": principal.account, "Arn": principal.arn}
