"""Lambda Managed Instances: capacity providers, functions on them, $LATEST.PUBLISHED and the scaling of versions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.services.lambda_.conftest import make_function, make_role, zipped
from tests.services.lambda_.test_resources import Stack
from tests.services.lambda_.test_resources import function as function_resource

from groundcloud.base.errors import AwsError
from groundcloud.services.lambda_.capacity import ceiling
from groundcloud.services.lambda_.concurrency import Gate
from groundcloud.services.lambda_.state import Code, Function, Version

CODE = "def handler(event, context): return [context.function_version, {!r}]"
NETWORK = {"SubnetIds": ["subnet-1234abcd"], "SecurityGroupIds": ["sg-1234abcd"]}


def refusal(call: Callable[..., Any], **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    found = refused.value.response["Error"]
    return found["Code"], found["Message"]


def capacity(provider_arn: str, **members: Any) -> dict[str, Any]:
    return {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": provider_arn, **members}}


@pytest.fixture
def make_provider(lambda_: Any, role: str) -> Callable[..., Any]:
    """`make_provider("cp", KmsKeyArn=...)` -> CreateCapacityProvider's CapacityProvider."""

    def make(name: str, **options: Any) -> Any:
        permissions = {"CapacityProviderOperatorRoleArn": role}
        made = lambda_.create_capacity_provider(CapacityProviderName=name, VpcConfig=NETWORK, PermissionsConfig=permissions, **options)
        return made["CapacityProvider"]

    return make


@pytest.fixture
def provider_arn(make_provider: Callable[..., Any]) -> str:
    return str(make_provider("cp")["CapacityProviderArn"])


@pytest.fixture
def managed(function: Callable[..., str], provider_arn: str) -> str:
    """A function on the provider, with "a" in $LATEST and nothing published."""
    return function(
        CODE.format("a"), MemorySize=2048, CapacityProviderConfig=capacity(provider_arn, PerExecutionEnvironmentMaxConcurrency=3)
    )


def test_a_provider_is_pending_in_the_answer_and_active_afterwards(lambda_: Any, make_provider: Any, account: str, role: str) -> None:
    made = make_provider("cp", Tags={"team": "a"}, InstanceRequirements={"Architectures": ["arm64"], "AllowedInstanceTypes": ["m8g.*"]})
    arn = f"arn:aws:lambda:us-east-1:{account}:capacity-provider:cp"
    assert (made["CapacityProviderArn"], made["State"]) == (arn, "Pending")
    found = lambda_.get_capacity_provider(CapacityProviderName=arn)["CapacityProvider"]
    assert found == {**made, "State": "Active"}
    assert found["VpcConfig"] == NETWORK
    assert found["PermissionsConfig"] == {"CapacityProviderOperatorRoleArn": role}
    assert found["InstanceRequirements"] == {"Architectures": ["arm64"], "AllowedInstanceTypes": ["m8g.*"]}
    assert found["CapacityProviderScalingConfig"] == {"MaxVCpuCount": 400, "ScalingMode": "Auto"}
    lambda_.tag_resource(Resource=arn, Tags={"stage": "b"})
    lambda_.untag_resource(Resource=arn, TagKeys=["team"])
    assert lambda_.list_tags(Resource=arn)["Tags"] == {"stage": "b"}
    assert refusal(make_provider, name="cp") == ("ResourceConflictException", "Capacity provider already exists: cp")


