"""How IAM words parameters that break their shape: names and paths have sentences of their own."""

from __future__ import annotations

from groundcloud.base.errors import AwsError
from groundcloud.services.iam import errors
from groundcloud.wire import codec
from groundcloud.wire.model import Model, Operation
from groundcloud.wire.validate import Violation

_NAMES = frozenset(
    ["userName", "newUserName", "groupName", "newGroupName", "roleName", "policyName", "instanceProfileName", "accountAlias"]
)
_PATHS = frozenset(["path", "newPath"])


def explain(model: Model, operation: Operation, found: list[Violation]) -> AwsError:
    if len(found) == 1 and found[0].kind == "pattern":
        where = found[0].path
        if where in _NAMES:
            return errors.validation(
                f"The specified value for {where} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"
            )
        if where in _PATHS:
            return errors.validation(
                f"The specified value for {where} is invalid. "
                "It must begin and end with / and contain only alphanumeric characters and/or / characters."
            )
    return codec.explain(model, operation, found)
