"""Who may: bucket policies, the public access block, object ownership, ACLs."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.s3 import acls, checksums, errors, permissions, policies, replication, versions
from groundcloud.services.s3.access_points import block_of
from groundcloud.services.s3.operations.objects import open_version
from groundcloud.services.s3.state import BUCKETS, Bucket, Version
from groundcloud.store import Transaction

_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def check_body(call: Call) -> None:
    """Content-MD5 and checksums of a configuration document."""
    if call.http is not None:
        checksums.check_document(call.http.headers, call.http.body.whole or b"", required=False)


@operation(public=True)
async def put_bucket_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    users = await _absent_users(call, request) if ":user/" in request["Policy"] else set()
    with call.transaction() as tx:
        bucket = permissions.open_bucket(call, tx, request, "s3:PutBucketPolicy")
        check_body(call)
        arn = f"arn:aws:s3:::{bucket.bucket_name}"
        text = policies.check(arn, arn, request["Policy"])
        _check_there(call, tx, bucket, text, users)
        if policies.is_public(text) and block_of(tx, bucket)[2]:
            raise errors.access_denied_because(
                f'User: {call.principal.arn} is not authorized to perform: s3:PutBucketPolicy on resource: "arn:aws:s3:::{bucket.bucket_name}" because '
                "public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access."
            )
        BUCKETS.put(tx, bucket.replace(policy=text))
    return {}


def _check_there(call: Call, tx: Transaction, bucket: Bucket, text: str, absent_users: set[str]) -> None:
    """Roles and users of the bucket's account must be there; those of others are taken at their word. Raises MalformedPolicy."""
    own_roles = f"arn:aws:iam::{bucket.account}:role/"
    for kind, name in sorted(policies.principals_of(text)):
        if kind == "AWS" and (name in absent_users or (name.startswith(own_roles) and call.ground.directory.role(tx, name) is None)):
            raise policies.invalid_principal(name)


