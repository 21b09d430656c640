"""The serverless transform."""

from __future__ import annotations

import pytest

from groundcloud.base.errors import AwsError
from groundcloud.services.cloudformation import sam, template

APPLICATION = """
Transform: AWS::Serverless-2016-10-31
Parameters: {Stage: {Type: String, Default: dev}}
Globals: {Function: {Runtime: python3.12, Handler: app.handler, Timeout: 5}}
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: s3://code/hello.zip
      Policies: [AmazonSQSReadOnlyAccess, {DynamoDBReadPolicy: {TableName: !Ref Table}}]
      Environment: {Variables: {TABLE: !Ref Table, STAGE: !Ref Stage}}
      Events: {Get: {Type: HttpApi, Properties: {Path: /hello, Method: get}}}
  Table: {Type: AWS::Serverless::SimpleTable}
"""
PARAMETERS = {"Stage": "dev", "AWS::Region": "eu-west-1", "AWS::AccountId": "000000000000", "AWS::Partition": "aws"}


def test_a_serverless_application_becomes_plain_resources() -> None:
    document = template.parse(APPLICATION)
    expanded = sam.expand(document, PARAMETERS, "eu-west-1")
    types = {resource["Type"] for resource in expanded["Resources"].values()}
    assert types == {
        "AWS::Lambda::Function",
        "AWS::Lambda::Permission",
        "AWS::IAM::Role",
        "AWS::ApiGatewayV2::Api",
        "AWS::ApiGatewayV2::Stage",
        "AWS::DynamoDB::Table",
    }
    role = expanded["Resources"]["HelloRole"]["Properties"]
    assert "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess" in role["ManagedPolicyArns"]
    assert "Transform" not in expanded and document["Transform"] == "AWS::Serverless-2016-10-31"
    assert type(next(iter(expanded["Resources"]))) is str
    template.sections(expanded)


def test_its_errors_are_worded_as_awss() -> None:
    document = template.parse(
        "Transform: AWS::Serverless-2016-10-31\nResources: {F: {Type: AWS::Serverless::Function, Properties: {Runtime: python3.12}}}"
    )
    with pytest.raises(AwsError) as caught:
        sam.expand(document, PARAMETERS, "eu-west-1")
    assert caught.value.message.startswith(
        "Transform AWS::Serverless-2016-10-31 failed with: Invalid Serverless Application Specification document."
        " Number of errors found: 1. Resource with id [F] is invalid."
    )
