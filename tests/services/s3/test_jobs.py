"""Batch operations: jobs from a manifest to a report, done as their role."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("names_below_localhost")
STATE = {"n": 0}


@pytest.fixture
def control(client: Any) -> Any:
    return client("s3control")


def make_role(iam: Any, *actions: str) -> str:
    trust = {"Effect": "Allow", "Principal": {"Service": "batchoperations.s3.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    arn: str = iam.create_role(RoleName="batch", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    allow(iam, *actions)
    return arn


def allow(iam: Any, *actions: str) -> None:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    iam.put_role_policy(RoleName="batch", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement}))


@pytest.fixture
def role(client: Any) -> str:
    return make_role(client("iam"), "s3:*", "lambda:*")


@pytest.fixture
def start(control: Any, s3: Any, bucket: str, role: str, account: str, clock: Any) -> Any:
    """`start({"S3PutObjectTagging": {...}}, ["a", "b"])` -> the job, as far as it went."""

    def make(operation: dict[str, Any], keys: list[str], **more: Any) -> dict[str, Any]:
        text = "".join(f"{bucket},{key}\n" for key in keys)
        etag = s3.put_object(Bucket=bucket, Key="manifest.csv", Body=text.encode())["ETag"]
        manifest = {
            "Spec": {"Format": "S3BatchOperations_CSV_20180820", "Fields": ["Bucket", "Key"]},
            "Location": {"ObjectArn": f"arn:aws:s3:::{bucket}/manifest.csv", "ETag": etag},
        }
        report = {
            "Enabled": True,
            "Bucket": f"arn:aws:s3:::{bucket}",
            "Prefix": "reports",
            "Format": "Report_CSV_20180820",
            "ReportScope": "AllTasks",
        }
        STATE["n"] += 1
        request = {
            "AccountId": account,
            "ConfirmationRequired": False,
            "Operation": operation,
            "Report": report,
            "ClientRequestToken": f"token-{STATE['n']}",
            "Manifest": manifest,
            "Priority": 10,
            "RoleArn": role,
            **more,
        }
        job_id = control.create_job(**request)["JobId"]
        clock.settle()
        job: dict[str, Any] = control.describe_job(AccountId=account, JobId=job_id)["Job"]
        return job

    return make


def results(s3: Any, bucket: str, job: dict[str, Any]) -> dict[str, list[list[str]]]:
    folder = f"reports/job-{job['JobId']}"
    manifest = json.loads(s3.get_object(Bucket=bucket, Key=f"{folder}/manifest.json")["Body"].read())
    found = {}
    for one in manifest["Results"]:
        text = s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read().decode()
        found[one["TaskExecutionStatus"]] = list(csv.reader(io.StringIO(text)))
    return found


def test_a_job_tags_what_its_manifest_lists_and_reports(s3: Any, bucket: str, start: Any) -> None:
    for key in ("a b", "c"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    job = start({"S3PutObjectTagging": {"TagSet": [{"Key": "t", "Value": "1"}]}}, ["a%20b", "c", "none"])
    assert job["Status"] == "Complete"
    summary = job["ProgressSummary"]
    assert (summary["TotalNumberOfTasks"], summary["NumberOfTasksSucceeded"], summary["NumberOfTasksFailed"]) == (3, 2, 1)
    assert s3.get_object_tagging(Bucket=bucket, Key="a b")["TagSet"] == [{"Key": "t", "Value": "1"}]
    found = results(s3, bucket, job)
    assert found["succeeded"] == [
        [bucket, "a%20b", "", "succeeded", "", "200", "Successful"],
        [bucket, "c", "", "succeeded", "", "200", "Successful"],
    ]
    assert found["failed"][0][1:6] == ["none", "", "failed", "NoSuchKey", "404"]
    job = start({"S3DeleteObjectTagging": {}}, ["c"])
    assert job["Status"] == "Complete" and s3.get_object_tagging(Bucket=bucket, Key="c")["TagSet"] == []


def test_jobs_copy_restore_and_set_acls(s3: Any, bucket: str, new_bucket: Any, start: Any) -> None:
    target = new_bucket()
    s3.put_object(Bucket=bucket, Key="k", Body=b"body", Metadata={"m": "1"})
    s3.put_object(Bucket=bucket, Key="cold", Body=b"x", StorageClass="GLACIER")
    copying = {"TargetResource": f"arn:aws:s3:::{target}", "TargetKeyPrefix": "copies", "StorageClass": "STANDARD_IA"}
    start({"S3PutObjectCopy": copying}, ["k"])
    got = s3.get_object(Bucket=target, Key="copies/k")
    assert (got["Body"].read(), got["Metadata"], got["StorageClass"]) == (b"body", {"m": "1"}, "STANDARD_IA")
    start({"S3InitiateRestoreObject": {"ExpirationInDays": 2, "GlacierJobTier": "BULK"}}, ["cold"])
    assert s3.head_object(Bucket=bucket, Key="cold")["Restore"] == 'ongoing-request="true"'
    job = start({"S3PutObjectAcl": {"AccessControlPolicy": {"CannedAccessControlList": "public-read"}}}, ["k"])
    assert results(s3, bucket, job)["failed"][0][4] == "AccessControlListNotSupported"


def test_an_inventory_may_be_the_manifest(s3: Any, bucket: str, start: Any, clock: Any) -> None:
    for key in ("in/a b", "in/c+d"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    let_in = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": let_in}))
    configuration = {
        "Id": "i",
        "IsEnabled": True,
        "IncludedObjectVersions": "Current",
        "Schedule": {"Frequency": "Daily"},
        "Filter": {"Prefix": "in/"},
        "Destination": {"S3BucketDestination": {"Bucket": f"arn:aws:s3:::{bucket}", "Format": "CSV", "Prefix": "out"}},
    }
    s3.put_bucket_inventory_configuration(Bucket=bucket, Id="i", InventoryConfiguration=configuration)
    clock.advance("24h")
    (found,) = [one for one in s3.list_objects_v2(Bucket=bucket, Prefix="out/")["Contents"] if one["Key"].endswith("manifest.json")]
    manifest = {
        "Spec": {"Format": "S3InventoryReport_CSV_20161130"},
        "Location": {"ObjectArn": f"arn:aws:s3:::{bucket}/{found['Key']}", "ETag": found["ETag"]},
    }
    job = start({"S3PutObjectTagging": {"TagSet": [{"Key": "t", "Value": "1"}]}}, [], Manifest=manifest)
    assert (job["Status"], job["ProgressSummary"]["NumberOfTasksSucceeded"]) == ("Complete", 2)
    assert s3.get_object_tagging(Bucket=bucket, Key="in/c+d")["TagSet"] == [{"Key": "t", "Value": "1"}]


def test_existing_objects_are_replicated(client: Any, s3: Any, new_bucket: Any, control: Any, account: str, clock: Any, role: str) -> None:
    source, target = new_bucket(Versioning="Enabled"), new_bucket(Versioning="Enabled")
    s3.put_object(Bucket=source, Key="old", Body=b"x")
    etag = s3.put_object(Bucket=target, Key="manifest", Body=f"{source},old\n".encode())["ETag"]
    trust = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam = client("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    replicator = iam.create_role(RoleName="replicator", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    everything = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}})
    iam.put_role_policy(RoleName="replicator", PolicyName="p", PolicyDocument=everything)
    rule = {"Status": "Enabled", "Prefix": "", "Destination": {"Bucket": f"arn:aws:s3:::{target}"}}
    s3.put_bucket_replication(Bucket=source, ReplicationConfiguration={"Role": replicator, "Rules": [rule]})
    control.create_job(
        AccountId=account,
        ConfirmationRequired=False,
        Operation={"S3ReplicateObject": {}},
        Report={"Enabled": False},
        ClientRequestToken="t",
        Manifest={
            "Spec": {"Format": "S3BatchOperations_CSV_20180820", "Fields": ["Bucket", "Key"]},
            "Location": {"ObjectArn": f"arn:aws:s3:::{target}/manifest", "ETag": etag},
        },
        Priority=1,
        RoleArn=role,
    )
    clock.advance("1s")
    assert s3.head_object(Bucket=target, Key="old")["ReplicationStatus"] == "REPLICA"
    assert s3.head_object(Bucket=source, Key="old")["ReplicationStatus"] == "COMPLETED"


def test_a_job_may_wait_for_confirmation_and_be_cancelled(
    s3: Any, bucket: str, control: Any, start: Any, account: str, clock: Any, refused: Any
) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    job = start({"S3PutObjectTagging": {"TagSet": []}}, ["k"], ConfirmationRequired=True, Tags=[{"Key": "a", "Value": "b"}])
    named = {"AccountId": account, "JobId": job["JobId"]}
    assert (job["Status"], job["SuspendedCause"], job["ProgressSummary"]["TotalNumberOfTasks"]) == ("Suspended", "AwaitingConfirmation", 1)
    assert control.update_job_priority(**named, Priority=42)["Priority"] == 42
    assert control.get_job_tagging(**named)["Tags"] == [{"Key": "a", "Value": "b"}]
    control.delete_job_tagging(**named)
    assert control.get_job_tagging(**named)["Tags"] == []
    assert control.update_job_status(**named, RequestedJobStatus="Ready", StatusUpdateReason="go")["Status"] == "Ready"
    clock.settle()
    done = control.describe_job(**named)["Job"]
    assert (done["Status"], done["Priority"], done["StatusUpdateReason"]) == ("Complete", 42, "go")
    refused("JobStatusException", 400, control.update_job_status, **named, RequestedJobStatus="Cancelled")
    other = start({"S3DeleteObjectTagging": {}}, ["k"], ConfirmationRequired=True)
    control.update_job_status(AccountId=account, JobId=other["JobId"], RequestedJobStatus="Cancelled")
    clock.settle()
    late = start({"S3DeleteObjectTagging": {}}, ["k"], ConfirmationRequired=True)
    clock.advance("31d")
    listed = control.list_jobs(AccountId=account)["Jobs"]
    assert {one["JobId"]: one["Status"] for one in listed} == {
        job["JobId"]: "Complete",
        other["JobId"]: "Cancelled",
        late["JobId"]: "Cancelled",
    }
    page = control.list_jobs(AccountId=account, MaxResults=2)
    assert len(page["Jobs"]) == 2 and len(control.list_jobs(AccountId=account, NextToken=page["NextToken"])["Jobs"]) == 1
    assert [one["JobId"] for one in control.list_jobs(AccountId=account, JobStatuses=["Complete"])["Jobs"]] == [job["JobId"]]


def test_what_is_wrong_fails_the_job_or_is_refused(
    client: Any, s3: Any, bucket: str, control: Any, start: Any, account: str, refused: Any
) -> None:
    location = {"ObjectArn": f"arn:aws:s3:::{bucket}/manifest.csv", "ETag": "0" * 32}
    spec = {"Format": "S3BatchOperations_CSV_20180820", "Fields": ["Bucket", "Key"]}
    job = start({"S3DeleteObjectTagging": {}}, ["k"], Manifest={"Spec": spec, "Location": location})
    assert (job["Status"], job["FailureReasons"][0]["FailureCode"]) == ("Failed", "ManifestNotFound")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=b")
    allow(client("iam"), "s3:GetObject", "s3:PutObject")
    job = start({"S3DeleteObjectTagging": {}}, ["k"])
    assert job["Status"] == "Complete" and job["ProgressSummary"]["NumberOfTasksFailed"] == 1
    assert results(s3, bucket, job)["failed"][0][4:6] == ["AccessDenied", "403"]
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "b"}]
    missing = {"AccountId": account, "JobId": "11111111-1111"}
    refused("NotFoundException", 404, control.describe_job, **missing)
    with pytest.raises(control.exceptions.ClientError, match="S3ComputeObjectChecksum"):
        start({"S3ComputeObjectChecksum": {}}, ["k"])


@pytest.mark.slow
def test_a_job_goes_on_after_a_kill(process: Any) -> None:
    s3, control, iam = process.client("s3"), process.client("s3control", account="000000000000"), process.client("iam")
    role = make_role(iam, "s3:*")
    s3.create_bucket(Bucket="jobs")
    for n in range(50):
        s3.put_object(Bucket="jobs", Key=f"k{n}", Body=b"x")
    etag = s3.put_object(Bucket="jobs", Key="manifest", Body="".join(f"jobs,k{n}\n" for n in range(50)).encode())["ETag"]
    job_id = control.create_job(
        AccountId="000000000000",
        ConfirmationRequired=True,
        Operation={"S3PutObjectTagging": {"TagSet": [{"Key": "a", "Value": "b"}]}},
        Report={"Enabled": True, "Bucket": "arn:aws:s3:::jobs", "Format": "Report_CSV_20180820", "ReportScope": "AllTasks"},
        ClientRequestToken="t",
        Manifest={
            "Spec": {"Format": "S3BatchOperations_CSV_20180820", "Fields": ["Bucket", "Key"]},
            "Location": {"ObjectArn": "arn:aws:s3:::jobs/manifest", "ETag": etag},
        },
        Priority=1,
        RoleArn=role,
    )["JobId"]
    process.settle()
    process.restart()
    control = process.client("s3control", account="000000000000")
    assert control.describe_job(AccountId="000000000000", JobId=job_id)["Job"]["Status"] == "Suspended"
    control.update_job_status(AccountId="000000000000", JobId=job_id, RequestedJobStatus="Ready")
    process.restart()  # somewhere between the first task and the report
    process.settle()
    control = process.client("s3control", account="000000000000")
    job = control.describe_job(AccountId="000000000000", JobId=job_id)["Job"]
    assert (job["Status"], job["ProgressSummary"]["NumberOfTasksSucceeded"]) == ("Complete", 50)
    assert process.client("s3").get_object_tagging(Bucket="jobs", Key="k49")["TagSet"] == [{"Key": "a", "Value": "b"}]


@pytest.mark.slow
def test_a_job_invokes_a_function(client: Any, s3: Any, bucket: str, start: Any) -> None:
    import zipfile

    code = (
        "def handler(event, context):\n"
        "    task = event['tasks'][0]\n"
        "    code = 'Succeeded' if task['s3Key'] == 'good' else 'PermanentFailure'\n"
        "    return {'invocationSchemaVersion': '1.0', 'treatMissingKeysAs': 'PermanentFailure', 'invocationId': event['invocationId'],\n"
        "            'results': [{'taskId': task['taskId'], 'resultCode': code, 'resultString': task['s3BucketArn']}]}\n"
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("main.py", code)
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    executor = client("iam").create_role(RoleName="executor", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    function = client("lambda").create_function(
        FunctionName="f", Runtime="python3.13", Role=executor, Handler="main.handler", Code={"ZipFile": packed.getvalue()}
    )["FunctionArn"]
    job = start({"LambdaInvoke": {"FunctionArn": function}}, ["good", "bad"])
    found = results(s3, bucket, job)
    assert found["succeeded"] == [[bucket, "good", "", "succeeded", "", "200", f"arn:aws:s3:::{bucket}"]]
    assert found["failed"][0][3:5] == ["failed", "PermanentFailure"]
