"""Notifications to queues and functions: permission of the target, filters, AWS's record."""

from __future__ import annotations

import json
from typing import Any

import pytest


@pytest.fixture
def sqs(client: Any) -> Any:
    return client("sqs")


@pytest.fixture
def queue(sqs: Any, bucket: str) -> tuple[str, str]:
    """(URL, ARN) of a queue that lets this test's bucket send."""
    url = sqs.create_queue(QueueName="events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "s3.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn,
                "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"}},
            }
        ],
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    return url, arn


def received(sqs: Any, url: str, clock: Any) -> list[dict[str, Any]]:
    """Every record that has come, the oldest first; the test event is one without "s3"."""
    clock.settle()
    found = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            body = json.loads(message["Body"])
            found += body.get("Records", [body])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return sorted(found, key=lambda record: record.get("s3", {}).get("object", {}).get("sequencer", ""))


def configure(s3: Any, bucket: str, arn: str, *events: str, rules: list[dict[str, str]] | None = None) -> None:
    one: dict[str, Any] = {"Id": "mine", "QueueArn": arn, "Events": list(events)}
    if rules:
        one["Filter"] = {"Key": {"FilterRules": rules}}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [one]})


def test_a_queue_hears_of_objects_in_awss_words(s3: Any, sqs: Any, clock: Any, bucket: str, queue: tuple[str, str], account: str) -> None:
    url, arn = queue
    configure(s3, bucket, arn, "s3:ObjectCreated:*", "s3:ObjectRemoved:*")
    (test,) = received(sqs, url, clock)
    assert (test["Service"], test["Event"], test["Bucket"]) == ("Amazon S3", "s3:TestEvent", bucket)
    assert set(test) == {"Service", "Event", "Time", "Bucket", "RequestId", "HostId"}
    s3.put_object(Bucket=bucket, Key="a b/ü.txt", Body=b"12345")
    (record,) = received(sqs, url, clock)
    assert record["eventName"] == "ObjectCreated:Put"
    assert (record["eventVersion"], record["eventSource"], record["awsRegion"]) == ("2.1", "aws:s3", "us-east-1")
    assert record["s3"]["bucket"]["name"] == bucket
    assert record["s3"]["bucket"]["arn"] == f"arn:aws:s3:::{bucket}"
    assert record["s3"]["configurationId"] == "mine"
    about = record["s3"]["object"]
    assert (about["key"], about["size"], about["eTag"]) == ("a+b/%C3%BC.txt", 5, "827ccb0eea8a706c4c34a16891f84e7b")
    assert "versionId" not in about
    assert record["userIdentity"] == {"principalId": f"AWS:{account}"}
    assert record["requestParameters"] == {"sourceIPAddress": "127.0.0.1"}
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "a b/ü.txt"})
    s3.delete_object(Bucket=bucket, Key="copy")
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    etag = s3.upload_part(Bucket=bucket, Key="m", UploadId=upload_id, PartNumber=1, Body=b"x")["ETag"]
    s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload_id, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    names = sorted(record["eventName"] for record in received(sqs, url, clock))
    assert names == ["ObjectCreated:CompleteMultipartUpload", "ObjectCreated:Copy", "ObjectRemoved:Delete"]


def test_versions_are_named_and_markers_told(s3: Any, sqs: Any, clock: Any, bucket: str, queue: tuple[str, str]) -> None:
    url, arn = queue
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    configure(s3, bucket, arn, "s3:ObjectCreated:Put", "s3:ObjectRemoved:*")
    received(sqs, url, clock)
    version_id = s3.put_object(Bucket=bucket, Key="k", Body=b"")["VersionId"]
    marker_id = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="k", VersionId=version_id)
    records = {record["eventName"]: record["s3"]["object"] for record in received(sqs, url, clock)}
    assert records["ObjectCreated:Put"]["versionId"] == version_id
    assert records["ObjectRemoved:DeleteMarkerCreated"]["versionId"] == marker_id
    assert records["ObjectRemoved:Delete"]["versionId"] == version_id


