"""AWS::DynamoDB::Table in a stack: made, changed in place, replaced, removed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.services.dynamodb.asking import index, refusal


def template(**properties: Any) -> str:
    table = {
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
        **properties,
    }
    return json.dumps(
        {
            "Resources": {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": table}},
            "Outputs": {
                "Name": {"Value": {"Ref": "Table"}},
                "Arn": {"Value": {"Fn::GetAtt": ["Table", "Arn"]}},
                **({"Stream": {"Value": {"Fn::GetAtt": ["Table", "StreamArn"]}}} if "StreamSpecification" in properties else {}),
            },
        }
    )


def outputs(cloudformation: Any) -> dict[str, str]:
    (stack,) = cloudformation.describe_stacks(StackName="app")["Stacks"]
    assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), stack
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def test_a_table_of_a_stack(client: Any, dynamodb: Any, clock: Any) -> None:
    cloudformation = client("cloudformation")
    first = template(
        TimeToLiveSpecification={"AttributeName": "ttl", "Enabled": "true"},
        StreamSpecification={"StreamViewType": "NEW_IMAGE"},
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        Tags=[{"Key": "a", "Value": "1"}],
    )
    cloudformation.create_stack(StackName="app", TemplateBody=first)
    clock.settle()
    made = outputs(cloudformation)
    table = dynamodb.describe_table(TableName=made["Name"])["Table"]
    assert (table["TableArn"], table["LatestStreamArn"]) == (made["Arn"], made["Stream"])
    assert made["Name"].startswith("app-Table-")
    assert dynamodb.describe_time_to_live(TableName=made["Name"])["TimeToLiveDescription"]["AttributeName"] == "ttl"
    recovery = dynamodb.describe_continuous_backups(TableName=made["Name"])["ContinuousBackupsDescription"]
    assert recovery["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    dynamodb.put_item(TableName=made["Name"], Item={"pk": {"S": "a"}, "g": {"S": "g"}})
    changed = template(
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "g")],
        GlobalSecondaryIndexes=[index("by-g", "g")],
        DeletionProtectionEnabled="false",
        Tags=[{"Key": "b", "Value": "2"}],
    )
    cloudformation.update_stack(StackName="app", TemplateBody=changed)
    clock.settle()
    assert outputs(cloudformation)["Name"] == made["Name"]
    table = dynamodb.describe_table(TableName=made["Name"])["Table"]
    assert table["GlobalSecondaryIndexes"][0]["ItemCount"] == 1
    assert "StreamSpecification" not in table
    assert dynamodb.describe_time_to_live(TableName=made["Name"])["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED"
    tags = {tag["Key"]: tag["Value"] for tag in dynamodb.list_tags_of_resource(ResourceArn=made["Arn"])["Tags"]}
    assert sorted(tags) == ["aws:cloudformation:logical-id", "aws:cloudformation:stack-id", "aws:cloudformation:stack-name", "b"]
    assert (tags["aws:cloudformation:stack-name"], tags["aws:cloudformation:logical-id"], tags["b"]) == ("app", "Table", "2")
    refused = refusal(dynamodb.untag_resource, ResourceArn=made["Arn"], TagKeys=["aws:cloudformation:stack-id"])
    assert refused[0] == "ValidationException"
    cloudformation.update_stack(StackName="app", TemplateBody=template(TableName="named"))
    clock.settle()
    assert outputs(cloudformation)["Name"] == "named"
    assert dynamodb.list_tables()["TableNames"] == ["named"]
    cloudformation.delete_stack(StackName="app")
    clock.settle()
    assert dynamodb.list_tables()["TableNames"] == []


def test_indexes_of_vectors_are_made_and_replaced_with_others_of_a_stack(client: Any, dynamodb: Any, clock: Any) -> None:
    def near(name: str) -> dict[str, Any]:
        return {
            "IndexName": name,
            "VectorAttribute": {"AttributeName": "v"},
            "Dimensions": "2",
            "DistanceFunction": "COSINE",
            "Projection": {"ProjectionType": "ALL"},
        }

    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName="app", TemplateBody=template(VectorIndexes=[near("one")]))
    clock.settle()
    name = outputs(cloudformation)["Name"]
    changed = template(
        VectorIndexes=[near("two"), near("three")],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "g")],
        GlobalSecondaryIndexes=[index("by-g", "g")],
    )
    cloudformation.update_stack(StackName="app", TemplateBody=changed)
    clock.settle()
    assert outputs(cloudformation)["Name"] == name
    table = dynamodb.describe_table(TableName=name)["Table"]
    assert [index["IndexName"] for index in table["VectorIndexes"]] == ["two", "three"]
    assert [index["IndexName"] for index in table["GlobalSecondaryIndexes"]] == ["by-g"]


@pytest.mark.parametrize("properties", [{"ImportSourceSpecification": {}}, {"NoSuchProperty": []}])
def test_a_property_that_is_not_there_fails_the_stack_by_name(client: Any, clock: Any, properties: dict[str, Any]) -> None:
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName="app", TemplateBody=template(**properties))
    clock.settle()
    (stack,) = cloudformation.describe_stacks(StackName="app")["Stacks"]
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    reasons = [event.get("ResourceStatusReason", "") for event in cloudformation.describe_stack_events(StackName="app")["StackEvents"]]
    assert any(next(iter(properties)) in reason for reason in reasons)


def test_a_global_table_of_a_stack(client: Any, dynamodb: Any, clock: Any) -> None:
    cloudformation = client("cloudformation")

    def body(*regions: str) -> str:
        properties = {
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "g")],
            "BillingMode": "PAY_PER_REQUEST",
            "GlobalSecondaryIndexes": [index("by-g", "g")],
            "Replicas": [
                {
                    "Region": region,
                    "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                    "Tags": [{"Key": "at", "Value": region}],
                }
                for region in regions
            ],
        }
        outputs = {"Name": {"Value": {"Ref": "Table"}}, "Arn": {"Value": {"Fn::GetAtt": ["Table", "Arn"]}}}
        return json.dumps({"Resources": {"Table": {"Type": "AWS::DynamoDB::GlobalTable", "Properties": properties}}, "Outputs": outputs})

    cloudformation.create_stack(StackName="app", TemplateBody=body("us-east-1"))
    clock.settle()
    name = outputs(cloudformation)["Name"]
    assert "Replicas" not in dynamodb.describe_table(TableName=name)["Table"]
    dynamodb.put_item(TableName=name, Item={"pk": {"S": "a"}, "g": {"S": "g"}})
    cloudformation.update_stack(StackName="app", TemplateBody=body("us-east-1", "eu-west-1"))
    clock.settle()
    europe = client("dynamodb", region="eu-west-1")
    assert outputs(cloudformation)["Name"] == name
    assert europe.scan(TableName=name, IndexName="by-g")["Count"] == 1
    recovery = europe.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
    cloudformation.delete_stack(StackName="app")
    clock.settle()
    assert dynamodb.list_tables()["TableNames"] == europe.list_tables()["TableNames"] == []
