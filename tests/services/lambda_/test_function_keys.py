"""Functions with a key of KMS for their variables: who makes them, who sees the variables, and what a key that cannot be used does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.services.lambda_.conftest import RUNTIME, zipped

SOURCE = "import os\ndef handler(event, context): return os.environ['WORD']"
VARIABLES = {"Environment": {"Variables": {"WORD": "secret"}}}


@pytest.fixture
def kms(client: Callable[..., Any]) -> Any:
    return client("kms")


@pytest.fixture
def key_arn(kms: Any) -> str:
    return str(kms.create_key()["KeyMetadata"]["Arn"])


def refusal(call: Callable[..., Any], **arguments: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    answer = refused.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


def test_the_role_has_a_grant_on_the_key(
    function: Callable[..., str], kms: Any, key_arn: str, answer: Any, role: str, account: str
) -> None:
    name = function(SOURCE, KMSKeyArn=key_arn, **VARIABLES)
    (grant,) = kms.list_grants(KeyId=key_arn)["Grants"]
    assert (grant["GranteePrincipal"], grant["Operations"]) == (role, ["Decrypt"])
    context = {"aws:lambda:FunctionArn": f"arn:aws:lambda:us-east-1:{account}:function:{name}"}
    assert grant["Constraints"] == {"EncryptionContextEquals": context}
    assert answer(name) == "secret"


def test_a_key_that_is_disabled_keeps_new_environments_from_starting(
    function: Callable[..., str], lambda_: Any, kms: Any, key_arn: str, answer: Any
) -> None:
    name = function(SOURCE, KMSKeyArn=key_arn, **VARIABLES)
    kms.disable_key(KeyId=key_arn)
    status, code, message = refusal(lambda_.invoke, FunctionName=name)
    assert (status, code) == (502, "KMSDisabledException")
    assert message.startswith(
        "Lambda was unable to decrypt the environment variables because the KMS key used is disabled. "
        "Please check the function's KMS key settings. KMS Exception: DisabledExceptionKMS Message: "
    )
    kms.enable_key(KeyId=key_arn)
    assert answer(name) == "secret"
    lambda_.update_function_configuration(FunctionName=name, KMSKeyArn="", Environment={"Variables": {"WORD": "open"}})
    kms.disable_key(KeyId=key_arn)
    assert answer(name) == "open"


def test_a_grant_that_is_revoked_denies_access(function: Callable[..., str], lambda_: Any, kms: Any, key_arn: str) -> None:
    name = function(SOURCE, KMSKeyArn=key_arn, **VARIABLES)
    (grant,) = kms.list_grants(KeyId=key_arn)["Grants"]
    kms.revoke_grant(KeyId=key_arn, GrantId=grant["GrantId"])
    assert refusal(lambda_.invoke, FunctionName=name)[:2] == (502, "KMSAccessDeniedException")


def test_a_key_that_cannot_be_granted_makes_no_function(function: Callable[..., str], lambda_: Any, account: str) -> None:
    missing = f"arn:aws:kms:us-east-1:{account}:key/00000000-0000-0000-0000-000000000000"
    status, code, message = refusal(function, source=SOURCE, KMSKeyArn=missing, **VARIABLES)
    assert (status, code) == (400, "InvalidParameterValueException")
    assert "because the KMS key is invalid for CreateGrant. Please check your KMS key settings. KMS Exception: NotFoundException" in message
    assert lambda_.list_functions()["Functions"] == []


def test_who_may_not_decrypt_sees_no_variables(
    function: Callable[..., str], client: Callable[..., Any], lambda_: Any, key_arn: str
) -> None:
    name = function(SOURCE, KMSKeyArn=key_arn, **VARIABLES)
    assert lambda_.get_function_configuration(FunctionName=name)["Environment"] == VARIABLES["Environment"]
    iam = client("iam")
    iam.create_user(UserName="reader")
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    reader = client("lambda", account=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])

    def allow(*actions: str) -> None:
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
        iam.put_user_policy(UserName="reader", PolicyName="own", PolicyDocument=json.dumps(document))

    allow("lambda:*")
    assert reader.get_function(FunctionName=name)["Configuration"]["Environment"]["Error"]["ErrorCode"] == "AccessDeniedException"
    assert "Variables" not in reader.list_functions()["Functions"][0]["Environment"]
    allow("lambda:*", "kms:Decrypt")
    assert reader.get_function_configuration(FunctionName=name)["Environment"] == VARIABLES["Environment"]


def test_who_may_not_grant_makes_no_function(client: Callable[..., Any], role: str, key_arn: str) -> None:
    iam = client("iam")
    iam.create_user(UserName="maker")
    statement = {"Effect": "Allow", "Action": ["lambda:*", "iam:PassRole"], "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="maker", PolicyName="own", PolicyDocument=document)
    key = iam.create_access_key(UserName="maker")["AccessKey"]
    maker = client("lambda", account=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    made = {"FunctionName": "f", "Role": role, "Runtime": RUNTIME, "Handler": "app.handler", "Code": {"ZipFile": zipped(SOURCE)}}
    _, code, message = refusal(maker.create_function, **made, KMSKeyArn=key_arn, **VARIABLES)
    assert code == "InvalidParameterValueException"
    assert "KMS Exception: AccessDeniedException" in message