def test_a_provider_is_updated_listed_and_deleted(lambda_: Any, make_provider: Any, account: str) -> None:
    for name in ("a", "b", "c"):
        make_provider(name)
    wanted = {
        "MaxVCpuCount": 8,
        "ScalingMode": "Manual",
        "ScalingPolicies": [{"PredefinedMetricType": "LambdaCapacityProviderAverageCPUUtilization", "TargetValue": 50.0}],
    }
    updated = lambda_.update_capacity_provider(CapacityProviderName="a", CapacityProviderScalingConfig=wanted)["CapacityProvider"]
    assert updated["CapacityProviderScalingConfig"] == wanted
    pages = lambda_.get_paginator("list_capacity_providers").paginate(PaginationConfig={"PageSize": 2})
    names = [one["CapacityProviderArn"].rsplit(":", 1)[1] for page in pages for one in page["CapacityProviders"]]
    assert names == ["a", "b", "c"]
    assert lambda_.list_capacity_providers(State="Failed")["CapacityProviders"] == []
    assert lambda_.delete_capacity_provider(CapacityProviderName="a")["CapacityProvider"]["State"] == "Deleting"
    arn = f"arn:aws:lambda:us-east-1:{account}:capacity-provider:a"
    for call in (lambda_.get_capacity_provider, lambda_.delete_capacity_provider, lambda_.list_function_versions_by_capacity_provider):
        assert refusal(call, CapacityProviderName="a") == ("ResourceNotFoundException", f"Capacity provider not found: {arn}")


def test_a_function_on_a_provider_runs_its_latest_published_version(lambda_: Any, managed: str, answer: Any, account: str) -> None:
    arn = f"arn:aws:lambda:us-east-1:{account}:function:{managed}"
    assert refusal(lambda_.invoke, FunctionName=managed) == (
        "NoPublishedVersionException",
        "The function has no published versions available.",
    )
    made = lambda_.publish_version(FunctionName=managed, PublishTo="LATEST_PUBLISHED")
    assert (made["Version"], made["FunctionArn"], made["State"]) == ("$LATEST.PUBLISHED", f"{arn}:$LATEST.PUBLISHED", "Active")
    assert answer(managed) == ["$LATEST.PUBLISHED", "a"]
    changed = lambda_.update_function_code(FunctionName=managed, ZipFile=zipped(CODE.format("b")))
    assert changed["Version"] == "$LATEST"
    assert answer(managed) == ["$LATEST.PUBLISHED", "a"]
    changed = lambda_.update_function_code(
        FunctionName=managed, ZipFile=zipped(CODE.format("c")), Publish=True, PublishTo="LATEST_PUBLISHED"
    )
    assert changed["Version"] == "$LATEST.PUBLISHED"
    assert (
        answer(managed)
        == answer(managed, Qualifier="$LATEST.PUBLISHED")
        == answer(f"{arn}:$LATEST.PUBLISHED")
        == ["$LATEST.PUBLISHED", "c"]
    )
    again = lambda_.publish_version(FunctionName=managed, PublishTo="LATEST_PUBLISHED")
    assert again["RevisionId"] == changed["RevisionId"]
    assert refusal(lambda_.invoke, FunctionName=managed, Qualifier="$LATEST")[0] == "ResourceConflictException"


def test_the_latest_published_version_is_shown_among_the_versions_and_takes_an_alias(
    lambda_: Any, managed: str, answer: Any, account: str
) -> None:
    lambda_.publish_version(FunctionName=managed, PublishTo="LATEST_PUBLISHED")
    assert lambda_.publish_version(FunctionName=managed)["Version"] == "1"
    versions = lambda_.list_versions_by_function(FunctionName=managed)["Versions"]
    assert [one["Version"] for one in versions] == ["$LATEST", "$LATEST.PUBLISHED", "1"]
    pages = lambda_.get_paginator("list_versions_by_function").paginate(FunctionName=managed, PaginationConfig={"PageSize": 1})
    assert sorted(one["Version"] for page in pages for one in page["Versions"]) == ["$LATEST", "$LATEST.PUBLISHED", "1"]
    states = {
        qualifier: lambda_.get_function(FunctionName=managed, Qualifier=qualifier)["Configuration"]["State"]
        for qualifier in ("$LATEST", "$LATEST.PUBLISHED", "1")
    }
    assert states == {"$LATEST": "ActiveNonInvocable", "$LATEST.PUBLISHED": "Active", "1": "Active"}
    config = lambda_.get_function_configuration(FunctionName=f"{managed}:$LATEST.PUBLISHED")
    assert config["FunctionArn"] == f"arn:aws:lambda:us-east-1:{account}:function:{managed}:$LATEST.PUBLISHED"
    alias = lambda_.create_alias(FunctionName=managed, Name="live", FunctionVersion="$LATEST.PUBLISHED")
    assert alias["FunctionVersion"] == "$LATEST.PUBLISHED"
    assert [one["Name"] for one in lambda_.list_aliases(FunctionName=managed, FunctionVersion="$LATEST.PUBLISHED")["Aliases"]] == ["live"]
    assert answer(managed, Qualifier="live") == ["$LATEST.PUBLISHED", "a"]
    assert refusal(lambda_.delete_function, FunctionName=managed, Qualifier="$LATEST.PUBLISHED")[0] == "ResourceConflictException"
    lambda_.delete_alias(FunctionName=managed, Name="live")
    lambda_.delete_function(FunctionName=managed, Qualifier="$LATEST.PUBLISHED")
    assert refusal(lambda_.get_function, FunctionName=managed, Qualifier="$LATEST.PUBLISHED")[0] == "ResourceNotFoundException"


