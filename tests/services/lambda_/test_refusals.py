"""What the operations of Lambda refuse, in AWS's words and order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from tests.services.lambda_.conftest import RUNTIME, zipped

SOURCE = "def handler(event, context): return 1"
INVALID, MISSING, CONFLICT = "InvalidParameterValueException", "ResourceNotFoundException", "ResourceConflictException"
FUNCTION = "arn:aws:lambda:us-east-1:{account}:function"
FAR = "9" * 40
"""A number that no key holds."""


@pytest.fixture
def refusal(lambda_: Any) -> Callable[..., tuple[str, str]]:
    def call(operation: str, **arguments: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as refused:
            getattr(lambda_, xform_name(operation))(**arguments)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] < 500
        return refused.value.response["Error"]["Code"], refused.value.response["Error"]["Message"]

    return call


@pytest.mark.parametrize(
    ("operation", "arguments", "sentence"),
    [
        ("GetFunction", {}, "Function not found: {arn}:gone"),
        ("Invoke", {}, "Function not found: {arn}:gone"),
        ("GetFunction", {"Qualifier": "live"}, "Function not found: {arn}:gone:live"),
        ("PutFunctionEventInvokeConfig", {"MaximumRetryAttempts": 1}, "The function doesn't exist."),
        ("GetFunctionEventInvokeConfig", {}, "The function {arn}:gone:$LATEST doesn't have an EventInvokeConfig"),
        ("CreateFunctionUrlConfig", {"AuthType": "NONE"}, "Function does not exist"),
        ("GetFunctionUrlConfig", {}, "The resource you requested does not exist."),
    ],
)
def test_what_is_missing_is_said_in_the_words_of_each_operation(
    refusal: Any, account: str, operation: str, arguments: dict[str, Any], sentence: str
) -> None:
    assert refusal(operation, FunctionName="gone", **arguments) == (MISSING, sentence.format(arn=FUNCTION.format(account=account)))


@pytest.mark.parametrize(
    ("operation", "arguments", "error"),
    [
        ("DeleteFunction", {"Qualifier": "live"}, (INVALID, "Deletion of aliases is not currently supported.")),
        (
            "GetProvisionedConcurrencyConfig",
            {"Qualifier": "$LATEST"},
            (INVALID, "The function resource provided must be an alias or a published version."),
        ),
        ("CreateEventSourceMapping", {}, (INVALID, "Unrecognized event source.")),
        (
            "UpdateFunctionConfiguration",
            {"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": []}},
            (INVALID, "SubnetIds and SecurityIds must coexist or be both empty list."),
        ),
    ],
)
def test_what_cannot_be_asked_of_a_function_is_refused(
    refusal: Any, function: Callable[..., str], operation: str, arguments: dict[str, Any], error: tuple[str, str]
) -> None:
    assert refusal(operation, FunctionName=function(SOURCE), **arguments) == error


def test_a_runtime_that_nobody_knows_is_refused_with_those_that_are_known(refusal: Any, role: str) -> None:
    code, message = refusal("CreateFunction", FunctionName="f", Role=role, Runtime="cobol", Handler="a.b", Code={"ZipFile": zipped(SOURCE)})
    assert code == INVALID
    assert message.startswith("Value cobol at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [nodejs")
    assert message.endswith("] or be a valid ARN") and RUNTIME in message


def test_tags_have_a_limit_and_names_that_are_awss(
    refusal: Any, lambda_: Any, function: Callable[..., str], role: str, account: str
) -> None:
    arn = f"{FUNCTION.format(account=account)}:{function(SOURCE)}"
    reserved = (INVALID, "Tag keys that start with aws: are reserved for AWS use.")
    assert refusal("TagResource", Resource=arn, Tags={}) == (INVALID, "An error occurred and the request cannot be processed.")
    assert refusal("TagResource", Resource=arn, Tags={"aws:a": "b"}) == reserved
    made = {"FunctionName": "f", "Role": role, "Runtime": RUNTIME, "Handler": "a.b", "Code": {"ZipFile": zipped(SOURCE)}}
    assert refusal("CreateFunction", **made, Tags={"aws:a": "b"}) == reserved
    many = {f"tag{number}": "x" for number in range(30)}
    lambda_.tag_resource(Resource=arn, Tags=many)
    more = {f"more{number}": "x" for number in range(30)}
    assert refusal("TagResource", Resource=arn, Tags=more) == (INVALID, "Number of tags exceeds resource tag limit.")


@pytest.mark.parametrize("marker", ["x", "a:b", "f:x", FAR, f"f:{FAR}", f"{FAR}/x"])
@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("ListVersionsByFunction", {"FunctionName": "f"}),
        ("ListLayerVersions", {"LayerName": "layer"}),
        ("ListFunctions", {"FunctionVersion": "ALL"}),
        ("ListDurableExecutionsByFunction", {"FunctionName": "f"}),
    ],
)
def test_a_marker_that_no_list_has_given_is_refused(
    refusal: Any, function: Callable[..., str], operation: str, arguments: dict[str, Any], marker: str
) -> None:
    function(SOURCE, FunctionName="f")
    assert refusal(operation, **arguments, Marker=marker) == (INVALID, "Invalid marker.")


def test_numbers_beyond_all_versions_are_of_none(refusal: Any, function: Callable[..., str], account: str) -> None:
    arn = f"{FUNCTION.format(account=account)}:{function(SOURCE, FunctionName='f')}"
    assert refusal("Invoke", FunctionName="f", Qualifier=FAR) == (MISSING, f"Function not found: {arn}:{FAR}")
    assert refusal("CreateAlias", FunctionName="f", Name="a", FunctionVersion=FAR) == (MISSING, f"Function not found: {arn}:{FAR}")
    assert refusal("GetLayerVersion", LayerName="a", VersionNumber=int(FAR))[0] == MISSING
    assert refusal("GetLayerVersion", LayerName="a", VersionNumber=0) == (INVALID, "Layer Version Cannot be less than 1.")
    assert refusal("DeleteLayerVersion", LayerName="a", VersionNumber=0) == (INVALID, "Layer Version Cannot be less than 1.")
    layer_arn = f"arn:aws:lambda:us-east-1:{account}:layer:a:{FAR}"
    assert refusal("UpdateFunctionConfiguration", FunctionName="f", Layers=[layer_arn])[0] == INVALID


def test_a_version_has_its_provisioned_concurrency_by_itself_or_by_one_alias(
    refusal: Any, lambda_: Any, function: Callable[..., str]
) -> None:
    name = function(SOURCE, Publish=True)
    for alias in ("one", "two"):
        lambda_.create_alias(FunctionName=name, Name=alias, FunctionVersion="1")
    wanted = {"FunctionName": name, "ProvisionedConcurrentExecutions": 2}
    lambda_.put_provisioned_concurrency_config(**wanted, Qualifier="one")
    assert refusal("PutProvisionedConcurrencyConfig", **wanted, Qualifier="1") == (
        CONFLICT,
        "Version is pointed by a Provisioned Concurrency alias",
    )
    assert refusal("PutFunctionConcurrency", FunctionName=name, ReservedConcurrentExecutions=1) == (
        INVALID,
        " ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2].",
    )
    lambda_.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="one")
    lambda_.put_provisioned_concurrency_config(**wanted, Qualifier="1")
    assert refusal("PutProvisionedConcurrencyConfig", **wanted, Qualifier="two") == (
        CONFLICT,
        "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
    )
