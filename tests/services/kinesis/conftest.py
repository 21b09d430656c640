"""Streams, and what they hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


class Streams:
    """A boto3 client, with what tests ask of it again and again."""

    def __init__(self, kinesis: Any) -> None:
        self.kinesis = kinesis

    def create(self, stream_name: str = "orders", shards: int = 1, **options: Any) -> str:
        """Its ARN."""
        if "StreamModeDetails" not in options:
            options["ShardCount"] = shards
        self.kinesis.create_stream(StreamName=stream_name, **options)
        return str(self.kinesis.describe_stream_summary(StreamName=stream_name)["StreamDescriptionSummary"]["StreamARN"])

    def put(self, *texts: str, stream_name: str = "orders", key: str = "k") -> list[str]:
        """Their sequence numbers."""
        return [self.kinesis.put_record(StreamName=stream_name, Data=text.encode(), PartitionKey=key)["SequenceNumber"] for text in texts]

    def iterator(self, shard: int = 0, kind: str = "TRIM_HORIZON", stream_name: str = "orders", **options: Any) -> str:
        return str(
            self.kinesis.get_shard_iterator(StreamName=stream_name, ShardId=f"shardId-{shard:012d}", ShardIteratorType=kind, **options)[
                "ShardIterator"
            ]
        )

    def read(self, shard: int = 0, kind: str = "TRIM_HORIZON", stream_name: str = "orders", **options: Any) -> list[str]:
        """The texts of one read."""
        answer = self.kinesis.get_records(ShardIterator=self.iterator(shard, kind, stream_name, **options))
        return [record["Data"].decode() for record in answer["Records"]]

    def shards(self, stream_name: str = "orders", **options: Any) -> list[dict[str, Any]]:
        return list(self.kinesis.list_shards(StreamName=stream_name, **options)["Shards"])

    def open(self, stream_name: str = "orders") -> list[dict[str, Any]]:
        return self.shards(stream_name, ShardFilter={"Type": "AT_LATEST"})


@pytest.fixture
def kinesis(client: Callable[..., Any]) -> Any:
    return client("kinesis")


@pytest.fixture
def streams(kinesis: Any) -> Streams:
    return Streams(kinesis)


def refusal(function: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[str, str]:
    """Code and sentence of the error that a call ends in."""
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError) as caught:
        function(*arguments, **options)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]
