"""Access points: made, found by ARN, alias and host name; their policies beside the bucket's; the public access block of an account; tags by ARN."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("names_below_localhost")


@pytest.fixture
def control(client: Any) -> Any:
    return client("s3control")


@pytest.fixture
def point(control: Any, bucket: str, account: str) -> dict[str, str]:
    made: dict[str, str] = control.create_access_point(AccountId=account, Name="my-point", Bucket=bucket)
    return {"arn": made["AccessPointArn"], "alias": made["Alias"]}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def user(client: Any, ground: Any, *statements: dict[str, Any]) -> Any:
    """An S3 client of a user with these permissions."""
    iam = client("iam")
    iam.create_user(UserName="u")
    if statements:
        iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=policy(*statements))
    key = iam.create_access_key(UserName="u")["AccessKey"]
    return ground.client("s3", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])


def test_an_access_point_is_made_described_listed_and_deleted(control: Any, s3: Any, bucket: str, account: str, refused: Any) -> None:
    block = {"BlockPublicAcls": False, "IgnorePublicAcls": False, "BlockPublicPolicy": False, "RestrictPublicBuckets": True}
    made = control.create_access_point(
        AccountId=account,
        Name="one",
        Bucket=bucket,
        VpcConfiguration={"VpcId": "vpc-1"},
        PublicAccessBlockConfiguration=block,
        Tags=[{"Key": "a", "Value": "b"}],
    )
    arn = f"arn:aws:s3:us-east-1:{account}:accesspoint/one"
    assert made["AccessPointArn"] == arn
    assert made["Alias"].startswith("one-") and made["Alias"].endswith("-s3alias") and len(made["Alias"]) <= 63
    got = control.get_access_point(AccountId=account, Name="one")
    assert (got["Bucket"], got["NetworkOrigin"], got["VpcConfiguration"]) == (bucket, "VPC", {"VpcId": "vpc-1"})
    assert got["PublicAccessBlockConfiguration"] == block
    assert got["Endpoints"]["ipv4"] == "s3-accesspoint.us-east-1.amazonaws.com"
    for name in ("three", "two"):
        control.create_access_point(AccountId=account, Name=name, Bucket=bucket)
    first = control.list_access_points(AccountId=account, Bucket=bucket, MaxResults=2)
    assert [found["Name"] for found in first["AccessPointList"]] == ["one", "three"]
    rest = control.list_access_points(AccountId=account, NextToken=first["NextToken"])
    assert [found["Name"] for found in rest["AccessPointList"]] == ["two"] and "NextToken" not in rest
    refused("AccessPointAlreadyOwnedByYou", 409, control.create_access_point, AccountId=account, Name="one", Bucket=bucket)
    refused("InvalidAccessPoint", 400, control.create_access_point, AccountId=account, Name="Big", Bucket=bucket)
    refused("NoSuchBucket", 404, control.create_access_point, AccountId=account, Name="four", Bucket="no-such-bucket-here")
    refused("BucketHasAccessPointsAttached", 400, s3.delete_bucket, Bucket=bucket)
    for name in ("one", "two", "three"):
        control.delete_access_point(AccountId=account, Name=name)
    refused("NoSuchAccessPoint", 404, control.get_access_point, AccountId=account, Name="one")
    refused("NoSuchAccessPoint", 404, control.delete_access_point, AccountId=account, Name="one")
    s3.delete_bucket(Bucket=bucket)


def test_objects_by_arn_and_alias(s3: Any, bucket: str, point: dict[str, str], refused: Any) -> None:
    for name in (point["arn"], point["alias"]):
        s3.put_object(Bucket=name, Key="dir/k", Body=b"body", Tagging="a=b")
        assert s3.get_object(Bucket=name, Key="dir/k")["Body"].read() == b"body"
        assert s3.head_object(Bucket=name, Key="dir/k")["ContentLength"] == 4
        assert s3.get_object_tagging(Bucket=name, Key="dir/k")["TagSet"] == [{"Key": "a", "Value": "b"}]
        assert [one["Key"] for one in s3.list_objects_v2(Bucket=name)["Contents"]] == ["dir/k"]
        assert s3.head_bucket(Bucket=name)["AccessPointAlias"] is True
        upload_id = s3.create_multipart_upload(Bucket=name, Key="m")["UploadId"]
        etag = s3.upload_part(Bucket=name, Key="m", UploadId=upload_id, PartNumber=1, Body=b"part")["ETag"]
        s3.complete_multipart_upload(Bucket=name, Key="m", UploadId=upload_id, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
        s3.copy_object(Bucket=name, Key="copy", CopySource={"Bucket": name, "Key": "dir/k"})
        assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == b"body"
        s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "m"}, {"Key": "copy"}]})
        s3.delete_object(Bucket=name, Key="dir/k")
        assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    refused("MethodNotAllowed", 405, s3.put_bucket_versioning, Bucket=point["alias"], VersioningConfiguration={"Status": "Enabled"})
    refused("NoSuchKey", 404, s3.get_object, Bucket=point["arn"], Key="none")


def test_the_real_host_name_leads_to_the_point(ground: Any, s3: Any, bucket: str, point: dict[str, str], account: str) -> None:
    import urllib.request

    s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    host = f"my-point-{account}.s3-accesspoint.us-east-1.amazonaws.com"
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    signed = AWSRequest("GET", f"https://{host}/k", headers={"host": host, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    SigV4Auth(Credentials(account, "test"), "s3", "us-east-1").add_auth(signed)
    request = urllib.request.Request(f"{ground.endpoint}/k", headers=dict(signed.headers))
    with urllib.request.urlopen(request) as answer:
        assert answer.read() == b"body"


def test_browsers_reach_a_point_by_the_rules_of_its_bucket(ground: Any, s3: Any, bucket: str, point: dict[str, str]) -> None:
    import urllib.request

    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["https://site.example"]}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    headers = {"Origin": "https://site.example", "Access-Control-Request-Method": "GET"}
    request = urllib.request.Request(f"{ground.endpoint}/{point['alias']}/k", headers=headers, method="OPTIONS")
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["access-control-allow-origin"] == "https://site.example"
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    url = s3.generate_presigned_url("get_object", {"Bucket": point["alias"], "Key": "k"})
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Origin": "https://site.example"})) as answer:
        assert (answer.read(), answer.headers["access-control-allow-origin"]) == (b"x", "https://site.example")


def test_unknown_points_are_told_by_their_errors(s3: Any, account: str, refused: Any) -> None:
    refused("InvalidAccessPointAliasError", 400, s3.list_objects_v2, Bucket="p-" + "a" * 34 + "-s3alias")
    refused("NoSuchBucket", 404, s3.list_objects_v2, Bucket=f"nothing-{account}")


def test_the_policies_of_point_and_bucket_must_both_allow(
    ground: Any, client: Any, control: Any, s3: Any, bucket: str, point: dict[str, str], account: str, refused: Any
) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    theirs = user(client, ground)
    arn = f"arn:aws:iam::{account}:user/u"
    refused("AccessDenied", 403, theirs.get_object, Bucket=point["arn"], Key="k")
    statement = {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "s3:GetObject", "Resource": f"{point['arn']}/object/*"}
    control.put_access_point_policy(AccountId=account, Name="my-point", Policy=policy(statement))
    refused("AccessDenied", 403, theirs.get_object, Bucket=point["arn"], Key="k")
    delegated = {
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": "*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        "Condition": {"StringEquals": {"s3:DataAccessPointAccount": account}},
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(delegated))
    assert theirs.get_object(Bucket=point["arn"], Key="k")["Body"].read() == b"x"
    refused("AccessDenied", 403, theirs.get_object, Bucket=bucket, Key="k")
    refused("AccessDenied", 403, theirs.put_object, Bucket=point["arn"], Key="k", Body=b"y")
    denying = {**statement, "Effect": "Deny"}
    control.put_access_point_policy(AccountId=account, Name="my-point", Policy=policy(denying))
    refused("AccessDenied", 403, theirs.get_object, Bucket=point["arn"], Key="k")


def test_an_identity_policy_with_the_points_arn_opens_the_point_alone(
    ground: Any, client: Any, s3: Any, bucket: str, point: dict[str, str], refused: Any
) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    theirs = user(
        client,
        ground,
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{point['arn']}/object/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": point["arn"]},
    )
    assert theirs.get_object(Bucket=point["arn"], Key="k")["Body"].read() == b"x"
    assert theirs.list_objects_v2(Bucket=point["alias"])["KeyCount"] == 1
    refused("AccessDenied", 403, theirs.get_object, Bucket=bucket, Key="k")
    denied = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(denied))
    refused("AccessDenied", 403, theirs.get_object, Bucket=point["arn"], Key="k")


def test_the_policy_of_a_point(control: Any, bucket: str, point: dict[str, str], account: str, refused: Any) -> None:
    named = {"AccountId": account, "Name": "my-point"}
    refused("NoSuchAccessPointPolicy", 404, control.get_access_point_policy, **named)
    wrong = {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    refused("MalformedPolicy", 400, control.put_access_point_policy, **named, Policy=policy(wrong))
    public = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"{point['arn']}/object/*"}
    refused("AccessDenied", 403, control.put_access_point_policy, **named, Policy=policy(public))
    right = policy({**public, "Principal": {"AWS": account}})
    control.put_access_point_policy(**named, Policy=right)
    assert control.get_access_point_policy(**named)["Policy"] == right
    assert control.get_access_point_policy_status(**named)["PolicyStatus"] == {"IsPublic": False}
    control.delete_access_point_policy(**named)
    refused("NoSuchAccessPointPolicy", 404, control.get_access_point_policy, **named)


def test_the_accounts_public_access_block_goes_over_its_buckets(control: Any, s3: Any, bucket: str, account: str, refused: Any) -> None:
    refused("NoSuchPublicAccessBlockConfiguration", 404, control.get_public_access_block, AccountId=account)
    s3.delete_public_access_block(Bucket=bucket)
    block = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": False}
    control.put_public_access_block(AccountId=account, PublicAccessBlockConfiguration=block)
    assert control.get_public_access_block(AccountId=account)["PublicAccessBlockConfiguration"] == block
    public = policy({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"})
    refused("AccessDenied", 403, s3.put_bucket_policy, Bucket=bucket, Policy=public)
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    refused("AccessDenied", 403, s3.put_object, Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
    control.delete_public_access_block(AccountId=account)
    s3.put_bucket_policy(Bucket=bucket, Policy=public)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
    refused("AccessDenied", 403, control.get_public_access_block, AccountId="210987654321")


def test_restricting_public_buckets_shuts_others_out(ground: Any, control: Any, s3: Any, bucket: str, account: str, refused: Any) -> None:
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    public = policy({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"})
    s3.put_bucket_policy(Bucket=bucket, Policy=public)
    theirs = ground.client("s3", str(int(account) + 7_000_000))
    assert theirs.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    block = {"BlockPublicAcls": False, "IgnorePublicAcls": False, "BlockPublicPolicy": False, "RestrictPublicBuckets": True}
    control.put_public_access_block(AccountId=account, PublicAccessBlockConfiguration=block)
    refused("AccessDenied", 403, theirs.get_object, Bucket=bucket, Key="k")


def test_tags_by_arn(control: Any, s3: Any, bucket: str, point: dict[str, str], account: str, refused: Any) -> None:
    for arn in (point["arn"], f"arn:aws:s3:::{bucket}"):
        tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
        control.tag_resource(AccountId=account, ResourceArn=arn, Tags=tags)
        control.untag_resource(AccountId=account, ResourceArn=arn, TagKeys=["a"])
        assert control.list_tags_for_resource(AccountId=account, ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "b", "Value": "2"}]
    missing = f"arn:aws:s3:us-east-1:{account}:accesspoint/none"
    refused("NoSuchAccessPoint", 404, control.list_tags_for_resource, AccountId=account, ResourceArn=missing)


def test_what_is_not_there_is_refused_by_name(control: Any, account: str) -> None:
    with pytest.raises(control.exceptions.ClientError, match="ListStorageLensConfigurations"):
        control.list_storage_lens_configurations(AccountId=account)
    with pytest.raises(control.exceptions.ClientError, match="ListStorageLensGroups"):
        control.list_storage_lens_groups(AccountId=account)
