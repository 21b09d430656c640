"""Asynchronous invocations: retries, age, dead letters, destinations, deliveries of other services, and a server that dies."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.services.lambda_.conftest import make_function, make_role

SEND = {"Effect": "Allow", "Action": ["sqs:SendMessage", "lambda:InvokeFunction"], "Resource": "*"}
NOTE = """
    import boto3, json, os
    sqs = boto3.client("sqs")
    def handler(event, context):
        sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(event))
        if event.get("fail"):
            raise ValueError("no")
        return {"done": True}
"""


class Post:
    """A function that notes its events in a queue, and queues for dead letters and destinations."""

    def __init__(self, client: Callable[..., Any], clock: Any) -> None:
        self.lambda_, self.sqs, self.clock = client("lambda"), client("sqs"), clock
        self.role = make_role(client("iam"), "poster", SEND)
        self.seen_url, _ = self.queue("seen")

    def queue(self, name: str) -> tuple[str, str]:
        url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        return url, self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def function(self, source: str = NOTE, **options: Any) -> str:
        return make_function(self.lambda_, self.role, source, Environment={"Variables": {"SEEN": self.seen_url}}, **options)

    def invoke(self, name: str, event: dict[str, Any], **options: Any) -> str:
        response = self.lambda_.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event).encode(), **options)
        assert response["StatusCode"] == 202
        return str(response["ResponseMetadata"]["RequestId"])

    def take(self, url: str) -> list[dict[str, Any]]:
        self.clock.settle()
        found = []
        while messages := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get("Messages"):
            for message in messages:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                found.append(message)
        return found

    def seen(self) -> int:
        return len(self.take(self.seen_url))


@pytest.fixture
def post(client: Callable[..., Any], clock: Any) -> Post:
    return Post(client, clock)


def test_an_event_is_accepted_and_handled_later(post: Post) -> None:
    post.invoke(post.function(), {"n": 1})
    (message,) = post.take(post.seen_url)
    assert json.loads(message["Body"]) == {"n": 1}


def test_the_operation_of_old_accepts_events_too(post: Post) -> None:
    assert post.lambda_.invoke_async(FunctionName=post.function(), InvokeArgs=b'{"n": 2}')["Status"] == 202
    (message,) = post.take(post.seen_url)
    assert json.loads(message["Body"]) == {"n": 2}


def test_a_failing_event_is_tried_again_after_one_and_after_two_minutes(post: Post) -> None:
    post.invoke(post.function(), {"fail": True})
    assert post.seen() == 1
    post.clock.advance("59s")
    assert post.seen() == 0
    post.clock.advance("2s")
    assert post.seen() == 1
    post.clock.advance("118s")
    assert post.seen() == 0
    post.clock.advance("3s")
    assert post.seen() == 1
    post.clock.advance("1h")
    assert post.seen() == 0


def test_what_fails_to_the_end_goes_to_the_dead_letter_queue_with_attributes(post: Post) -> None:
    url, arn = post.queue("dead")
    request_id = post.invoke(post.function(DeadLetterConfig={"TargetArn": arn}), {"fail": True, "n": 7})
    post.clock.advance("10m")
    (message,) = post.take(url)
    assert json.loads(message["Body"]) == {"fail": True, "n": 7}
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert attributes == {"RequestID": request_id, "ErrorCode": "200", "ErrorMessage": "no"}


def test_a_dead_letter_that_cannot_be_delivered_is_a_metric(post: Post, client: Any) -> None:
    url, arn = post.queue("gone")
    name = post.function(DeadLetterConfig={"TargetArn": arn})
    post.sqs.delete_queue(QueueUrl=url)
    post.invoke(name, {"fail": True})
    post.clock.advance("2h")
    now = int(post.clock.now_s())
    points = client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="DeadLetterErrors",
        Dimensions=[{"Name": "FunctionName", "Value": name}],
        StartTime=now - 10_000,
        EndTime=now + 60,
        Period=60,
        Statistics=["Sum"],
    )["Datapoints"]
    assert sum(point["Sum"] for point in points) == 1


def test_destinations_are_told_of_success_and_of_failure_in_the_record_of_aws(post: Post, account: str) -> None:
    good_url, good_arn = post.queue("good")
    bad_url, bad_arn = post.queue("bad")
    name = post.function()
    post.lambda_.put_function_event_invoke_config(
        FunctionName=name,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnSuccess": {"Destination": good_arn}, "OnFailure": {"Destination": bad_arn}},
    )
    good_id, bad_id = post.invoke(name, {"n": 1}), post.invoke(name, {"fail": True})
    (good,) = (json.loads(message["Body"]) for message in post.take(good_url))
    (bad,) = (json.loads(message["Body"]) for message in post.take(bad_url))
    arn = f"arn:aws:lambda:us-east-1:{account}:function:{name}:$LATEST"
    assert good.pop("timestamp").endswith("Z")
    assert good == {
        "version": "1.0",
        "requestContext": {"requestId": good_id, "functionArn": arn, "condition": "Success", "approximateInvokeCount": 1},
        "requestPayload": {"n": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": {"done": True},
    }
    assert bad["requestContext"] == {
        "requestId": bad_id,
        "functionArn": arn,
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 1,
    }
    assert bad["responseContext"]["functionError"] == "Unhandled"
    assert bad["responsePayload"]["errorType"] == "ValueError"


def test_a_destination_may_be_an_event_bus(post: Post, client: Callable[..., Any], account: str) -> None:
    events = client("events")
    url, arn = post.queue("bridged")
    statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
    post.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})})
    bus_arn = events.create_event_bus(Name="results")["EventBusArn"]
    events.put_rule(Name="all", EventBusName="results", EventPattern='{"source":["lambda"]}')
    events.put_targets(Rule="all", EventBusName="results", Targets=[{"Id": "q", "Arn": arn}])
    statement = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": bus_arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client("iam").put_role_policy(RoleName="poster", PolicyName="events", PolicyDocument=policy)
    name = post.function()
    post.lambda_.put_function_event_invoke_config(
        FunctionName=name,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnSuccess": {"Destination": bus_arn}, "OnFailure": {"Destination": bus_arn}},
    )
    post.invoke(name, {"n": 1})
    post.invoke(name, {"fail": True})
    found = {event["detail-type"]: event for event in (json.loads(message["Body"]) for message in post.take(url))}
    assert set(found) == {"Lambda Function Invocation Result - Success", "Lambda Function Invocation Result - Failure"}
    event = found["Lambda Function Invocation Result - Success"]
    assert event["source"] == "lambda" and event["account"] == account
    assert event["resources"] == [bus_arn, f"arn:aws:lambda:us-east-1:{account}:function:{name}:$LATEST"]
    assert event["detail"]["requestPayload"] == {"n": 1} and event["detail"]["responsePayload"] == {"done": True}


def test_a_destination_may_be_a_function(post: Post, account: str) -> None:
    second = post.function(FunctionName="second")
    first = post.function("def handler(event, context): return event['n'] + 1")
    arn = f"arn:aws:lambda:us-east-1:{account}:function:{second}"
    post.lambda_.put_function_event_invoke_config(FunctionName=first, DestinationConfig={"OnSuccess": {"Destination": arn}})
    post.invoke(first, {"n": 1})
    (message,) = post.take(post.seen_url)
    assert json.loads(message["Body"])["responsePayload"] == 2


def test_a_failure_may_be_kept_in_a_bucket(post: Post, client: Callable[..., Any], account: str) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket=f"failed-{account}")
    grant = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:PutObject", "s3:ListBucket"], "Resource": "*"}]}
    client("iam").put_role_policy(RoleName="poster", PolicyName="s3", PolicyDocument=json.dumps(grant))
    name = post.function()
    destination = {"OnFailure": {"Destination": f"arn:aws:s3:::failed-{account}"}}
    post.lambda_.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0, DestinationConfig=destination)
    post.invoke(name, {"fail": True})
    post.clock.settle()
    (found,) = s3.list_objects_v2(Bucket=f"failed-{account}")["Contents"]
    assert re.fullmatch(rf"aws/lambda/async/{name}/\d{{4}}/\d\d/\d\d/\d{{4}}-\d\d-\d\dT\d\d\.\d\d\.\d\d-[0-9a-f-]{{36}}", found["Key"])
    record = json.loads(s3.get_object(Bucket=f"failed-{account}", Key=found["Key"])["Body"].read())
    assert record["requestContext"]["condition"] == "RetriesExhausted"


def test_an_event_older_than_its_maximum_age_is_given_up(post: Post) -> None:
    url, arn = post.queue("late")
    name = post.function()
    config = {"MaximumEventAgeInSeconds": 100, "DestinationConfig": {"OnFailure": {"Destination": arn}}}
    post.lambda_.put_function_event_invoke_config(FunctionName=name, **config)
    post.invoke(name, {"fail": True})
    post.clock.advance("10m")
    (record,) = (json.loads(message["Body"]) for message in post.take(url))
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == 2


def test_events_of_a_function_that_is_switched_off_are_given_up_at_once(post: Post) -> None:
    url, arn = post.queue("off")
    name = post.function()
    post.lambda_.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnFailure": {"Destination": arn}})
    post.lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    post.invoke(name, {"n": 1})
    (record,) = (json.loads(message["Body"]) for message in post.take(url))
    assert record["requestContext"]["condition"] == "ZeroReservedConcurrency"
    assert record["requestContext"]["approximateInvokeCount"] == 0


def test_a_throttled_event_waits_for_its_turn(post: Post) -> None:
    name = post.function("import time\n" + "def handler(event, context): time.sleep(0.2); return 1")
    post.lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    url, arn = post.queue("done")
    post.lambda_.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": arn}})
    for number in range(3):
        post.invoke(name, {"n": number})
    post.clock.advance("1m")
    assert len(post.take(url)) == 3


def test_a_throttled_event_is_tried_at_moments_ever_further_apart_for_six_hours(post: Post) -> None:
    network = {"SubnetIds": ["subnet-1234abcd"], "SecurityGroupIds": ["sg-1234abcd"]}
    permissions = {"CapacityProviderOperatorRoleArn": post.role}
    made = post.lambda_.create_capacity_provider(CapacityProviderName="none", VpcConfig=network, PermissionsConfig=permissions)
    provider = {"CapacityProviderArn": made["CapacityProvider"]["CapacityProviderArn"]}
    config = {"LambdaManagedInstancesCapacityProviderConfig": provider}
    name = post.function(CapacityProviderConfig=config, PublishTo="LATEST_PUBLISHED")
    url, arn = post.queue("too-late")
    post.lambda_.put_function_event_invoke_config(
        FunctionName=name, Qualifier="$LATEST.PUBLISHED", DestinationConfig={"OnFailure": {"Destination": arn}}
    )
    no_room = {"MaxExecutionEnvironments": 0}
    post.lambda_.put_function_scaling_config(FunctionName=name, Qualifier="$LATEST.PUBLISHED", FunctionScalingConfig=no_room)
    event_id = post.invoke(name, {}, Qualifier="$LATEST.PUBLISHED")
    post.clock.advance("7h")
    records = post.clock.ground.telemetry.recent
    tries_ms = [record.at_ms for record in records if record.request_id == event_id and record.operation == "Invoke" and record.error]
    waits_s = [(later - earlier) // 1000 for earlier, later in pairwise(tries_ms)]
    assert waits_s == [1, 2, 4, 8, 16, 32, 64, 128, 256, *[300] * (len(waits_s) - 9)]
    assert 21_300 < sum(waits_s) <= 21_600
    (told,) = (json.loads(message["Body"]) for message in post.take(url))
    assert told["requestContext"]["condition"] == "EventAgeExceeded"
    assert told["requestContext"]["approximateInvokeCount"] == 0


def test_an_event_invoke_config_is_kept_changed_listed_and_removed(post: Post, account: str) -> None:
    name = post.function()
    made = post.lambda_.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1, MaximumEventAgeInSeconds=60)
    assert made["FunctionArn"] == f"arn:aws:lambda:us-east-1:{account}:function:{name}:$LATEST"
    changed = post.lambda_.update_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    assert (changed["MaximumRetryAttempts"], changed["MaximumEventAgeInSeconds"]) == (0, 60)
    assert len(post.lambda_.list_function_event_invoke_configs(FunctionName=name)["FunctionEventInvokeConfigs"]) == 1
    post.lambda_.delete_function_event_invoke_config(FunctionName=name)
    with pytest.raises(ClientError, match="doesn't have an EventInvokeConfig"):
        post.lambda_.get_function_event_invoke_config(FunctionName=name)


def test_a_destination_that_the_role_may_not_reach_is_refused(post: Post, client: Callable[..., Any]) -> None:
    _, arn = post.queue("shut")
    name = make_function(post.lambda_, make_role(client("iam"), "weak"), NOTE)
    with pytest.raises(ClientError, match=f"The function's execution role does not have permissions to call SendMessage on {arn}"):
        post.lambda_.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnFailure": {"Destination": arn}})


def test_an_event_for_no_function_is_refused_at_once(post: Post, account: str) -> None:
    with pytest.raises(ClientError, match=f"Function not found: arn:aws:lambda:us-east-1:{account}:function:nobody"):
        post.invoke("nobody", {})


@pytest.mark.slow
def test_an_accepted_event_and_a_waiting_message_are_handled_after_a_kill(process: Any) -> None:
    def client(service: str) -> Any:
        return process.client(service)

    role = make_role(client("iam"), "poster", {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"})
    seen_url = client("sqs").create_queue(QueueName="seen")["QueueUrl"]
    work_url = client("sqs").create_queue(QueueName="work", Attributes={"VisibilityTimeout": "30"})["QueueUrl"]
    work_arn = "arn:aws:sqs:us-east-1:000000000000:work"
    source = (
        "import time\n"
        + "def wait(): time.sleep(0.3)\n"
        + NOTE.replace("\n    ", "\n").replace("(event, context):", "(event, context):\n    wait()")
    )
    name = make_function(client("lambda"), role, source, Environment={"Variables": {"SEEN": seen_url}})
    client("lambda").create_event_source_mapping(FunctionName=name, EventSourceArn=work_arn)
    client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=b'{"n": 1}')
    client("sqs").send_message(QueueUrl=work_url, MessageBody="two")
    process.restart()
    sqs = client("sqs")
    process.settle()
    process.advance("2m")
    bodies = []
    while messages := sqs.receive_message(QueueUrl=seen_url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            sqs.delete_message(QueueUrl=seen_url, ReceiptHandle=message["ReceiptHandle"])
            bodies.append(json.loads(message["Body"]))
    assert {"n": 1} in bodies
    assert any(body.get("Records", [{}])[0].get("body") == "two" for body in bodies)


def test_events_that_come_wait_and_are_given_up_are_metrics(post: Post, client: Callable[..., Any]) -> None:
    name = post.function("def handler(event, context): raise ValueError")
    post.invoke(name, {})
    post.clock.settle()
    post.clock.advance("5m")
    now_s = post.clock.now_s() // 60 * 60

    def points(metric: str) -> list[dict[str, Any]]:
        found = client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName=metric,
            Dimensions=[{"Name": "FunctionName", "Value": name}],
            StartTime=now_s - 3600,
            EndTime=now_s + 3600,
            Period=7200,
            Statistics=["Sum", "SampleCount", "Maximum"],
        )["Datapoints"]
        return sorted(found, key=lambda point: point["Timestamp"])  # type: ignore[no-any-return]

    assert [sum(point["Sum"] for point in points(metric)) for metric in ("AsyncEventsReceived", "AsyncEventsDropped")] == [1.0, 1.0]
    ages = points("AsyncEventAge")
    assert (sum(point["SampleCount"] for point in ages), ages[0]["Unit"]) == (3.0, "Milliseconds")
    assert max(point["Maximum"] for point in ages) >= 180_000  # a minute, and two more
