"""Multi-Region Access Points: one name for buckets in several regions, and failover between them."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("names_below_localhost")


@pytest.fixture
def control(client: Any) -> Any:
    return client("s3control", region_name="us-west-2")


@pytest.fixture
def west(client: Any) -> Any:
    return client("s3", region_name="us-west-2")


@pytest.fixture
def pair(new_bucket: Any) -> tuple[str, str]:
    return new_bucket(), new_bucket(CreateBucketConfiguration={"LocationConstraint": "us-west-2"})


@pytest.fixture
def point(control: Any, pair: tuple[str, str], account: str) -> dict[str, str]:
    details = {"Name": "both", "Regions": [{"Bucket": name} for name in pair]}
    control.create_multi_region_access_point(AccountId=account, ClientToken="t", Details=details)
    alias = control.get_multi_region_access_point(AccountId=account, Name="both")["AccessPoint"]["Alias"]
    return {"alias": alias, "arn": f"arn:aws:s3::{account}:accesspoint/{alias}"}


def read(s3: Any, bucket: str) -> bytes:
    found: bytes = s3.get_object(Bucket=bucket, Key="k")["Body"].read()
    return found


def test_a_point_is_made_described_listed_and_deleted(control: Any, pair: tuple[str, str], account: str, refused: Any) -> None:
    details = {"Name": "both", "Regions": [{"Bucket": name} for name in pair]}
    asked = {"AccountId": account, "ClientToken": "t", "Details": details}
    token = control.create_multi_region_access_point(**asked)["RequestTokenARN"]
    assert control.create_multi_region_access_point(**asked)["RequestTokenARN"] == token
    told = control.describe_multi_region_access_point_operation(AccountId=account, RequestTokenARN=token)["AsyncOperation"]
    assert (told["Operation"], told["RequestStatus"]) == ("CreateMultiRegionAccessPoint", "SUCCEEDED")
    assert told["RequestParameters"]["CreateMultiRegionAccessPointRequest"]["Name"] == "both"
    got = control.get_multi_region_access_point(AccountId=account, Name="both")["AccessPoint"]
    assert (got["Status"], [region["Region"] for region in got["Regions"]]) == ("READY", ["us-east-1", "us-west-2"])
    assert got["PublicAccessBlock"]["BlockPublicPolicy"] is True
    assert [one["Name"] for one in control.list_multi_region_access_points(AccountId=account)["AccessPoints"]] == ["both"]
    refused("MultiRegionAccessPointAlreadyOwnedByYou", 409, control.create_multi_region_access_point, **{**asked, "ClientToken": "other"})
    control.delete_multi_region_access_point(AccountId=account, ClientToken="d", Details={"Name": "both"})
    refused("NoSuchMultiRegionAccessPoint", 404, control.get_multi_region_access_point, AccountId=account, Name="both")


def test_what_is_no_point(control: Any, pair: tuple[str, str], account: str, refused: Any, s3: Any) -> None:
    def make(*buckets: str) -> None:
        details = {"Name": "none", "Regions": [{"Bucket": name} for name in buckets]}
        control.create_multi_region_access_point(AccountId=account, ClientToken="-".join(buckets), Details=details)

    for code, status, buckets in (("NoSuchBucket", 404, ("none-such",)), ("InvalidRequest", 400, (pair[0], pair[0]))):
        with pytest.raises(control.exceptions.ClientError) as caught:
            make(*buckets)
        error = caught.value.response
        assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    refused("NoSuchMultiRegionAccessPoint", 404, s3.get_object, Bucket="abcdefghijklm.mrap", Key="k")
    arn = f"arn:aws:s3:us-west-2:{account}:async-request/mrap/none"
    refused("NoSuchAsyncRequest", 404, control.describe_multi_region_access_point_operation, AccountId=account, RequestTokenARN=arn)


def test_a_request_goes_to_the_region_it_comes_from_while_that_is_active(
    s3: Any, west: Any, client: Any, control: Any, pair: tuple[str, str], point: dict[str, str], account: str, refused: Any
) -> None:
    s3.put_object(Bucket=point["alias"], Key="k", Body=b"east")
    west.put_object(Bucket=point["alias"], Key="k", Body=b"west")
    assert (read(s3, pair[0]), read(west, pair[1])) == (b"east", b"west")
    assert read(client("s3", region_name="eu-west-1"), point["alias"]) == b"east", "the first that was named"

    def dial(region: str, percentage: int) -> None:
        update = {"Region": region, "TrafficDialPercentage": percentage}
        control.submit_multi_region_access_point_routes(AccountId=account, Mrap=point["arn"], RouteUpdates=[update])

    dial("us-east-1", 0)
    assert read(s3, point["alias"]) == b"west"
    routes = control.get_multi_region_access_point_routes(AccountId=account, Mrap=point["arn"])["Routes"]
    assert [(route["Region"], route["TrafficDialPercentage"]) for route in routes] == [("us-east-1", 0), ("us-west-2", 100)]
    refused("InvalidRequest", 400, dial, region="us-west-2", percentage=0)
    dial("us-east-1", 100)
    dial("us-west-2", 0)
    assert read(west, point["alias"]) == b"east"


def test_the_points_policy_is_asked_beside_the_buckets(
    s3: Any, client: Any, control: Any, pair: tuple[str, str], point: dict[str, str], account: str, refused: Any
) -> None:
    s3.put_object(Bucket=pair[0], Key="k", Body=b"east")
    stranger = client("s3", account="555566667777")
    refused("NoSuchMultiRegionAccessPointPolicy", 404, control.get_multi_region_access_point_policy, AccountId=account, Name="both")
    allow = {"Effect": "Allow", "Principal": {"AWS": "555566667777"}, "Action": "s3:GetObject"}

    def put(resource: str) -> None:
        text = json.dumps({"Version": "2012-10-17", "Statement": [{**allow, "Resource": resource}]})
        details = {"Name": "both", "Policy": text}
        control.put_multi_region_access_point_policy(AccountId=account, ClientToken="p", Details=details)

    text = json.dumps({"Version": "2012-10-17", "Statement": [{**allow, "Resource": f"arn:aws:s3:::{pair[0]}/*"}]})
    s3.put_bucket_policy(Bucket=pair[0], Policy=text)
    refused("AccessDenied", 403, stranger.get_object, Bucket=point["alias"], Key="k")
    put(f"{point['arn']}/object/*")
    assert read(stranger, point["alias"]) == b"east"
    assert control.get_multi_region_access_point_policy_status(AccountId=account, Name="both")["Established"]["IsPublic"] is False
    got = control.get_multi_region_access_point_policy(AccountId=account, Name="both")["Policy"]
    assert json.loads(got["Established"]["Policy"])["Statement"][0]["Resource"] == f"{point['arn']}/object/*"
    refused("MalformedPolicy", 400, put, resource="arn:aws:s3:::other/*")
