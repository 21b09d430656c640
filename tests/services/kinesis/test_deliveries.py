"""What other services deliver to a stream: EventBridge's events, by the role of the target."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.services.kinesis.conftest import Streams


def test_an_event_of_a_rule_becomes_a_record_of_the_key_that_it_names(streams: Streams, client: Callable[..., Any], clock: Any) -> None:
    arn = streams.create(shards=2)
    iam, events = client("iam"), client("events")
    trust = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role_arn = iam.create_role(RoleName="router", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    events.put_rule(Name="r", EventPattern=json.dumps({"source": ["shop"]}))
    target = {"Id": "t", "Arn": arn, "RoleArn": role_arn, "KinesisParameters": {"PartitionKeyPath": "$.detail.customer"}}
    events.put_targets(Rule="r", Targets=[target])

    def send(customer: str) -> None:
        entry = {"Source": "shop", "DetailType": "order", "Detail": json.dumps({"customer": customer})}
        assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0

    send("refused")
    clock.settle()
    assert streams.read(0) + streams.read(1) == []
    rights = {"Effect": "Allow", "Action": "kinesis:PutRecord", "Resource": arn}
    iam.put_role_policy(RoleName="router", PolicyName="own", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [rights]}))
    send("ann")
    clock.settle()
    records = [record for shard in (0, 1) for record in streams.kinesis.get_records(ShardIterator=streams.iterator(shard))["Records"]]
    found = [(record["PartitionKey"], json.loads(record["Data"])["detail"]) for record in records]
    assert ("ann", {"customer": "ann"}) in found
