"""Faults by plan: what they strike, a region that is lost, replication that waits meanwhile."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from groundcloud.kernel.faults import Fault, Faults

LOST = {"code": "ServiceUnavailable", "message": "The region is lost.", "status": 503}


@pytest.fixture
def plan(ground: Any) -> Iterator[Callable[..., None]]:
    """`plan(fault, ...)` sets the server's plan; it is empty again afterwards."""
    yield lambda *faults: ground.admin("PUT", "/_ground/faults", list(faults))
    ground.admin("PUT", "/_ground/faults", [])


def test_a_plan_names_services_operations_and_regions() -> None:
    faults = Faults(Random(1))
    assert faults.of("s3", "GetObject", "us-east-1") is None
    faults.plan = [Fault("dynamodb", "Put*", region="eu-*", latency_ms=5), Fault(region="eu-west-1", code="Gone")]
    assert faults.of("dynamodb", "PutItem", "eu-north-1") == faults.plan[0] == faults.of("dynamodb", "PutItem", "eu-west-1")
    assert faults.of("dynamodb", "GetItem", "eu-west-1") == faults.plan[1]
    assert faults.of("dynamodb", "GetItem", "us-east-1") is None
    assert faults.strike("s3", "ReplicateObject", "us-east-1", "eu-west-1")
    assert not faults.strike("dynamodb", "PutItem", "eu-north-1"), "late is not lost"


def test_a_lost_region_answers_nobody_and_the_others_go_on(client: Any, plan: Any) -> None:
    europe, america = client("sqs", region="eu-west-1"), client("sqs")
    plan({**LOST, "region": "eu-west-1"})
    with pytest.raises(ClientError, match="The region is lost") as caught:
        europe.create_queue(QueueName="q")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    america.create_queue(QueueName="q")
    plan()
    assert "QueueUrls" not in europe.list_queues()


def test_websites_and_apis_of_a_lost_region_are_lost_too(client: Any, ground: Any, account: str, plan: Any) -> None:
    def get(region: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", int(ground.endpoint.rpartition(":")[2]), timeout=10)
        connection.request("GET", "/", headers={"host": f"{account}-{region}.s3-website.{region}.localhost"})
        answer = connection.getresponse()
        return answer.status, answer.read()

    for region in ("us-east-1", "eu-west-1"):
        s3, bucket = client("s3", region=region), f"{account}-{region}"
        placed = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=bucket, **placed)
        s3.delete_public_access_block(Bucket=bucket)
        statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statement}))
        s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
        s3.put_object(Bucket=bucket, Key="index.html", Body=region.encode())
    plan({**LOST, "region": "eu-west-1"})
    assert get("eu-west-1") == (503, b'{"message":"The region is lost."}')
    assert get("us-east-1") == (200, b"us-east-1")
    plan({"service": "s3-website", "operation": "GET", "code": "Slow", "status": 504})
    assert get("us-east-1")[0] == 504
    plan()
    assert get("eu-west-1") == (200, b"eu-west-1")


def test_writes_of_a_table_wait_for_a_region_that_they_cannot_reach(client: Any, plan: Any, clock: Any) -> None:
    europe, america = client("dynamodb", region="eu-west-1"), client("dynamodb")
    key = {
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    }
    america.create_table(TableName="far", BillingMode="PAY_PER_REQUEST", **key)
    america.update_table(TableName="far", ReplicaUpdates=[{"Create": {"RegionName": "eu-west-1"}}])
    clock.settle()
    plan({**LOST, "service": "dynamodb", "operation": "Replicate*", "region": "eu-west-1"})
    for number in range(3):
        (america, europe)[number % 2].put_item(TableName="far", Item={"pk": {"S": str(number)}})
    clock.advance("1h")
    assert (america.scan(TableName="far")["Count"], europe.scan(TableName="far")["Count"]) == (2, 1)
    plan()
    clock.advance("15s")
    assert (america.scan(TableName="far")["Count"], europe.scan(TableName="far")["Count"]) == (3, 3)


def test_an_object_waits_for_the_destination_that_is_lost_and_goes_to_the_other(client: Any, account: str, plan: Any, clock: Any) -> None:
    s3, iam = client("s3"), client("iam")
    names = [f"{account}-{region}" for region in ("us-east-1", "eu-west-1", "ap-south-1")]
    for name in names:
        placed = {} if name.endswith("us-east-1") else {"CreateBucketConfiguration": {"LocationConstraint": name.partition("-")[2]}}
        client("s3", region=name.partition("-")[2]).create_bucket(Bucket=name, **placed)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    trust = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"},
    }
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    allowed = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=json.dumps(allowed))
    rules = [
        {
            "Status": "Enabled",
            "Priority": number,
            "Filter": {"Prefix": ""},
            "DeleteMarkerReplication": {"Status": "Disabled"},
            "Destination": {"Bucket": f"arn:aws:s3:::{name}"},
        }
        for number, name in enumerate(names[1:])
    ]
    s3.put_bucket_replication(Bucket=names[0], ReplicationConfiguration={"Role": role, "Rules": rules})

    def status(name: str) -> str | None:
        listed = s3.list_objects_v2(Bucket=name).get("Contents", [])
        return str(s3.head_object(Bucket=name, Key="k")["ReplicationStatus"]) if listed else None

    plan({**LOST, "region": "ap-south-1"})
    with pytest.raises(ClientError, match="The region is lost"):
        status(names[2])
    s3.put_object(Bucket=names[0], Key="k", Body=b"1", Tagging="a=1")
    clock.advance("5m")
    assert [status(name) for name in names[:2]] == ["PENDING", "REPLICA"]
    s3.put_object_tagging(Bucket=names[0], Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "2"}]})
    plan()
    clock.advance("15s")
    assert [status(name) for name in names] == ["COMPLETED", "REPLICA", "REPLICA"]
    tags = [s3.get_object_tagging(Bucket=name, Key="k")["TagSet"] for name in names]
    assert tags == [[{"Key": "a", "Value": "2"}]] * 3
