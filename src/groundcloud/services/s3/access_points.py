"""Access points: a name of one's own for a bucket, with a policy of its own. And the public access block of an account, which goes over all of its buckets.

A request comes through an access point by its ARN, its alias, or the host name that SDKs make of the ARN (`name-account` in front of the endpoint); such a
label is looked for among the buckets first. (SDKs put the label in front of any endpoint that they are given: `name-account.localhost` must lead here.
An alias stands in the path, and needs no such thing.) What comes through one is asked twice: at the point (its policy, and identity policies with its ARN) and at the bucket.

Kept without effect: the VPC of a point; whoever reaches this server is taken to be in it.
AWS: "Managing access to shared datasets with access points", "Access point compatibility with AWS operations".
"""

from __future__ import annotations

import re

from groundcloud.services.s3 import errors
from groundcloud.services.s3.state import BUCKETS, Bucket
from groundcloud.store import Record, Table, Transaction

Block = tuple[bool, bool, bool, bool]
NO_BLOCK: Block = (False, False, False, False)
POINTS_MAX = 10_000
"""AWS: the quota of an account in a region."""

ALLOWED = frozenset(
    (
        "AbortMultipartUpload",
        "CompleteMultipartUpload",
        "CopyObject",
        "CreateMultipartUpload",
        "DeleteObject",
        "DeleteObjectAnnotation",
        "DeleteObjectTagging",
        "DeleteObjects",
        "GetBucketAcl",
        "GetBucketCors",
        "GetBucketLocation",
        "GetBucketNotificationConfiguration",
        "GetBucketPolicy",
        "GetObject",
        "GetObjectAcl",
        "GetObjectAnnotation",
        "GetObjectAttributes",
        "GetObjectLegalHold",
        "GetObjectRetention",
        "GetObjectTagging",
        "HeadBucket",
        "HeadObject",
        "ListMultipartUploads",
        "ListObjectAnnotations",
        "ListObjectVersions",
        "ListObjects",
        "ListObjectsV2",
        "ListParts",
        "PutObject",
        "PutObjectAcl",
        "PutObjectAnnotation",
        "PutObjectLegalHold",
        "PutObjectRetention",
        "PutObjectTagging",
        "RestoreObject",
        "SelectObjectContent",
        "UploadPart",
        "UploadPartCopy",
        "s3-form",
    )
)
"""AWS: "Access point compatibility with AWS operations"."""


class AccessPoint(Record, kw_only=True):
    account: str
    region: str
    name: str
    bucket_name: str
    bucket_account: str
    alias: str
    created_ms: int
    vpc_id: str = ""
    access_block: Block = (True, True, True, True)
    """BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy, RestrictPublicBuckets."""
    policy: str = ""
    tags: dict[str, str] = {}

    @property
    def arn(self) -> str:
        return arn_of(self.account, self.region, self.name)


POINTS = Table("s3/access-points", AccessPoint, key=("account", "region", "name"), scope="global")
ALIASES: Table[tuple[str, str, str]] = Table("s3/access-point-aliases", tuple[str, str, str], key=1, scope="global")
"""Alias -> account, region, name."""
OF_BUCKET: Table[None] = Table("s3/access-points-of-buckets", None, key=4, scope="global")
"""(bucket, account, region, name)."""
ACCOUNT_BLOCKS: Table[Block] = Table("s3/account-public-access-blocks", tuple[bool, bool, bool, bool], key=1, scope="global")
"""Account -> its public access block."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,48}[a-z0-9]")
_ARN = re.compile(r"arn:aws:s3:([a-z0-9-]+):(\d{12}):accesspoint[/:]([a-z0-9-]+)")
_HOST_LABEL = re.compile(r"([a-z0-9-]+)-(\d{12})")


def arn_of(account: str, region: str, name: str) -> str:
    return f"arn:aws:s3:{region}:{account}:accesspoint/{name}"


def check_name(name: str) -> None:
    """Raises InvalidAccessPoint. AWS: "Naming rules for access points"."""
    if not _NAME.fullmatch(name) or name.endswith(("-s3alias", "--ol-s3", "--xa-s3")) or name.startswith("xn--"):
        raise errors.S3Error("InvalidAccessPoint", "The specified access point name or account is not valid.", 400)


def no_such_point(name: str) -> errors.S3Error:
    return errors.S3Error("NoSuchAccessPoint", "The specified accesspoint does not exist", 404, {"AccessPointName": name})


def put(tx: Transaction, point: AccessPoint) -> None:
    POINTS.put(tx, point)
    ALIASES.put(tx, point.alias, (point.account, point.region, point.name))
    OF_BUCKET.put(tx, point.bucket_name, point.account, point.region, point.name)


def delete(tx: Transaction, point: AccessPoint) -> None:
    POINTS.delete(tx, point.account, point.region, point.name)
    ALIASES.delete(tx, point.alias)
    OF_BUCKET.delete(tx, point.bucket_name, point.account, point.region, point.name)


def find(tx: Transaction, name: str, region: str) -> AccessPoint | None:
    """The point that stands where a bucket's name may; None where the name is no point's. Raises NoSuchAccessPoint, InvalidAccessPointAliasError."""
    if name.startswith("arn:"):
        match = _ARN.fullmatch(name)
        if match is None:
            raise errors.invalid_argument("Invalid ARN", "Bucket", name)
        point = POINTS.get(tx, match[2], match[1], match[3])
        if point is None:
            raise no_such_point(match[3])
        return point
    if name.endswith("-s3alias"):
        known = ALIASES.get(tx, name)
        if known is None:
            raise errors.S3Error("InvalidAccessPointAliasError", "The specified access point alias name is not valid.", 400)
        return POINTS.get(tx, *known)
    match = _HOST_LABEL.fullmatch(name)
    return POINTS.get(tx, match[2], region, match[1]) if match is not None else None


def bucket_of(tx: Transaction, name: str, region: str) -> Bucket | None:
    """The bucket behind a point's name, as seen through the point. Raises as `find`, and NoSuchBucket where it is gone."""
    if name.endswith(".mrap"):
        from groundcloud.services.s3 import multi_region

        return multi_region.bucket_of(tx, re.split("[/:]", name)[-1], region)
    point = find(tx, name, region)
    if point is None:
        return None
    bucket = BUCKETS.get(tx, point.bucket_name)
    if bucket is None or bucket.account != point.bucket_account:
        raise errors.no_such_bucket(point.bucket_name)
    return bucket.replace(point=point.arn)


def block_of(tx: Transaction, bucket: Bucket) -> Block:
    """What is blocked of a bucket: by itself or by its account."""
    own = bucket.access_block or NO_BLOCK
    account = ACCOUNT_BLOCKS.get(tx, bucket.account)
    if account is None:
        return own
    return (own[0] or account[0], own[1] or account[1], own[2] or account[2], own[3] or account[3])