def test_filters_choose_by_prefix_and_suffix(s3: Any, sqs: Any, clock: Any, bucket: str, queue: tuple[str, str]) -> None:
    url, arn = queue
    rules = [{"Name": "Prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".csv"}]
    configure(s3, bucket, arn, "s3:ObjectCreated:*", rules=rules)
    received(sqs, url, clock)
    for key in ("in/a.csv", "in/a.txt", "out/a.csv"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    assert [record["s3"]["object"]["key"] for record in received(sqs, url, clock)] == ["in/a.csv"]


def test_a_configuration_is_given_back_and_taken_away(s3: Any, sqs: Any, clock: Any, bucket: str, queue: tuple[str, str]) -> None:
    url, arn = queue
    configure(s3, bucket, arn, "s3:ObjectCreated:*", rules=[{"Name": "prefix", "Value": "x"}])
    got = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    assert got == [
        {
            "Id": "mine",
            "QueueArn": arn,
            "Events": ["s3:ObjectCreated:*"],
            "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "x"}]}},
        }
    ]
    received(sqs, url, clock)
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="x", Body=b"")
    assert received(sqs, url, clock) == []


def test_a_target_that_does_not_let_s3_in_is_refused(s3: Any, sqs: Any, bucket: str, refused: Any) -> None:
    url = sqs.create_queue(QueueName="shut")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def put(arn: str, code: str = "InvalidArgument", events: tuple[str, ...] = ("s3:ObjectCreated:*",)) -> dict[str, Any]:
        configuration = {"QueueConfigurations": [{"QueueArn": arn, "Events": list(events)}]}
        error: dict[str, Any] = refused(
            code, 400, s3.put_bucket_notification_configuration, Bucket=bucket, NotificationConfiguration=configuration
        )
        return error

    for target in (arn, arn + "-none"):
        error = put(target)
        assert error["Message"] == "Unable to validate the following destination configurations"
        assert error["ArgumentName"] == target
    assert put("nonsense")["Message"] == "The ARN is not well formed"
    assert put(arn, events=("s3:ObjectEaten:*",))["Message"] == "The event is not supported for notifications"
    s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]},
        SkipDestinationValidation=True,
    )


def test_overlapping_and_doubled_filters_are_refused(s3: Any, bucket: str, queue: tuple[str, str], refused: Any) -> None:
    _, arn = queue

    def one(events: list[str], *rules: tuple[str, str]) -> dict[str, Any]:
        return {
            "QueueArn": arn,
            "Events": events,
            "Filter": {"Key": {"FilterRules": [{"Name": name, "Value": value} for name, value in rules]}},
        }

    def wrong(*configurations: dict[str, Any]) -> str:
        error = refused(
            "InvalidArgument",
            400,
            s3.put_bucket_notification_configuration,
            Bucket=bucket,
            NotificationConfiguration={"QueueConfigurations": list(configurations)},
        )
        return str(error["Message"])

    overlap = "Configurations overlap. Configurations on the same bucket cannot share a common event type."
    assert wrong(one(["s3:ObjectCreated:*"]), one(["s3:ObjectCreated:Put"])) == overlap
    ambiguous = "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type."
    assert wrong(one(["s3:ObjectCreated:*"], ("prefix", "a")), one(["s3:ObjectCreated:*"], ("prefix", "ab"))) == ambiguous
    assert wrong(one(["s3:ObjectCreated:*"], ("infix", "a"))) == "filter rule name must be either prefix or suffix"
    assert wrong(one(["s3:ObjectCreated:*"], ("prefix", "a"), ("prefix", "b"))) == "Cannot specify more than one prefix rule in a filter."
    s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "QueueConfigurations": [one(["s3:ObjectCreated:*"], ("prefix", "a")), one(["s3:ObjectCreated:*"], ("prefix", "b"))]
        },
    )


