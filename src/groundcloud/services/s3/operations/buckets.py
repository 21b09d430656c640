"""Buckets: create, delete, head, list, location, versioning."""

from __future__ import annotations

import os
from itertools import islice
from typing import Any

from groundcloud.base.regions import REGIONS
from groundcloud.kernel import authorization
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.s3 import contents, encryption, errors, names, permissions, replication
from groundcloud.services.s3.access_points import OF_BUCKET
from groundcloud.services.s3.acls import grants_of_request
from groundcloud.services.s3.state import BUCKETS, CONFIGURATIONS, OBJECTS, OWNED, UPLOADS, Bucket, canonical_id
from groundcloud.services.s3.tags import check_tags

BUCKETS_MAX = 10_000
"""AWS: the quota of an account."""
LIST_MAX = 10_000
TAKES_CUSTOMER_KEYS = "GROUND_NEW_BUCKETS_TAKE_SSE_C"
"""Names the variable by which new buckets take SSE-C, as AWS's did until April 2026 ("Blocking or unblocking SSE-C for a general purpose bucket")."""
CONSTRAINTS = REGIONS | {"EU"}
"""AWS: CreateBucketConfiguration, LocationConstraint: "EU" stands for eu-west-1."""


def owner_of(account: str) -> dict[str, Any]:
    return {"ID": canonical_id(account)}


def check_signed(call: Call) -> None:
    if call.principal.kind == "anonymous":
        raise errors.access_denied()


def _no_policy(call: Call, arn: str) -> str | None:
    return None


