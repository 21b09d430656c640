"""Access points: create, get, list, delete; their policies."""

from __future__ import annotations

from itertools import islice
from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.s3 import errors, policies
from groundcloud.services.s3.access_points import NO_BLOCK, POINTS, POINTS_MAX, AccessPoint, arn_of, block_of, check_name, no_such_point
from groundcloud.services.s3.access_points import delete as delete_point
from groundcloud.services.s3.access_points import put as put_point
from groundcloud.services.s3.listing import read_token, write_token
from groundcloud.services.s3.state import BUCKETS

BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
LIST_MAX = 1000
ALIAS_LENGTH = 63
_ALIAS_RANDOM = 34
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def point_arn(call: Call, request: dict[str, Any]) -> str:
    name = request["Name"]
    if name.startswith("arn:"):
        return str(name)
    return arn_of(request["AccountId"], call.region, name)


def _open(call: Call, request: dict[str, Any]) -> AccessPoint:
    """Raises NoSuchAccessPoint."""
    _, _, _, region, account, name = point_arn(call, request).split(":", 5)
    name = name.removeprefix("accesspoint/")
    point = POINTS.get(call.tx, account, region, name)
    if point is None:
        raise no_such_point(name)
    return point


def _context(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {
        "s3:AccessPointNetworkOrigin": "VPC" if "VpcConfiguration" in request else "Internet",
        "s3:DataAccessPointArn": point_arn(call, request),
        "s3:DataAccessPointAccount": request["AccountId"],
    }


@operation(resource=point_arn, context=_context)
def create_access_point(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    name, account = request["Name"], request["AccountId"]
    check_name(name)
    if "Scope" in request:
        raise errors.refused("scopes of access points, which are for directory buckets")
    bucket = BUCKETS.get(call.tx, request["Bucket"])
    if bucket is None or bucket.region != call.region:
        raise errors.no_such_bucket(request["Bucket"])
    if bucket.account != request.get("BucketAccountId", account):
        raise errors.access_denied()
    if POINTS.has(call.tx, account, call.region, name):
        raise errors.S3Error(
            "AccessPointAlreadyOwnedByYou", "Your previous request to create the named accesspoint succeeded and you already own it.", 409
        )
    if len(list(islice(POINTS.keys(call.tx, account, call.region), POINTS_MAX))) >= POINTS_MAX:
        raise errors.S3Error("TooManyAccessPoints", "You have attempted to create more access points than are allowed for an account.", 400)
    block = request.get("PublicAccessBlockConfiguration")
    unique = "".join(call.random.choices(_LETTERS, k=_ALIAS_RANDOM))
    shortened = name[: ALIAS_LENGTH - _ALIAS_RANDOM - len("--s3alias")].rstrip("-")
    point = AccessPoint(
        account=account,
        region=call.region,
        name=name,
        bucket_name=bucket.bucket_name,
        bucket_account=bucket.account,
        alias=f"{shortened}-{unique}-s3alias",
        created_ms=call.now_ms,
        vpc_id=(request.get("VpcConfiguration") or {}).get("VpcId", ""),
        access_block=block_of_document(block) if block is not None else (True, True, True, True),
        tags={tag["Key"]: tag["Value"] for tag in request.get("Tags") or ()},
    )
    put_point(call.tx, point)
    return {"AccessPointArn": point.arn, "Alias": point.alias}


def block_of_document(document: dict[str, Any]) -> tuple[bool, bool, bool, bool]:
    first, second, third, fourth = (bool(document.get(member)) for member in BLOCKS)
    return first, second, third, fourth


def _shown(point: AccessPoint) -> dict[str, Any]:
    return {
        "Name": point.name,
        "NetworkOrigin": "VPC" if point.vpc_id else "Internet",
        "VpcConfiguration": {"VpcId": point.vpc_id} if point.vpc_id else None,
        "Bucket": point.bucket_name,
        "AccessPointArn": point.arn,
        "Alias": point.alias,
        "BucketAccountId": point.bucket_account,
    }


@operation(resource=point_arn)
def get_access_point(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    point = _open(call, request)
    base = f"{point.region}.amazonaws.com"
    return {
        **_shown(point),
        "PublicAccessBlockConfiguration": dict(zip(BLOCKS, point.access_block, strict=True)),
        "CreationDate": point.created_ms // 1000,
        "Endpoints": {
            "ipv4": f"s3-accesspoint.{base}",
            "fips": f"s3-accesspoint-fips.{base}",
            "fips_dualstack": f"s3-accesspoint-fips.dualstack.{base}",
            "dualstack": f"s3-accesspoint.dualstack.{base}",
        },
    }


@operation(resource="*")
def list_access_points(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    account = request["AccountId"]
    if account != call.account:
        raise errors.access_denied()
    limit = request.get("MaxResults", LIST_MAX) or LIST_MAX
    token = request.get("NextToken")
    start: dict[str, Any] = {"after": read_token(token)} if token else {}
    found: list[AccessPoint] = []
    for point in POINTS.scan(call.tx, account, call.region, **start):
        if request.get("Bucket") in (None, point.bucket_name):
            found.append(point)
            if len(found) > limit:
                break
    page = found[:limit]
    return {
        "AccessPointList": [_shown(point) for point in page],
        "NextToken": write_token(page[-1].name) if len(found) > limit else None,
    }


@operation(resource=point_arn)
def delete_access_point(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    delete_point(call.tx, _open(call, request))
    return {}


# Policies


@operation(resource=point_arn)
def put_access_point_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    point = _open(call, request)
    text = policies.check(point.arn, f"{point.arn}/object", request["Policy"])
    bucket = BUCKETS.get(call.tx, point.bucket_name)
    blocked = point.access_block[2] or (block_of(call.tx, bucket) if bucket is not None else NO_BLOCK)[2]
    if blocked and policies.is_public(text):
        raise errors.access_denied_because(
            f'User: {call.principal.arn} is not authorized to perform: s3:PutAccessPointPolicy on resource: "{point.arn}" because public policies are '
            "prevented by the BlockPublicPolicy setting in S3 Block Public Access."
        )
    POINTS.put(call.tx, point.replace(policy=text))
    return {}


def _with_policy(call: Call, request: dict[str, Any]) -> AccessPoint:
    point = _open(call, request)
    if not point.policy:
        raise errors.S3Error("NoSuchAccessPointPolicy", "The access point policy does not exist", 404, {"AccessPointName": point.name})
    return point


@operation(resource=point_arn)
def get_access_point_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"Policy": _with_policy(call, request).policy}


@operation(resource=point_arn)
def get_access_point_policy_status(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"PolicyStatus": {"IsPublic": policies.is_public(_with_policy(call, request).policy)}}


@operation(resource=point_arn)
def delete_access_point_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    POINTS.put(call.tx, _open(call, request).replace(policy=""))
    return {}
