"""Resource policies: of a function, of one of its versions or aliases. Pure but for the read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from groundcloud.auth import documents
from groundcloud.auth.principals import compile_principals
from groundcloud.services.lambda_ import errors
from groundcloud.services.lambda_.names import number_in
from groundcloud.services.lambda_.state import LAYER_VERSIONS, POLICIES, Policy

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

POLICY_BYTES_MAX = 20_480
"""AWS: Lambda quotas, "Function resource-based policy: 20 KB"."""


_HEAD = {"Version": "2012-10-17", "Id": "default"}


def of_function(call: Call, resource_arn: str) -> str | None:
    """The policy document on a function, version, alias or layer version; None where there is none."""
    parts = resource_arn.split(":")
    if len(parts) < 7:
        return None
    tx = call.reading().at(parts[4], parts[3])
    if parts[5] == "function":
        policy = POLICIES.get(tx, parts[6], parts[7] if len(parts) > 7 else "")
        return document(policy) if policy is not None else None
    if parts[5] == "layer" and len(parts) == 8 and parts[7].isdigit():
        layer = LAYER_VERSIONS.get(tx, parts[6], number_in(parts[7]))
        return json.dumps(_document(list(layer.policy.values()))) if layer is not None and layer.policy else None
    return None


def document(policy: Policy) -> str:
    return json.dumps({**(policy.head or _HEAD), "Statement": list(policy.statements.values())}, separators=(",", ":"))


def _document(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {**_HEAD, "Statement": statements}


def parsed(text: str, resource_arn: str) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """A whole document as a Policy's head and statements. Raises InvalidParameterValueException."""
    try:
        documents.parse(text, "resource", resource_arn, resource_required=True)
        written: dict[str, Any] = json.loads(text)
    except (documents.MalformedPolicy, ValueError, RecursionError) as malformed:
        raise errors.invalid_parameter(f"The resource policy is not valid: {getattr(malformed, 'message', malformed)}") from malformed
    found = written.pop("Statement")
    statements: dict[str, dict[str, Any]] = {}
    for place, statement in enumerate([found] if isinstance(found, dict) else found):
        sid = statement.get("Sid") or f"#{place}"
        if sid in statements:
            raise errors.invalid_parameter(f"The resource policy is not valid: the statement id {sid} is there twice.")
        statements[sid] = statement
    return {"Version": "2012-10-17", **written}, statements


def function_statement(request: dict[str, Any], resource_arn: str) -> dict[str, Any]:
    """The statement that AddPermission's request stands for, its members in AWS's order."""
    conditions: dict[str, dict[str, str]] = {}

    def add(operator: str, key: str, value: str | None) -> None:
        if value is not None:
            conditions.setdefault(operator, {})[key] = value

    add("StringEquals", "AWS:SourceAccount", request.get("SourceAccount"))
    add("StringEquals", "lambda:FunctionUrlAuthType", request.get("FunctionUrlAuthType"))
    add("StringEquals", "lambda:EventSourceToken", request.get("EventSourceToken"))
    add("StringEquals", "aws:PrincipalOrgID", request.get("PrincipalOrgID"))
    add("ArnLike", "AWS:SourceArn", request.get("SourceArn"))
    if request.get("InvokedViaFunctionUrl") is not None:
        add("Bool", "lambda:InvokedViaFunctionUrl", "true" if request["InvokedViaFunctionUrl"] else "false")
    statement: dict[str, Any] = {
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": principal_element(request["Principal"]),
        "Action": request["Action"],
        "Resource": resource_arn,
    }
    if conditions:
        statement["Condition"] = conditions
    return statement


def principal_element(principal: str) -> Any:
    """`s3.amazonaws.com`, twelve digits, an ARN or `*`, as a policy's Principal."""
    if principal == "*":
        return "*"
    if principal.startswith("arn:"):
        return {"AWS": principal}
    if len(principal) == 12 and principal.isdigit():
        return {"AWS": f"arn:aws:iam::{principal}:root"}
    return {"Service": principal}


def is_principal(call: Call, principal: str) -> bool:
    """Whether there may be such a one. AWS checks that users and roles exist; here the account's own roles do, others are taken at their word."""
    if principal == "*" or (len(principal) == 12 and principal.isdigit()):
        return True
    if not principal.startswith("arn:"):
        return "." in principal
    try:
        compile_principals({"AWS": principal})
    except ValueError:
        return False
    own = principal.startswith(f"arn:{call.partition}:iam::{call.account}:role/")
    return not own or call.ground.directory.role(call.reading(), principal) is not None
