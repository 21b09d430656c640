"""Profiles and photos of one region. Whatever is written here reaches the other region by the table's and the bucket's replication.

Of two writes of one profile the later wins everywhere, so a write is of whole attributes and never counts on what the other region may be doing.
"""

from __future__ import annotations

import base64
import json
import os
from typing import Any

import boto3
from botocore.exceptions import ClientError

REGION = os.environ["AWS_REGION"]
RELEASE = os.environ["RELEASE"]
NAME_CHARACTERS_MAX = 100

profiles = boto3.resource("dynamodb").Table(os.environ["PROFILES"])
photos = boto3.client("s3")
bucket = os.environ["PHOTOS"]


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    try:
        return ROUTES[event["routeKey"]](event)
    except ClientError as error:
        print(json.dumps({"route": event["routeKey"], "code": error.response["Error"]["Code"]}))
        return _answer(503, {"error": "this region cannot do that now"})


def health(event: dict[str, Any]) -> dict[str, Any]:
    """Whether this region can do its work, which is more than that it answers."""
    profiles.get_item(Key={"profile_id": "health"})
    photos.head_bucket(Bucket=bucket)
    return _answer(200, {"healthy": True})


def get_profile(event: dict[str, Any]) -> dict[str, Any]:
    item = profiles.get_item(Key=_key(event)).get("Item")
    if item is None:
        return _answer(404, {"error": "no such profile"})
    return _answer(200, {"profile_id": item["profile_id"], "name": item["name"], "written_in": item["written_in"]})


def put_profile(event: dict[str, Any]) -> dict[str, Any]:
    try:
        name = json.loads(_content(event))["name"]
    except (ValueError, KeyError, TypeError):
        name = None
    if not isinstance(name, str) or not 0 < len(name) <= NAME_CHARACTERS_MAX:
        return _answer(400, {"error": f"name is required, of up to {NAME_CHARACTERS_MAX} characters"})
    profiles.update_item(
        Key=_key(event),
        UpdateExpression="SET #name = :name, written_in = :region",
        ExpressionAttributeNames={"#name": "name"},
        ExpressionAttributeValues={":name": name, ":region": REGION},
    )
    return _answer(200, {"profile_id": _key(event)["profile_id"], "name": name, "written_in": REGION})


def get_photo(event: dict[str, Any]) -> dict[str, Any]:
    try:
        photo = photos.get_object(Bucket=bucket, Key=_key(event)["profile_id"])
    except photos.exceptions.NoSuchKey:
        return _answer(404, {"error": "no such photo"})
    body = base64.b64encode(photo["Body"].read()).decode()
    headers = {"content-type": photo["ContentType"], "etag": photo["ETag"]}
    return {"statusCode": 200, "headers": headers, "body": body, "isBase64Encoded": True}


def put_photo(event: dict[str, Any]) -> dict[str, Any]:
    content = _content(event)
    content_type = event["headers"].get("content-type", "application/octet-stream")
    photos.put_object(Bucket=bucket, Key=_key(event)["profile_id"], Body=content, ContentType=content_type)
    return _answer(200, {"profile_id": _key(event)["profile_id"], "size_bytes": len(content)})


def _key(event: dict[str, Any]) -> dict[str, str]:
    return {"profile_id": event["pathParameters"]["profile_id"]}


def _content(event: dict[str, Any]) -> bytes:
    """The body; an HTTP API encodes what its content type does not call text."""
    body = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()


def _answer(status: int, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"content-type": "application/json", "x-region": REGION, "x-release": RELEASE}
    return {"statusCode": status, "headers": headers, "body": json.dumps(body)}


ROUTES = {
    "GET /health": health,
    "GET /profiles/{profile_id}": get_profile,
    "PUT /profiles/{profile_id}": put_profile,
    "GET /photos/{profile_id}": get_photo,
    "PUT /photos/{profile_id}": put_photo,
}
