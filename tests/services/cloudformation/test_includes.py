"""The AWS::Include transform."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from groundcloud.base.errors import AwsError
from groundcloud.services.cloudformation import includes
from groundcloud.services.cloudformation.intrinsics import Scope

CAPABILITIES = ["CAPABILITY_AUTO_EXPAND", "CAPABILITY_IAM"]


def include(location):
    return {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": location}}}


@pytest.fixture
def upload(client):
    """`upload(name, text)` -> its S3 URI."""
    s3 = client("s3")
    s3.create_bucket(Bucket="snippets-of-tests")
    yield lambda name, text: s3.put_object(Bucket="snippets-of-tests", Key=name, Body=text.encode()) and f"s3://snippets-of-tests/{name}"
    for entry in s3.list_objects_v2(Bucket="snippets-of-tests").get("Contents", []):
        s3.delete_object(Bucket="snippets-of-tests", Key=entry["Key"])
    s3.delete_bucket(Bucket="snippets-of-tests")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"A": include("one")}, {"A": {"X": 1, "Y": {"Ref": "P"}}}),
        ({"A": {"Z": 2, **include("one")}}, {"A": {"Z": 2, "X": 1, "Y": {"Ref": "P"}}}),
        ({"A": {"X": 2, **include("one")}}, {"A": {"X": 1, "Y": {"Ref": "P"}}}),
        ({"A": [include({"Fn::Sub": "${Name}e"})]}, {"A": [{"X": 1, "Y": {"Ref": "P"}}]}),
        ({"A": {"Fn::Transform": {"Name": "Other"}}}, {"A": {"Fn::Transform": {"Name": "Other"}}}),
        (
            {"Transform": [include("one")["Fn::Transform"], "Other"], "X": 0, "Y": {"Z": 3}},
            {"Transform": [include("one")["Fn::Transform"], "Other"], "X": 1, "Y": {"Z": 3, "Ref": "P"}},
        ),
    ],
)
def test_a_snippet_takes_its_place_beside_its_siblings(document, expected):
    scope = Scope(parameters={"Name": "on"}, mappings={})
    assert includes.expand(document, scope, {"one": {"X": 1, "Y": {"Ref": "P"}}}) == expected
    assert includes.present(document) is ("Other" not in json.dumps(document) or "Transform" in document)


@pytest.mark.parametrize("location", ["s3://bucket", "bucket/key", "http://bucket/key", ""])
def test_a_location_is_an_s3_uri(location):
    with pytest.raises(AwsError, match=r"Transform AWS::Include failed with: The location parameter is not a valid S3 Uri\."):
        includes.url_of(location)


def test_resources_and_properties_come_from_files(client, upload):
    upload("queue.yaml", "VisibilityTimeout: 7\nQueueName: {'Fn::Sub': '${AWS::StackName}-included'}\n")
    upload("more.json", json.dumps({"Second": {"Type": "AWS::SQS::Queue"}}))
    template = {
        "Parameters": {"Place": {"Type": "String"}},
        "Resources": {"First": {"Type": "AWS::SQS::Queue", "Properties": include({"Fn::Sub": "s3://${Place}/queue.yaml"})}, **include("s3://snippets-of-tests/more.json")},
        "Outputs": {"Name": {"Value": {"Fn::GetAtt": ["First", "QueueName"]}}},
    }  # fmt: skip
    cloudformation = client("cloudformation")
    request = {"TemplateBody": json.dumps(template), "Parameters": [{"ParameterKey": "Place", "ParameterValue": "snippets-of-tests"}]}
    with pytest.raises(ClientError, match=r"Requires capabilities : \[CAPABILITY_AUTO_EXPAND\]"):
        cloudformation.create_stack(StackName="including", **request)
    cloudformation.validate_template(TemplateBody=request["TemplateBody"])
    cloudformation.create_stack(StackName="including", Capabilities=CAPABILITIES, **request)
    cloudformation.get_waiter("stack_create_complete").wait(StackName="including")
    (stack,) = cloudformation.describe_stacks(StackName="including")["Stacks"]
    assert stack["Outputs"][0]["OutputValue"] == "including-included"
    made = {entry["LogicalResourceId"] for entry in cloudformation.describe_stack_resources(StackName="including")["StackResources"]}
    assert made == {"First", "Second"}
    original = cloudformation.get_template(StackName="including", TemplateStage="Original")["TemplateBody"]
    processed = cloudformation.get_template(StackName="including", TemplateStage="Processed")["TemplateBody"]
    assert "Fn::Transform" in original["Resources"] and processed["Resources"]["First"]["Properties"]["VisibilityTimeout"] == 7
    upload("queue.yaml", "VisibilityTimeout: 8\nQueueName: {'Fn::Sub': '${AWS::StackName}-included'}\n")
    cloudformation.update_stack(StackName="including", Capabilities=CAPABILITIES, **request)
    cloudformation.get_waiter("stack_update_complete").wait(StackName="including")
    queue_url = client("sqs").get_queue_url(QueueName="including-included")["QueueUrl"]
    assert client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])["Attributes"]["VisibilityTimeout"] == "8"


@pytest.mark.parametrize(
    ("text", "location", "message"),
    [
        ("A: [", "s3://snippets-of-tests/one", "The specified S3 object's content should be valid Yaml/JSON"),
        ("just words", "s3://snippets-of-tests/one", "The specified S3 object's content should be valid Yaml/JSON"),
        ("A: 1", "s3://snippets-of-tests/two", "S3 error: The specified key does not exist."),
        ("A: 1", "two", "The location parameter is not a valid S3 Uri."),
    ],
)
def test_what_cannot_be_included_fails_the_request(client, upload, text, location, message):
    upload("one", text)
    template = json.dumps({"Resources": {"A": {"Type": "AWS::SQS::Queue", "Properties": include(location)}}})
    with pytest.raises(ClientError) as failed:
        client("cloudformation").create_stack(StackName="including", TemplateBody=template, Capabilities=CAPABILITIES)
    assert failed.value.response["Error"]["Code"] == "ValidationError"
    assert failed.value.response["Error"]["Message"].startswith(f"Transform AWS::Include failed with: {message}")


def test_a_serverless_api_is_defined_by_what_it_includes(client, upload):
    upload("api.yaml", "openapi: '3.0.1'\ninfo: {title: {'Ref': 'AWS::StackName'}}\npaths: {}\n")
    template = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {
            "Api": {"Type": "AWS::Serverless::HttpApi", "Properties": {"DefinitionBody": include("s3://snippets-of-tests/api.yaml")}}
        },
    }
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName="defined", TemplateBody=json.dumps(template), Capabilities=CAPABILITIES)
    cloudformation.get_waiter("stack_create_complete").wait(StackName="defined")
    assert [api["Name"] for api in client("apigatewayv2").get_apis()["Items"]] == ["defined"]
