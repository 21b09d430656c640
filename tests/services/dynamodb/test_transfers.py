"""Export to S3 as of a moment; import of a table from S3."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from tests.services.dynamodb.asking import index, refusal


@pytest.fixture
def bucket(client: Any, account: str) -> tuple[Any, str]:
    s3 = client("s3")
    name = f"transfers-{account}"
    s3.create_bucket(Bucket=name)
    return s3, name


def test_a_table_is_exported_as_of_a_moment(dynamodb: Any, make_table: Any, bucket: tuple[Any, str], clock: Any) -> None:
    s3, bucket_name = bucket
    make_table("exported", "pk")
    arn = dynamodb.describe_table(TableName="exported")["Table"]["TableArn"]
    assert (
        refusal(dynamodb.export_table_to_point_in_time, TableArn=arn, S3Bucket=bucket_name)[0] == "PointInTimeRecoveryUnavailableException"
    )
    dynamodb.update_continuous_backups(TableName="exported", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    for at in range(30):
        dynamodb.put_item(TableName="exported", Item={"pk": {"S": str(at)}, "b": {"B": b"x"}})
    moment = clock.now_s()
    clock.advance("1m")
    dynamodb.delete_item(TableName="exported", Key={"pk": {"S": "3"}})
    started = dynamodb.export_table_to_point_in_time(TableArn=arn, S3Bucket=bucket_name, S3Prefix="out", ExportTime=moment + 30)[
        "ExportDescription"
    ]
    assert started["ExportStatus"] == "IN_PROGRESS"
    clock.settle()
    export = dynamodb.describe_export(ExportArn=started["ExportArn"])["ExportDescription"]
    assert (export["ExportStatus"], export["ItemCount"]) == ("COMPLETED", 30), export
    summary = json.loads(s3.get_object(Bucket=bucket_name, Key=export["ExportManifest"])["Body"].read())
    files = s3.get_object(Bucket=bucket_name, Key=summary["manifestFilesS3Key"])["Body"].read().splitlines()
    lines = [
        line
        for entry in files
        for line in gzip.decompress(s3.get_object(Bucket=bucket_name, Key=json.loads(entry)["dataFileS3Key"])["Body"].read()).splitlines()
    ]
    assert sorted(int(json.loads(line)["Item"]["pk"]["S"]) for line in lines) == list(range(30))
    assert json.loads(lines[0])["Item"]["b"] == {"B": "eA=="}
    assert [found["ExportArn"] for found in dynamodb.list_exports(TableArn=arn)["ExportSummaries"]] == [started["ExportArn"]]

    made = dynamodb.import_table(
        S3BucketSource={"S3Bucket": bucket_name, "S3KeyPrefix": "/".join(export["ExportManifest"].split("/")[:-1]) + "/data/"},
        InputFormat="DYNAMODB_JSON",
        InputCompressionType="GZIP",
        TableCreationParameters={
            "TableName": "imported",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
    )["ImportTableDescription"]
    clock.settle()
    found = dynamodb.describe_import(ImportArn=made["ImportArn"])["ImportTableDescription"]
    assert (found["ImportStatus"], found["ImportedItemCount"], found["ErrorCount"]) == ("COMPLETED", 30, 0), found
    assert dynamodb.get_item(TableName="imported", Key={"pk": {"S": "3"}})["Item"]["b"] == {"B": b"x"}
    assert dynamodb.describe_table(TableName="imported")["Table"]["ItemCount"] == 30


def test_a_table_is_imported_from_csv(dynamodb: Any, bucket: tuple[Any, str], clock: Any) -> None:
    s3, bucket_name = bucket
    s3.put_object(Bucket=bucket_name, Key="in/one.csv", Body=b"pk,n,note\na,1,first\nb,2,\nb,x,bad number\n")
    request = {
        "S3BucketSource": {"S3Bucket": bucket_name, "S3KeyPrefix": "in/"},
        "InputFormat": "CSV",
        "TableCreationParameters": {
            "TableName": "csv",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}],
            "AttributeDefinitions": [
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "n", "AttributeType": "N"},
                {"AttributeName": "note", "AttributeType": "S"},
            ],
            "BillingMode": "PAY_PER_REQUEST",
            "GlobalSecondaryIndexes": [index("by-note", "note")],
        },
    }
    made = dynamodb.import_table(**request)["ImportTableDescription"]
    clock.settle()
    found = dynamodb.describe_import(ImportArn=made["ImportArn"])["ImportTableDescription"]
    assert (found["ImportStatus"], found["ProcessedItemCount"], found["ImportedItemCount"], found["ErrorCount"]) == ("COMPLETED", 3, 2, 1)
    assert dynamodb.scan(TableName="csv", IndexName="by-note")["Items"] == [{"pk": {"S": "a"}, "n": {"N": "1"}, "note": {"S": "first"}}]
    assert refusal(dynamodb.import_table, **request) == ("ResourceInUseException", "Table already exists: csv")


def test_an_export_to_a_bucket_that_is_not_there_fails(dynamodb: Any, make_table: Any, clock: Any) -> None:
    make_table("failing", "pk")
    arn = dynamodb.describe_table(TableName="failing")["Table"]["TableArn"]
    dynamodb.update_continuous_backups(TableName="failing", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    started = dynamodb.export_table_to_point_in_time(TableArn=arn, S3Bucket="no-such-bucket-anywhere")["ExportDescription"]
    clock.settle()
    export = dynamodb.describe_export(ExportArn=started["ExportArn"])["ExportDescription"]
    assert (export["ExportStatus"], export["FailureCode"]) == ("FAILED", "S3NoSuchBucket")


def test_what_changed_in_a_window_is_exported(dynamodb: Any, make_table: Any, bucket: tuple[Any, str], clock: Any) -> None:
    s3, bucket_name = bucket
    make_table("changing", "pk")
    arn = dynamodb.describe_table(TableName="changing")["Table"]["TableArn"]
    dynamodb.update_continuous_backups(TableName="changing", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})

    def put(key: str, number: int) -> None:
        dynamodb.put_item(TableName="changing", Item={"pk": {"S": key}, "n": {"N": str(number)}})

    for key in ("kept", "changed", "deleted"):
        put(key, 1)
    clock.advance("1h")
    begin = clock.now_s()
    clock.advance("1m")
    put("changed", 2)
    put("made", 3)
    put("made and deleted", 4)
    dynamodb.delete_item(TableName="changing", Key={"pk": {"S": "made and deleted"}})
    dynamodb.delete_item(TableName="changing", Key={"pk": {"S": "deleted"}})
    clock.advance("1m")
    put("changed", 5)
    clock.advance("20m")
    end = clock.now_s()
    clock.advance("1m")
    put("made", 9)
    window = {"ExportFromTime": begin, "ExportToTime": end}

    def export(**more: Any) -> tuple[dict[str, Any], list[bytes]]:
        request = {"TableArn": arn, "S3Bucket": bucket_name, "ExportType": "INCREMENTAL_EXPORT", **more}
        begun = dynamodb.export_table_to_point_in_time(**request)["ExportDescription"]
        clock.settle()
        found = dynamodb.describe_export(ExportArn=begun["ExportArn"])["ExportDescription"]
        assert (found["ExportStatus"], found["ItemCount"]) == ("COMPLETED", 3), found
        summary = json.loads(s3.get_object(Bucket=bucket_name, Key=found["ExportManifest"])["Body"].read())
        (entry,) = s3.get_object(Bucket=bucket_name, Key=summary["manifestFilesS3Key"])["Body"].read().splitlines()
        data = s3.get_object(Bucket=bucket_name, Key=json.loads(entry)["dataFileS3Key"])["Body"].read()
        return summary, gzip.decompress(data).splitlines()

    summary, lines = export(IncrementalExportSpecification=window)
    assert (summary["exportType"], summary["outputView"]) == ("INCREMENTAL_EXPORT", "NEW_AND_OLD_IMAGES")
    records = {record["Keys"]["pk"]["S"]: record for record in map(json.loads, lines)}
    images = {key: tuple(record.get(image, {}).get("n") for image in ("OldImage", "NewImage")) for key, record in records.items()}
    one, three, five = {"N": "1"}, {"N": "3"}, {"N": "5"}
    assert images == {"changed": (one, five), "made": (None, three), "deleted": (one, None)}
    assert begin < int(records["changed"]["Metadata"]["WriteTimestampMicros"]["N"]) / 1e6 < end
    _, lines = export(IncrementalExportSpecification={**window, "ExportViewType": "NEW_IMAGE"}, ExportFormat="ION")
    assert any(b'Keys:{pk:"changed"},NewImage:{pk:"changed",n:5.}' in line and b"OldImage" not in line for line in lines)
    newer = {"FilterExpression": "n >= :n", "ProjectionExpression": "n", "ExpressionAttributeValues": {":n": {"N": "4"}}}
    request = {"TableArn": arn, "S3Bucket": bucket_name, "ExportType": "INCREMENTAL_EXPORT", "IncrementalExportSpecification": window}
    begun = dynamodb.export_table_to_point_in_time(**request, FilterSpecification=newer)["ExportDescription"]
    clock.settle()
    (record,) = exported(dynamodb, s3, bucket_name, begun["ExportArn"])
    assert {name: record[name] for name in ("Keys", "OldImage", "NewImage")} == {
        "Keys": {"pk": {"S": "changed"}},
        "OldImage": {"n": one},
        "NewImage": {"n": five},
    }
    short = {"ExportFromTime": begin, "ExportToTime": begin + 60}
    request = {"TableArn": arn, "S3Bucket": bucket_name, "ExportType": "INCREMENTAL_EXPORT", "IncrementalExportSpecification": short}
    assert "15 minutes" in refusal(dynamodb.export_table_to_point_in_time, **request)[1]


def exported(dynamodb: Any, s3: Any, bucket_name: str, export_arn: str) -> list[dict[str, Any]]:
    """The records of an export that is complete."""
    found = dynamodb.describe_export(ExportArn=export_arn)["ExportDescription"]
    assert found["ExportStatus"] == "COMPLETED", found
    summary = json.loads(s3.get_object(Bucket=bucket_name, Key=found["ExportManifest"])["Body"].read())
    records = []
    for entry in s3.get_object(Bucket=bucket_name, Key=summary["manifestFilesS3Key"])["Body"].read().splitlines():
        data = s3.get_object(Bucket=bucket_name, Key=json.loads(entry)["dataFileS3Key"])["Body"].read()
        records += [json.loads(line) for line in gzip.decompress(data).splitlines()]
    assert len(records) == found["ItemCount"]
    return records


def test_an_export_keeps_what_its_filter_says(dynamodb: Any, make_table: Any, bucket: tuple[Any, str], clock: Any) -> None:
    s3, bucket_name = bucket
    make_table("filtered", "pk", "n")
    arn = dynamodb.describe_table(TableName="filtered")["Table"]["TableArn"]
    dynamodb.update_continuous_backups(TableName="filtered", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    for at in range(12):
        item = {"pk": {"S": "ab"[at % 2]}, "n": {"N": str(at)}, "kind": {"S": "xyz"[at % 3]}, "rest": {"S": "r"}}
        dynamodb.put_item(TableName="filtered", Item=item)

    def keys(**specification: Any) -> list[tuple[str, ...]]:
        request = {"TableArn": arn, "S3Bucket": bucket_name, "FilterSpecification": specification}
        begun = dynamodb.export_table_to_point_in_time(**request)["ExportDescription"]
        assert begun["FilterSpecification"] == specification
        clock.settle()
        records = exported(dynamodb, s3, bucket_name, begun["ExportArn"])
        return sorted(tuple(next(iter(value.values())) for value in record["Item"].values()) for record in records)

    values = {":p": {"S": "a"}, ":n": {"N": "4"}, ":k": {"S": "x"}}
    assert keys(
        KeyConditionExpression="pk = :p AND n > :n",
        FilterExpression="kind = :k",
        ProjectionExpression="n, kind",
        ExpressionAttributeValues=values,
    ) == [("6", "x")]
    assert len(keys(FilterExpression="pk = :p AND n < :n", ExpressionAttributeValues={":p": {"S": "a"}, ":n": {"N": "4"}})) == 2
    wrong = {"KeyConditionExpression": "kind = :k", "ExpressionAttributeValues": {":k": {"S": "x"}}}
    found = refusal(dynamodb.export_table_to_point_in_time, TableArn=arn, S3Bucket=bucket_name, FilterSpecification=wrong)
    assert found == ("ValidationException", "Query condition missed key schema element: pk")


def test_a_table_goes_through_ion(dynamodb: Any, make_table: Any, bucket: tuple[Any, str], clock: Any) -> None:
    _, bucket_name = bucket
    make_table("there", "pk")
    item = {"pk": {"S": 'quo"te'}, "s": {"SS": ["a", "b"]}, "m": {"M": {"a b": {"L": [{"N": "1.50"}, {"NULL": True}]}}}, "b": {"B": b"x"}}
    dynamodb.put_item(TableName="there", Item=item)
    dynamodb.update_continuous_backups(TableName="there", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    arn = dynamodb.describe_table(TableName="there")["Table"]["TableArn"]
    begun = dynamodb.export_table_to_point_in_time(TableArn=arn, S3Bucket=bucket_name, S3Prefix="ion", ExportFormat="ION")[
        "ExportDescription"
    ]
    clock.settle()
    export = dynamodb.describe_export(ExportArn=begun["ExportArn"])["ExportDescription"]
    made = dynamodb.import_table(
        S3BucketSource={"S3Bucket": bucket_name, "S3KeyPrefix": "/".join(export["ExportManifest"].split("/")[:-1]) + "/data/"},
        InputFormat="ION",
        InputCompressionType="GZIP",
        TableCreationParameters={
            "TableName": "again",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
    )["ImportTableDescription"]
    clock.settle()
    assert dynamodb.describe_import(ImportArn=made["ImportArn"])["ImportTableDescription"]["ErrorCount"] == 0
    (found,) = dynamodb.scan(TableName="again")["Items"]
    assert found == {**item, "m": {"M": {"a b": {"L": [{"N": "1.5"}, {"NULL": True}]}}}}


def test_a_client_token_begins_one_transfer(dynamodb: Any, make_table: Any, bucket: tuple[Any, str], clock: Any) -> None:
    _, bucket_name = bucket
    make_table("once", "pk")
    arn = dynamodb.describe_table(TableName="once")["Table"]["TableArn"]
    dynamodb.update_continuous_backups(TableName="once", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    request = {"TableArn": arn, "S3Bucket": bucket_name, "ClientToken": "one"}
    first = dynamodb.export_table_to_point_in_time(**request)["ExportDescription"]["ExportArn"]
    assert dynamodb.export_table_to_point_in_time(**request)["ExportDescription"]["ExportArn"] == first
    assert refusal(dynamodb.export_table_to_point_in_time, **request, S3Prefix="other")[0] == "ExportConflictException"
    clock.advance("9h")
    assert dynamodb.export_table_to_point_in_time(**request)["ExportDescription"]["ExportArn"] != first
    new = {
        "S3BucketSource": {"S3Bucket": bucket_name, "S3KeyPrefix": "nothing/"},
        "InputFormat": "DYNAMODB_JSON",
        "ClientToken": "one",
        "TableCreationParameters": {
            "TableName": "made-once",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
    }
    made = dynamodb.import_table(**new)["ImportTableDescription"]["ImportArn"]
    assert dynamodb.import_table(**new)["ImportTableDescription"]["ImportArn"] == made
    assert refusal(dynamodb.import_table, **{**new, "InputFormat": "CSV"})[0] == "ImportConflictException"
