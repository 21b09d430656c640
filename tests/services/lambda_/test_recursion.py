"""Functions that call themselves, and how they are stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.services.lambda_.conftest import make_function, make_role

from groundcloud.services.lambda_ import lineage

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
OWN = lineage.advance("", ARN)[0].removeprefix("Lineage=").partition(":")[0]

LOOP = """
    import boto3
    lambda_ = boto3.client("lambda")
    def handler(event, context):
        print("turn")
        lambda_.invoke(FunctionName=context.function_name, InvocationType="Event")
"""


@pytest.mark.parametrize(
    ("trace", "header", "count"),
    [
        ("", f"Lineage={OWN}:1", 1),
        ("Root=1-2-3;Sampled=0", f"Root=1-2-3;Sampled=0;Lineage={OWN}:1", 1),
        (f"Root=1-2-3;Lineage={OWN}:4", f"Root=1-2-3;Lineage={OWN}:5", 5),
        (f"Lineage={OWN}:4|aaaaaaaa:1;Sampled=0", f"Lineage=aaaaaaaa:1|{OWN}:5;Sampled=0", 5),
        ("Lineage=nonsense", f"Lineage=nonsense|{OWN}:1", 1),
        (f"Lineage={OWN}:99999", f"Lineage={OWN}:32767", 32767),
    ],
)
def test_a_header_counts_the_turns_of_each_function(trace: str, header: str, count: int) -> None:
    assert lineage.advance(trace, ARN) == (header, count)


def test_a_function_that_calls_itself_is_stopped_after_sixteen_turns(client: Callable[..., Any], lambda_: Any, clock: Any) -> None:
    role = make_role(client("iam"), "loop", {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*"})
    name = make_function(lambda_, role, LOOP)
    lambda_.invoke(FunctionName=name, InvocationType="Event")
    clock.settle()
    events = client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="turn")["events"]
    assert len(events) == lineage.LOOPS_MAX
    clock.advance("1m")
    now_s = clock.ground.clock.now_s()
    (dropped,) = client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="RecursiveInvocationsDropped",
        Dimensions=[{"Name": "FunctionName", "Value": name}],
        StartTime=now_s - 3600,
        EndTime=now_s + 3600,
        Period=7200,
        Statistics=["Sum"],
    )["Datapoints"]
    assert dropped["Sum"] >= 1


def test_a_function_whose_loop_is_allowed_goes_on(client: Callable[..., Any], lambda_: Any, clock: Any) -> None:
    role = make_role(client("iam"), "loop", {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*"})
    source = LOOP.replace('print("turn")', 'print("turn")\n        if event.get("n") == 20: return').replace(
        'InvocationType="Event")', 'InvocationType="Event", Payload=b\'{"n": %d}\' % (event.get("n", 0) + 1))'
    )
    name = make_function(lambda_, role, source)
    lambda_.put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")
    assert lambda_.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Allow"
    lambda_.invoke(FunctionName=name, InvocationType="Event")
    clock.settle()
    events = client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="turn")["events"]
    assert len(events) == 21


def test_a_loop_through_a_queue_is_stopped_too(client: Callable[..., Any], lambda_: Any, clock: Any) -> None:
    allowed = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:SendMessage"]
    role = make_role(client("iam"), "loop", {"Effect": "Allow", "Action": allowed, "Resource": "*"})
    url = client("sqs").create_queue(QueueName="round")["QueueUrl"]
    source = """
        import boto3, os
        sqs = boto3.client("sqs")
        def handler(event, context):
            print("turn")
            sqs.send_message(QueueUrl=os.environ["ROUND"], MessageBody="again")
    """
    name = make_function(lambda_, role, source, Environment={"Variables": {"ROUND": url}})
    arn = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    mapping = lambda_.create_event_source_mapping(FunctionName=name, EventSourceArn=arn)
    client("sqs").send_message(QueueUrl=url, MessageBody="begin")
    clock.settle()
    lambda_.delete_event_source_mapping(UUID=mapping["UUID"])
    clock.settle()
    events = client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="turn")["events"]
    assert len(events) == lineage.LOOPS_MAX