async def _absent_users(call: Call, request: dict[str, Any]) -> set[str]:
    """The users of the caller's account whom the policy names and who are not there."""
    try:
        named = policies.principals_of(request["Policy"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return set()  # no policy; its own check says why
    own = f"arn:aws:iam::{call.account}:user/"
    found = set()
    for kind, name in named:
        if kind == "AWS" and name.startswith(own) and "iam" in call.ground.rooms:
            try:
                user = await call.request("iam", "GetUser", {"UserName": name.rpartition("/")[2]})
                if user["User"]["Arn"] != name:
                    found.add(name)
            except AwsError as error:
                if error.code in ("NoSuchEntity", "NoSuchEntityException"):
                    found.add(name)
    return found


@operation(public=True)
def get_bucket_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"Policy": _with_policy(call, request, "s3:GetBucketPolicy").policy}


@operation(public=True)
def get_bucket_policy_status(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = _with_policy(call, request, "s3:GetBucketPolicyStatus")
    return {"PolicyStatus": {"IsPublic": policies.is_public(bucket.policy)}}


def _with_policy(call: Call, request: dict[str, Any], action: str) -> Bucket:
    bucket = permissions.open_bucket(call, call.tx, request, action)
    if not bucket.policy:
        raise errors.no_such_configuration("NoSuchBucketPolicy", "The bucket policy does not exist", bucket.bucket_name)
    return bucket


@operation(public=True)
def delete_bucket_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    # AWS: the owner's root may always take a policy away, whatever it says.
    name = request["Bucket"]
    bucket = BUCKETS.get(call.tx, name)
    if bucket is None:
        raise errors.no_such_bucket(name)
    if not (call.principal.kind == "root" and call.principal.account == bucket.account):
        permissions.require(call, bucket, "s3:DeleteBucketPolicy")
    BUCKETS.put(call.tx, bucket.replace(policy=""))
    return {}


@operation(public=True)
def put_public_access_block(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = permissions.open_bucket(call, call.tx, request, "s3:PutBucketPublicAccessBlock")
    check_body(call)
    wanted = request["PublicAccessBlockConfiguration"]
    first, second, third, fourth = (bool(wanted.get(member)) for member in _BLOCKS)
    BUCKETS.put(call.tx, bucket.replace(access_block=(first, second, third, fourth)))
    return {}


@operation(public=True)
def get_public_access_block(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = permissions.open_bucket(call, call.tx, request, "s3:GetBucketPublicAccessBlock")
    if bucket.access_block is None:
        raise errors.no_such_configuration(
            "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found", bucket.bucket_name
        )
    return {"PublicAccessBlockConfiguration": dict(zip(_BLOCKS, bucket.access_block, strict=True))}


@operation(public=True)
def delete_public_access_block(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = permissions.open_bucket(call, call.tx, request, "s3:PutBucketPublicAccessBlock")
    BUCKETS.put(call.tx, bucket.replace(access_block=None))
    return {}


@operation(public=True)
def put_bucket_ownership_controls(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = permissions.open_bucket(call, call.tx, request, "s3:PutBucketOwnershipControls")
    check_body(call)
    rules = request["OwnershipControls"].get("Rules") or []
    if len(rules) != 1:
        raise errors.malformed_xml()
    ownership = rules[0]["ObjectOwnership"]
    if ownership == "BucketOwnerEnforced" and bucket.grants:
        raise errors.S3Error(
            "InvalidBucketAclWithObjectOwnership", "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting", 400
        )
    BUCKETS.put(call.tx, bucket.replace(ownership=ownership))
    return {}


@operation(public=True)
def get_bucket_ownership_controls(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = permissions.open_bucket(call, call.tx, request, "s3:GetBucketOwnershipControls")
    if not bucket.ownership:
        raise errors.no_such_configuration(
            "OwnershipControlsNotFoundError", "The bucket ownership controls were not found", bucket.bucket_name
        )
    return {"OwnershipControls": {"Rules": [{"ObjectOwnership": bucket.ownership}]}}


@operation(public=True)
def delete_bucket_ownership_controls(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = permissions.open_bucket(call, call.tx, request, "s3:PutBucketOwnershipControls")
    BUCKETS.put(call.tx, bucket.replace(ownership=""))
    return {}


@operation(public=True)
def get_bucket_acl(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = permissions.open_bucket(call, call.tx, request, "s3:GetBucketAcl")
    return acls.document_of(bucket.grants, bucket.account)


@operation(public=True)
def put_bucket_acl(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = permissions.open_bucket(call, call.tx, request, "s3:PutBucketAcl")
    check_body(call)
    grants = _wanted(call, request, bucket, bucket.account, private=("private",))
    if grants is not None:
        BUCKETS.put(call.tx, bucket.replace(grants=grants))
    return {}


@operation(public=True)
def get_object_acl(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket, version = open_version(call, call.tx, request, "s3:GetObjectAcl", "s3:GetObjectVersionAcl")
    return acls.document_of(version.grants if bucket.ownership != "BucketOwnerEnforced" else (), version.owner or bucket.account)


@operation(public=True)
def put_object_acl(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket, version = open_version(call, call.tx, request, "s3:PutObjectAcl", "s3:PutObjectVersionAcl")
    check_body(call)
    grants = _wanted(call, request, bucket, version.owner or bucket.account, private=("private", "bucket-owner-full-control"))
    if grants is not None:
        changed: Version = version.replace(grants=grants)
        versions.change(call.tx, bucket.bucket_name, request["Key"], changed)
        if "replication" in bucket.configured:
            replication.follow_settings(call, call.tx, bucket, request["Key"], changed)
        if "notification" in bucket.configured:
            from groundcloud.services.s3 import notifications

            notifications.emit(call, call.tx, bucket, "ObjectAcl:Put", request["Key"], changed)
    return {"VersionId": None}


def _wanted(call: Call, request: dict[str, Any], bucket: Bucket, owner: str, *, private: tuple[str, ...]) -> acls.Grants | None:
    """The new ACL; None where ownership makes it a request without effect. Raises as `acls.check_allowed`."""
    document = request.get("AccessControlPolicy")
    # An empty document is what clients send beside the headers.
    written = document is not None and bool(document.get("Grants") is not None or document.get("Owner"))
    if bucket.ownership == "BucketOwnerEnforced":
        if written and document is not None:
            if acls.grants_of_document(document) == ((f"id:{permissions.canonical_id(bucket.account)}", "FULL_CONTROL"),):
                return None
            raise errors.acl_not_supported()
        if request.get("ACL") in private or request.get("ACL") == "bucket-owner-full-control":
            return None
        raise errors.acl_not_supported()
    if written and document is not None:
        if "ACL" in request or any(name.startswith("Grant") for name in request):
            raise errors.S3Error("UnexpectedContent", "This request contains unsupported content.", 400)
        grants = acls.grants_of_document(document)
        if document["Owner"]["ID"] != permissions.canonical_id(owner):
            raise errors.access_denied()
    elif "ACL" in request or any(name.startswith("Grant") for name in request):
        grants = acls.grants_of_request(request, owner, bucket.account)
    else:
        raise errors.S3Error(
            "MissingSecurityHeader", "Your request was missing a required header.", 400, {"MissingHeaderName": "x-amz-acl"}
        )
    acls.check_allowed(call, bucket, request, grants)
    return grants
