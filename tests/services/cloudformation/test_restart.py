"""A server that is killed while it makes a stack finishes the stack when it is started again, and makes nothing twice."""

from __future__ import annotations

import io
import json
import random
import time
import urllib.request
import zipfile
from typing import Any

import pytest

HELD = """
Resources:
  First: {Type: AWS::SQS::Queue}
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle, DependsOn: First}
  Wait: {Type: AWS::CloudFormation::WaitCondition, Properties: {Handle: !Ref Handle, Timeout: 3600}}
  Last: {Type: AWS::SQS::Queue, DependsOn: Wait}
"""


def chain(length: int, kind: str = "Queue") -> str:
    """Queues, each of which needs the one before."""
    lines = ["Resources:"]
    for number in range(length):
        needs = f", DependsOn: {kind}{number - 1}" if number else ""
        lines.append(f"  {kind}{number}: {{Type: AWS::SQS::Queue{needs}}}")
    return "\n".join(lines)


def settled(cloud: Any, name: str, give_up_s: float = 60) -> str:
    give_up = time.monotonic() + give_up_s
    while time.monotonic() < give_up:
        status = str(cloud.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])
        if not status.endswith("_IN_PROGRESS"):
            return status
    raise AssertionError(f"{name} is still {status}")


def queues(process: Any) -> list[str]:
    return sorted(process.client("sqs").list_queues().get("QueueUrls", []))


@pytest.mark.slow
@pytest.mark.parametrize("end", ["kill", "stop"])
def test_a_creation_goes_on_after_the_server_ended(process: Any, end: str) -> None:
    process.client("cloudformation").create_stack(StackName="held", TemplateBody=HELD)
    url = ""
    while not url:
        found = process.client("cloudformation").describe_stack_resources(StackName="held")["StackResources"]
        url = next((item.get("PhysicalResourceId", "") for item in found if item["LogicalResourceId"] == "Handle"), "")
    getattr(process, end)()
    process.start()
    url = process.endpoint + "/?" + url.partition("/?")[2]
    request = urllib.request.Request(url, method="PUT", data=json.dumps({"Status": "SUCCESS", "UniqueId": "u"}).encode())
    with urllib.request.urlopen(request, timeout=5):
        pass
    assert settled(process.client("cloudformation"), "held") == "CREATE_COMPLETE"
    assert len(queues(process)) == 2
    events = process.client("cloudformation").describe_stack_events(StackName="held")["StackEvents"]
    assert [event["ResourceStatus"] for event in events if event["LogicalResourceId"] == "Wait"][::-1] == [
        "CREATE_IN_PROGRESS",
        "CREATE_IN_PROGRESS",
        "CREATE_COMPLETE",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_stack_is_whole_whenever_the_server_is_killed(process: Any, seed: int) -> None:
    chance = random.Random(seed)
    process.client("cloudformation").create_stack(StackName="long", TemplateBody=chain(60))
    for end in ("kill", "stop", "kill"):
        time.sleep(chance.uniform(0.01, 0.15))
        getattr(process, end)()
        process.start()
    cloud = process.client("cloudformation")
    assert settled(cloud, "long") == "CREATE_COMPLETE"
    listed = list(cloud.get_paginator("list_stack_resources").paginate(StackName="long"))
    physical = sorted(item["PhysicalResourceId"].rsplit("/", 1)[-1] for page in listed for item in page["StackResourceSummaries"])
    assert [url.rsplit("/", 1)[-1] for url in queues(process)] == physical and len(physical) == 60
    cloud.update_stack(StackName="long", TemplateBody=chain(30, "Other"))
    time.sleep(chance.uniform(0.01, 0.1))
    process.restart()
    cloud = process.client("cloudformation")
    assert settled(cloud, "long") == "UPDATE_COMPLETE"
    assert len(queues(process)) == 30
    cloud.delete_stack(StackName="long")
    time.sleep(chance.uniform(0.0, 0.05))
    process.restart()
    stack_id = process.client("cloudformation").list_stacks()["StackSummaries"][0]["StackId"]
    assert settled(process.client("cloudformation"), stack_id) == "DELETE_COMPLETE"
    assert queues(process) == []


FUNCTION = """
  F{number}:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: fn-{number}
      CodeUri: {{Bucket: code, Key: app.zip}}
      AutoPublishAlias: live
      Policies: [{{SQSPollerPolicy: {{QueueName: !GetAtt Q.QueueName}}}}]
      Events: {{In: {{Type: SQS, Properties: {{Queue: !GetAtt Q.Arn}}}}}}
"""
APPLICATION = """
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Runtime: python3.12, Handler: app.handler}}
Resources:
  Q: {Type: AWS::SQS::Queue}
  B: {Type: AWS::S3::Bucket}
  T: {Type: AWS::Serverless::SimpleTable, Properties: {TableName: fixed-name}}
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_an_application_is_whole_whenever_the_server_is_killed(process: Any, seed: int) -> None:
    chance = random.Random(seed)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", "def handler(event, context): return 1\n")
    s3 = process.client("s3")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key="app.zip", Body=packed.getvalue())
    template = APPLICATION + "".join(FUNCTION.format(number=number) for number in range(4))
    capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
    process.client("cloudformation").create_stack(StackName="app", TemplateBody=template, Capabilities=capabilities)
    for _ in range(3):
        time.sleep(chance.uniform(0, 0.1))
        process.restart()
    assert settled(process.client("cloudformation"), "app") == "CREATE_COMPLETE"
    functions = process.client("lambda")
    assert len(functions.list_functions()["Functions"]) == 4
    assert len(functions.list_event_source_mappings()["EventSourceMappings"]) == 4
    assert [len(functions.list_versions_by_function(FunctionName=f"fn-{number}")["Versions"]) for number in range(4)] == [2] * 4
    assert len(process.client("s3").list_buckets()["Buckets"]) == 2
    process.client("cloudformation").delete_stack(StackName="app")
    time.sleep(chance.uniform(0, 0.05))
    process.restart()
    stack_id = process.client("cloudformation").list_stacks()["StackSummaries"][0]["StackId"]
    assert settled(process.client("cloudformation"), stack_id) == "DELETE_COMPLETE"
    assert process.client("lambda").list_functions()["Functions"] == [] and len(process.client("s3").list_buckets()["Buckets"]) == 1
