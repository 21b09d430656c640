"""AWS::Serverless::Function and AWS::Serverless::CapacityProvider: what their properties become is there and works."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from tests.services.lambda_.test_resources import Stack

CODE = "def handler(event, context): return [context.function_version, {!r}]"


class Application(Stack):
    """A stack of serverless resources."""

    def deploy(self, resources: dict[str, Any], outputs: dict[str, Any] | None = None) -> dict[str, str]:
        template = {
            "Transform": "AWS::Serverless-2016-10-31",
            "Resources": resources,
            "Outputs": {name: {"Value": value} for name, value in (outputs or {}).items()},
        }
        capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
        arguments = {"StackName": "app", "TemplateBody": json.dumps(template), "Capabilities": capabilities}
        (self.cloudformation.update_stack if self.exists else self.cloudformation.create_stack)(**arguments)
        self.exists = True
        self.clock.settle()
        stack = self.cloudformation.describe_stacks(StackName="app")["Stacks"][0]
        assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), self.failures()
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


@pytest.fixture
def application(client: Callable[..., Any], clock: Any) -> Application:
    return Application(client, clock)


def serverless(text: str = "one", **properties: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::Serverless::Function",
        "Properties": {"Runtime": "python3.12", "Handler": "index.handler", "InlineCode": CODE.format(text), **properties},
    }


def test_an_alias_is_published_with_everything_that_is_said_of_it(application: Application, ground: Any) -> None:
    def resources(text: str) -> dict[str, Any]:
        made = serverless(
            text,
            AutoPublishAlias="live",
            VersionDescription="made by the transform",
            EventInvokeConfig={"MaximumRetryAttempts": 1, "DestinationConfig": {"OnFailure": {"Type": "SQS"}}},
            FunctionUrlConfig={"AuthType": "NONE", "InvokeMode": "BUFFERED"},
            ProvisionedConcurrencyConfig={"ProvisionedConcurrentExecutions": 1},
            LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "WARN"},
            RecursiveLoop="Allow",
            RuntimeManagementConfig={"UpdateRuntimeOn": "FunctionUpdate"},
        )
        return {"F": made}

    outputs = {
        "Name": {"Ref": "F"},
        "Alias": {"Ref": "F.Alias"},
        "Version": {"Ref": "F.Version"},
        "Url": {"Fn::GetAtt": ["FUrl", "FunctionUrl"]},
    }
    made = application.deploy(resources("one"), outputs)
    lambda_, name = application.lambda_, made["Name"]
    assert application.invoke(made["Alias"]) == ["1", "one"]
    url_id = made["Url"].split("//")[1].split(".")[0]
    assert json.load(urllib.request.urlopen(f"{ground.endpoint}/_aws/lambda-url/{url_id}/")) == ["1", "one"]
    live = {"FunctionName": name, "Qualifier": "live"}
    invoke_config = lambda_.get_function_event_invoke_config(**live)
    assert (invoke_config["MaximumRetryAttempts"], ":sqs:" in invoke_config["DestinationConfig"]["OnFailure"]["Destination"]) == (1, True)
    assert lambda_.get_provisioned_concurrency_config(**live)["Status"] == "READY"
    config = lambda_.get_function_configuration(**live)
    assert config["LoggingConfig"]["ApplicationLogLevel"] == "WARN"
    assert config["Description"] == "made by the transform"
    assert lambda_.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Allow"
    assert lambda_.get_runtime_management_config(FunctionName=name)["UpdateRuntimeOn"] == "FunctionUpdate"
    changed = application.deploy(resources("two"), outputs)
    assert (changed["Alias"], changed["Url"]) == (made["Alias"], made["Url"])
    assert application.invoke(made["Alias"]) == ["2", "two"]
    assert [one["Version"] for one in lambda_.list_versions_by_function(FunctionName=name)["Versions"]] == ["$LATEST", "1", "2"]
    application.delete()


def test_a_snapshot_is_taken_of_what_is_published(application: Application) -> None:
    made = serverless(AutoPublishAlias="live", SnapStart={"ApplyOn": "PublishedVersions"})
    outputs = {"Alias": {"Ref": "F.Alias"}, "Applied": {"Fn::GetAtt": ["F", "SnapStartResponse.ApplyOn"]}}
    found = application.deploy({"F": made}, outputs)
    assert found["Applied"] == "PublishedVersions"
    assert application.lambda_.get_function_configuration(FunctionName=found["Alias"])["SnapStart"]["OptimizationStatus"] == "On"
    assert application.invoke(found["Alias"]) == ["1", "one"]


def test_a_durable_function_and_one_with_tenants_are_made(application: Application) -> None:
    resources = {
        "Durable": serverless(DurableConfig={"ExecutionTimeout": 60, "RetentionPeriodInDays": 3}, AutoPublishAlias="live"),
        "Tenants": serverless(TenancyConfig={"TenantIsolationMode": "PER_TENANT"}),
    }
    found = application.deploy(resources, {"Durable": {"Ref": "Durable"}, "Tenants": {"Ref": "Tenants"}})
    lambda_ = application.lambda_
    shown = lambda_.get_function_configuration(FunctionName=found["Durable"])
    assert shown["DurableConfig"] == {"ExecutionTimeout": 60, "RetentionPeriodInDays": 3}
    response = lambda_.invoke(FunctionName=found["Tenants"], TenantId="blue")
    assert json.load(response["Payload"]) == ["$LATEST", "one"]


def test_a_capacity_provider_without_a_role_has_one_made(application: Application) -> None:
    provider = {
        "Type": "AWS::Serverless::CapacityProvider",
        "Properties": {"VpcConfig": {"SubnetIds": ["subnet-1234abcd"], "SecurityGroupIds": ["sg-1234abcd"]}},
    }
    made = serverless(
        MemorySize=2048,
        AutoPublishAlias="live",
        CapacityProviderConfig={"Arn": {"Fn::GetAtt": ["Provider", "Arn"]}, "PerExecutionEnvironmentMaxConcurrency": 4},
        FunctionScalingConfig={"MinExecutionEnvironments": 1, "MaxExecutionEnvironments": 2},
    )
    outputs = {"Name": {"Ref": "F"}, "Alias": {"Ref": "F.Alias"}, "Provider": {"Ref": "Provider"}}
    found = application.deploy({"Provider": provider, "F": made}, outputs)
    lambda_ = application.lambda_
    shown = lambda_.get_capacity_provider(CapacityProviderName=found["Provider"])["CapacityProvider"]
    assert ":role/" in shown["PermissionsConfig"]["CapacityProviderOperatorRoleArn"]
    assert application.invoke(found["Alias"])[1] == "one"
    application.delete()
