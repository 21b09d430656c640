"""What AWS has for directory buckets alone, and says so of general-purpose ones."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.s3 import errors, permissions


@operation(public=True)
def create_session(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    permissions.open_bucket(call, call.tx, request, "s3:ListBucket")
    raise errors.method_not_allowed("GET", "SESSION")


@operation(public=True)
def rename_object(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    permissions.open_bucket(call, call.tx, request, "s3:PutObject", request["Key"])
    raise errors.not_implemented("x-amz-rename-source")


@operation(public=True)
def get_object_torrent(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    # No region has it any more. AWS: "Amazon S3 no longer supports BitTorrent".
    permissions.open_bucket(call, call.tx, request, "s3:GetObjectTorrent", request["Key"])
    raise errors.method_not_allowed("GET", "TORRENT")
