"""What S3 keeps of an account as a whole, and tags of S3's resources by ARN."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.s3 import errors
from groundcloud.services.s3.access_points import ACCOUNT_BLOCKS, POINTS, AccessPoint, no_such_point
from groundcloud.services.s3.control.access_points import BLOCKS, block_of_document
from groundcloud.services.s3.state import BUCKETS, CONFIGURATIONS, Bucket
from groundcloud.services.s3.tags import BUCKET_TAGS_MAX, as_dict, as_list, check_tags


def _check_account(call: Call, request: dict[str, Any]) -> None:
    if request["AccountId"] != call.account:
        raise errors.access_denied()


# The public access block of the account


@operation(action="s3:PutAccountPublicAccessBlock")
def put_public_access_block(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    _check_account(call, request)
    ACCOUNT_BLOCKS.put(call.tx, call.account, block_of_document(request["PublicAccessBlockConfiguration"]))
    return {}


@operation(action="s3:GetAccountPublicAccessBlock")
def get_public_access_block(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    _check_account(call, request)
    found = ACCOUNT_BLOCKS.get(call.tx, call.account)
    if found is None:
        raise errors.S3Error(
            "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found", 404, {"AccountId": call.account}
        )
    return {"PublicAccessBlockConfiguration": dict(zip(BLOCKS, found, strict=True))}


@operation(action="s3:PutAccountPublicAccessBlock")
def delete_public_access_block(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    _check_account(call, request)
    ACCOUNT_BLOCKS.delete(call.tx, call.account)
    return {}


# Tags by ARN


def _arn(call: Call, request: dict[str, Any]) -> str:
    return str(request["ResourceArn"])


def _tagged(call: Call, request: dict[str, Any]) -> tuple[Bucket | AccessPoint, dict[str, str]]:
    """The bucket or access point, and its tags. Raises NoSuchBucket, NoSuchAccessPoint."""
    _, _, service, region, account, name = request["ResourceArn"].split(":", 5)
    if service != "s3":
        raise errors.refused("tags of directory buckets")
    if name.startswith("accesspoint/"):
        point = POINTS.get(call.tx, account, region, name.removeprefix("accesspoint/"))
        if point is None:
            raise no_such_point(name.removeprefix("accesspoint/"))
        return point, point.tags
    if "/" in name or ":" in name:
        raise errors.refused(f"tags of {request['ResourceArn']}")
    bucket = BUCKETS.get(call.tx, name)
    if bucket is None:
        raise errors.no_such_bucket(name)
    if bucket.account != request["AccountId"]:
        raise errors.access_denied()
    document = CONFIGURATIONS.get(call.tx, name, "tagging", "") or {}
    return bucket, as_dict(document.get("TagSet") or [])


def _keep(call: Call, owner: Bucket | AccessPoint, tags: dict[str, str]) -> None:
    if isinstance(owner, AccessPoint):
        POINTS.put(call.tx, owner.replace(tags=tags))
    elif tags:
        CONFIGURATIONS.put(call.tx, owner.bucket_name, "tagging", "", {"TagSet": as_list(tags)})
    else:
        CONFIGURATIONS.delete(call.tx, owner.bucket_name, "tagging", "")


@operation(resource=_arn)
def list_tags_for_resource(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"Tags": as_list(_tagged(call, request)[1])}


@operation(resource=_arn)
def tag_resource(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    owner, tags = _tagged(call, request)
    for tag in request["Tags"]:
        if tag["Key"].startswith("aws:") and call.http is not None:
            raise errors.invalid_tag("System tags cannot be added/updated by requester", TagKey=tag["Key"])
    together = {**tags, **as_dict(request["Tags"])}
    check_tags(as_list(together), limit=BUCKET_TAGS_MAX)
    _keep(call, owner, together)
    return {}


@operation(resource=_arn)
def untag_resource(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    owner, tags = _tagged(call, request)
    _keep(call, owner, {name: value for name, value in tags.items() if name not in request["TagKeys"]})
    return {}