def test_eventbridge_hears_of_every_object(s3: Any, sqs: Any, client: Any, clock: Any, bucket: str, account: str) -> None:
    events = client("events")
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*"}],
    }
    url = sqs.create_queue(QueueName="bridged", Attributes={"Policy": json.dumps(policy)})["QueueUrl"]
    events.put_rule(Name="objects", EventPattern=json.dumps({"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}}))
    events.put_targets(Rule="objects", Targets=[{"Id": "q", "Arn": f"arn:aws:sqs:us-east-1:{account}:bridged"}])
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})
    assert s3.get_bucket_notification_configuration(Bucket=bucket)["EventBridgeConfiguration"] == {}
    etag = s3.put_object(Bucket=bucket, Key="a b", Body=b"four")["ETag"].strip('"')
    s3.put_object_tagging(Bucket=bucket, Key="a b", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    s3.delete_object(Bucket=bucket, Key="a b")
    clock.settle()
    found = [json.loads(message["Body"]) for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]]
    found = {event["detail-type"]: event for event in found}
    created = found["Object Created"]
    assert created["resources"] == [f"arn:aws:s3:::{bucket}"] and created["account"] == account and created["region"] == "us-east-1"
    detail = created["detail"]
    assert detail["object"].pop("sequencer") and detail.pop("request-id")
    assert detail == {
        "version": "0",
        "bucket": {"name": bucket},
        "object": {"key": "a b", "size": 4, "etag": etag},
        "requester": account,
        "source-ip-address": "127.0.0.1",
        "reason": "PutObject",
    }
    assert found["Object Deleted"]["detail"]["deletion-type"] == "Permanently Deleted"
    assert found["Object Tags Added"]["detail"]["object"]["key"] == "a b"
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    s3.put_object(Bucket=bucket, Key="unheard", Body=b"")
    clock.settle()
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


@pytest.mark.slow
def test_a_function_hears_of_objects(s3: Any, sqs: Any, client: Any, clock: Any, bucket: str, account: str, refused: Any) -> None:
    import io
    import zipfile

    iam, functions, logs = client("iam"), client("lambda"), client("logs")
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
    role = iam.create_role(RoleName="f", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_role_policy(RoleName="f", PolicyName="p", PolicyDocument=json.dumps(allowed))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", "def handler(event, context):\n    print('SEEN', event['Records'][0]['s3']['object']['key'])\n")
    arn = functions.create_function(
        FunctionName="f", Runtime="python3.12", Role=role, Handler="app.handler", Code={"ZipFile": packed.getvalue()}
    )["FunctionArn"]
    configuration = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    put = s3.put_bucket_notification_configuration
    refused("InvalidArgument", 400, put, Bucket=bucket, NotificationConfiguration=configuration)
    functions.add_permission(
        FunctionName="f",
        StatementId="s",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn=f"arn:aws:s3:::{bucket}",
        SourceAccount=account,
    )
    put(Bucket=bucket, NotificationConfiguration=configuration)
    s3.put_object(Bucket=bucket, Key="hello", Body=b"")
    clock.settle()
    lines = [event["message"] for event in logs.filter_log_events(logGroupName="/aws/lambda/f")["events"]]
    assert any("SEEN hello" in line for line in lines)


@pytest.mark.parametrize(
    ("kind", "arn_member", "resource", "noun"),
    [
        ("QueueConfigurations", "QueueArn", "sqs:us-east-1:{}:none", "queue"),
        ("TopicConfigurations", "TopicArn", "sns:us-east-1:{}:none", "topic"),
        ("LambdaFunctionConfigurations", "LambdaFunctionArn", "lambda:us-east-1:{}:function:none", "Lambda"),
    ],
)
def test_a_target_that_is_not_there_is_told_from_one_that_lets_nobody_in(
    s3: Any, sqs: Any, bucket: str, account: str, refused: Any, kind: str, arn_member: str, resource: str, noun: str
) -> None:
    def said(target_arn: str) -> tuple[str, str]:
        error = refused(
            "InvalidArgument",
            400,
            s3.put_bucket_notification_configuration,
            Bucket=bucket,
            NotificationConfiguration={kind: [{arn_member: target_arn, "Events": ["s3:ObjectCreated:*"]}]},
        )
        assert error["Message"] == "Unable to validate the following destination configurations"
        return error["ArgumentName"], error["ArgumentValue"]

    target_arn = "arn:aws:" + resource.format(account)
    assert said(target_arn) == (target_arn, f"The destination {noun} does not exist")
    if noun == "queue":
        sqs.create_queue(QueueName="none")
        assert said(target_arn) == (
            target_arn,
            "Permissions on the destination queue do not allow S3 to publish notifications from this bucket",
        )


def test_the_tracing_header_of_a_write_goes_along_with_its_notification(
    s3: Any, sqs: Any, clock: Any, bucket: str, queue: tuple[str, str]
) -> None:
    url, arn = queue
    configure(s3, bucket, arn, "s3:ObjectCreated:*")
    received(sqs, url, clock)
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=68fd508a:5"
    s3.meta.events.register("before-send.s3.PutObject", lambda request, **_: request.headers.update({"X-Amzn-Trace-Id": trace}))
    s3.put_object(Bucket=bucket, Key="traced", Body=b"")
    clock.settle()
    (message,) = sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["AWSTraceHeader"])["Messages"]
    assert message["Attributes"]["AWSTraceHeader"] == trace


def test_annotations_are_told(s3: Any, sqs: Any, clock: Any, bucket: str, queue: tuple[str, str]) -> None:
    url, arn = queue
    configure(s3, bucket, arn, "s3:ObjectAnnotation:*")
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    s3.put_object_annotation(Bucket=bucket, Key="k", AnnotationName="n", AnnotationPayload=b"1")
    s3.delete_object_annotation(Bucket=bucket, Key="k", AnnotationName="n")
    assert [record["eventName"] for record in received(sqs, url, clock) if "s3" in record] == [
        "ObjectAnnotation:Put",
        "ObjectAnnotation:Delete",
    ]


def test_the_older_form_of_a_configuration_is_the_same_configuration(s3: Any, bucket: str, queue: tuple[str, str]) -> None:
    older = {"Id": "mine", "Event": "s3:ObjectCreated:*", "Queue": queue[1]}
    s3.put_bucket_notification(Bucket=bucket, NotificationConfiguration={"QueueConfiguration": older})
    newer = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    assert newer == [{"Id": "mine", "Events": ["s3:ObjectCreated:*"], "QueueArn": queue[1]}]
    given = s3.get_bucket_notification(Bucket=bucket)["QueueConfiguration"]
    assert (given["Id"], given["Events"], given["Queue"]) == ("mine", ["s3:ObjectCreated:*"], queue[1])


@pytest.mark.parametrize(
    ("kind", "arn", "sentence"),
    [
        ("QueueConfigurations", "arn:aws:sqs:us-west-2:{account}:q", "The notification destination service region is not valid for the bucket location constraint"),
        ("QueueConfigurations", "arn:aws:sqs:us-east-1:{account}:q.fifo", "FIFO SQS queues are not supported."),
        ("TopicConfigurations", "arn:aws:sns:us-east-1:{account}:t.fifo", "FIFO SNS topics are not supported."),
        ("QueueConfigurations", "arn:aws:sns:us-east-1:{account}:t", "The ARN is not well formed"),
    ],
)  # fmt: skip
def test_what_is_no_destination(s3: Any, bucket: str, account: str, refused: Any, kind: str, arn: str, sentence: str) -> None:
    one = {kind.replace("Configurations", "Arn"): arn.format(account=account), "Events": ["s3:ObjectCreated:*"]}
    error = refused(
        "InvalidArgument", 400, s3.put_bucket_notification_configuration, Bucket=bucket, NotificationConfiguration={kind: [one]}
    )
    assert error["Message"] == sentence
