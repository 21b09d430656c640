"""Stacks of real things: queues that exist when CREATE_COMPLETE says so, work, change, and are gone after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

TEMPLATE = """
Parameters: {Delay: {Type: Number, Default: 0}, Name: {Type: String, Default: ''}}
Conditions: {Named: !Not [!Equals [!Ref Name, '']]}
Resources:
  Orders:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !If [Named, !Ref Name, !Ref 'AWS::NoValue']
      DelaySeconds: !Ref Delay
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3}
  Dead: {Type: AWS::SQS::Queue}
Outputs:
  Url: {Value: !Ref Orders}
  Arn: {Value: !GetAtt Orders.Arn}
  DeadUrl: {Value: !Ref Dead}
"""


def parameters(**values: str) -> list[dict[str, str]]:
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


def attributes(sqs: Any, url: str) -> dict[str, str]:
    found: dict[str, str] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return found


def test_queues_work_when_the_stack_is_complete(cloud: Any, client: Callable[..., Any]) -> None:
    assert cloud.create("shop", TEMPLATE, Parameters=parameters(Delay="0"), Tags=[{"Key": "team", "Value": "t"}]) == "CREATE_COMPLETE"
    outputs, sqs = cloud.outputs("shop"), client("sqs")
    sqs.send_message(QueueUrl=outputs["Url"], MessageBody="hello")
    assert sqs.receive_message(QueueUrl=outputs["Url"])["Messages"][0]["Body"] == "hello"
    assert attributes(sqs, outputs["Url"])["QueueArn"] == outputs["Arn"]
    assert outputs["Arn"].split(":")[-1].startswith("shop-Orders-")
    tags = sqs.list_queue_tags(QueueUrl=outputs["Url"])["Tags"]
    assert tags["team"] == "t" and tags["aws:cloudformation:logical-id"] == "Orders"


def test_a_property_changes_in_place_and_a_name_replaces(cloud: Any, client: Callable[..., Any]) -> None:
    cloud.create("change", TEMPLATE)
    old, sqs = cloud.outputs("change"), client("sqs")
    assert cloud.update("change", TEMPLATE, Parameters=parameters(Delay="7")) == "UPDATE_COMPLETE"
    assert cloud.outputs("change") == old and attributes(sqs, old["Url"])["DelaySeconds"] == "7"
    assert cloud.update("change", TEMPLATE, Parameters=parameters(Delay="7", Name="named")) == "UPDATE_COMPLETE"
    new = cloud.outputs("change")
    assert new["Url"].endswith("/named") and new["DeadUrl"] == old["DeadUrl"]
    assert [queue for queue in sqs.list_queues()["QueueUrls"] if "Orders" in queue] == []
    assert ("Orders", "DELETE_COMPLETE") in cloud.events("change")


def test_new_stack_tags_reach_the_queues(cloud: Any, client: Callable[..., Any]) -> None:
    cloud.create("tags", TEMPLATE, Tags=[{"Key": "a", "Value": "1"}])
    cloud.client.update_stack(StackName="tags", UsePreviousTemplate=True, Tags=[{"Key": "b", "Value": "2"}])
    assert cloud.status("tags") == "UPDATE_COMPLETE"
    tags = client("sqs").list_queue_tags(QueueUrl=cloud.outputs("tags")["Url"])["Tags"]
    assert tags["b"] == "2" and "a" not in tags


def test_a_failed_stack_leaves_no_queue(cloud: Any, client: Callable[..., Any]) -> None:
    broken = TEMPLATE.replace("maxReceiveCount: 3", "maxReceiveCount: 99999")
    assert cloud.create("broken", broken) == "ROLLBACK_COMPLETE"
    reason = cloud.reasons("broken", "CREATE_FAILED")[0]
    assert reason.startswith('Resource handler returned message: "') and "HandlerErrorCode: " in reason
    assert client("sqs").list_queues().get("QueueUrls", []) == []


def test_a_failed_update_puts_the_queue_back_as_it_was(cloud: Any, client: Callable[..., Any]) -> None:
    cloud.create("restore", TEMPLATE)
    url, sqs = cloud.outputs("restore")["Url"], client("sqs")
    failing = TEMPLATE.replace("Outputs:", "  Bad: {Type: AWS::SQS::Queue, DependsOn: Orders, Properties: {DelaySeconds: 99999}}\nOutputs:")
    assert cloud.update("restore", failing, Parameters=parameters(Delay="9")) == "UPDATE_ROLLBACK_COMPLETE"
    assert attributes(sqs, url)["DelaySeconds"] == "0"
    assert len(sqs.list_queues()["QueueUrls"]) == 2


def test_a_deleted_stack_takes_its_queues(cloud: Any, client: Callable[..., Any]) -> None:
    cloud.create("away", TEMPLATE)
    url = cloud.outputs("away")["Url"]
    assert cloud.delete("away") == "DELETE_COMPLETE"
    with pytest.raises(ClientError, match="does not exist"):
        attributes(client("sqs"), url)


def test_a_replaced_queue_may_be_retained(cloud: Any, client: Callable[..., Any]) -> None:
    template = "Parameters: {Name: {Type: String}}\nResources: {Q: {Type: AWS::SQS::Queue, UpdateReplacePolicy: Retain, Properties: {QueueName: !Ref Name}}}"
    cloud.create("keep", template, Parameters=parameters(Name="one"))
    assert cloud.update("keep", template, Parameters=parameters(Name="two")) == "UPDATE_COMPLETE"
    assert {url.rsplit("/", 1)[-1] for url in client("sqs").list_queues()["QueueUrls"]} == {"one", "two"}
