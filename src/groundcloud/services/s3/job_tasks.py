"""What a batch job does to one object: the same operation that a client would ask for, as the job's role."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.services.s3 import errors, permissions, replication
from groundcloud.services.s3.jobs import PRINCIPAL, Job, Outcome, Task
from groundcloud.services.s3.state import BUCKETS, OBJECTS, find_version

Wanted = dict[str, Any]


async def perform(call: Call, job: Job, task: Task) -> Outcome:
    """Does a task; a refusal is its outcome."""
    wanted = job.document["Operation"][job.operation]
    try:
        if job.operation == "LambdaInvoke":
            return await _invoke(call, job, task, wanted)
        if job.operation == "S3ReplicateObject":
            return _replicate(call, job, task)
        name, convert = OPERATIONS[job.operation]
        request = {"Bucket": task.bucket_name, "Key": task.key}
        if task.version_id is not None and name != "CopyObject":
            request["VersionId"] = task.version_id
        request.update(convert(wanted, task))
        await call.request("s3", name, request, as_=job.document["RoleArn"])
        return Outcome(True)
    except AwsError as error:
        return Outcome(False, error.message, error.code, error.status or 400)


def _copy(wanted: Wanted, task: Task) -> Wanted:
    prefix = wanted.get("TargetKeyPrefix", "")
    source = {"Bucket": task.bucket_name, "Key": task.key}
    request: Wanted = {
        "Bucket": wanted.get("TargetResource", f"arn:aws:s3:::{task.bucket_name}").removeprefix("arn:aws:s3:::"),
        "Key": f"{prefix}/{task.key}" if prefix else task.key,
        "CopySource": _source_text(source["Bucket"], source["Key"], task.version_id),
    }
    for member, name in (
        ("CannedAccessControlList", "ACL"),
        ("StorageClass", "StorageClass"),
        ("RedirectLocation", "WebsiteRedirectLocation"),
        ("MetadataDirective", "MetadataDirective"),
        ("ObjectLockLegalHoldStatus", "ObjectLockLegalHoldStatus"),
        ("ObjectLockMode", "ObjectLockMode"),
        ("ObjectLockRetainUntilDate", "ObjectLockRetainUntilDate"),
        ("ChecksumAlgorithm", "ChecksumAlgorithm"),
        ("ModifiedSinceConstraint", "CopySourceIfModifiedSince"),
        ("UnModifiedSinceConstraint", "CopySourceIfUnmodifiedSince"),
        ("BucketKeyEnabled", "BucketKeyEnabled"),
    ):
        if member in wanted:
            request[name] = wanted[member]
    if "SSEAwsKmsKeyId" in wanted:
        request.update(ServerSideEncryption="aws:kms", SSEKMSKeyId=wanted["SSEAwsKmsKeyId"])
    described = wanted.get("NewObjectMetadata")
    if described:
        request["MetadataDirective"] = "REPLACE"
        for member in ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType"):
            if member in described:
                request[member] = described[member]
        request["Metadata"] = described.get("UserMetadata") or {}
        if described.get("SSEAlgorithm"):
            request["ServerSideEncryption"] = {"KMS": "aws:kms"}.get(described["SSEAlgorithm"], described["SSEAlgorithm"])
    if wanted.get("NewObjectTagging"):
        from urllib.parse import urlencode

        request.update(TaggingDirective="REPLACE", Tagging=urlencode({tag["Key"]: tag["Value"] for tag in wanted["NewObjectTagging"]}))
    return request


def _source_text(bucket_name: str, key: str, version_id: str | None) -> str:
    from urllib.parse import quote

    text = f"{bucket_name}/{quote(key)}"
    return f"{text}?versionId={version_id}" if version_id is not None else text


def _acl(wanted: Wanted, task: Task) -> Wanted:
    policy = wanted.get("AccessControlPolicy") or {}
    if "CannedAccessControlList" in policy:
        return {"ACL": policy["CannedAccessControlList"]}
    listed = policy.get("AccessControlList") or {}
    kinds = {"id": ("CanonicalUser", "ID"), "emailAddress": ("AmazonCustomerByEmail", "EmailAddress"), "uri": ("Group", "URI")}
    grants = []
    for grant in listed.get("Grants") or ():
        kind, member = kinds[grant["Grantee"]["TypeIdentifier"]]
        grants.append({"Grantee": {"Type": kind, member: grant["Grantee"]["Identifier"]}, "Permission": grant["Permission"]})
    return {"AccessControlPolicy": {"Owner": {"ID": listed.get("Owner", {}).get("ID")}, "Grants": grants}}


def _restoring(wanted: Wanted, task: Task) -> Wanted:
    tier = wanted.get("GlacierJobTier", "STANDARD").capitalize()
    return {"RestoreRequest": {"Days": wanted.get("ExpirationInDays", 1), "GlacierJobParameters": {"Tier": tier}}}


def _retention(wanted: Wanted, task: Task) -> Wanted:
    request: Wanted = {"Retention": wanted["Retention"]}
    if "BypassGovernanceRetention" in wanted:
        request["BypassGovernanceRetention"] = wanted["BypassGovernanceRetention"]
    return request


OPERATIONS: dict[str, tuple[str, Callable[[Wanted, Task], Wanted]]] = {
    "S3PutObjectCopy": ("CopyObject", _copy),
    "S3PutObjectAcl": ("PutObjectAcl", _acl),
    "S3PutObjectTagging": ("PutObjectTagging", lambda wanted, _: {"Tagging": {"TagSet": wanted.get("TagSet") or []}}),
    "S3DeleteObjectTagging": ("DeleteObjectTagging", lambda wanted, _: {}),
    "S3InitiateRestoreObject": ("RestoreObject", _restoring),
    "S3PutObjectLegalHold": ("PutObjectLegalHold", lambda wanted, _: {"LegalHold": wanted["LegalHold"]}),
    "S3PutObjectRetention": ("PutObjectRetention", _retention),
}
KNOWN = frozenset((*OPERATIONS, "LambdaInvoke", "S3ReplicateObject"))


def _replicate(call: Call, job: Job, task: Task) -> Outcome:
    """Queues a version for its bucket's replication rules. Raises AwsError."""
    with call.transaction() as tx:
        bucket = BUCKETS.get(tx, task.bucket_name)
        if bucket is None:
            raise errors.no_such_bucket(task.bucket_name)
        principal = call.ground.assume(tx, job.document["RoleArn"], "s3-batch-operations", PRINCIPAL)
        permissions.require(call.as_principal(principal), bucket, "s3:InitiateReplication", task.key)
        if task.version_id is None:
            version = OBJECTS.get(tx, task.bucket_name, task.key)
        else:
            version = find_version(tx, task.bucket_name, task.key, task.version_id)
        if version is None or (task.version_id is not None and version.version_id != task.version_id):
            raise errors.no_such_key(task.key)
        if version.replication == "REPLICA":
            raise errors.S3Error("SrcObjectNotEligible", "The source object is a replica.", 400)
        followed = replication.follow(call, tx, bucket, task.key, version)
        if followed is version:
            raise errors.S3Error("SrcObjectNotEligible", "The source object is not eligible for replication.", 400)
    return Outcome(True)


