"""Code signing: configurations are kept, and a policy that only trusts signed code lets nothing through, for nothing here is signed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.services.lambda_.conftest import RUNTIME, zipped

PUBLISHERS = {"SigningProfileVersionArns": ["arn:aws:signer:us-east-1:000000000000:/signing-profiles/profile/abcdefghij"]}
HANDLER = "def handler(event, context): return 1"


def config(lambda_: Any, policy: str) -> str:
    made = lambda_.create_code_signing_config(AllowedPublishers=PUBLISHERS, CodeSigningPolicies={"UntrustedArtifactOnDeployment": policy})[
        "CodeSigningConfig"
    ]
    assert made["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": policy}
    return str(made["CodeSigningConfigArn"])


def code_of(call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def test_unsigned_code_is_blocked_where_signatures_are_enforced(lambda_: Any, role: str, function: Callable[..., str]) -> None:
    enforced = config(lambda_, "Enforce")
    create = {"FunctionName": "signed", "Role": role, "Runtime": RUNTIME, "Handler": "app.handler", "Code": {"ZipFile": zipped(HANDLER)}}
    assert code_of(lambda_.create_function, CodeSigningConfigArn=enforced, **create) == "CodeVerificationFailedException"
    name = function(HANDLER)
    lambda_.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=enforced)
    assert code_of(lambda_.update_function_code, FunctionName=name, ZipFile=zipped(HANDLER)) == "CodeVerificationFailedException"
    assert lambda_.list_functions_by_code_signing_config(CodeSigningConfigArn=enforced)["FunctionArns"][0].endswith(f":{name}")
    lambda_.delete_function_code_signing_config(FunctionName=name)
    lambda_.update_function_code(FunctionName=name, ZipFile=zipped(HANDLER))


def test_unsigned_code_is_deployed_where_that_is_a_warning(lambda_: Any, function: Callable[..., str]) -> None:
    name = function(HANDLER, CodeSigningConfigArn=config(lambda_, "Warn"))
    lambda_.update_function_code(FunctionName=name, ZipFile=zipped(HANDLER))


def test_a_configuration_that_does_not_exist_is_not_found(lambda_: Any, role: str) -> None:
    absent = "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-00000000000000000"
    create = {"FunctionName": "signed", "Role": role, "Runtime": RUNTIME, "Handler": "app.handler", "Code": {"ZipFile": zipped(HANDLER)}}
    assert code_of(lambda_.create_function, CodeSigningConfigArn=absent, **create) == "CodeSigningConfigNotFoundException"
