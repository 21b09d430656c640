"""AWS::Kinesis types in a stack: made, changed in place, replaced, removed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.services.kinesis.conftest import refusal


def template(name: str = "orders", **properties: Any) -> str:
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kinesis:PutRecord", "Resource": {"Fn::GetAtt": ["Stream", "Arn"]}}
        ],
    }
    return json.dumps(
        {
            "Resources": {
                "Stream": {"Type": "AWS::Kinesis::Stream", "Properties": {"Name": name, **properties}},
                "Reader": {
                    "Type": "AWS::Kinesis::StreamConsumer",
                    "Properties": {"ConsumerName": "reader", "StreamARN": {"Fn::GetAtt": ["Stream", "Arn"]}},
                },
                "Policy": {
                    "Type": "AWS::Kinesis::ResourcePolicy",
                    "Properties": {"ResourceArn": {"Fn::GetAtt": ["Stream", "Arn"]}, "ResourcePolicy": policy},
                },
            },
            "Outputs": {
                "Name": {"Value": {"Ref": "Stream"}},
                "Arn": {"Value": {"Fn::GetAtt": ["Stream", "Arn"]}},
                "Consumer": {"Value": {"Ref": "Reader"}},
                "Status": {"Value": {"Fn::GetAtt": ["Reader", "ConsumerStatus"]}},
            },
        }
    )


def outputs(cloudformation: Any) -> dict[str, str]:
    (stack,) = cloudformation.describe_stacks(StackName="app")["Stacks"]
    events = [event.get("ResourceStatusReason") for event in cloudformation.describe_stack_events(StackName="app")["StackEvents"]]
    assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), events
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def test_a_stream_of_a_stack(client: Callable[..., Any], kinesis: Any, clock: Any) -> None:
    cloudformation = client("cloudformation")
    first = template(
        ShardCount="2",
        RetentionPeriodHours="48",
        StreamEncryption={"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"},
        DesiredShardLevelMetrics=["IncomingBytes"],
        Tags=[{"Key": "a", "Value": "1"}],
    )
    cloudformation.create_stack(StackName="app", TemplateBody=first)
    clock.settle()
    made = outputs(cloudformation)
    summary = kinesis.describe_stream_summary(StreamName="orders")["StreamDescriptionSummary"]
    assert (made["Name"], made["Arn"], made["Status"]) == ("orders", summary["StreamARN"], "ACTIVE")
    assert (summary["OpenShardCount"], summary["RetentionPeriodHours"], summary["KeyId"]) == (2, 48, "alias/aws/kinesis")
    assert summary["EnhancedMonitoring"] == [{"ShardLevelMetrics": ["IncomingBytes"]}]
    assert made["Consumer"] == kinesis.list_stream_consumers(StreamARN=made["Arn"])["Consumers"][0]["ConsumerARN"]
    assert "kinesis:PutRecord" in kinesis.get_resource_policy(ResourceARN=made["Arn"])["Policy"]

    def tags() -> dict[str, str]:
        found = kinesis.list_tags_for_stream(StreamName="orders")["Tags"]
        return {tag["Key"]: tag["Value"] for tag in found if not tag["Key"].startswith("aws:")}

    assert tags() == {"a": "1"}
    cloudformation.update_stack(
        StackName="app", TemplateBody=template(ShardCount=4, MaxRecordSizeInKiB=2048, Tags=[{"Key": "b", "Value": "2"}])
    )
    clock.settle()
    assert outputs(cloudformation)["Consumer"] == made["Consumer"]
    summary = kinesis.describe_stream_summary(StreamName="orders")["StreamDescriptionSummary"]
    assert (summary["OpenShardCount"], summary["RetentionPeriodHours"], summary["EncryptionType"]) == (4, 24, "NONE")
    assert (summary["EnhancedMonitoring"], summary["MaxRecordSizeInKiB"]) == ([{"ShardLevelMetrics": []}], 2048)
    assert tags() == {"b": "2"}
    cloudformation.update_stack(StackName="app", TemplateBody=template("renamed", StreamModeDetails={"StreamMode": "ON_DEMAND"}))
    clock.settle()
    assert outputs(cloudformation)["Name"] == "renamed"
    assert kinesis.list_streams()["StreamNames"] == ["renamed"]
    cloudformation.delete_stack(StackName="app")
    clock.settle()
    assert kinesis.list_streams()["StreamNames"] == []


def test_a_stream_that_cannot_be_made_leaves_nothing(client: Callable[..., Any], kinesis: Any, clock: Any) -> None:
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName="app", TemplateBody=template(ShardCount=1, RetentionPeriodHours=1))
    clock.settle()
    reasons = [event.get("ResourceStatusReason", "") for event in cloudformation.describe_stack_events(StackName="app")["StackEvents"]]
    assert any("Minimum allowed retention period is 24 hours" in reason for reason in reasons)
    assert refusal(kinesis.describe_stream, StreamName="orders")[0] == "ResourceNotFoundException"
