"""PutRuntimeManagementConfig: kept and shown, for each version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

SOURCE = "def handler(event, context): return 1"
PINNED = "arn:aws:lambda:us-east-1::runtime:8eeff65f6809a3ce81507fe733fe09b835899b99481ba22fd75b5a7338290ec1"


def test_a_function_is_updated_automatically_until_it_says_otherwise(lambda_: Any, function: Callable[..., str], account: str) -> None:
    name = function(SOURCE)
    arn = f"arn:aws:lambda:us-east-1:{account}:function:{name}"
    found = lambda_.get_runtime_management_config(FunctionName=name)
    assert (found["UpdateRuntimeOn"], found["FunctionArn"], "RuntimeVersionArn" in found) == ("Auto", arn, False)
    put = lambda_.put_runtime_management_config(FunctionName=name, UpdateRuntimeOn="FunctionUpdate")
    assert (put["UpdateRuntimeOn"], put["FunctionArn"]) == ("FunctionUpdate", arn)
    assert lambda_.get_runtime_management_config(FunctionName=name)["UpdateRuntimeOn"] == "FunctionUpdate"


def test_a_runtime_version_that_is_named_is_kept_and_shown(lambda_: Any, function: Callable[..., str], answer: Any) -> None:
    name = function(SOURCE, Publish=True)
    own = lambda_.get_function_configuration(FunctionName=name)["RuntimeVersionConfig"]
    put = lambda_.put_runtime_management_config(FunctionName=name, Qualifier="1", UpdateRuntimeOn="Manual", RuntimeVersionArn=PINNED)
    assert (put["UpdateRuntimeOn"], put["RuntimeVersionArn"]) == ("Manual", PINNED)
    assert lambda_.get_runtime_management_config(FunctionName=name, Qualifier="1")["RuntimeVersionArn"] == PINNED
    assert lambda_.get_function_configuration(FunctionName=name, Qualifier="1")["RuntimeVersionConfig"] == {"RuntimeVersionArn": PINNED}
    assert lambda_.get_function_configuration(FunctionName=name)["RuntimeVersionConfig"] == own
    assert answer(name, Qualifier="1") == 1
    lambda_.put_runtime_management_config(FunctionName=name, Qualifier="1", UpdateRuntimeOn="Auto")
    assert lambda_.get_function_configuration(FunctionName=name, Qualifier="1")["RuntimeVersionConfig"] == own


@pytest.mark.parametrize("config", [{"UpdateRuntimeOn": "Manual"}, {"UpdateRuntimeOn": "Auto", "RuntimeVersionArn": PINNED}])
def test_a_runtime_version_goes_with_the_manual_mode_alone(lambda_: Any, function: Callable[..., str], config: dict[str, str]) -> None:
    with pytest.raises(ClientError, match="RuntimeVersionArn") as refused:
        lambda_.put_runtime_management_config(FunctionName=function(SOURCE), **config)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
