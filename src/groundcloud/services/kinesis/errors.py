"""Kinesis's errors, in its words. Source: API reference of each operation and the service's answers."""

from __future__ import annotations

import time
from typing import Any

from groundcloud.base.errors import AwsError


def invalid_argument(message: str) -> AwsError:
    return AwsError("InvalidArgumentException", message)


def validation(message: str) -> AwsError:
    return AwsError("ValidationException", message)


def violation(member: str, value: str, constraint: str) -> AwsError:
    """One constraint of one member, as AWS's front end says it; `value` is `Value null`, `Value '5'` or `Value`."""
    return validation(f"1 validation error detected: {value} at '{member}' failed to satisfy constraint: {constraint}")


def not_found(message: str) -> AwsError:
    return AwsError("ResourceNotFoundException", message)


def in_use(message: str) -> AwsError:
    return AwsError("ResourceInUseException", message)


def limit_exceeded(message: str) -> AwsError:
    return AwsError("LimitExceededException", message)


def no_stream(tx: Any, stream_name: str) -> AwsError:
    return not_found(f"Stream {stream_name} under account {tx.account} not found.")


def stream_exists(tx: Any, stream_name: str) -> AwsError:
    return in_use(f"Stream {stream_name} under account {tx.account} already exists.")


def no_shard(tx: Any, stream_name: str, shard_id: str) -> AwsError:
    return not_found(f"Could not find shard {shard_id} in stream {stream_name} under account {tx.account}.")


def iterator_of_no_shard(tx: Any, stream_name: str, shard_id: str) -> AwsError:
    return not_found(f"Shard {shard_id} in stream {stream_name} under account {tx.account} does not exist")


def no_consumer(tx: Any, consumer_name: str) -> AwsError:
    return not_found(f"Consumer {consumer_name}, account {tx.account} not found.")


def throughput_exceeded(tx: Any, stream_name: str, shard_id: str) -> AwsError:
    return AwsError("ProvisionedThroughputExceededException", rate_exceeded(tx, stream_name, shard_id))


def rate_exceeded(tx: Any, stream_name: str, shard_id: str) -> str:
    return f"Rate exceeded for shard {shard_id} in stream {stream_name} under account {tx.account}."


def foreign_sequence(tx: Any, stream_name: str, shard_id: str, text: str) -> AwsError:
    return invalid_argument(
        f"StartingSequenceNumber {text} used in GetShardIterator on shard {shard_id} in stream {stream_name} under account {tx.account} "
        "is invalid because it did not come from this stream."
    )


def sequence_of_other_shard(encoded: str, shard_id: str) -> AwsError:
    return invalid_argument(f"Invalid StartingSequenceNumber. It encodes {encoded}, while it was used in a call to a shard with {shard_id}")


def expired_iterator(issued_ms: int, now_ms: int) -> AwsError:
    return AwsError(
        "ExpiredIteratorException",
        f"Iterator expired. The iterator was created at time {_moment(issued_ms)} while right now it is {_moment(now_ms)} "
        "which is further in the future than the tolerated delay of 300000 milliseconds.",
    )


def expired_token() -> AwsError:
    return AwsError("ExpiredNextTokenException", "NextToken expired. Pagination tokens are valid for 300 seconds.")


def too_many_shards(tx: Any, have: int, limit: int, more: int) -> AwsError:
    return limit_exceeded(
        f"This request would exceed the shard limit for the account {tx.account} in {tx.region}. Current shard count for the account: {have}. "
        f"Limit: {limit}. Number of additional shards that would have resulted from this request: {more}. Refer to the AWS Service Limits page "
        "(https://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to request higher limits."
    )


def dry_run() -> AwsError:
    return AwsError("DryRunOperationException", "Request would have succeeded, but DryRun flag is set.")


def _moment(at_ms: int) -> str:
    return time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(at_ms // 1000))
