"""What EventBridge is told of objects: the events of a bucket whose notification configuration has EventBridgeConfiguration, all of them, to the default bus.

AWS: "Using EventBridge", "EventBridge event message structure".
"""

from __future__ import annotations

from typing import Any

import msgspec

from groundcloud.kernel.call import Call
from groundcloud.services.s3.state import Bucket, Version
from groundcloud.store import Transaction

PRINCIPAL = "s3.amazonaws.com"

_KINDS = {
    "ObjectCreated:Put": ("Object Created", {"reason": "PutObject"}),
    "ObjectCreated:Post": ("Object Created", {"reason": "POST Object"}),
    "ObjectCreated:Copy": ("Object Created", {"reason": "CopyObject"}),
    "ObjectCreated:CompleteMultipartUpload": ("Object Created", {"reason": "CompleteMultipartUpload"}),
    "ObjectRemoved:Delete": ("Object Deleted", {"reason": "DeleteObject", "deletion-type": "Permanently Deleted"}),
    "ObjectRemoved:DeleteMarkerCreated": ("Object Deleted", {"reason": "DeleteObject", "deletion-type": "Delete Marker Created"}),
    "LifecycleExpiration:Delete": ("Object Deleted", {"reason": "Lifecycle Expiration", "deletion-type": "Permanently Deleted"}),
    "LifecycleExpiration:DeleteMarkerCreated": (
        "Object Deleted",
        {"reason": "Lifecycle Expiration", "deletion-type": "Delete Marker Created"},
    ),
    "LifecycleTransition": ("Object Storage Class Changed", {}),
    "ObjectRestore:Post": ("Object Restore Initiated", {}),
    "ObjectRestore:Completed": ("Object Restore Completed", {}),
    "ObjectRestore:Delete": ("Object Restore Expired", {}),
    "ObjectAcl:Put": ("Object ACL Updated", {}),
    "ObjectTagging:Put": ("Object Tags Added", {}),
    "ObjectTagging:Delete": ("Object Tags Deleted", {}),
    "ObjectAnnotation:Put": ("Object Annotation Added", {}),
    "ObjectAnnotation:Delete": ("Object Annotation Deleted", {}),
}
"""Event of a notification -> EventBridge's detail-type, and what its detail says beside the object. Others (replication) do not go there."""

_encode = msgspec.json.Encoder().encode


def tell(call: Call, tx: Transaction, bucket: Bucket, event: str, key: str, version: Version | None, more: dict[str, Any] | None) -> None:
    """Writes the delivery to the default bus of the bucket's account, if EventBridge hears of such events."""
    kind = _KINDS.get(event)
    if kind is None:
        return
    detail_type, said = kind
    bucket_arn = f"arn:aws:s3:::{bucket.bucket_name}"
    payload = {
        "source": "aws.s3",
        "detail-type": detail_type,
        "account": bucket.account,
        "region": bucket.region,
        "resources": [bucket_arn],
        "detail": {**_detail(call, bucket, detail_type, key, version), **said, **_further(event, version, more)},
    }
    call.deliver(
        f"arn:aws:events:{bucket.region}:{bucket.account}:event-bus/default",
        _encode(payload),
        principal=PRINCIPAL,
        source_arn=bucket_arn,
        tx=tx,
    )


def _detail(call: Call, bucket: Bucket, detail_type: str, key: str, version: Version | None) -> dict[str, Any]:
    about: dict[str, Any] = {"key": key.encode("utf-8", "replace").decode()}
    if version is not None and not version.marker:
        if detail_type != "Object Deleted":
            about["size"] = version.size_bytes
        about["etag"] = version.etag
    if version is not None and bucket.versioning == "Enabled":
        about["version-id"] = version.version_id
    order = version.order if version is not None else call.clock.now_ns() // 1000
    about["sequencer"] = f"{order:016X}"
    detail: dict[str, Any] = {
        "version": "0",
        "bucket": {"name": bucket.bucket_name},
        "object": about,
        "request-id": call.request_id.replace("-", "")[:16].upper(),
        "requester": call.principal.account or PRINCIPAL,
    }
    if call.http is not None:
        detail["source-ip-address"] = call.http.source_ip
    else:
        detail["requester"] = PRINCIPAL
    return detail


def _further(event: str, version: Version | None, more: dict[str, Any] | None) -> dict[str, Any]:
    if version is None:
        return {}
    if event == "LifecycleTransition":
        return {"destination-storage-class": version.storage_class}
    if event.startswith("ObjectRestore:"):
        restored = ((more or {}).get("glacierEventData") or {}).get("restoreEventData") or {}
        found = {"source-storage-class": version.storage_class}
        if restored:
            found["restore-expiry-time"] = restored["lifecycleRestorationExpiryTime"]
        return found
    return {}
