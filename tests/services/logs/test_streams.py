"""Subscription filters to Kinesis streams: the check, what arrives, who may."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError


class Subscribed:
    """A group, a stream of two shards, and a role for what goes from one to the other."""

    def __init__(self, client: Callable[..., Any], clock: Any, account: str) -> None:
        self.logs, self.kinesis, self.clock = client("logs"), client("kinesis"), clock
        self.logs.create_log_group(logGroupName="g")
        self.kinesis.create_stream(StreamName="lines", ShardCount=2)
        self.arn = f"arn:aws:kinesis:us-east-1:{account}:stream/lines"
        trust = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": "logs.amazonaws.com"}, "Action": "sts:AssumeRole"}],
        }
        self.iam = client("iam")
        self.role_arn = self.iam.create_role(RoleName="forwarder", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]

    def allow(self) -> None:
        statement = {"Effect": "Allow", "Action": "kinesis:PutRecord", "Resource": self.arn}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.iam.put_role_policy(RoleName="forwarder", PolicyName="own", PolicyDocument=document)

    def subscribe(self, pattern: str = "", **options: Any) -> None:
        arguments = {"destinationArn": self.arn, "roleArn": self.role_arn, **options}
        self.logs.put_subscription_filter(logGroupName="g", filterName="f", filterPattern=pattern, **arguments)

    def put(self, stream_name: str, *messages: str) -> None:
        now_ms = int(self.clock.now_s() * 1000)
        events = [{"timestamp": now_ms, "message": message} for message in messages]
        self.logs.put_log_events(logGroupName="g", logStreamName=stream_name, logEvents=events)

    def records(self) -> list[tuple[str, dict[str, Any]]]:
        """(partition key, document) of everything in the stream."""
        self.clock.settle()
        found = []
        for number in range(2):
            shard = {"StreamName": "lines", "ShardId": f"shardId-{number:012d}", "ShardIteratorType": "TRIM_HORIZON"}
            iterator = self.kinesis.get_shard_iterator(**shard)["ShardIterator"]
            for record in self.kinesis.get_records(ShardIterator=iterator)["Records"]:
                found.append((record["PartitionKey"], json.loads(gzip.decompress(record["Data"]))))
        return found


@pytest.fixture
def subscribed(client: Callable[..., Any], clock: Any, account: str) -> Subscribed:
    return Subscribed(client, clock, account)


def test_a_stream_is_asked_first_and_then_given_what_matches(subscribed: Subscribed, account: str) -> None:
    subscribed.allow()
    subscribed.subscribe("ERROR")
    ((_, control),) = subscribed.records()
    assert (control["messageType"], control["owner"]) == ("CONTROL_MESSAGE", "CloudwatchLogs")
    described = subscribed.logs.describe_subscription_filters(logGroupName="g")["subscriptionFilters"][0]
    assert (described["destinationArn"], described["roleArn"]) == (subscribed.arn, subscribed.role_arn)
    for stream_name in ("s", "t"):
        subscribed.logs.create_log_stream(logGroupName="g", logStreamName=stream_name)
    subscribed.put("s", "ERROR one", "INFO two", "ERROR three")
    subscribed.put("s", "ERROR four")
    subscribed.put("t", "INFO five")
    sent = [(key, batch) for key, batch in subscribed.records() if batch["messageType"] == "DATA_MESSAGE"]
    assert len({key for key, _ in sent}) == 1
    assert sorted([event["message"] for event in batch["logEvents"]] for _, batch in sent) == [["ERROR four"], ["ERROR one", "ERROR three"]]
    batch = sent[0][1]
    assert (batch["owner"], batch["logGroup"], batch["logStream"], batch["subscriptionFilters"]) == (account, "g", "s", ["f"])


def test_a_random_distribution_has_a_key_a_record(subscribed: Subscribed) -> None:
    subscribed.allow()
    subscribed.subscribe(distribution="Random")
    subscribed.logs.create_log_stream(logGroupName="g", logStreamName="s")
    for number in range(5):
        subscribed.put("s", str(number))
    keys = {key for key, batch in subscribed.records() if batch["messageType"] == "DATA_MESSAGE"}
    assert len(keys) == 5


def test_a_stream_that_cannot_be_written_to_is_refused(subscribed: Subscribed) -> None:
    sentence = "Could not deliver test message to specified Kinesis stream"
    with pytest.raises(ClientError, match=sentence):
        subscribed.subscribe()
    subscribed.allow()
    with pytest.raises(ClientError, match=sentence):
        subscribed.subscribe(destinationArn=subscribed.arn + "x")
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
    subscribed.iam.update_assume_role_policy(RoleName="forwarder", PolicyDocument=json.dumps(trust))
    with pytest.raises(ClientError, match=sentence):
        subscribed.subscribe()


def test_a_stack_subscribes_a_stream(subscribed: Subscribed, client: Callable[..., Any], clock: Any) -> None:
    subscribed.allow()
    properties = {"LogGroupName": "g", "FilterPattern": "", "DestinationArn": subscribed.arn, "RoleArn": subscribed.role_arn}
    template = {"Resources": {"Filter": {"Type": "AWS::Logs::SubscriptionFilter", "Properties": properties}}}
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName="app", TemplateBody=json.dumps(template))
    clock.settle()
    assert cloudformation.describe_stacks(StackName="app")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    (found,) = subscribed.logs.describe_subscription_filters(logGroupName="g")["subscriptionFilters"]
    assert found["destinationArn"] == subscribed.arn
