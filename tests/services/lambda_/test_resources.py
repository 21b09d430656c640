"""CloudFormation types of Lambda: stacks that make, change and remove them."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from tests.services.lambda_.conftest import zipped

ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
        },
        "Policies": [
            {
                "PolicyName": "own",
                "PolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]},
            }
        ],
    },
}


def function(code: str, **properties: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Runtime": "python3.11",
            "Handler": "index.handler",
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Code": {"ZipFile": code},
            **properties,
        },
    }


class Stack:
    def __init__(self, client: Callable[..., Any], clock: Any) -> None:
        self.cloudformation, self.lambda_, self.clock = client("cloudformation"), client("lambda"), clock
        self.exists = False

    def deploy(self, resources: dict[str, Any], outputs: dict[str, Any] | None = None) -> dict[str, str]:
        """The outputs, once the stack is complete."""
        template = {
            "Resources": {"Role": ROLE, **resources},
            "Outputs": {name: {"Value": value} for name, value in (outputs or {}).items()},
        }
        arguments = {"StackName": "app", "TemplateBody": json.dumps(template), "Capabilities": ["CAPABILITY_IAM"]}
        (self.cloudformation.update_stack if self.exists else self.cloudformation.create_stack)(**arguments)
        self.exists = True
        self.clock.settle()
        stack = self.cloudformation.describe_stacks(StackName="app")["Stacks"][0]
        assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), self.failures()
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def failures(self) -> list[str]:
        events = self.cloudformation.describe_stack_events(StackName="app")["StackEvents"]
        return [
            f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}" for event in events if "FAILED" in event["ResourceStatus"]
        ]

    def delete(self) -> None:
        self.cloudformation.delete_stack(StackName="app")
        self.clock.settle()
        assert self.cloudformation.list_stacks()["StackSummaries"][0]["StackStatus"] == "DELETE_COMPLETE", self.failures()

    def invoke(self, name: str, event: Any = None) -> Any:
        return json.loads(self.lambda_.invoke(FunctionName=name, Payload=json.dumps(event).encode())["Payload"].read())


@pytest.fixture
def stack(client: Callable[..., Any], clock: Any) -> Stack:
    return Stack(client, clock)


def test_a_function_is_made_changed_in_place_and_removed(stack: Stack) -> None:
    code = "import os, cfnresponse\ndef handler(event, context): return [os.environ.get('STAGE'), {!r}]"
    outputs = {"Name": {"Ref": "F"}, "Arn": {"Fn::GetAtt": ["F", "Arn"]}}
    options = {
        "Timeout": "7",
        "Environment": {"Variables": {"STAGE": 1}},
        "ReservedConcurrentExecutions": 2,
        "Tags": [{"Key": "a", "Value": "b"}],
    }
    name = stack.deploy({"F": function(code.format("one"), **options)}, outputs)["Name"]
    assert name.startswith("app-F-")
    assert stack.invoke(name) == ["1", "one"]
    shown = stack.lambda_.get_function(FunctionName=name)
    assert shown["Concurrency"]["ReservedConcurrentExecutions"] == 2
    assert shown["Tags"]["a"] == "b"
    assert shown["Tags"]["aws:cloudformation:logical-id"] == "F"
    assert stack.deploy({"F": function(code.format("two"), Timeout=7)}, outputs)["Name"] == name
    assert stack.invoke(name) == [None, "two"]
    shown = stack.lambda_.get_function(FunctionName=name)
    assert "Concurrency" not in shown
    assert "a" not in shown["Tags"]
    assert shown["Configuration"]["Timeout"] == 7
    stack.delete()
    assert stack.lambda_.list_functions()["Functions"] == []


def test_code_alone_changes_in_a_small_step(stack: Stack, client: Callable[..., Any], account: str) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket=f"code-{account}")
    for key in ("one", "two"):
        s3.put_object(Bucket=f"code-{account}", Key=key, Body=zipped({"index.py": f"def handler(event, context): return '{key}'"}))

    def resources(key: str) -> dict[str, Any]:
        return {"F": function("", Code={"S3Bucket": f"code-{account}", "S3Key": key}, Description="kept", MemorySize=256)}

    name = stack.deploy(resources("one"), {"Name": {"Ref": "F"}})["Name"]
    assert stack.invoke(name) == "one"
    assert stack.deploy(resources("two"), {"Name": {"Ref": "F"}})["Name"] == name
    assert stack.invoke(name) == "two"
    config = stack.lambda_.get_function_configuration(FunctionName=name)
    assert (config["Description"], config["MemorySize"]) == ("kept", 256)


def test_versions_aliases_urls_and_permissions_stand_on_a_function(stack: Stack, ground: Any) -> None:
    resources = {
        "F": function("def handler(event, context): return context.invoked_function_arn.split(':')[-1]"),
        "V": {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "F"}}},
        "A": {
            "Type": "AWS::Lambda::Alias",
            "Properties": {"FunctionName": {"Ref": "F"}, "FunctionVersion": {"Fn::GetAtt": ["V", "Version"]}, "Name": "live"},
        },
        "U": {
            "Type": "AWS::Lambda::Url",
            "Properties": {"AuthType": "NONE", "TargetFunctionArn": {"Ref": "F"}, "Qualifier": "live"},
            "DependsOn": "A",
        },
        "P": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "Action": "lambda:InvokeFunctionUrl",
                "FunctionName": {"Ref": "A"},
                "Principal": "*",
                "FunctionUrlAuthType": "NONE",
            },
        },
        "I": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "Action": "lambda:InvokeFunction",
                "FunctionName": {"Ref": "A"},
                "Principal": "*",
                "InvokedViaFunctionUrl": True,
            },
        },
        "E": {
            "Type": "AWS::Lambda::EventInvokeConfig",
            "Properties": {"FunctionName": {"Ref": "F"}, "Qualifier": "live", "MaximumRetryAttempts": 0},
            "DependsOn": "A",
        },
    }
    outputs = stack.deploy(resources, {"Alias": {"Ref": "A"}, "Version": {"Ref": "V"}, "Url": {"Fn::GetAtt": ["U", "FunctionUrl"]}})
    assert outputs["Version"].endswith(":1")
    assert stack.invoke(outputs["Alias"]) == "live"
    url_id = outputs["Url"].split("//")[1].split(".")[0]
    assert urllib.request.urlopen(f"{ground.endpoint}/_aws/lambda-url/{url_id}/").read() == b"live"
    stack.delete()


def test_a_version_of_a_function_that_has_not_changed_fails_the_stack(stack: Stack) -> None:
    made = function("def handler(event, context): return 1")
    version = {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "F"}}}
    stack.deploy({"F": made, "V": version})
    with pytest.raises(AssertionError, match=r"exists \( 1 \)\. Modify the function to create a new version"):
        stack.deploy({"F": made, "V": version, "W": version})
    changed = function("def handler(event, context): return 2")
    outputs = stack.deploy({"F": changed, "V": version, "W": version}, {"W": {"Ref": "W"}, "N": {"Fn::GetAtt": ["W", "Version"]}})
    assert (outputs["W"].rsplit(":", 1)[1], outputs["N"]) == ("2", "2")
    stack.delete()


def test_a_whole_resource_policy_is_put_changed_and_removed(stack: Stack) -> None:
    def policy(account: str) -> dict[str, Any]:
        statement = {
            "Sid": "theirs",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
            "Action": "lambda:InvokeFunction",
            "Resource": {"Fn::GetAtt": ["F", "Arn"]},
        }
        document = {"Version": "2012-10-17", "Statement": [statement]}
        return {
            "Type": "AWS::Lambda::ResourcePolicy",
            "Properties": {"ResourceArn": {"Fn::GetAtt": ["F", "Arn"]}, "PolicyDocument": document},
        }

    made = function("def handler(event, context): return 1")
    outputs = {"Arn": {"Fn::GetAtt": ["F", "Arn"]}, "Policy": {"Ref": "P"}, "Optimised": {"Fn::GetAtt": ["F", "SnapStartResponse.ApplyOn"]}}
    found = stack.deploy({"F": made, "P": policy("888888888888")}, outputs)
    assert (found["Policy"], found["Optimised"]) == (found["Arn"], "None")
    for account in ("888888888888", "777777777777"):
        stack.deploy({"F": made, "P": policy(account), "T": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": account}}}, outputs)
        (statement,) = json.loads(stack.lambda_.get_policy(FunctionName=found["Arn"])["Policy"])["Statement"]
        assert statement["Principal"] == {"AWS": f"arn:aws:iam::{account}:root"}
    stack.deploy({"F": made})
    with pytest.raises(stack.lambda_.exceptions.ResourceNotFoundException):
        stack.lambda_.get_policy(FunctionName=found["Arn"])


def test_a_mapping_and_a_layer_work_in_a_stack(stack: Stack, client: Callable[..., Any], account: str) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket=f"layers-{account}")
    s3.put_object(Bucket=f"layers-{account}", Key="layer.zip", Body=zipped({"python/shared.py": "WORD = 'shared'"}))
    code = (
        "import boto3, os, shared\ndef handler(event, context):\n"
        " boto3.client('sqs').send_message(QueueUrl=os.environ['OUT'], MessageBody=shared.WORD + event['Records'][0]['body'])"
    )
    resources = {
        "In": {"Type": "AWS::SQS::Queue"},
        "Out": {"Type": "AWS::SQS::Queue"},
        "L": {
            "Type": "AWS::Lambda::LayerVersion",
            "Properties": {"Content": {"S3Bucket": f"layers-{account}", "S3Key": "layer.zip"}, "CompatibleRuntimes": ["python3.11"]},
        },
        "F": function(code, Layers=[{"Ref": "L"}], Environment={"Variables": {"OUT": {"Ref": "Out"}}}),
        "M": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {"EventSourceArn": {"Fn::GetAtt": ["In", "Arn"]}, "FunctionName": {"Ref": "F"}, "BatchSize": "1"},
        },
    }
    outputs = stack.deploy(resources, {"In": {"Ref": "In"}, "Out": {"Ref": "Out"}, "Mapping": {"Ref": "M"}})
    sqs = client("sqs")
    sqs.send_message(QueueUrl=outputs["In"], MessageBody=" word")
    stack.clock.settle()
    (message,) = sqs.receive_message(QueueUrl=outputs["Out"])["Messages"]
    assert message["Body"] == "shared word"
    resources["M"]["Properties"]["Enabled"] = False
    stack.deploy(resources)
    assert stack.lambda_.get_event_source_mapping(UUID=outputs["Mapping"])["State"] == "Disabled"
    stack.delete()
    assert stack.lambda_.list_event_source_mappings()["EventSourceMappings"] == []


def test_what_a_template_no_longer_says_has_its_default_again(stack: Stack, client: Callable[..., Any]) -> None:
    made = function("def handler(event, context): return 1")
    table = {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}],
            "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
        },
    }
    role = json.loads(json.dumps(ROLE))
    role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"].append({"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"})

    def resources(mapping: dict[str, Any], url: dict[str, Any]) -> dict[str, Any]:
        source = {"FunctionName": {"Ref": "F"}, "EventSourceArn": {"Fn::GetAtt": ["T", "StreamArn"]}, "StartingPosition": "LATEST"}
        return {
            "Role": role,
            "T": table,
            "F": made,
            "M": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {**source, **mapping}},
            "U": {"Type": "AWS::Lambda::Url", "Properties": {"AuthType": "NONE", "TargetFunctionArn": {"Ref": "F"}, **url}},
        }

    said = {
        "BatchSize": 7,
        "BisectBatchOnFunctionError": True,
        "MaximumBatchingWindowInSeconds": 3,
        "MaximumRecordAgeInSeconds": 60,
        "MaximumRetryAttempts": 4,
        "ParallelizationFactor": 2,
    }
    outputs = {"M": {"Ref": "M"}, "F": {"Ref": "F"}}
    made_outputs = stack.deploy(resources(said, {"InvokeMode": "RESPONSE_STREAM", "Cors": {"AllowOrigins": ["*"]}}), outputs)
    shown = stack.lambda_.get_event_source_mapping(UUID=made_outputs["M"])
    assert {member: shown[member] for member in said} == said
    assert stack.deploy(resources({}, {}), outputs) == made_outputs
    shown = stack.lambda_.get_event_source_mapping(UUID=made_outputs["M"])
    assert {member: shown[member] for member in said} == {
        "BatchSize": 100,
        "BisectBatchOnFunctionError": False,
        "MaximumBatchingWindowInSeconds": 0,
        "MaximumRecordAgeInSeconds": -1,
        "MaximumRetryAttempts": -1,
        "ParallelizationFactor": 1,
    }
    url = stack.lambda_.get_function_url_config(FunctionName=made_outputs["F"])
    assert (url["InvokeMode"], "Cors" in url) == ("BUFFERED", False)


def test_a_custom_resource_answers_with_the_module_beside_its_inline_code(stack: Stack) -> None:
    code = "import cfnresponse\ndef handler(event, context):\n cfnresponse.send(event, context, cfnresponse.SUCCESS, {'Word': 'made'}, 'own-id')"
    resources = {
        "F": function(code),
        "C": {"Type": "Custom::Thing", "Properties": {"ServiceToken": {"Fn::GetAtt": ["F", "Arn"]}}},
    }
    outputs = stack.deploy(resources, {"Id": {"Ref": "C"}, "Word": {"Fn::GetAtt": ["C", "Word"]}})
    assert outputs == {"Id": "own-id", "Word": "made"}


def test_a_signing_configuration_is_kept_with_its_tags(stack: Stack) -> None:
    profile = "arn:aws:signer:us-east-1:123456789012:/signing-profiles/shop/abcdefghij"

    def config(tag: str) -> dict[str, Any]:
        properties = {"AllowedPublishers": {"SigningProfileVersionArns": [profile]}, "Tags": [{"Key": "team", "Value": tag}]}
        return {"S": {"Type": "AWS::Lambda::CodeSigningConfig", "Properties": properties}}

    arn = stack.deploy(config("one"), {"Arn": {"Ref": "S"}})["Arn"]
    shown = stack.lambda_.get_code_signing_config(CodeSigningConfigArn=arn)["CodeSigningConfig"]
    assert shown["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Warn"}
    assert stack.deploy(config("two"), {"Arn": {"Ref": "S"}})["Arn"] == arn
    assert stack.lambda_.list_tags(Resource=arn)["Tags"]["team"] == "two"
    stack.delete()
    assert stack.lambda_.list_code_signing_configs()["CodeSigningConfigs"] == []


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node.js here")
def test_inline_code_for_node_answers_with_its_module(stack: Stack) -> None:
    code = (
        "const response = require('cfn-response');\n"
        "exports.handler = (event, context) => { response.send(event, context, response.SUCCESS, {Word: 'made'}, 'own-id'); };"
    )
    resources = {
        "F": function(code, Runtime="nodejs18.x"),
        "C": {"Type": "Custom::Thing", "Properties": {"ServiceToken": {"Fn::GetAtt": ["F", "Arn"]}}},
    }
    outputs = stack.deploy(resources, {"Id": {"Ref": "C"}, "Word": {"Fn::GetAtt": ["C", "Word"]}})
    assert outputs == {"Id": "own-id", "Word": "made"}


def test_what_is_not_implemented_fails_the_stack_by_name(stack: Stack) -> None:
    resources = {"F": function("x = 1", SnapStart={"ApplyOn": "PublishedVersions"})}
    with pytest.raises(AssertionError, match="SnapStart"):
        stack.deploy(resources)
