"""Replication of a bucket: the configuration."""

from __future__ import annotations

from typing import Any

from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.s3 import errors, permissions, replication
from groundcloud.services.s3.operations.policies import check_body
from groundcloud.services.s3.state import BUCKETS, CONFIGURATIONS


@operation(public=True)
def put_bucket_replication(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = permissions.open_bucket(call, call.tx, request, "s3:PutReplicationConfiguration")
    check_body(call)
    document = replication.checked(call, call.tx, bucket, request["ReplicationConfiguration"])
    call.authorize("iam:PassRole", document["Role"], {"iam:PassedToService": "s3.amazonaws.com"})
    CONFIGURATIONS.put(call.tx, bucket.bucket_name, "replication", "", document)
    if "replication" not in bucket.configured:
        BUCKETS.put(call.tx, bucket.replace(configured=(*bucket.configured, "replication")))
    if any((rule.get("ExistingObjectReplication") or {}).get("Status") == "Enabled" for rule in document["Rules"]):
        call.schedule(call.now_ms, replication.EXISTING_TIMER, bucket.bucket_name, key=bucket.bucket_name)
    return {}


@operation(public=True)
def get_bucket_replication(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = permissions.open_bucket(call, call.tx, request, "s3:GetReplicationConfiguration")
    found = CONFIGURATIONS.get(call.tx, bucket.bucket_name, "replication", "")
    if found is None:
        raise errors.no_such_configuration(
            "ReplicationConfigurationNotFoundError", "The replication configuration was not found", bucket.bucket_name
        )
    return {"ReplicationConfiguration": found}


@operation(public=True)
def delete_bucket_replication(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    bucket = permissions.open_bucket(call, call.tx, request, "s3:PutReplicationConfiguration")
    CONFIGURATIONS.delete(call.tx, bucket.bucket_name, "replication", "")
    BUCKETS.put(call.tx, bucket.replace(configured=tuple(kind for kind in bucket.configured if kind != "replication")))
    replication.forget(call, call.tx, bucket)
    return {}
