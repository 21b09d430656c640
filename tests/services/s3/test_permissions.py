"""Who may: policies, ACLs, the public access block, other accounts, nobody at all."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config

from groundcloud.services.s3 import policies
from groundcloud.services.s3.errors import S3Error


@pytest.fixture
def nobody(ground: Any) -> Any:
    """A client without credentials."""
    return ground.client("s3", config=Config(signature_version=UNSIGNED))


@pytest.fixture
def stranger(client: Any) -> Any:
    return client("s3", account="555566667777")


def policy(bucket: str, *statements: dict[str, Any]) -> str:
    arn = f"arn:aws:s3:::{bucket}"
    full = [{"Effect": "Allow", "Principal": "*", "Resource": [arn, f"{arn}/*"], **statement} for statement in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": full})


def open_up(s3: Any, bucket: str) -> None:
    s3.delete_public_access_block(Bucket=bucket)


def test_a_stranger_may_nothing(bucket: str, nobody: Any, stranger: Any, s3: Any, refused: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for one in (nobody, stranger):
        error = refused("AccessDenied", 403, one.get_object, Bucket=bucket, Key="k")
        assert error["Message"] == "Access Denied"
        refused("AccessDenied", 403, one.list_objects_v2, Bucket=bucket)
        refused("AccessDenied", 403, one.put_object, Bucket=bucket, Key="k", Body=b"y")
        refused("403", 403, one.head_bucket, Bucket=bucket)
    refused("AccessDenied", 403, nobody.list_buckets)
    refused("NoSuchBucket", 404, nobody.get_object, Bucket=f"{bucket}-none", Key="k")


def test_a_public_policy_lets_everybody_read(bucket: str, nobody: Any, s3: Any, refused: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    text = policy(bucket, {"Action": "s3:GetObject"})
    error = refused("AccessDenied", 403, s3.put_bucket_policy, Bucket=bucket, Policy=text)
    assert "BlockPublicPolicy" in error["Message"]
    open_up(s3, bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=text)
    assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]) == json.loads(text)
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is True
    assert nobody.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    # Who may not list is not told what is there.
    refused("AccessDenied", 403, nobody.get_object, Bucket=bucket, Key="none")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, {"Action": ["s3:GetObject", "s3:ListBucket"]}))
    refused("NoSuchKey", 404, nobody.get_object, Bucket=bucket, Key="none")
    assert nobody.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    s3.delete_bucket_policy(Bucket=bucket)
    refused("AccessDenied", 403, nobody.get_object, Bucket=bucket, Key="k")
    error = refused("NoSuchBucketPolicy", 404, s3.get_bucket_policy, Bucket=bucket)
    assert (error["Message"], error["BucketName"]) == ("The bucket policy does not exist", bucket)


def test_restricting_public_buckets_shuts_strangers_out(bucket: str, nobody: Any, stranger: Any, s3: Any, refused: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    open_up(s3, bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, {"Action": "s3:GetObject"}))
    stranger.get_object(Bucket=bucket, Key="k")
    block = {"BlockPublicAcls": False, "IgnorePublicAcls": False, "BlockPublicPolicy": False, "RestrictPublicBuckets": True}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == block
    for one in (nobody, stranger):
        refused("AccessDenied", 403, one.get_object, Bucket=bucket, Key="k")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_a_policy_shares_with_an_account(bucket: str, stranger: Any, s3: Any, refused: Any) -> None:
    s3.put_bucket_policy(
        Bucket=bucket, Policy=policy(bucket, {"Action": ["s3:PutObject", "s3:GetObject"], "Principal": {"AWS": "555566667777"}})
    )
    stranger.put_object(Bucket=bucket, Key="k", Body=b"theirs")
    assert stranger.get_object(Bucket=bucket, Key="k")["Body"].read() == b"theirs"
    refused("AccessDenied", 403, stranger.delete_object, Bucket=bucket, Key="k")
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is False


def test_a_denial_binds_the_owner_too_but_not_his_taking_it_away(bucket: str, s3: Any, refused: Any) -> None:
    s3.put_object(Bucket=bucket, Key="secret/k", Body=b"x")
    text = policy(bucket, {"Effect": "Deny", "Action": "s3:*", "Resource": [f"arn:aws:s3:::{bucket}/secret/*", f"arn:aws:s3:::{bucket}"]})
    s3.put_bucket_policy(Bucket=bucket, Policy=text)
    error = refused("AccessDenied", 403, s3.get_object, Bucket=bucket, Key="secret/k")
    assert "explicit deny" in error["Message"]
    s3.put_object(Bucket=bucket, Key="open", Body=b"x")
    s3.delete_bucket_policy(Bucket=bucket)
    s3.get_object(Bucket=bucket, Key="secret/k")


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        ({"StringEquals": {"s3:prefix": "in/"}}, {"Prefix": "in/"}),
        ({"NumericLessThanEquals": {"s3:max-keys": "10"}}, {"MaxKeys": 5}),
        ({"StringEquals": {"s3:delimiter": "/"}}, {"Delimiter": "/"}),
    ],
)
def test_conditions_of_listings(bucket: str, stranger: Any, s3: Any, refused: Any, condition: Any, met: Any) -> None:
    allow = {"Action": "s3:ListBucket", "Principal": {"AWS": "555566667777"}, "Condition": condition}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, allow))
    stranger.list_objects_v2(Bucket=bucket, **met)
    refused("AccessDenied", 403, stranger.list_objects_v2, Bucket=bucket)


def test_conditions_on_tags(bucket: str, stranger: Any, s3: Any, refused: Any) -> None:
    s3.put_object(Bucket=bucket, Key="open", Body=b"x", Tagging="share=yes")
    s3.put_object(Bucket=bucket, Key="shut", Body=b"x", Tagging="share=no")
    allow = {
        "Action": "s3:GetObject",
        "Principal": {"AWS": "555566667777"},
        "Condition": {"StringEquals": {"s3:ExistingObjectTag/share": "yes"}},
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, allow))
    stranger.get_object(Bucket=bucket, Key="open")
    refused("AccessDenied", 403, stranger.get_object, Bucket=bucket, Key="shut")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("no json", "Policies must be valid JSON and the first byte must be '{'"),
        ('{"Statement": [', "Policies must be valid JSON and the first byte must be '{'"),
        ({"Resource": "arn:aws:s3:::other/*"}, "Policy has invalid resource"),
        ({"Action": "sqs:SendMessage"}, "Policy has invalid action"),
        ({"Principal": {"AWS": "nobody"}}, "Invalid principal in policy"),
        ({"Principal": {"CanonicalUser": "abc"}}, "Invalid principal in policy"),
        ({"Principal": {"Service": "lambda"}}, "Invalid principal in policy"),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket"}, "Action does not apply to any resource(s) in statement"),
        ({"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::bucket/*"}, "Action does not apply to any resource(s) in statement"),
        ({"Effect": "Maybe"}, "Invalid effect"),
        ("{}", "Missing required field Statement"),
        ('{"Statement": []}', "Could not parse the policy: Statement is empty!"),
        ('{"Statement": [{}]}', "Missing required field Effect"),
        ('{"Statement": [{"Effect": "Allow"}]}', "Missing required field Principal"),
        ('{"Statements": []}', "Unknown field Statements"),
        ({"Actions": "s3:GetObject"}, "Unknown field Actions"),
        ({"Condition": {"StringEquals": {"s3:nothing": "x"}}}, "Policy has an invalid condition key"),
        ({"Condition": {"StringEquals": {"prefix": "x"}}}, "Policy has an invalid condition key"),
        (
            {"Condition": {"StringEquals": {"s3:prefix": "x"}}},
            "Conditions do not apply to combination of actions and resources in statement",
        ),
    ],
)
def test_a_malformed_policy_is_refused_in_s3s_words(text: Any, sentence: str) -> None:
    if isinstance(text, dict):
        statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*", **text}
        text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    with pytest.raises(S3Error) as caught:
        policies.check("arn:aws:s3:::bucket", "arn:aws:s3:::bucket", text)
    assert (caught.value.code, caught.value.message) == ("MalformedPolicy", sentence)


@pytest.mark.parametrize(
    ("statement", "public"),
    [
        ({}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": {"AWS": "111122223333"}}, False),
        ({"Effect": "Deny"}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}}, True),
        ({"Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}}, False),
        ({"Condition": {"StringLike": {"aws:SourceVpc": "vpc-*"}}}, True),
        ({"Condition": {"StringEquals": {"aws:UserAgent": "x"}}}, True),
    ],
)
def test_which_policies_are_public(statement: Any, public: bool) -> None:
    full = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", **statement}
    assert policies.is_public(json.dumps({"Version": "2012-10-17", "Statement": full})) is public


def test_new_buckets_take_no_acls(bucket: str, s3: Any, refused: Any) -> None:
    assert s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    for function, arguments in (
        (s3.put_bucket_acl, {}),
        (s3.put_object, {"Key": "k", "Body": b""}),
    ):
        error = refused("AccessControlListNotSupported", 400, function, Bucket=bucket, ACL="public-read", **arguments)
        assert error["Message"] == "The bucket does not allow ACLs"
    s3.put_object(Bucket=bucket, Key="k", Body=b"", ACL="bucket-owner-full-control")
    acl = s3.get_object_acl(Bucket=bucket, Key="k")
    assert [(grant["Grantee"]["ID"], grant["Permission"]) for grant in acl["Grants"]] == [(acl["Owner"]["ID"], "FULL_CONTROL")]


@pytest.fixture
def listed(new_bucket: Any, s3: Any) -> str:
    """A bucket whose ACLs count."""
    name: str = new_bucket(ObjectOwnership="ObjectWriter")
    open_up(s3, name)
    return name


def test_acls_open_objects_and_listings(listed: str, s3: Any, nobody: Any, stranger: Any, refused: Any) -> None:
    s3.put_object(Bucket=listed, Key="open", Body=b"x", ACL="public-read")
    s3.put_object(Bucket=listed, Key="known", Body=b"x", ACL="authenticated-read")
    s3.put_object(Bucket=listed, Key="shut", Body=b"x")
    assert nobody.get_object(Bucket=listed, Key="open")["Body"].read() == b"x"
    refused("AccessDenied", 403, nobody.get_object, Bucket=listed, Key="known")
    stranger.get_object(Bucket=listed, Key="known")
    refused("AccessDenied", 403, stranger.get_object, Bucket=listed, Key="shut")
    refused("AccessDenied", 403, nobody.list_objects_v2, Bucket=listed)
    s3.put_bucket_acl(Bucket=listed, ACL="public-read-write")
    nobody.list_objects_v2(Bucket=listed)
    nobody.put_object(Bucket=listed, Key="from-nobody", Body=b"y")
    grants = s3.get_bucket_acl(Bucket=listed)["Grants"]
    assert [(grant["Grantee"].get("URI", "")[-8:], grant["Permission"]) for grant in grants] == [
        ("", "FULL_CONTROL"),
        ("AllUsers", "READ"),
        ("AllUsers", "WRITE"),
    ]
    block = {"BlockPublicAcls": True, "IgnorePublicAcls": True}
    s3.put_public_access_block(Bucket=listed, PublicAccessBlockConfiguration=block)
    refused("AccessDenied", 403, nobody.get_object, Bucket=listed, Key="open")
    refused("AccessDenied", 403, s3.put_object_acl, Bucket=listed, Key="shut", ACL="public-read")


def test_acls_by_document_and_by_header(listed: str, s3: Any, stranger: Any, refused: Any) -> None:
    s3.put_object(Bucket=listed, Key="k", Body=b"x")
    owner = s3.get_object_acl(Bucket=listed, Key="k")["Owner"]
    other = stranger.list_buckets()["Owner"]["ID"]
    grants = [{"Grantee": {"Type": "CanonicalUser", "ID": other}, "Permission": "READ"}]
    s3.put_object_acl(Bucket=listed, Key="k", AccessControlPolicy={"Owner": owner, "Grants": grants})
    assert s3.get_object_acl(Bucket=listed, Key="k")["Grants"] == grants
    stranger.get_object(Bucket=listed, Key="k")
    s3.put_object_acl(Bucket=listed, Key="k", GrantReadACP=f'id="{other}"')
    refused("AccessDenied", 403, stranger.get_object, Bucket=listed, Key="k")
    stranger.get_object_acl(Bucket=listed, Key="k")
    error = refused("InvalidArgument", 400, s3.put_object_acl, Bucket=listed, Key="k", GrantRead="id=nonsense")
    assert error["Message"] == "Invalid id"
    error = refused("InvalidRequest", 400, s3.put_object_acl, Bucket=listed, Key="k", ACL="private", GrantRead=f"id={other}")
    assert error["Message"] == "Specifying both Canned ACLs and Header Grants is not allowed"


def test_sdks_without_keys_read_by_plain_urls(listed: str, s3: Any, ground: Any) -> None:
    s3.put_object(Bucket=listed, Key="a/b.txt", Body=b"hello", ACL="public-read", ContentType="text/plain")
    with urllib.request.urlopen(f"{ground.endpoint}/{listed}/a/b.txt") as answer:
        assert (answer.read(), answer.headers["content-type"]) == (b"hello", "text/plain")
    request = urllib.request.Request(f"{ground.endpoint}/a/b.txt", headers={"Host": f"{listed}.s3.localhost"})
    with urllib.request.urlopen(request) as answer:
        assert answer.read() == b"hello"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{ground.endpoint}/{listed}/none")
    assert caught.value.code == 403


def test_roles_act_within_their_policies(client: Any, s3: Any, bucket: str, account: str, ground: Any, refused: Any) -> None:
    iam, sts = client("iam"), client("sts")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    allowed = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/in/*"}],
    }
    iam.put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=json.dumps(allowed))
    keys = sts.assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    reader = ground.client(
        "s3",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    s3.put_object(Bucket=bucket, Key="in/k", Body=b"x")
    s3.put_object(Bucket=bucket, Key="out/k", Body=b"x")
    assert reader.get_object(Bucket=bucket, Key="in/k")["Body"].read() == b"x"
    error = refused("AccessDenied", 403, reader.get_object, Bucket=bucket, Key="out/k")
    assert "is not authorized to perform: s3:GetObject" in error["Message"]
    refused("AccessDenied", 403, reader.get_object, Bucket=bucket, Key="in/none")
    refused("AccessDenied", 403, reader.put_object, Bucket=bucket, Key="in/k", Body=b"")
    refused("AccessDenied", 403, reader.create_bucket, Bucket=f"new{account}")
    refused("AccessDenied", 403, reader.list_buckets)
    many = reader.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "in/k"}]})
    assert many["Errors"][0]["Code"] == "AccessDenied"
    assert s3.get_object(Bucket=bucket, Key="in/k")["Body"].read() == b"x"


def test_a_policy_that_demands_tls_lets_this_machine_in(bucket: str, s3: Any) -> None:
    demand = {"Effect": "Deny", "Action": "s3:*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, demand))
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_tags_of_a_bucket_count_once_it_says_so(client: Any, ground: Any, s3: Any, bucket: str, refused: Any) -> None:
    iam = client("iam")
    iam.create_user(UserName="by-tag")
    condition = {"StringEquals": {"aws:ResourceTag/team": "blue"}}
    statement = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": condition}
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.put_user_policy(UserName="by-tag", PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName="by-tag")["AccessKey"]
    theirs = ground.client("s3", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "blue"}]})
    assert s3.get_bucket_abac(Bucket=bucket)["AbacStatus"] == {"Status": "Disabled"}
    refused("AccessDenied", 403, theirs.list_objects_v2, Bucket=bucket)
    s3.put_bucket_abac(Bucket=bucket, AbacStatus={"Status": "Enabled"})
    assert theirs.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "red"}]})
    refused("AccessDenied", 403, theirs.list_objects_v2, Bucket=bucket)
    s3.put_bucket_abac(Bucket=bucket, AbacStatus={"Status": "Disabled"})
    assert s3.get_bucket_abac(Bucket=bucket)["AbacStatus"] == {"Status": "Disabled"}


def test_what_directory_buckets_have_is_refused_as_aws_does(s3: Any, bucket: str, refused: Any) -> None:
    refused("NotImplemented", 501, s3.rename_object, Bucket=bucket, Key="b", RenameSource=f"{bucket}/a")
    refused("MethodNotAllowed", 405, s3.create_session, Bucket=bucket)
    refused("MethodNotAllowed", 405, s3.get_object_torrent, Bucket=bucket, Key="k")


def test_whoever_asks_pays_where_the_bucket_says_so(bucket: str, stranger: Any, s3: Any, refused: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    allow = {"Action": "s3:GetObject", "Principal": {"AWS": "555566667777"}}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, allow))
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})
    refused("AccessDenied", 403, stranger.get_object, Bucket=bucket, Key="k")
    assert stranger.get_object(Bucket=bucket, Key="k", RequestPayer="requester")["RequestCharged"] == "requester"
    assert "RequestCharged" not in s3.get_object(Bucket=bucket, Key="k", RequestPayer="requester")
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "BucketOwner"})
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    stranger.get_object(Bucket=bucket, Key="k")


def test_a_policy_names_nobody_of_its_account_who_is_not_there(s3: Any, client: Any, bucket: str, account: str, refused: Any) -> None:
    iam = client("iam")
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}

    def put(principal: str) -> None:
        document = {"Version": "2012-10-17", "Statement": [{**statement, "Principal": {"AWS": principal}}]}
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(document))

    user, role = f"arn:aws:iam::{account}:user/anna", f"arn:aws:iam::{account}:role/writer"
    for absent in (user, role):
        error = refused("MalformedPolicy", 400, put, principal=absent)
        assert (error["Message"], error["Detail"]) == ("Invalid principal in policy", absent)
    iam.create_user(UserName="anna")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    for name, path in (("writer", "/"), ("deep", "/some/path/")):
        document = {"Version": "2012-10-17", "Statement": [trust]}
        iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=json.dumps(document))
    deep = f"arn:aws:iam::{account}:role/some/path/deep"
    identity = "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1EXAMPLE"
    for there in (user, role, deep, identity, f"arn:aws:iam::{account}:root", "arn:aws:iam::999988887777:role/elsewhere"):
        put(there)


@pytest.fixture
def open_to_all(s3: Any, new_bucket: Any) -> str:
    """A bucket with ACLs, into which everybody writes; writers own their objects."""
    bucket: str = new_bucket(ObjectOwnership="ObjectWriter")
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    return bucket


@pytest.mark.parametrize(
    ("acl", "reads", "reads_acl"),
    [
        ("private", False, False),
        ("bucket-owner-read", True, False),
        ("bucket-owner-full-control", True, True),
        ("authenticated-read", True, False),
    ],
)
def test_what_others_own_its_owner_reads_as_far_as_its_acl_says(
    s3: Any, stranger: Any, open_to_all: str, refused: Any, acl: str, reads: bool, reads_acl: bool
) -> None:
    bucket = open_to_all
    stranger.put_object(Bucket=bucket, Key="k", Body=b"theirs", ACL=acl)
    for function, allowed in ((s3.get_object, reads), (s3.get_object_acl, reads_acl)):
        if allowed:
            function(Bucket=bucket, Key="k")
        else:
            refused("AccessDenied", 403, function, Bucket=bucket, Key="k")
    if not reads:
        refused("AccessDenied", 403, s3.copy_object, Bucket=bucket, Key="copy", CopySource=f"{bucket}/k")
    assert stranger.get_object(Bucket=bucket, Key="k")["Body"].read() == b"theirs"
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"theirs"
    s3.delete_object(Bucket=bucket, Key="k")


def test_an_acl_may_grant_nobody_anything(s3: Any, open_to_all: str) -> None:
    s3.put_object(Bucket=open_to_all, Key="k", Body=b"1")
    owner = s3.get_object_acl(Bucket=open_to_all, Key="k")["Owner"]
    s3.put_object_acl(Bucket=open_to_all, Key="k", AccessControlPolicy={"Owner": owner, "Grants": []})
    assert s3.get_object_acl(Bucket=open_to_all, Key="k")["Grants"] == []
    s3.put_object_acl(Bucket=open_to_all, Key="k", ACL="private")
    assert len(s3.get_object_acl(Bucket=open_to_all, Key="k")["Grants"]) == 1


@pytest.mark.parametrize(
    "document",
    [
        b"<AccessControlPolicy><AccessControlList/></AccessControlPolicy>",
        b"<AccessControlPolicy><Owner><ID>{id}</ID></Owner></AccessControlPolicy>",
        b"<AccessControlPolicy><Owner><ID>{id}</ID></Owner><AccessControlList><Grant><Permission>BAD</Permission></Grant></AccessControlList>"
        b"</AccessControlPolicy>",
        b"<AccessControlPolicy><Owner><ID>{id}</ID></Owner><AccessControlList><Grant><Permission>READ</Permission></Grant></AccessControlList>"
        b"</AccessControlPolicy>",
    ],
)
def test_an_acl_that_is_not_well_formed(send: Any, s3: Any, open_to_all: str, document: bytes) -> None:
    owner = s3.get_bucket_acl(Bucket=open_to_all)["Owner"]["ID"]
    status, _, body = send("PUT", f"/{open_to_all}?acl", {}, document.replace(b"{id}", owner.encode()))
    assert (status, b"<Code>MalformedACLError</Code>" in body) == (400, True), body


PUT = ("PUT", "/{b}/k", {}, b"1")
LOCKED = {"x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": "2090-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("action", "condition", "request_", "denied"),
    [
        ("PutObject", {"StringEquals": {"s3:authType": "REST-HEADER"}}, PUT, True),
        ("PutObject", {"StringEquals": {"s3:authType": "REST-QUERY-STRING"}}, PUT, False),
        ("PutObject", {"StringEquals": {"s3:signatureversion": "AWS4-HMAC-SHA256"}}, PUT, True),
        ("PutObject", {"StringEquals": {"s3:signatureversion": "AWS"}}, PUT, False),
        ("PutObject", {"NumericLessThan": {"s3:signatureAge": "600000"}}, PUT, True),
        ("PutObject", {"NumericGreaterThan": {"s3:signatureAge": "600000"}}, PUT, False),
        ("PutObject", {"NumericLessThan": {"s3:TlsVersion": "1.2"}}, PUT, False),
        ("PutObject", {"StringNotEquals": {"s3:ResourceAccount": "{account}"}}, PUT, False),
        ("PutObject", {"StringEquals": {"s3:ResourceAccount": "{account}"}}, PUT, True),
        ("PutObject", {"Null": {"s3:if-none-match": "true"}}, PUT, True),
        ("PutObject", {"Null": {"s3:if-none-match": "true"}}, ("PUT", "/{b}/new", {"if-none-match": "*"}, b"1"), False),
        ("PutObject", {"Bool": {"s3:ObjectCreationOperation": "true"}}, PUT, True),
        ("PutObject", {"Bool": {"s3:ObjectCreationOperation": "true"}}, ("POST", "/{b}/k?uploads", {}, b""), False),
        ("PutObject", {"StringEquals": {"s3:x-amz-storage-class": "GLACIER"}}, ("PUT", "/{b}/k", {"x-amz-storage-class": "GLACIER"}, b"1"), True),
        ("PutObject", {"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}, PUT, True),
        ("PutObject", {"StringEquals": {"s3:object-lock-mode": "GOVERNANCE"}}, ("PUT", "/{b}/k", LOCKED, b"1"), True),
        ("PutObject", {"NumericGreaterThan": {"s3:object-lock-remaining-retention-days": "100"}}, ("PUT", "/{b}/k", LOCKED, b"1"), True),
        ("PutObject", {"StringEquals": {"s3:RequestObjectTag/a": "b"}}, ("PUT", "/{b}/k", {"x-amz-tagging": "a=b"}, b"1"), True),
        ("PutObjectTagging", {"StringEquals": {"s3:RequestObjectTag/a": "b"}}, "tag", True),
        ("PutObjectTagging", {"ForAnyValue:StringEquals": {"s3:RequestObjectTagKeys": ["z"]}}, "tag", False),
        ("PutObjectLegalHold", {"StringEquals": {"s3:object-lock-legal-hold": "ON"}}, "hold", True),
        ("PutObjectRetention", {"NumericGreaterThan": {"s3:object-lock-remaining-retention-days": "100"}}, "retain", True),
        ("PutObjectRetention", {"NumericLessThan": {"s3:object-lock-remaining-retention-days": "100"}}, "retain", False),
        ("DeleteObject", {"Null": {"s3:if-match": "true"}}, ("DELETE", "/{b}/k", {}, b""), True),
    ],
)  # fmt: skip
def test_each_key_of_a_condition_is_what_the_request_says(
    s3: Any, send: Any, new_bucket: Any, account: str, action: str, condition: dict[str, Any], request_: Any, denied: bool
) -> None:
    documents = {
        "tag": ("tagging", b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"),
        "hold": ("legal-hold", b"<LegalHold><Status>ON</Status></LegalHold>"),
        "retain": ("retention", b"<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2090-01-01T00:00:00Z</RetainUntilDate></Retention>"),
    }
    bucket = new_bucket(ObjectLockEnabledForBucket=True)
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    text = json.loads(json.dumps(condition).replace("{account}", account))
    deny = {"Effect": "Deny", "Action": f"s3:{action}", "Resource": f"arn:aws:s3:::{bucket}/*", "Condition": text}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, deny))
    if isinstance(request_, str):
        query, document = documents[request_]
        request_ = ("PUT", f"/{{b}}/k?{query}", {}, document)
    method, target, headers, body = request_
    status, _, answer = send(method, target.format(b=bucket), dict(headers), body)
    assert (status == 403) is denied, answer
