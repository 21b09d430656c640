"""Random creations, updates and deletions of a stack of queues, some of which fail, on a server that is killed again and again.

Whatever happens, the stack comes to rest in a status of AWS's, and the queues that exist are those that the stack says it has.
"""

from __future__ import annotations

import contextlib
import random
import time
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

RESTING = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "ROLLBACK_COMPLETE",
    "DELETE_COMPLETE",
}
LEFT_AS_IT_FAILED = {"CREATE_FAILED", "UPDATE_FAILED"}
"""Where no rollback was wanted: replaced things that the stack no longer names may still be there."""


def template(chance: random.Random) -> str:
    """Up to twelve queues and tables, some named, some needing others, now and then one that cannot be."""
    lines = ["Resources:"]
    numbers = sorted(chance.sample(range(16), chance.randint(1, 12)))
    for position, number in enumerate(numbers):
        needs = f", DependsOn: R{chance.choice(numbers[:position])}" if position and chance.random() < 0.6 else ""
        if number < 4:
            name = f", TableName: table-{number}-{chance.randint(0, 2)}" if chance.random() < 0.7 else ""
            lines.append(
                f"  R{number}: {{Type: AWS::DynamoDB::Table{needs}, Properties: {{BillingMode: PAY_PER_REQUEST, "
                f"AttributeDefinitions: [{{AttributeName: a, AttributeType: S}}], KeySchema: [{{AttributeName: a, KeyType: HASH}}]{name}}}}}"
            )
            continue
        delay = 99999 if chance.random() < 0.06 else chance.randint(0, 3)
        name = f", QueueName: queue-{number}-{chance.randint(0, 2)}" if chance.random() < 0.5 else ""
        lines.append(f"  R{number}: {{Type: AWS::SQS::Queue{needs}, Properties: {{DelaySeconds: {delay}{name}}}}}")
    return "\n".join(lines)


def rest(process: Any, stack_id: str) -> str:
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        status = str(process.client("cloudformation").describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"])
        if not status.endswith("_IN_PROGRESS"):
            return status
    raise AssertionError(f"still {status}")


def existing(process: Any) -> list[str]:
    urls = process.client("sqs").list_queues().get("QueueUrls", [])
    return sorted([url.rsplit("/", 1)[-1] for url in urls] + process.client("dynamodb").list_tables()["TableNames"])


def claimed(process: Any, stack_id: str) -> list[str]:
    found = process.client("cloudformation").describe_stack_resources(StackName=stack_id)["StackResources"]
    return sorted(
        item["PhysicalResourceId"].rsplit("/", 1)[-1]
        for item in found
        if item["ResourceStatus"] != "DELETE_COMPLETE" and "PhysicalResourceId" in item
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_what_a_stack_says_it_has_is_what_there_is(process: Any, seed: int) -> None:
    chance = random.Random(seed)
    stack_id = status = ""
    for _ in range(12):
        cloud = process.client("cloudformation")
        with contextlib.suppress(ClientError, BotoCoreError):
            if not stack_id:
                left = chance.random() < 0.2
                stack_id = cloud.create_stack(StackName="chaos", TemplateBody=template(chance), DisableRollback=left)["StackId"]
            elif chance.random() < 0.2:
                cloud.delete_stack(StackName="chaos")
            elif status in LEFT_AS_IT_FAILED and chance.random() < 0.4:
                cloud.rollback_stack(StackName="chaos")
            else:
                cloud.update_stack(StackName="chaos", TemplateBody=template(chance), DisableRollback=chance.random() < 0.3)
        for _ in range(chance.randint(0, 2)):
            time.sleep(chance.uniform(0, 0.03))
            process.restart()
        if not stack_id:
            continue
        status = rest(process, stack_id)
        events = [
            (event["LogicalResourceId"], event["ResourceStatus"], event.get("ResourceStatusReason"))
            for event in process.client("cloudformation").describe_stack_events(StackName=stack_id)["StackEvents"][:40]
        ]
        assert status in RESTING | LEFT_AS_IT_FAILED, events
        if status in LEFT_AS_IT_FAILED:
            continue
        assert existing(process) == claimed(process, stack_id), events
        if status in ("DELETE_COMPLETE", "ROLLBACK_COMPLETE"):
            process.client("cloudformation").delete_stack(StackName="chaos")
            rest(process, stack_id)
            stack_id = ""
