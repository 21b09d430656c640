"""Custom resources: a function is told, does the work, and answers at the ResponseURL."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

CODE = """
import json, urllib.request

def handler(event, context):
    properties = event["ResourceProperties"]
    print(json.dumps(event))
    answer = {"Status": "SUCCESS", "StackId": event["StackId"], "RequestId": event["RequestId"],
              "LogicalResourceId": event["LogicalResourceId"], "PhysicalResourceId": event.get("PhysicalResourceId", "thing-1"),
              "Data": {"Sum": properties.get("A", "0") + properties.get("B", "0"), "Type": event["ResourceType"], "Asked": event["RequestType"]}}
    if properties.get("Rename"):
        answer["PhysicalResourceId"] = "thing-" + properties["Rename"]
    if properties.get("Fail") == event["RequestType"]:
        answer.update(Status="FAILED", Reason="asked to")
    if properties.get("Silent") == "true" and event["RequestType"] == "Create":
        return
    body = json.dumps(answer).encode()
    request = urllib.request.Request(event["ResponseURL"], data=body, method="PUT", headers={"content-type": ""})
    urllib.request.urlopen(request, timeout=5).read()
"""
TEMPLATE = """
Parameters: {{Token: {{Type: String}}}}
Resources:
  Thing: {{Type: Custom::Adder, Properties: {{ServiceToken: !Ref Token, {properties}}}}}
Outputs: {{Sum: {{Value: !GetAtt Thing.Sum}}, Id: {{Value: !Ref Thing}}, Asked: {{Value: !GetAtt Thing.Asked}}}}
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def adder(client: Callable[..., Any]) -> str:
    """The ARN of the function."""
    iam, functions = client("iam"), client("lambda")
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
    role = iam.create_role(RoleName="adder", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", CODE)
    made = functions.create_function(
        FunctionName="adder", Runtime="python3.12", Role=role, Handler="index.handler", Code={"ZipFile": packed.getvalue()}
    )
    return str(made["FunctionArn"])


def run(cloud: Any, method: str, adder: str, name: str, properties: str) -> str:
    given = [{"ParameterKey": "Token", "ParameterValue": adder}]
    return str(getattr(cloud, method)(name, TEMPLATE.format(properties=properties), Parameters=given))


def test_a_function_makes_changes_and_removes_it(cloud: Any, adder: str) -> None:
    assert run(cloud, "create", adder, "add", "A: 1, B: true") == "CREATE_COMPLETE"
    assert cloud.outputs("add") == {"Sum": "1true", "Id": "thing-1", "Asked": "Create"}
    assert run(cloud, "update", adder, "add", "A: 2, B: x") == "UPDATE_COMPLETE"
    assert cloud.outputs("add") == {"Sum": "2x", "Id": "thing-1", "Asked": "Update"}
    assert run(cloud, "update", adder, "add", "A: 2, B: x, Rename: new") == "UPDATE_COMPLETE"
    assert cloud.outputs("add")["Id"] == "thing-new"
    assert cloud.events("add")[-3:] == [("Thing", "DELETE_IN_PROGRESS"), ("Thing", "DELETE_COMPLETE"), ("add", "UPDATE_COMPLETE")]
    assert cloud.delete("add") == "DELETE_COMPLETE"


def test_a_failure_is_told_and_rolled_back(cloud: Any, adder: str) -> None:
    assert run(cloud, "create", adder, "no", "Fail: Create") == "ROLLBACK_COMPLETE"
    assert cloud.reasons("no", "CREATE_FAILED")[0].startswith(
        "Received response status [FAILED] from custom resource. Message returned: asked to (RequestId: "
    )
    assert ("Thing", "DELETE_COMPLETE") in cloud.events("no")
    assert run(cloud, "create", adder, "later", "A: 1") == "CREATE_COMPLETE"
    assert run(cloud, "update", adder, "later", "A: 2, Fail: Update") == "UPDATE_ROLLBACK_COMPLETE"
    assert cloud.outputs("later")["Sum"] == "10"


def test_a_deletion_that_fails_leaves_the_stack(cloud: Any, adder: str) -> None:
    run(cloud, "create", adder, "stay", "Fail: Delete")
    assert cloud.delete("stay") == "DELETE_FAILED"
    assert cloud.stack("stay")["StackStatusReason"] == "The following resource(s) failed to delete: [Thing]. "
    assert cloud.delete("stay", RetainResources=["Thing"]) == "DELETE_COMPLETE"


def test_a_function_that_never_answers_runs_out_of_time(cloud: Any, adder: str, clock: Any) -> None:
    given = [{"ParameterKey": "Token", "ParameterValue": adder}]
    cloud.create("mute", TEMPLATE.format(properties="Silent: true, ServiceTimeout: 90"), wait=False, Parameters=given)
    clock.settle()
    clock.advance("91s")
    assert cloud.status("mute") == "ROLLBACK_COMPLETE"
    assert cloud.reasons("mute", "CREATE_FAILED")[0].startswith("CloudFormation did not receive a response from your Custom Resource.")


def test_an_attribute_that_was_not_answered_fails_the_stack(cloud: Any, adder: str) -> None:
    template = TEMPLATE.format(properties="A: 1").replace("Thing.Sum", "Thing.Nothing")
    cloud.create("none", template, Parameters=[{"ParameterKey": "Token", "ParameterValue": adder}])
    reason = cloud.reasons("none", "ROLLBACK_IN_PROGRESS")[0]
    assert reason.startswith(
        "CustomResource attribute error: Vendor response doesn't contain Nothing key in object arn:aws:cloudformation:"
    )


def test_a_topic_is_refused_by_name(cloud: Any) -> None:
    assert run(cloud, "create", "arn:aws:sns:us-east-1:000000000000:topic", "sns", "A: 1") == "ROLLBACK_COMPLETE"
    assert "is not supported by Groundcloud" in cloud.reasons("sns", "CREATE_FAILED")[0]


INLINE = """
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: '2012-10-17'
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: 'sts:AssumeRole'}]
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Role: !GetAtt Role.Arn
      Code:
        ZipFile: |
          import cfnresponse
          def handler(event, context):
              cfnresponse.send(event, context, cfnresponse.SUCCESS, {"Doubled": int(event["ResourceProperties"]["Value"]) * 2})
  Thing: {Type: 'Custom::Thing', Properties: {ServiceToken: !GetAtt Function.Arn, Value: 7, ServiceTimeout: 20}}
Outputs: {Doubled: {Value: !GetAtt Thing.Doubled}}
"""


def test_a_function_in_the_template_answers_with_cfnresponse(cloud: Any) -> None:
    assert cloud.create("inline", INLINE, Capabilities=["CAPABILITY_IAM"]) == "CREATE_COMPLETE"
    assert cloud.outputs("inline") == {"Doubled": "14"}
    assert cloud.delete("inline") == "DELETE_COMPLETE"
