"""Work of S3 Control that time brings: batch jobs, from their manifest to their report."""

from __future__ import annotations

from typing import Any

from groundcloud.base.errors import AwsError
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import timer
from groundcloud.services.s3 import job_tasks
from groundcloud.services.s3.jobs import (
    CONFIRMATION_MS,
    ENDED,
    FAILURES_MIN,
    JOBS,
    PRINCIPAL,
    RESULTS,
    TIMER,
    Job,
    Task,
    line_of,
    manifest_of,
    write_report,
)

BATCH = 20
"""Tasks done before their results are kept."""


@timer(TIMER)
async def run_job(call: Call, place: list[str]) -> None:
    """Takes a job as far as it goes: to its end, or to where it waits for its owner."""
    job = _load(call, place)
    if job is None or job.status in ENDED:
        return
    if job.status == "Cancelling" or (job.status == "Suspended" and call.clock.now_ms() >= job.suspended_ms + CONFIRMATION_MS):
        _change(call, place, status="Cancelled", ended_ms=call.clock.now_ms())
        return
    if job.status == "Suspended":
        return
    try:
        with call.transaction() as tx:
            call.ground.assume(tx, job.document["RoleArn"], "s3-batch-operations", PRINCIPAL)
        tasks = await manifest_of(call, job)
    except (AwsError, UnicodeDecodeError, OSError) as error:
        code = error.code if isinstance(error, AwsError) else "InvalidManifest"
        reason = error.message if isinstance(error, AwsError) else "The manifest cannot be read."
        _change(call, place, status="Failed", failures=((code, reason),), ended_ms=call.clock.now_ms())
        return
    job = _load(call, place)
    if job is None:
        return
    if job.status in ("New", "Preparing") and job.document.get("ConfirmationRequired"):
        now_ms = call.clock.now_ms()
        _change(call, place, status="Suspended", tasks=len(tasks), suspended_ms=now_ms)
        with call.transaction() as tx:
            call.schedule(now_ms + CONFIRMATION_MS, TIMER, place, key=f"{place[2]}/confirmation", tx=tx)
        return
    if job.status != "Cancelling":
        _change(call, place, status="Active", tasks=len(tasks), active_ms=job.active_ms or call.clock.now_ms())
        await _run(call, place, tasks)
    await _end(call, place)


async def _run(call: Call, place: list[str], tasks: list[Task]) -> None:
    while True:
        job = _load(call, place)
        if job is None or job.status != "Active":
            return
        done = job.succeeded + job.failed
        batch = tasks[done : done + BATCH]
        if not batch:
            return
        outcomes = [await job_tasks.perform(call, job, task) for task in batch]
        with call.transaction() as tx:
            job = JOBS.get(tx, *place)
            if job is None:
                return
            for task, outcome in zip(batch, outcomes, strict=True):
                RESULTS.put(tx, job.job_id, task.number, (outcome.succeeded, line_of(task, outcome)))
            right = sum(outcome.succeeded for outcome in outcomes)
            failed = job.failed + len(batch) - right
            job = job.replace(succeeded=job.succeeded + right, failed=failed)
            if failed > FAILURES_MIN and failed * 2 > job.succeeded + failed:
                job = job.replace(status="Failing", failures=(("TooManyFailures", "Job failed since failure threshold is exceeded."),))
            JOBS.put(tx, job)


async def _end(call: Call, place: list[str]) -> None:
    """The report, and the job's last status. A report that cannot be written fails the job."""
    job = _load(call, place)
    if job is None or job.status in ENDED:
        return
    last = {"Cancelling": "Cancelled", "Failing": "Failed"}.get(job.status, "Complete")
    if last == "Complete":
        _change(call, place, status="Completing")
    try:
        await write_report(call, job)
    except AwsError as error:
        last = "Failed"
        _change(call, place, failures=(*job.failures, ("ReportAccessDenied", f"The report cannot be written: {error.code}")))
    _change(call, place, status=last, ended_ms=call.clock.now_ms())
    with call.transaction() as tx:
        for key in list(RESULTS.keys(tx, place[2])):
            RESULTS.delete(tx, *key)


def _load(call: Call, place: list[str]) -> Job | None:
    return JOBS.get(call.ground.store.transaction(), *place)


def _change(call: Call, place: list[str], **changes: Any) -> None:
    with call.transaction() as tx:
        job = JOBS.get(tx, *place)
        if job is not None:
            JOBS.put(tx, job.replace(**changes))
