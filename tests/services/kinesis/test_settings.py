"""Settings: monitoring, capacity mode, warm throughput, limits and commitments of the account; tags and policies."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.services.kinesis.conftest import Streams, refusal


def test_enhanced_monitoring_is_kept(kinesis: Any, streams: Streams) -> None:
    arn = streams.create()
    answer = kinesis.enable_enhanced_monitoring(StreamName="orders", ShardLevelMetrics=["IncomingBytes", "OutgoingBytes"])
    assert (answer["CurrentShardLevelMetrics"], answer["DesiredShardLevelMetrics"]) == ([], ["IncomingBytes", "OutgoingBytes"])
    answer = kinesis.disable_enhanced_monitoring(StreamARN=arn, ShardLevelMetrics=["OutgoingBytes"])
    assert answer["DesiredShardLevelMetrics"] == ["IncomingBytes"]
    description = kinesis.describe_stream(StreamName="orders")["StreamDescription"]
    assert description["EnhancedMonitoring"] == [{"ShardLevelMetrics": ["IncomingBytes"]}]
    assert len(kinesis.enable_enhanced_monitoring(StreamName="orders", ShardLevelMetrics=["ALL"])["DesiredShardLevelMetrics"]) == 7


def test_the_mode_is_changed_twice_a_day(kinesis: Any, streams: Streams, clock: Any) -> None:
    arn = streams.create(shards=2)
    for mode in ("ON_DEMAND", "PROVISIONED"):
        kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": mode})
        summary = kinesis.describe_stream_summary(StreamName="orders")["StreamDescriptionSummary"]
        assert (summary["StreamModeDetails"]["StreamMode"], summary["OpenShardCount"]) == (mode, 2)
    on_demand = {"StreamMode": "ON_DEMAND"}
    assert refusal(kinesis.update_stream_mode, StreamARN=arn, StreamModeDetails=on_demand)[0] == "LimitExceededException"
    clock.advance("25h")
    kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails=on_demand)
    assert refusal(kinesis.update_stream_mode, StreamARN=arn, StreamModeDetails=on_demand)[0] == "ValidationException"


def test_warm_throughput_needs_a_commitment_and_brings_shards(kinesis: Any, streams: Streams, clock: Any) -> None:
    arn = streams.create(StreamModeDetails={"StreamMode": "ON_DEMAND"})
    assert refusal(kinesis.update_stream_warm_throughput, StreamARN=arn, WarmThroughputMiBps=8)[0] == "ValidationException"
    enabled = {"Status": "ENABLED"}
    answer = kinesis.update_account_settings(MinimumThroughputBillingCommitment=enabled)["MinimumThroughputBillingCommitment"]
    assert (answer["Status"], "EarliestAllowedEndAt" in answer) == ("ENABLED", True)
    kinesis.update_stream_warm_throughput(StreamARN=arn, WarmThroughputMiBps=8)
    summary = kinesis.describe_stream_summary(StreamARN=arn)["StreamDescriptionSummary"]
    assert (summary["WarmThroughput"], summary["OpenShardCount"]) == ({"TargetMiBps": 8, "CurrentMiBps": 8}, 8)
    disabled = {"Status": "DISABLED"}
    assert refusal(kinesis.update_account_settings, MinimumThroughputBillingCommitment=disabled)[0] == "ValidationException"
    clock.advance("25h")
    kinesis.update_account_settings(MinimumThroughputBillingCommitment=disabled)
    assert kinesis.describe_account_settings()["MinimumThroughputBillingCommitment"]["Status"] == "DISABLED"


def test_limits_count_open_shards_and_streams_on_demand(kinesis: Any, streams: Streams) -> None:
    streams.create(shards=3)
    streams.create("other", StreamModeDetails={"StreamMode": "ON_DEMAND"})
    limits = kinesis.describe_limits()
    assert (limits["ShardLimit"], limits["OpenShardCount"]) == (20_000, 3)
    assert (limits["OnDemandStreamCount"], limits["OnDemandStreamCountLimit"]) == (1, 50)


def test_tags_are_the_same_through_both_apis(kinesis: Any, streams: Streams, account: str) -> None:
    arn = streams.create(Tags={"a": "1"})
    kinesis.add_tags_to_stream(StreamName="orders", Tags={"b": "2", "a": "0"})
    kinesis.tag_resource(ResourceARN=arn, Tags={"c": ""})
    wanted = [{"Key": "a", "Value": "0"}, {"Key": "b", "Value": "2"}, {"Key": "c", "Value": ""}]
    assert kinesis.list_tags_for_stream(StreamName="orders")["Tags"] == wanted
    assert kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"] == wanted
    page = kinesis.list_tags_for_stream(StreamName="orders", Limit=1, ExclusiveStartTagKey="a")
    assert ([tag["Key"] for tag in page["Tags"]], page["HasMoreTags"]) == (["b"], True)
    kinesis.remove_tags_from_stream(StreamARN=arn, TagKeys=["a", "x"])
    kinesis.untag_resource(ResourceARN=arn, TagKeys=["b"])
    assert kinesis.list_tags_for_stream(StreamName="orders")["Tags"] == [{"Key": "c", "Value": ""}]
    code, message = refusal(kinesis.add_tags_to_stream, StreamName="orders", Tags={str(number): "" for number in range(50)})
    assert code == "InvalidArgumentException"
    assert message == (
        f"Failed to add tags to stream orders under account {account} because a given stream cannot have more than 50 tags associated with it."
    )
    assert refusal(kinesis.tag_resource, ResourceARN=arn, Tags={"aws:x": "y"})[0] == "InvalidArgumentException"


def test_a_policy_lets_another_account_in(kinesis: Any, streams: Streams, client: Callable[..., Any], account: str) -> None:
    arn = streams.create()
    stranger = client("kinesis", account=str(int(account) + 50_000))
    put = {"StreamARN": arn, "Data": b"x", "PartitionKey": "k"}
    assert refusal(stranger.put_record, **put)[0] == "AccessDeniedException"
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": ["kinesis:PutRecord", "kinesis:DescribeStreamSummary"],
                "Resource": arn,
            }
        ],
    }
    kinesis.put_resource_policy(ResourceARN=arn, Policy=json.dumps(document))
    stranger.put_record(**put)
    assert streams.read() == ["x"]
    assert json.loads(kinesis.get_resource_policy(ResourceARN=arn)["Policy"]) == document
    kinesis.delete_resource_policy(ResourceARN=arn)
    assert refusal(stranger.put_record, **put)[0] == "AccessDeniedException"
    assert kinesis.get_resource_policy(ResourceARN=arn)["Policy"] == "{}"
    assert refusal(kinesis.put_resource_policy, ResourceARN=arn, Policy="{")[0] == "InvalidArgumentException"


def test_an_identity_policy_names_streams_and_consumers(kinesis: Any, streams: Streams, client: Callable[..., Any], account: str) -> None:
    arn = streams.create()
    streams.create("other")
    consumer = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="reader")["Consumer"]["ConsumerARN"]
    iam = client("iam")
    iam.create_user(UserName="limited")
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["kinesis:PutRecord", "kinesis:GetShardIterator", "kinesis:GetRecords"], "Resource": arn},
            {"Effect": "Allow", "Action": "kinesis:DescribeStreamConsumer", "Resource": f"{arn}/consumer/reader:*"},
            {
                "Effect": "Allow",
                "Action": "kinesis:TagResource",
                "Resource": arn,
                "Condition": {"StringEquals": {"aws:RequestTag/team": "a"}},
            },
        ],
    }
    iam.put_user_policy(UserName="limited", PolicyName="limits", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName="limited")["AccessKey"]
    user = client("kinesis", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    user.put_record(StreamName="orders", Data=b"x", PartitionKey="k")
    shard = {"ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
    iterator = user.get_shard_iterator(StreamName="orders", **shard)["ShardIterator"]
    assert len(user.get_records(ShardIterator=iterator)["Records"]) == 1
    user.describe_stream_consumer(ConsumerARN=consumer)
    user.describe_stream_consumer(StreamARN=arn, ConsumerName="reader")
    user.tag_resource(ResourceARN=arn, Tags={"team": "a"})
    foreign = streams.iterator(stream_name="other")
    for denied, request in (
        (user.put_record, {"StreamName": "other", "Data": b"x", "PartitionKey": "k"}),
        (user.get_records, {"ShardIterator": foreign}),
        (user.subscribe_to_shard, {"ConsumerARN": consumer, "ShardId": shard["ShardId"], "StartingPosition": {"Type": "LATEST"}}),
        (user.tag_resource, {"ResourceARN": arn, "Tags": {"team": "b"}}),
        (user.list_streams, {}),
    ):
        code, message = refusal(denied, **request)
        assert (code, f"arn:aws:iam::{account}:user/limited is not authorized to perform: kinesis:" in message) == (
            "AccessDeniedException",
            True,
        )
