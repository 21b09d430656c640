"""Batch operations: jobs, what their manifests list, what their reports say.

    New -> Preparing -> Suspended (if confirmation is required; 30 days, then Cancelled) -> Ready -> Active -> Completing -> Complete
    Preparing -> Failed: no such manifest, not as its ETag says, not readable, or the role may not
    Active -> Failing -> Failed: a thousand tasks ran and more than half of them failed
    any but the last ones -> Cancelling -> Cancelled

A job's progress is kept with every few tasks: after a kill it goes on there, and at most those few are done again.
AWS: "Performing object operations in bulk with Batch Operations", "Job status", "Specifying a manifest", "Completion reports".
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_plus

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.store import Record, Table

TIMER = "s3control.job"
PRINCIPAL = "batchoperations.s3.amazonaws.com"
CONFIRMATION_MS = 30 * 86_400_000
FAILURES_MIN = 1000
ENDED = frozenset(("Cancelled", "Complete", "Failed"))
FIELDS = ("Bucket", "Key", "VersionId")


class Job(Record, kw_only=True):
    """`document` is the CreateJob request."""

    account: str
    region: str
    job_id: str
    created_ms: int
    document: dict[str, Any]
    status: str = "New"
    priority: int = 0
    tags: dict[str, str] = {}
    reason: str = ""
    failures: tuple[tuple[str, str], ...] = ()
    tasks: int = 0
    succeeded: int = 0
    failed: int = 0
    suspended_ms: int = 0
    active_ms: int = 0
    """Since when it is active."""
    ended_ms: int = 0

    @property
    def arn(self) -> str:
        return f"arn:aws:s3:{self.region}:{self.account}:job/{self.job_id}"

    @property
    def operation(self) -> str:
        return str(next(iter(self.document["Operation"])))


JOBS = Table("s3/jobs", Job, key=("account", "region", "job_id"), scope="global")
TOKENS: Table[str] = Table("s3/job-tokens", str, key=3, scope="global")
"""(account, region, client request token) -> job id."""
RESULTS: Table[tuple[bool, str]] = Table("s3/job-results", tuple[bool, str], key=2, scope="global")
"""(job id, number of the task) -> whether it succeeded, its line of the report."""


class Task(NamedTuple):
    number: int
    bucket_name: str
    key: str
    version_id: str | None


class Outcome(NamedTuple):
    """`code` and `status` of a failure; `message` is what the report says."""

    succeeded: bool
    message: str = "Successful"
    code: str = ""
    status: int = 200


def failure(code: str, reason: str) -> AwsError:
    return AwsError(code, reason, status=400)


async def manifest_of(call: Call, job: Job) -> list[Task]:
    """Every task of a job. Raises AwsError with the failure's code and reason."""
    manifest = job.document["Manifest"]
    location, spec = manifest["Location"], manifest["Spec"]
    request = _object_of(location["ObjectArn"])
    if "ObjectVersionId" in location:
        request["VersionId"] = location["ObjectVersionId"]
    body, etag = await _read(call, job, request)
    if etag.strip('"') != location["ETag"].strip('"'):
        raise failure("ManifestNotFound", f"Manifest is not found: the ETag of {location['ObjectArn']} is {etag}, not {location['ETag']}.")
    if spec["Format"] == "S3InventoryReport_CSV_20161130":
        return await _of_inventory(call, job, request["Bucket"], body)
    fields = spec.get("Fields") or ["Bucket", "Key"]
    return list(_rows(body.decode(), fields, 0))


async def _of_inventory(call: Call, job: Job, bucket_name: str, body: bytes) -> list[Task]:
    try:
        manifest = json.loads(body)
        fields = [name.strip() for name in manifest["fileSchema"].split(",")]
        files = [file["key"] for file in manifest["files"]]
        if manifest["fileFormat"] != "CSV":
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise failure("InvalidManifest", "The manifest is not that of an inventory report as CSV.") from None
    found: list[Task] = []
    for key in files:
        data, _ = await _read(call, job, {"Bucket": bucket_name, "Key": key})
        text = (await call.in_thread(gzip.decompress, data)).decode()
        found.extend(_rows(text, fields, len(found)))
    return found


