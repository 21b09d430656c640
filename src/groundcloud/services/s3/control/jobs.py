"""Batch operations: create, describe, list, priority, status, tags."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.s3 import errors, job_tasks
from groundcloud.services.s3.jobs import ENDED, JOBS, TIMER, TOKENS, Job
from groundcloud.services.s3.listing import read_token, write_token
from groundcloud.services.s3.tags import BUCKET_TAGS_MAX, as_dict, as_list, check_tags

LIST_MAX = 1000


def _arn(call: Call, request: dict[str, Any]) -> str:
    return f"arn:aws:s3:{call.region}:{request['AccountId']}:job/{request['JobId']}"


def _open(call: Call, request: dict[str, Any]) -> Job:
    job = JOBS.get(call.tx, request["AccountId"], call.region, request["JobId"])
    if job is None:
        raise AwsError("NotFoundException", f"Job {request['JobId']} is not found", status=404)
    return job


def _context(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"s3:RequestJobPriority": str(request["Priority"]), "s3:RequestJobOperation": next(iter(request["Operation"]), "")}


@operation(context=_context)
def create_job(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    account, token = request["AccountId"], request["ClientRequestToken"]
    if account != call.account:
        raise errors.access_denied()
    known = TOKENS.get(call.tx, account, call.region, token)
    document = {name: value for name, value in request.items() if name not in ("AccountId", "Tags", "ClientRequestToken")}
    if known is not None:
        job = JOBS.get(call.tx, account, call.region, known)
        if job is not None and job.document != document:
            raise AwsError("IdempotencyException", "The request token was used for another request.", status=400)
        return {"JobId": known}
    _check(request)
    call.authorize("iam:PassRole", request["RoleArn"], {"iam:PassedToService": "batchoperations.s3.amazonaws.com"})
    tags = as_dict(check_tags(request.get("Tags") or [], limit=BUCKET_TAGS_MAX))
    job = Job(
        account=account,
        region=call.region,
        job_id=call.new_id(),
        created_ms=call.now_ms,
        document=document,
        priority=request["Priority"],
        tags=tags,
    )
    JOBS.put(call.tx, job)
    TOKENS.put(call.tx, account, call.region, token, job.job_id)
    _wake(call, job)
    return {"JobId": job.job_id}


def _check(request: dict[str, Any]) -> None:
    """Raises BadRequestException, and refuses by name what is not there."""
    wanted = request["Operation"]
    if len(wanted) != 1:
        raise _bad("Exactly one operation must be specified")
    (name,) = wanted
    if name not in job_tasks.KNOWN:
        raise errors.refused(f"batch jobs that do {name}")
    if "ManifestGenerator" in request:
        raise errors.refused("manifest generators")
    if "Manifest" not in request:
        raise _bad("Manifest or ManifestGenerator is required")
    spec = request["Manifest"]["Spec"]
    if spec["Format"] == "S3BatchOperations_CSV_20180820":
        fields = spec.get("Fields") or []
        if "Bucket" not in fields or "Key" not in fields:
            raise _bad("Manifest fields must contain Bucket and Key")
    if request["Report"]["Enabled"] and not request["Report"].get("Bucket"):
        raise _bad("Report bucket is required when the report is enabled")
    if name == "LambdaInvoke" and "FunctionArn" not in wanted[name]:
        raise _bad("FunctionArn is required")


def _bad(sentence: str) -> AwsError:
    return AwsError("BadRequestException", sentence, status=400)


def _wake(call: Call, job: Job) -> None:
    call.schedule(call.now_ms, TIMER, [job.account, job.region, job.job_id], key=job.job_id)


def _progress(call: Call, job: Job) -> dict[str, Any]:
    until_ms = job.ended_ms or call.now_ms
    return {
        "TotalNumberOfTasks": job.tasks,
        "NumberOfTasksSucceeded": job.succeeded,
        "NumberOfTasksFailed": job.failed,
        "Timers": {"ElapsedTimeInActiveSeconds": (until_ms - job.active_ms) // 1000 if job.active_ms else 0},
    }


@operation(resource=_arn)
def describe_job(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    job = _open(call, request)
    document = job.document
    described = {
        "JobId": job.job_id,
        "ConfirmationRequired": bool(document.get("ConfirmationRequired")),
        "Description": document.get("Description"),
        "JobArn": job.arn,
        "Status": job.status,
        "Manifest": document.get("Manifest"),
        "Operation": document["Operation"],
        "Priority": job.priority,
        "ProgressSummary": _progress(call, job),
        "StatusUpdateReason": job.reason or None,
        "FailureReasons": [{"FailureCode": code, "FailureReason": text} for code, text in job.failures] or None,
        "Report": document["Report"],
        "CreationTime": job.created_ms // 1000,
        "TerminationDate": job.ended_ms // 1000 if job.ended_ms else None,
        "RoleArn": document["RoleArn"],
    }
    if job.status == "Suspended":
        described.update(SuspendedDate=job.suspended_ms // 1000, SuspendedCause="AwaitingConfirmation")
    return {"Job": described}


@operation()
def list_jobs(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    if request["AccountId"] != call.account:
        raise errors.access_denied()
    statuses = set(request.get("JobStatuses") or ())
    limit = request.get("MaxResults") or LIST_MAX
    jobs = [job for job in JOBS.scan(call.tx, call.account, call.region) if not statuses or job.status in statuses]
    jobs.sort(key=lambda job: (-job.created_ms, job.job_id))
    first = int(read_token(request["NextToken"])) if "NextToken" in request else 0
    page = jobs[first : first + limit]
    return {
        "Jobs": [
            {
                "JobId": job.job_id,
                "Description": job.document.get("Description"),
                "Operation": job.operation,
                "Priority": job.priority,
                "Status": job.status,
                "CreationTime": job.created_ms // 1000,
                "TerminationDate": job.ended_ms // 1000 if job.ended_ms else None,
                "ProgressSummary": _progress(call, job),
            }
            for job in page
        ],
        "NextToken": write_token(str(first + limit)) if first + limit < len(jobs) else None,
    }


@operation(resource=_arn)
def update_job_priority(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    job = _open(call, request)
    if job.status in ENDED:
        raise _bad(f"Job {job.job_id} is {job.status}: its priority cannot be changed")
    JOBS.put(call.tx, job.replace(priority=request["Priority"]))
    return {"JobId": job.job_id, "Priority": request["Priority"]}


@operation(resource=_arn)
def update_job_status(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    job = _open(call, request)
    wanted = request["RequestedJobStatus"]
    if job.status in ENDED or (wanted == "Ready" and job.status not in ("Suspended", "Paused")):
        raise AwsError("JobStatusException", f"Job {job.job_id} is {job.status}: it cannot become {wanted}", status=400)
    changed: Job = job.replace(status="Cancelling" if wanted == "Cancelled" else "Ready", reason=request.get("StatusUpdateReason", ""))
    JOBS.put(call.tx, changed)
    _wake(call, changed)
    return {"JobId": job.job_id, "Status": changed.status, "StatusUpdateReason": changed.reason or None}


# Tags


@operation(resource=_arn)
def get_job_tagging(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    return {"Tags": as_list(_open(call, request).tags)}


@operation(resource=_arn)
def put_job_tagging(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    tags = as_dict(check_tags(request["Tags"], limit=BUCKET_TAGS_MAX))
    JOBS.put(call.tx, _open(call, request).replace(tags=tags))
    return {}


@operation(resource=_arn)
def delete_job_tagging(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    JOBS.put(call.tx, _open(call, request).replace(tags={}))
    return {}
