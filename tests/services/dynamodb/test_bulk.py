"""Bulk operations: items from S3 into a table that is there, with conditions, reports, cancelling and kills."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from tests.services.dynamodb.asking import index, refusal


@pytest.fixture
def bucket(client: Any, account: str) -> tuple[Any, str]:
    s3 = client("s3")
    name = f"bulk-{account}"
    s3.create_bucket(Bucket=name)
    return s3, name


def lines(*records: Any) -> bytes:
    return b"".join((record if isinstance(record, bytes) else json.dumps(record).encode()) + b"\n" for record in records)


def start(dynamodb: Any, bucket_name: str, **changes: Any) -> Any:
    request = {
        "TableName": "loaded",
        "InputS3Configuration": {"S3Bucket": bucket_name, "S3KeyPrefix": "in/", "InputFormat": "DYNAMODB_JSON"},
        "OutputS3Configuration": {"S3Bucket": bucket_name, "S3KeyPrefix": "out", "OutputType": ["ERROR", "CONDITION_CHECK_FAILURE"]},
        **changes,
    }
    return dynamodb.start_bulk_put_items(**request)["BulkOperationDescription"]


def test_items_are_put_and_what_was_not_is_reported(dynamodb: Any, make_table: Any, bucket: Any, clock: Any) -> None:
    s3, name = bucket
    make_table("loaded", "pk", GlobalSecondaryIndexes=[index("by-g", "g")])
    dynamodb.put_item(TableName="loaded", Item={"pk": {"S": "there"}, "n": {"N": "1"}})
    only_new = {"ConditionExpression": "attribute_not_exists(#p)", "ExpressionAttributeNames": {"#p": "pk"}}
    newer = {"ConditionExpression": "n < :n", "ExpressionAttributeValues": {":n": {"N": "5"}}}
    s3.put_object(Bucket=name, Key="in/1.json", Body=lines(*({"Item": {"pk": {"S": str(at)}, "g": {"S": "x"}}} for at in range(430))))
    s3.put_object(
        Bucket=name,
        Key="in/2.json",
        Body=lines(
            {"Item": {"pk": {"S": "there"}}, **only_new},
            {"Item": {"pk": {"S": "there"}, "n": {"N": "5"}}, **newer},
            {"Item": {"pk": {"N": "1"}}},
            b"no json",
            {"Item": {"pk": {"S": "a"}}, "ConditionExpression": 5},
        ),
    )
    begun = start(dynamodb, name)
    assert begun["BulkOperationStatus"] == "IN_PROGRESS"
    clock.settle()
    found = dynamodb.describe_bulk_operation(BulkOperationArn=begun["BulkOperationArn"])["BulkOperationDescription"]
    assert (found["BulkOperationStatus"], found["ProcessedItemCount"], found["FailedItemCount"]) == ("COMPLETED_WITH_ERRORS", 435, 3), found
    assert found["ProcessedInputBytes"] == found["TotalInputBytes"]
    (usage,) = found["BulkOperationUsage"]
    assert usage["BulkPutBytes"] == usage["Table"]["BulkPutBytes"] + usage["GlobalSecondaryIndexes"]["by-g"]["BulkPutBytes"]
    assert dynamodb.get_item(TableName="loaded", Key={"pk": {"S": "there"}})["Item"]["n"] == {"N": "5"}
    assert dynamodb.scan(TableName="loaded", IndexName="by-g", Select="COUNT")["Count"] == 430
    reports = {}
    for entry in s3.list_objects_v2(Bucket=name, Prefix="out/AWSDynamoDB/")["Contents"]:
        reports[entry["Key"].split("/")[3]] = s3.get_object(Bucket=name, Key=entry["Key"])["Body"].read()
    failed = [json.loads(line) for line in reports["error"].splitlines()]
    assert [line["Record"] for line in failed] == [3, 4, 5]
    assert "Type mismatch for key pk expected: S actual: N" in failed[0]["ErrorMessage"]
    (unmet,) = [json.loads(line) for line in reports["condition_check_failure"].splitlines()]
    assert unmet["ExistingItem"] == {"pk": {"S": "there"}, "n": {"N": "1"}}
    assert [one["itemCount"] for one in json.loads(reports["manifest.json"])["files"]] == [3, 1]


def test_ion_and_gzip_are_read(dynamodb: Any, make_table: Any, bucket: Any, clock: Any) -> None:
    s3, name = bucket
    make_table("loaded", "pk")
    text = b'$ion_1_0 {Item:{pk:"a",n:6d2}}\n$ion_1_0 {Item:{pk:"a"},ConditionExpression:"n = :n",ExpressionAttributeValues:{":n":5}}\n'
    s3.put_object(Bucket=name, Key="in/1.ion.gz", Body=gzip.compress(text))
    packed = {"S3Bucket": name, "S3KeyPrefix": "in/", "InputFormat": "ION", "InputCompressionType": "GZIP"}
    begun = start(dynamodb, name, InputS3Configuration=packed)
    clock.settle()
    found = dynamodb.describe_bulk_operation(BulkOperationArn=begun["BulkOperationArn"])["BulkOperationDescription"]
    assert (found["BulkOperationStatus"], found["ProcessedItemCount"]) == ("COMPLETED", 2), found
    assert dynamodb.scan(TableName="loaded")["Items"] == [{"pk": {"S": "a"}, "n": {"N": "600"}}]


def test_a_token_starts_one_operation(dynamodb: Any, make_table: Any, bucket: Any, clock: Any) -> None:
    _, name = bucket
    make_table("loaded", "pk")
    first = start(dynamodb, name, ClientToken="once")
    assert start(dynamodb, name, ClientToken="once")["BulkOperationArn"] == first["BulkOperationArn"]
    with pytest.raises(dynamodb.exceptions.IdempotentParameterMismatchException):
        start(dynamodb, name, ClientToken="once", MaxWriteRequestUnits=2048)
    clock.advance("8h1m")
    second = start(dynamodb, name, ClientToken="once")
    assert second["BulkOperationArn"] != first["BulkOperationArn"]
    clock.settle()
    listed = dynamodb.list_bulk_operations(MaxResults=1)
    assert [one["BulkOperationArn"] for one in listed["BulkOperationsSummaryList"]] == [second["BulkOperationArn"]]
    rest = dynamodb.list_bulk_operations(MaxResults=1, NextToken=listed["NextToken"])
    assert [one["BulkOperationStatus"] for one in rest["BulkOperationsSummaryList"]] == ["COMPLETED"]
    assert "NextToken" not in rest


def test_what_is_cancelled_ends_so(dynamodb: Any, make_table: Any, bucket: Any, clock: Any) -> None:
    s3, name = bucket
    make_table("loaded", "pk")
    s3.put_object(Bucket=name, Key="in/1.json", Body=lines(*({"Item": {"pk": {"S": str(at)}}} for at in range(5000))))
    begun = start(dynamodb, name)
    answer = dynamodb.cancel_bulk_operation(BulkOperationArn=begun["BulkOperationArn"])
    clock.settle()
    found = dynamodb.describe_bulk_operation(BulkOperationArn=begun["BulkOperationArn"])["BulkOperationDescription"]
    assert (answer["BulkOperationStatus"], found["BulkOperationStatus"]) in (("CANCELLING", "CANCELLED"), ("COMPLETED", "COMPLETED"))
    assert found["ProcessedItemCount"] == dynamodb.scan(TableName="loaded", Select="COUNT")["Count"]


def test_a_bucket_that_is_not_there_fails_the_operation(dynamodb: Any, make_table: Any, bucket: Any, clock: Any) -> None:
    _, name = bucket
    make_table("loaded", "pk")
    begun = start(dynamodb, name, InputS3Configuration={"S3Bucket": "no-such-bucket-anywhere", "InputFormat": "DYNAMODB_JSON"})
    clock.settle()
    found = dynamodb.describe_bulk_operation(BulkOperationArn=begun["BulkOperationArn"])["BulkOperationDescription"]
    assert (found["BulkOperationStatus"], found["FailureCode"]) == ("FAILED", "NoSuchBucket")


def test_what_cannot_be_started_is_refused(dynamodb: Any, account: str, bucket: Any) -> None:
    _, name = bucket
    request = {
        "TableName": "missing",
        "InputS3Configuration": {"S3Bucket": name, "InputFormat": "DYNAMODB_JSON"},
        "OutputS3Configuration": {"S3Bucket": name, "OutputType": ["ERROR"]},
    }
    assert refusal(dynamodb.start_bulk_put_items, **request)[0] == "ResourceNotFoundException"
    assert "greater than or equal to 1024" in refusal(dynamodb.start_bulk_put_items, **request, MaxWriteRequestUnits=5)[1]
    nowhere = {**request, "OutputS3Configuration": {"OutputType": ["ERROR"]}}
    assert refusal(dynamodb.start_bulk_put_items, **nowhere)[0] == "ValidationException"
    arn = f"arn:aws:dynamodb:us-east-1:{account}:table/x/bulk-operation/none"
    assert refusal(dynamodb.describe_bulk_operation, BulkOperationArn=arn)[0] == "ResourceNotFoundException"
    assert refusal(dynamodb.cancel_bulk_operation, BulkOperationArn=arn)[0] == "ResourceNotFoundException"


@pytest.mark.slow
def test_an_operation_goes_on_after_a_kill(process: Any) -> None:
    dynamodb, s3 = process.client("dynamodb"), process.client("s3")
    dynamodb.create_table(
        TableName="loaded",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    s3.create_bucket(Bucket="bulk")
    only_new = {"ConditionExpression": "attribute_not_exists(pk)"}
    for part in range(3):
        body = lines(*({"Item": {"pk": {"S": f"{part}-{at}"}}, **only_new} for at in range(8000)))
        s3.put_object(Bucket="bulk", Key=f"in/{part}.json", Body=body)
    begun = start(dynamodb, "bulk")
    process.kill()
    process.start()
    dynamodb = process.client("dynamodb")
    process.advance("1s")
    found = dynamodb.describe_bulk_operation(BulkOperationArn=begun["BulkOperationArn"])["BulkOperationDescription"]
    assert (found["BulkOperationStatus"], found["ProcessedItemCount"], found["FailedItemCount"]) == ("COMPLETED", 24_000, 0)
    assert found["BulkOperationUsage"][0]["Table"]["BulkPutBytes"] == sum(
        2 + len(f"{part}-{at}") for part in range(3) for at in range(8000)
    )