@operation(public=True)
def create_bucket(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    check_signed(call)
    name = request["Bucket"]
    configuration = request.get("CreateBucketConfiguration") or {}
    own = request.get("BucketNamespace") == "account-regional"
    constraint = configuration.get("LocationConstraint")
    names.check_bucket_name(name, own_suffix=f"-{call.account}-{constraint or call.region}-an" if own else "")
    region = _region_of(call, constraint)
    if configuration.get("Location") or configuration.get("Bucket"):
        raise errors.refused("directory buckets")
    context = {**permissions.request_context(call), "s3:LocationConstraint": region}
    authorization.authorize(call, "s3:CreateBucket", f"arn:aws:s3:::{name}", context, _no_policy)
    existing = BUCKETS.get(call.tx, name)
    if existing is not None:
        if existing.account != call.account:
            raise errors.bucket_already_exists(name)
        # us-east-1 alone keeps the old answer; AWS: CreateBucket, BucketAlreadyOwnedByYou.
        if own or not (existing.region == region == "us-east-1"):
            raise errors.bucket_already_owned_by_you(name)
        if existing.ownership != "BucketOwnerEnforced":  # "and resets the bucket access control lists"
            BUCKETS.put(call.tx, existing.replace(grants=grants_of_request(request, call.account, call.account)))
        return {"Location": f"/{name}", "BucketArn": f"arn:aws:s3:::{name}"}
    ownership = request.get("ObjectOwnership", "BucketOwnerEnforced")
    grants = grants_of_request(request, call.account, call.account)
    if grants and ownership == "BucketOwnerEnforced":
        raise errors.S3Error(
            "InvalidBucketAclWithObjectOwnership", "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting", 400
        )
    if len(list(islice(OWNED.keys(call.tx, call.account), BUCKETS_MAX))) >= BUCKETS_MAX:
        raise errors.S3Error("TooManyBuckets", "You have attempted to create more buckets than allowed", 400)
    locked = bool(request.get("ObjectLockEnabledForBucket"))
    bucket = Bucket(
        name,
        call.account,
        region,
        call.now_ms,
        versioning="Enabled" if locked else "",
        ownership=ownership,
        grants=grants,
        object_lock=("", 0, 0) if locked else None,
        blocked_encryption=() if os.environ.get(TAKES_CUSTOMER_KEYS, "").lower() == "yes" else (encryption.CUSTOMER,),
    )
    BUCKETS.put(call.tx, bucket)
    OWNED.put(call.tx, call.account, name)
    if configuration.get("Tags"):
        CONFIGURATIONS.put(call.tx, name, "tagging", "", {"TagSet": check_tags(configuration["Tags"], limit=50)})
    return {"Location": f"/{name}" if region == "us-east-1" else f"http://{name}.s3.amazonaws.com/", "BucketArn": f"arn:aws:s3:::{name}"}


def _region_of(call: Call, constraint: str | None) -> str:
    """The region of a new bucket: the endpoint's, which the constraint must name unless it is us-east-1."""
    if not constraint:
        if call.region != "us-east-1":
            raise errors.illegal_location_constraint("unspecified")
        return "us-east-1"
    if constraint not in CONSTRAINTS or (constraint == "us-east-1" and call.region == "us-east-1"):
        raise errors.invalid_location_constraint(constraint)
    region = "eu-west-1" if constraint == "EU" else constraint
    if call.region not in (region, "us-east-1"):
        raise errors.illegal_location_constraint(constraint)
    return region


@operation(public=True)
def delete_bucket(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = permissions.open_bucket(call, call.tx, request, "s3:DeleteBucket")
    name = bucket.bucket_name
    if next(OBJECTS.keys(call.tx, name, limit=1), None) is not None:
        raise errors.bucket_not_empty(name, versioned=bool(bucket.versioning))
    if next(OF_BUCKET.keys(call.tx, name, limit=1), None) is not None:
        raise errors.S3Error("BucketHasAccessPointsAttached", "The bucket you tried to delete has access points attached.", 400)
    replication.forget(call, call.tx, bucket)
    for upload in list(UPLOADS.scan(call.tx, name)):
        contents.drop_parts(call, call.tx, name, upload.upload_id)
        UPLOADS.delete(call.tx, name, upload.key, upload.upload_id)
    for key in list(CONFIGURATIONS.keys(call.tx, name)):
        CONFIGURATIONS.delete(call.tx, *key)
    BUCKETS.delete(call.tx, name)
    OWNED.delete(call.tx, bucket.account, name)
    return {}


@operation(public=True)
def head_bucket(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = permissions.open_bucket(call, call.tx, request, "s3:ListBucket")
    return {"BucketRegion": bucket.region, "BucketArn": f"arn:aws:s3:::{bucket.bucket_name}", "AccessPointAlias": bool(bucket.point)}


@operation(public=True)
def get_bucket_location(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = permissions.open_bucket(call, call.tx, request, "s3:GetBucketLocation")
    return {"LocationConstraint": "" if bucket.region == "us-east-1" else bucket.region}


@operation(public=True)
def list_buckets(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    check_signed(call)
    authorization.authorize(call, "s3:ListAllMyBuckets", "arn:aws:s3:::*", None, _no_policy)
    limit = request.get("MaxBuckets")
    if limit is not None and not 1 <= limit <= LIST_MAX:
        raise errors.invalid_argument(f"Argument maxBuckets must be an integer between 1 and {LIST_MAX}", "maxBuckets", limit)
    paged = limit is not None
    limit = limit or LIST_MAX
    prefix, region = request.get("Prefix", ""), request.get("BucketRegion")
    after = request.get("ContinuationToken")
    if after is not None:
        from groundcloud.services.s3.listing import read_token

        after = read_token(after)
    found: list[dict[str, Any]] = []
    token = None
    for key in OWNED.keys(call.tx, call.account, start=prefix or None, after=after):
        name = str(key[1])
        if not name.startswith(prefix):
            break
        bucket = BUCKETS.get(call.tx, name)
        if bucket is None or (region and bucket.region != region):
            continue
        if len(found) == limit:
            from groundcloud.services.s3.listing import write_token

            token = write_token(found[-1]["Name"])
            break
        one = {"Name": name, "CreationDate": bucket.created_ms // 1000, "BucketArn": f"arn:aws:s3:::{name}"}
        if paged or region or prefix:
            one["BucketRegion"] = bucket.region
        found.append(one)
    return {"Owner": owner_of(call.account), "Buckets": found, "ContinuationToken": token, "Prefix": request.get("Prefix")}


@operation(public=True)
def get_bucket_versioning(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = permissions.open_bucket(call, call.tx, request, "s3:GetBucketVersioning")
    return {"Status": bucket.versioning or None}


@operation(public=True)
def put_bucket_versioning(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = permissions.open_bucket(call, call.tx, request, "s3:PutBucketVersioning")
    configuration = request["VersioningConfiguration"]
    status = configuration.get("Status")
    if status is None:
        raise errors.S3Error("IllegalVersioningConfigurationException", "The Versioning element must be specified", 400)
    if configuration.get("MFADelete") == "Enabled":
        raise errors.refused("MFA delete")
    if status == "Suspended" and bucket.object_lock is not None:
        raise errors.S3Error(
            "InvalidBucketState", "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.", 409
        )
    if status == "Suspended" and "replication" in bucket.configured:
        raise errors.S3Error(
            "InvalidBucketState",
            "A replication configuration is present on this bucket, so you cannot change the versioning state. To change the versioning state, "
            "first delete the replication configuration.",
            409,
        )
    BUCKETS.put(call.tx, bucket.replace(versioning=status))
    return {}