def test_a_function_without_a_provider_has_a_latest_published_version_beside_the_one_that_runs(
    lambda_: Any, function: Any, answer: Any
) -> None:
    name = function(CODE.format("a"), Publish=True, PublishTo="LATEST_PUBLISHED")
    lambda_.update_function_code(FunctionName=name, ZipFile=zipped(CODE.format("b")))
    assert answer(name) == ["$LATEST", "b"]
    assert answer(name, Qualifier="$LATEST.PUBLISHED") == ["$LATEST.PUBLISHED", "a"]


def test_a_ceiling_is_of_one_version_and_is_left_again() -> None:
    gate, function = Gate({}), Function(function_name="f", created_ms=0)
    assert gate.enter(function, "1", 2).function == 1
    gate.enter(function, "1", 2)
    with pytest.raises(AwsError, match="Rate Exceeded"):
        gate.enter(function, "1", 2)
    assert gate.enter(function, "2", 1).function == 3
    for version in ("1", "1", "2"):
        gate.leave(function, version)
    assert (gate.running, gate.total, gate.unreserved) == ({}, 0, 0)


@pytest.mark.slow
def test_a_provider_and_what_runs_on_it_outlive_a_kill(process: Any) -> None:
    lambda_, role = process.client("lambda"), make_role(process.client("iam"), "worker")
    permissions = {"CapacityProviderOperatorRoleArn": role}
    made = lambda_.create_capacity_provider(CapacityProviderName="cp", VpcConfig=NETWORK, PermissionsConfig=permissions)
    config = capacity(made["CapacityProvider"]["CapacityProviderArn"])
    source = "import time\nBORN = time.time()\ndef handler(event, context): return [context.function_version, BORN]"
    name = make_function(lambda_, role, source, CapacityProviderConfig=config, PublishTo="LATEST_PUBLISHED")
    scaling = {"MinExecutionEnvironments": 1, "MaxExecutionEnvironments": 4}
    place = {"FunctionName": name, "Qualifier": "$LATEST.PUBLISHED"}
    lambda_.put_function_scaling_config(**place, FunctionScalingConfig=scaling)
    process.restart()
    lambda_ = process.client("lambda")
    assert lambda_.get_capacity_provider(CapacityProviderName="cp")["CapacityProvider"]["State"] == "Active"
    assert lambda_.get_function_scaling_config(**place)["AppliedFunctionScalingConfig"] == scaling
    process.settle()
    began = time.time()
    version, born = json.load(lambda_.invoke(FunctionName=name)["Payload"])
    assert (version, born < began) == ("$LATEST.PUBLISHED", True)


def test_a_provider_lists_its_versions_and_is_kept_while_it_has_some(lambda_: Any, managed: str, provider_arn: str, account: str) -> None:
    arn = f"arn:aws:lambda:us-east-1:{account}:function:{managed}"
    lambda_.publish_version(FunctionName=managed)
    found = lambda_.list_function_versions_by_capacity_provider(CapacityProviderName="cp", MaxItems=1)
    assert (found["CapacityProviderArn"], found["FunctionVersions"]) == (
        provider_arn,
        [{"FunctionArn": f"{arn}:$LATEST", "State": "ActiveNonInvocable"}],
    )
    rest = lambda_.list_function_versions_by_capacity_provider(CapacityProviderName="cp", Marker=found["NextMarker"])
    assert rest["FunctionVersions"] == [{"FunctionArn": f"{arn}:1", "State": "Active"}]
    code, message = refusal(lambda_.delete_capacity_provider, CapacityProviderName="cp")
    assert (code, "in use" in message) == ("ResourceConflictException", True)
    lambda_.delete_function(FunctionName=managed)
    lambda_.delete_capacity_provider(CapacityProviderName="cp")


