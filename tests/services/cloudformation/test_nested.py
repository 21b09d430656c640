"""Templates in S3 and stacks in stacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

CHILD = """
Parameters: {Delay: {Type: Number, Default: 0}, Names: {Type: CommaDelimitedList, Default: ''}}
Resources: {Q: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: !Ref Delay}}}
Outputs: {Url: {Value: !Ref Q}, Names: {Value: !Join ['+', !Ref Names]}}
"""
PARENT = """
Parameters: {Delay: {Type: Number, Default: 0}}
Resources:
  Child:
    Type: AWS::CloudFormation::Stack
    Properties: {TemplateURL: 'URL', Parameters: {Delay: !Ref Delay, Names: [a, b]}}
  After: {Type: AWS::CDK::Metadata, Properties: {Analytics: !GetAtt Child.Outputs.Url}}
Outputs: {Url: {Value: !GetAtt Child.Outputs.Url}, Names: {Value: !GetAtt Child.Outputs.Names}, Id: {Value: !Ref Child}}
"""


@pytest.fixture
def bucket(client: Callable[..., Any], account: str) -> Callable[[str, str], str]:
    """`bucket("child.yaml", text)` puts an object and gives its URL."""
    s3 = client("s3")
    name = f"templates-{account}"
    s3.create_bucket(Bucket=name)

    def put(key: str, text: str) -> str:
        s3.put_object(Bucket=name, Key=key, Body=text.encode())
        return f"{s3.meta.endpoint_url}/{name}/{key}"

    return put


def test_a_template_may_be_an_object(cloud: Any, bucket: Callable[[str, str], str]) -> None:
    big = CHILD + "#" * 60_000
    cloud.client.create_stack(StackName="big", TemplateURL=bucket("big.yaml", big))
    assert cloud.status("big") == "CREATE_COMPLETE"
    aws_url = bucket("small.yaml", CHILD)
    name = aws_url.split("/")[-2]
    for url in (f"https://s3.amazonaws.com/{name}/small.yaml", f"https://{name}.s3.us-east-1.amazonaws.com/small.yaml"):
        assert cloud.client.validate_template(TemplateURL=url)["Parameters"]
    with pytest.raises(ClientError, match="S3 error: "):
        cloud.client.validate_template(TemplateURL=aws_url.replace("small", "none"))
    with pytest.raises(ClientError, match=r"TemplateURL must be a supported URL\."):
        cloud.client.validate_template(TemplateURL="https://example.com/t.yaml")
    with pytest.raises(ClientError, match="may not exceed"):
        cloud.client.validate_template(TemplateURL=bucket("huge.yaml", "#" * 1_100_000))


def test_a_nested_stack_lives_with_its_parent(cloud: Any, client: Callable[..., Any], bucket: Callable[[str, str], str]) -> None:
    template = PARENT.replace("'URL'", bucket("child.yaml", CHILD))
    assert cloud.create("parent", template, Tags=[{"Key": "t", "Value": "1"}]) == "CREATE_COMPLETE"
    outputs = cloud.outputs("parent")
    child = cloud.stack(outputs["Id"])
    assert child["ParentId"] == child["RootId"] == cloud.stack("parent")["StackId"]
    assert child["StackName"].startswith("parent-Child-") and outputs["Names"] == "a+b"
    assert {"Key": "t", "Value": "1"} in child["Tags"]
    sqs = client("sqs")
    assert cloud.update("parent", template, Parameters=[{"ParameterKey": "Delay", "ParameterValue": "8"}]) == "UPDATE_COMPLETE"
    assert sqs.get_queue_attributes(QueueUrl=outputs["Url"], AttributeNames=["DelaySeconds"])["Attributes"]["DelaySeconds"] == "8"
    bucket("child.yaml", CHILD.replace("Resources: {", "Resources: {New: {Type: AWS::SQS::Queue}, "))
    assert cloud.update("parent", template, Parameters=[{"ParameterKey": "Delay", "ParameterValue": "8"}]) == "UPDATE_COMPLETE"
    assert set(cloud.resources(outputs["Id"])) == {"New", "Q"}
    assert cloud.delete("parent") == "DELETE_COMPLETE"
    assert cloud.status(outputs["Id"]) == "DELETE_COMPLETE" and sqs.list_queues().get("QueueUrls", []) == []


def test_a_nested_stack_that_fails_fails_its_parent(cloud: Any, client: Callable[..., Any], bucket: Callable[[str, str], str]) -> None:
    template = PARENT.replace("'URL'", bucket("bad.yaml", CHILD))
    assert cloud.create("parent", template, Parameters=[{"ParameterKey": "Delay", "ParameterValue": "99999"}]) == "ROLLBACK_COMPLETE"
    reason = cloud.reasons("parent", "CREATE_FAILED")[0]
    assert reason.startswith("Embedded stack arn:aws:cloudformation:") and "The following resource(s) failed to create: [Q]." in reason
    assert client("sqs").list_queues().get("QueueUrls", []) == []
    assert cloud.create("parent2", template) == "CREATE_COMPLETE"
    failing = [{"ParameterKey": "Delay", "ParameterValue": "99999"}]
    assert cloud.update("parent2", template, Parameters=failing) == "UPDATE_ROLLBACK_COMPLETE"
    assert cloud.status(cloud.outputs("parent2")["Id"]) == "UPDATE_ROLLBACK_COMPLETE"
    url = cloud.outputs("parent2")["Url"]
    assert client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])["Attributes"]["DelaySeconds"] == "0"


def test_a_failing_parent_does_not_wait_for_a_waiting_child(cloud: Any, bucket: Callable[[str, str], str]) -> None:
    waiting = """
Resources:
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}
  Wait: {Type: AWS::CloudFormation::WaitCondition, Properties: {Handle: !Ref Handle, Timeout: 3600}}
"""
    template = f"""
Resources:
  Child: {{Type: AWS::CloudFormation::Stack, Properties: {{TemplateURL: '{bucket("waiting.yaml", waiting)}'}}}}
  Bad: {{Type: AWS::SQS::Queue, Properties: {{DelaySeconds: 99999}}}}
"""
    assert cloud.create("impatient", template) == "ROLLBACK_COMPLETE"
    children = [stack for stack in cloud.client.list_stacks()["StackSummaries"] if stack["StackName"].startswith("impatient-Child")]
    assert [child["StackStatus"] for child in children] in ([], ["DELETE_COMPLETE"])
