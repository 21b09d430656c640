"""Who may do what: actions on tables and indexes, and the condition keys of this service."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.services.dynamodb.asking import index, refusal


@pytest.fixture
def as_user(client: Any, ground: Any, account: str) -> Any:
    """`as_user(*statements)`: a DynamoDB client of a user who has these statements and nothing else."""

    def make(*statements: dict[str, Any]) -> Any:
        iam = client("iam")
        iam.create_user(UserName="limited")
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement} for statement in statements]}
        iam.put_user_policy(UserName="limited", PolicyName="limits", PolicyDocument=json.dumps(document))
        key = iam.create_access_key(UserName="limited")["AccessKey"]
        return client("dynamodb", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])

    return make


def test_leading_keys_fence_a_user_in(dynamodb: Any, make_table: Any, as_user: Any, account: str) -> None:
    make_table("fenced", "pk", "sk")
    item = {"pk": {"S": "mine"}, "sk": {"S": "1"}}
    user = as_user(
        {
            "Action": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"],
            "Resource": f"arn:aws:dynamodb:us-east-1:{account}:table/fenced",
            "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["mine"]}, "Null": {"dynamodb:LeadingKeys": "false"}},
        }
    )
    user.put_item(TableName="fenced", Item=item)
    assert user.get_item(TableName="fenced", Key=item)["Item"] == item
    asked = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "mine"}}}
    assert user.query(TableName="fenced", **asked)["Count"] == 1
    assert user.batch_get_item(RequestItems={"fenced": {"Keys": [item]}})["Responses"]["fenced"] == [item]
    other = {"pk": {"S": "theirs"}, "sk": {"S": "1"}}
    asked["ExpressionAttributeValues"] = {":p": {"S": "theirs"}}
    for denied, request in (
        (user.put_item, {"TableName": "fenced", "Item": other}),
        (user.get_item, {"TableName": "fenced", "Key": other}),
        (user.query, {"TableName": "fenced", **asked}),
        (user.batch_get_item, {"RequestItems": {"fenced": {"Keys": [item, other]}}}),
        (user.batch_write_item, {"RequestItems": {"fenced": [{"PutRequest": {"Item": item}}, {"DeleteRequest": {"Key": other}}]}}),
        (user.scan, {"TableName": "fenced"}),
        (user.delete_item, {"TableName": "fenced", "Key": item}),
    ):
        code, sentence = refusal(denied, **request)
        assert code == "AccessDeniedException"
        assert f"arn:aws:iam::{account}:user/limited is not authorized to perform: dynamodb:" in sentence
        assert f"on resource: arn:aws:dynamodb:us-east-1:{account}:table/fenced" in sentence


def test_attributes_and_indexes_are_judged(dynamodb: Any, make_table: Any, as_user: Any, account: str) -> None:
    make_table("judged", "pk", GlobalSecondaryIndexes=[index("by-g", "g")])
    dynamodb.put_item(TableName="judged", Item={"pk": {"S": "a"}, "g": {"S": "g"}, "secret": {"S": "x"}})
    table = f"arn:aws:dynamodb:us-east-1:{account}:table/judged"
    user = as_user(
        {
            "Action": "dynamodb:GetItem",
            "Resource": table,
            "Condition": {
                "ForAllValues:StringEquals": {"dynamodb:Attributes": ["pk", "g"]},
                "StringEqualsIfExists": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"},
            },
        },
        {"Action": "dynamodb:Query", "Resource": f"{table}/index/by-g"},
    )
    key = {"pk": {"S": "a"}}
    assert user.get_item(TableName="judged", Key=key, ProjectionExpression="g")["Item"] == {"g": {"S": "g"}}
    assert refusal(user.get_item, TableName="judged", Key=key, ProjectionExpression="secret")[0] == "AccessDeniedException"
    names = {"ProjectionExpression": "#s", "ExpressionAttributeNames": {"#s": "secret"}}
    assert refusal(user.get_item, TableName="judged", Key=key, **names)[0] == "AccessDeniedException"
    asked = {"KeyConditionExpression": "g = :g", "ExpressionAttributeValues": {":g": {"S": "g"}}}
    assert user.query(TableName="judged", IndexName="by-g", **asked)["Count"] == 1
    assert (
        refusal(user.query, TableName="judged", KeyConditionExpression="pk = :g", ExpressionAttributeValues={":g": {"S": "a"}})[0]
        == "AccessDeniedException"
    )


def test_each_part_of_a_transaction_needs_its_own_action(dynamodb: Any, make_table: Any, as_user: Any, account: str) -> None:
    make_table("parts", "pk")
    user = as_user({"Action": ["dynamodb:PutItem", "dynamodb:ConditionCheckItem"], "Resource": "*"})
    put = {"Put": {"TableName": "parts", "Item": {"pk": {"S": "a"}}}}
    check = {"ConditionCheck": {"TableName": "parts", "Key": {"pk": {"S": "b"}}, "ConditionExpression": "attribute_not_exists(pk)"}}
    user.transact_write_items(TransactItems=[put, check])
    delete = {"Delete": {"TableName": "parts", "Key": {"pk": {"S": "c"}}}}
    code, sentence = refusal(user.transact_write_items, TransactItems=[put, delete])
    assert code == "AccessDeniedException"
    assert "dynamodb:DeleteItem" in sentence


def test_another_account_reaches_a_table_by_its_arn_if_the_policy_says_so(
    client: Any, dynamodb: Any, make_table: Any, account: str
) -> None:
    make_table("shared", "pk")
    arn = f"arn:aws:dynamodb:us-east-1:{account}:table/shared"
    stranger_account = str(int(account) + 500_000_000)
    stranger = client("dynamodb", account=stranger_account)
    item = {"pk": {"S": "a"}}
    assert refusal(stranger.put_item, TableName=arn, Item=item)[0] == "AccessDeniedException"
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{stranger_account}:root"}, "Action": "dynamodb:*Item", "Resource": arn}
        ],
    }
    dynamodb.put_resource_policy(ResourceArn=arn, Policy=json.dumps(policy))
    stranger.put_item(TableName=arn, Item=item)
    assert dynamodb.get_item(TableName="shared", Key=item)["Item"] == item
    assert refusal(stranger.scan, TableName=arn)[0] == "AccessDeniedException"


def test_statements_are_judged_by_their_kind_their_keys_and_whether_they_scan(dynamodb: Any, make_table: Any, as_user: Any) -> None:
    make_table("asked", "pk")
    user = as_user(
        {"Action": "dynamodb:PartiQLSelect", "Resource": "*", "Condition": {"Bool": {"dynamodb:FullTableScan": "false"}}},
        {
            "Action": "dynamodb:PartiQLInsert",
            "Resource": "*",
            "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["mine"]}},
        },
    )
    user.execute_statement(Statement="INSERT INTO asked VALUE {'pk': 'mine'}")
    assert refusal(user.execute_statement, Statement="INSERT INTO asked VALUE {'pk': 'theirs'}")[0] == "AccessDeniedException"
    assert user.execute_statement(Statement="SELECT * FROM asked WHERE pk = ?", Parameters=[{"S": "mine"}])["Items"] == [
        {"pk": {"S": "mine"}}
    ]
    assert refusal(user.execute_statement, Statement="SELECT * FROM asked")[0] == "AccessDeniedException"
    assert refusal(user.execute_statement, Statement="DELETE FROM asked WHERE pk = 'mine'")[0] == "AccessDeniedException"


def test_listing_tables_is_judged_on_all_tables(make_table: Any, as_user: Any, account: str) -> None:
    make_table("listed", "pk")
    every = f"arn:aws:dynamodb:us-east-1:{account}:table/*"
    user = as_user({"Action": "dynamodb:ListTables", "Resource": every})
    assert user.list_tables()["TableNames"] == ["listed"]
    code, sentence = refusal(user.describe_limits)
    assert code == "AccessDeniedException"
    assert "dynamodb:DescribeLimits" in sentence
