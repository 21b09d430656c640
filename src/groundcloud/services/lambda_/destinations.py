"""Where records of ended invocations go: queues, topics, functions and buses through the outbox, buckets by a durable timer.

Both are written in the transaction that forgets the invocation, so that no record is lost between the two.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from groundcloud.store import Transaction

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call

AGE_S_MAX = 21_600
ATTEMPTS_MAX = 10


def deliver(
    call: Call,
    tx: Transaction,
    destination_arn: str,
    payload: str | bytes,
    *,
    role_arn: str,
    source_arn: str,
    folder: str,
    attributes: dict[str, str] | None = None,
) -> None:
    """`folder` is where a bucket's objects go: AWS: "async/<function>" or "<mapping>/<shard>" below "aws/lambda"."""
    if destination_arn.split(":")[2] == "s3":
        body = payload.encode() if isinstance(payload, str) else payload
        key = object_key(folder, call.clock.now_ms(), call.new_id())
        call.schedule(call.now_ms, "lambda.to-bucket", [destination_arn.split(":", 5)[5], key, body, role_arn], tx=tx)
        return
    if destination_arn.split(":")[2] == "events":
        payload = as_event(call, destination_arn, payload)
    call.deliver(
        destination_arn,
        payload,
        principal=role_arn,
        source_arn=source_arn,
        attributes=attributes,
        max_age_s=AGE_S_MAX,
        max_attempts=ATTEMPTS_MAX,
        tx=tx,
    )


def as_event(call: Call, bus_arn: str, payload: str | bytes) -> str:
    """An invocation's record as an event. AWS: "Capturing records of asynchronous invocations": the record is the detail, source and type are Lambda's."""
    record = json.loads(payload)
    function_arn = record["requestContext"]["functionArn"]
    ended = "Success" if record["requestContext"]["condition"] == "Success" else "Failure"
    event = {
        "source": "lambda",
        "detail-type": f"Lambda Function Invocation Result - {ended}",
        "account": call.account,
        "region": call.region,
        "time": record["timestamp"].partition(".")[0] + "Z",
        "resources": [bus_arn, function_arn],
        "detail": record,
    }
    return json.dumps(event)


def object_key(folder: str, now_ms: int, unique: str) -> str:
    """`aws/lambda/async/orders/2026/11/21/2026-11-21T00.00.00-<UUID>`."""
    return f"aws/lambda/{folder}/{time.strftime('%Y/%m/%d/%Y-%m-%dT%H.%M.%S', time.gmtime(now_ms // 1000))}-{unique}"


async def to_bucket(call: Call, bucket_name: str, key: str, body: bytes, role_arn: str) -> None:
    params = {"Bucket": bucket_name, "Key": key, "Body": body, "ContentType": "application/json"}
    await call.request("s3", "PutObject", params, as_=role_arn)
