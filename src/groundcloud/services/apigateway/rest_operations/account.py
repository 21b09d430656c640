"""The account's settings in a region: the role under which REST APIs write logs."""

from __future__ import annotations

from typing import Any

from groundcloud.base.arn import is_arn
from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.apigateway import errors, patches, state
from groundcloud.services.apigateway.access import by_path
from groundcloud.services.apigateway.documents import rest_document, restored
from groundcloud.services.apigateway.gateway.functions import PRINCIPAL
from groundcloud.services.apigateway.gateway.throttles import ACCOUNT_BURST, ACCOUNT_RATE
from groundcloud.services.apigateway.state import ACCOUNTS, REST_APIS, Account


@operation(access=by_path)
def get_account(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return _described(state.account_settings(call.tx))


@operation(access=by_path)
def update_account(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The role must be there and trust API Gateway, as AWS tries out before it takes one."""
    account = state.account_settings(call.tx)
    operations = [patch for patch in request.get("patchOperations") or [] if patch.get("path") != "/features"]
    changed = restored(account, patches.apply(rest_document(account), operations, {"cloudwatchRoleArn": patches.text}))
    role_arn = changed.cloudwatch_role_arn
    if role_arn is not None and role_arn != account.cloudwatch_role_arn:
        if not is_arn(role_arn):
            raise errors.bad_request(f"Invalid ARN specified in the request: {role_arn}")
        call.authorize("iam:PassRole", role_arn, {"iam:PassedToService": PRINCIPAL})
        try:
            call.ground.assume(call.tx, role_arn, "groundcloud-apigateway", PRINCIPAL)
        except AwsError:
            raise errors.bad_request(
                "The role ARN does not have required permissions configured. Please grant trust permission for API Gateway and add the required role policy."
            ) from None
    ACCOUNTS.put(call.tx, changed)
    for api in list(REST_APIS.scan(call.tx)):
        state.touch(call.tx, api.api_id)
    return _described(changed)


def _described(account: Account) -> dict[str, Any]:
    limits = {"burstLimit": ACCOUNT_BURST, "rateLimit": ACCOUNT_RATE}
    return rest_document(account) | {"throttleSettings": limits, "features": ["UsagePlans"], "apiKeyVersion": "4"}