def test_a_provider_has_room_for_a_hundred_versions(lambda_: Any, managed: str, provider_arn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundcloud.services.lambda_.capacity.VERSIONS_MAX", 1)
    lambda_.publish_version(FunctionName=managed)
    lambda_.update_function_configuration(FunctionName=managed, Timeout=7)
    assert refusal(lambda_.publish_version, FunctionName=managed)[0] == "FunctionVersionsPerCapacityProviderLimitExceededException"


def test_what_a_function_on_a_provider_cannot_be_is_refused(
    lambda_: Any, function: Any, make_provider: Any, managed: str, provider_arn: str
) -> None:
    config = capacity(provider_arn)
    for options in (
        {"MemorySize": 1024},
        {"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}},
        {"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}},
    ):
        assert refusal(function, source=CODE, CapacityProviderConfig=config, **options)[0] == "InvalidParameterValueException"
    missing = provider_arn + "-gone"
    assert refusal(function, source=CODE, CapacityProviderConfig=capacity(missing)) == (
        "ResourceNotFoundException",
        f"Capacity provider not found: {missing}",
    )
    assert refusal(lambda_.update_function_configuration, FunctionName=managed, MemorySize=512)[0] == "InvalidParameterValueException"
    plain = function(CODE.format("plain"))
    assert refusal(lambda_.update_function_configuration, FunctionName=plain, CapacityProviderConfig=config) == (
        "InvalidParameterValueException",
        "CapacityProviderConfig isn't supported for Lambda Default functions.",
    )
    lambda_.publish_version(FunctionName=managed)
    place = {"FunctionName": managed, "Qualifier": "1"}
    assert refusal(lambda_.put_provisioned_concurrency_config, **place, ProvisionedConcurrentExecutions=1) == (
        "InvalidParameterValueException",
        "Provisioned Concurrency is not supported for functions with a capacity provider.",
    )
    other = capacity(make_provider("other")["CapacityProviderArn"])
    moved = lambda_.update_function_configuration(FunctionName=managed, MemorySize=16_384, CapacityProviderConfig=other)
    assert (moved["MemorySize"], moved["CapacityProviderConfig"]) == (16_384, other)


def test_who_may_not_pass_a_provider_makes_no_function_on_it(client: Any, role: str, provider_arn: str) -> None:
    iam = client("iam")
    iam.create_user(UserName="maker")
    key = iam.create_access_key(UserName="maker")["AccessKey"]
    maker = client("lambda", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    allowed = {"Effect": "Allow", "Action": ["lambda:CreateFunction", "iam:PassRole"], "Resource": "*"}
    pass_it = {"Effect": "Allow", "Action": "lambda:PassCapacityProvider", "Resource": provider_arn}
    request: dict[str, Any] = {
        "FunctionName": "made",
        "Runtime": "python3.11",
        "Handler": "app.handler",
        "Role": role,
        "Code": {"ZipFile": zipped(CODE.format("a"))},
        "CapacityProviderConfig": capacity(provider_arn),
    }

    def may(*statements: dict[str, Any]) -> None:
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName="maker", PolicyName="own", PolicyDocument=document)

    may(allowed)
    code, message = refusal(maker.create_function, **request)
    assert code == "AccessDeniedException"
    assert f"is not authorized to perform: lambda:PassCapacityProvider on resource: {provider_arn}" in message
    may(allowed, pass_it)
    assert maker.create_function(**request)["MemorySize"] == 2048


def test_scaling_is_of_a_published_version_and_stays_with_the_latest_published(lambda_: Any, managed: str, account: str) -> None:
    place = {"FunctionName": managed, "Qualifier": "$LATEST.PUBLISHED"}
    config = {"MinExecutionEnvironments": 1, "MaxExecutionEnvironments": 2}
    assert refusal(lambda_.put_function_scaling_config, **place, FunctionScalingConfig=config)[0] == "ResourceNotFoundException"
    lambda_.publish_version(FunctionName=managed, PublishTo="LATEST_PUBLISHED")
    assert lambda_.put_function_scaling_config(**place, FunctionScalingConfig=config)["FunctionState"] == "Active"
    lambda_.update_function_code(FunctionName=managed, ZipFile=zipped(CODE.format("z")), PublishTo="LATEST_PUBLISHED")
    found = lambda_.get_function_scaling_config(**place)
    assert found["FunctionArn"] == f"arn:aws:lambda:us-east-1:{account}:function:{managed}:$LATEST.PUBLISHED"
    assert found["AppliedFunctionScalingConfig"] == found["RequestedFunctionScalingConfig"] == config
    wrong = {"MinExecutionEnvironments": 3, "MaxExecutionEnvironments": 2}
    assert refusal(lambda_.put_function_scaling_config, **place, FunctionScalingConfig=wrong)[0] == "InvalidParameterValueException"
    lambda_.put_function_scaling_config(**place)
    assert "AppliedFunctionScalingConfig" not in lambda_.get_function_scaling_config(**place)


def test_a_version_without_environments_is_throttled(lambda_: Any, managed: str, answer: Any) -> None:
    lambda_.publish_version(FunctionName=managed)
    place = {"FunctionName": managed, "Qualifier": "1"}
    lambda_.put_function_scaling_config(**place, FunctionScalingConfig={"MaxExecutionEnvironments": 0})
    assert refusal(lambda_.invoke, **place)[0] == "TooManyRequestsException"
    lambda_.put_function_scaling_config(**place, FunctionScalingConfig={"MaxExecutionEnvironments": 1})
    assert answer(managed, Qualifier="1") == answer(managed, Qualifier="1") == ["1", "a"]


def test_the_least_environments_of_a_version_are_initialised_before_anybody_calls(
    lambda_: Any, function: Callable[..., str], provider_arn: str, clock: Any
) -> None:
    source = "import os, time\nBORN = time.time()\ndef handler(event, context):\n time.sleep(0.2)\n return [BORN, os.environ['{}']]"
    name = function(
        source.format("AWS_LAMBDA_INITIALIZATION_TYPE"), CapacityProviderConfig=capacity(provider_arn), PublishTo="LATEST_PUBLISHED"
    )
    place = {"FunctionName": name, "Qualifier": "$LATEST.PUBLISHED"}
    lambda_.put_function_scaling_config(**place, FunctionScalingConfig={"MinExecutionEnvironments": 3, "MaxExecutionEnvironments": 5})

    def three_at_once() -> list[tuple[bool, str]]:
        """Whether each ran in an environment older than this call, and what that environment says."""
        clock.settle()
        began = time.time()
        with ThreadPoolExecutor(3) as three:
            found = list(three.map(lambda _: json.load(lambda_.invoke(FunctionName=name)["Payload"]), range(3)))
        assert len({born for born, _ in found}) == 3
        return [(born < began, said) for born, said in found]

    assert three_at_once() == [(True, "lambda-managed-instances")] * 3
    lambda_.update_function_code(
        FunctionName=name, ZipFile=zipped(source.format("AWS_LAMBDA_FUNCTION_VERSION")), PublishTo="LATEST_PUBLISHED"
    )
    assert three_at_once() == [(True, "$LATEST.PUBLISHED")] * 3


def test_a_version_with_room_for_no_environment_is_deactivated(lambda_: Any, managed: str, answer: Any) -> None:
    lambda_.publish_version(FunctionName=managed)
    place = {"FunctionName": managed, "Qualifier": "1"}
    none = {"MinExecutionEnvironments": 0, "MaxExecutionEnvironments": 0}
    assert lambda_.put_function_scaling_config(**place, FunctionScalingConfig=none)["FunctionState"] == "Deactivating"
    assert lambda_.get_function_configuration(**place)["State"] == "Deactivated"
    assert refusal(lambda_.invoke, **place) == (
        "ResourceConflictException",
        "The operation cannot be performed at this time. The function is currently in the following state: Deactivated",
    )
    lambda_.put_function_scaling_config(**place)
    assert answer(managed, Qualifier="1") == ["1", "a"]


@pytest.mark.parametrize(
    ("config", "memory_mb", "at_once"),
    [
        ({}, 2048, 16),
        ({}, 8192, 64),
        ({"ExecutionEnvironmentMemoryGiBPerVCpu": 8.0}, 8192, 16),
        ({"PerExecutionEnvironmentMaxConcurrency": 3}, 2048, 3),
    ],
)
def test_an_environment_takes_what_its_configuration_or_its_runtime_says(config: dict[str, Any], memory_mb: int, at_once: int) -> None:
    code = Code(digest="", sha256="", size_bytes=0, unpacked_bytes=0)
    version = Version(
        function_name="f",
        number=1,
        role="",
        runtime="python3.13",
        handler="",
        code=code,
        generation="",
        revision_id="",
        last_modified_ms=0,
        memory_mb=memory_mb,
        kept={"CapacityProviderConfig": {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": "", **config}}},
    )
    function = Function(function_name="f", created_ms=0, scaling={"1": {"MaxExecutionEnvironments": 2}})
    assert ceiling(function, version) == 2 * at_once


def test_scaling_of_a_function_without_a_provider_is_refused(lambda_: Any, function: Any) -> None:
    name = function(CODE.format("a"))
    lambda_.publish_version(FunctionName=name)
    for call in (lambda_.put_function_scaling_config, lambda_.get_function_scaling_config):
        assert refusal(call, FunctionName=name, Qualifier="1") == (
            "AccessDeniedException",
            "The function provided by the arn does not contain a capacity provider configuration",
        )


def test_a_stack_publishes_its_function_on_a_provider(client: Any, clock: Any, role: str) -> None:
    stack = Stack(client, clock)
    operator = make_role(client("iam"), "operator")
    provider = {
        "Type": "AWS::Lambda::CapacityProvider",
        "Properties": {"VpcConfig": NETWORK, "PermissionsConfig": {"CapacityProviderOperatorRoleArn": operator}},
    }
    config = capacity({"Fn::GetAtt": ["Provider", "Arn"]})  # type: ignore[arg-type]

    def resources(letter: str, environments: int) -> dict[str, Any]:
        properties = {"CapacityProviderConfig": config, "FunctionScalingConfig": {"MaxExecutionEnvironments": environments}}
        version = {"FunctionName": {"Ref": "Function"}, "FunctionScalingConfig": {"MaxExecutionEnvironments": environments}}
        published = {"Type": "AWS::Lambda::Version", "Properties": version}
        return {
            "Provider": provider,
            "Version": published,
            "Function": function_resource(f"def handler(e, c): return {letter!r}", **properties),
        }

    outputs = {"Name": {"Ref": "Function"}, "Provider": {"Ref": "Provider"}}
    made = stack.deploy(resources("a", 2), outputs)
    place = {"FunctionName": made["Name"], "Qualifier": "$LATEST.PUBLISHED"}
    assert json.load(stack.lambda_.invoke(FunctionName=made["Name"])["Payload"]) == "a"
    assert stack.lambda_.get_function_scaling_config(**place)["AppliedFunctionScalingConfig"] == {"MaxExecutionEnvironments": 2}
    assert stack.deploy(resources("b", 3), outputs) == made
    assert json.load(stack.lambda_.invoke(FunctionName=made["Name"])["Payload"]) == "b"
    assert stack.lambda_.get_function_scaling_config(**place)["AppliedFunctionScalingConfig"] == {"MaxExecutionEnvironments": 3}
    scaling = stack.lambda_.get_function_scaling_config(FunctionName=made["Name"], Qualifier="1")
    assert scaling["AppliedFunctionScalingConfig"] == {"MaxExecutionEnvironments": 3}
    stack.deploy({})
    assert stack.lambda_.list_capacity_providers()["CapacityProviders"] == []