async def _invoke(call: Call, job: Job, task: Task, wanted: Wanted) -> Outcome:
    """AWS: "Invoke AWS Lambda function", schemas 1.0 and 2.0. Raises AwsError."""
    version = wanted.get("InvocationSchemaVersion", "1.0")
    about: Wanted = {"taskId": f"{job.job_id}-{task.number}", "s3Key": task.key, "s3VersionId": task.version_id}
    described: Wanted = {"id": job.job_id}
    if version == "2.0":
        about["s3Bucket"] = task.bucket_name
        described["userArguments"] = wanted.get("UserArguments") or {}
    else:
        from urllib.parse import quote

        about["s3Key"] = quote(task.key, safe="/*-._~")
        about["s3BucketArn"] = f"arn:aws:s3:::{task.bucket_name}"
    payload = {"invocationSchemaVersion": version, "invocationId": call.new_id(), "job": described, "tasks": [about]}
    request = {"FunctionName": wanted["FunctionArn"], "Payload": json.dumps(payload).encode()}
    answer = await call.request("lambda", "Invoke", request, as_=job.document["RoleArn"])
    raw = answer.get("Payload") or b""
    if not isinstance(raw, bytes):
        raw = b"".join([chunk async for chunk in raw])
    if answer.get("FunctionError"):
        return Outcome(False, f"Lambda returned function error: {raw.decode(errors='replace')[:1024]}", "InvocationFailed", 200)
    try:
        said = json.loads(raw)
        results = {one["taskId"]: one for one in said["results"]}
        result = results.get(about["taskId"]) or {"resultCode": said.get("treatMissingKeysAs", "TemporaryFailure")}
        code, text = str(result["resultCode"]), str(result.get("resultString", ""))
    except (ValueError, KeyError, TypeError):
        return Outcome(False, "Lambda returned an answer that is not of the invocation schema.", "PermanentFailure", 200)
    return Outcome(True, text) if code == "Succeeded" else Outcome(False, text, code, 200)