def _rows(text: str, fields: list[str], number: int) -> Iterator[Task]:
    for row in csv.reader(io.StringIO(text)):
        if not row:
            continue
        if len(row) != len(fields):
            raise failure("InvalidManifest", f"The manifest has a row with {len(row)} columns where {len(fields)} are specified.")
        cells = dict(zip(fields, row, strict=True))
        if not cells.get("Bucket") or not cells.get("Key"):
            raise failure("InvalidManifest", "The manifest has a row without a bucket or key.")
        if cells.get("IsDeleteMarker") == "true":
            continue
        yield Task(number, cells["Bucket"], unquote_plus(cells["Key"]), cells.get("VersionId") or None)
        number += 1


def _object_of(arn: str) -> dict[str, Any]:
    bucket_name, _, key = arn.removeprefix("arn:aws:s3:::").partition("/")
    return {"Bucket": bucket_name, "Key": key}


async def _read(call: Call, job: Job, request: dict[str, Any]) -> tuple[bytes, str]:
    try:
        answer = await call.request("s3", "GetObject", request, as_=job.document["RoleArn"])
    except AwsError as error:
        code = "ManifestNotFound" if error.code.startswith("NoSuch") else "ManifestAccessDenied"
        raise failure(code, f"Reading the manifest is forbidden: {error.code}" if code != "ManifestNotFound" else error.message) from None
    body = answer["Body"]
    if isinstance(body, bytes):
        return body, answer["ETag"]
    return b"".join([chunk async for chunk in body]), answer["ETag"]


def line_of(task: Task, outcome: Outcome) -> str:
    """Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage. AWS: "Completion reports"."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(
        (
            task.bucket_name,
            quote(task.key, safe="/*-._~"),
            task.version_id or "",
            "succeeded" if outcome.succeeded else "failed",
            outcome.code,
            outcome.status,
            outcome.message,
        )
    )
    return out.getvalue()


async def write_report(call: Call, job: Job) -> None:
    """Results of tasks, by whether they succeeded, and a manifest that names the files. Raises AwsError."""
    import hashlib

    report = job.document["Report"]
    if not report["Enabled"]:
        return
    bucket_name = report["Bucket"].removeprefix("arn:aws:s3:::")
    prefix = f"{report['Prefix'].rstrip('/')}/job-{job.job_id}" if report.get("Prefix") else f"job-{job.job_id}"
    results = []
    tx = call.ground.store.transaction()
    for succeeded in (True, False):
        if succeeded and report.get("ReportScope") == "FailedTasksOnly":
            continue
        body = "".join(f"{line}\n" for right, line in RESULTS.scan(tx, job.job_id) if right == succeeded).encode()
        if not body:
            continue
        key = f"{prefix}/results/{call.token(40)}.csv"
        await call.request("s3", "PutObject", {"Bucket": bucket_name, "Key": key, "Body": body}, as_=job.document["RoleArn"])
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        status = "succeeded" if succeeded else "failed"
        results.append({"TaskExecutionStatus": status, "Bucket": bucket_name, "MD5Checksum": md5, "Key": key})
    manifest = {
        "Format": "Report_CSV_20180820",
        "ReportCreationDate": _iso(call.clock.now_ms()),
        "Results": results,
        "ReportSchema": "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage",
    }
    text = json.dumps(manifest).encode()
    for key, body in ((f"{prefix}/manifest.json", text), (f"{prefix}/manifest.json.md5", hashlib.md5(text).hexdigest().encode())):
        await call.request("s3", "PutObject", {"Bucket": bucket_name, "Key": key, "Body": body}, as_=job.document["RoleArn"])


def _iso(at_ms: int) -> str:
    from groundcloud.wire.timestamps import iso8601_milliseconds

    return iso8601_milliseconds(at_ms / 1000)
