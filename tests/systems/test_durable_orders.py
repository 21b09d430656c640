"""P3, durable functions: an order that is checked, paid, packed and approved over days, in Python and in JavaScript, with AWS's SDKs as `ground deploy`
installs them; the server is killed at any moment of it."""

from __future__ import annotations

import json
import random
import shutil
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.systems.stacks import Stack

pytestmark = pytest.mark.slow

KILLS = 5
ORDERS = 6

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Steps:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: order_id, AttributeType: S}, {AttributeName: step, AttributeType: S}]
      KeySchema: [{AttributeName: order_id, KeyType: HASH}, {AttributeName: step, KeyType: RANGE}]
  Price:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      InlineCode: |
        def handler(event, context):
            return event["items"] * 7
  Order:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: RUNTIME
      Handler: order.handler
      CodeUri: src
      Timeout: 30
      MemorySize: 256
      DurableConfig: {ExecutionTimeout: 2592000, RetentionPeriodInDays: 7}
      AutoPublishAlias: live
      Environment: {Variables: {STEPS: !Ref Steps, PRICE: !Sub "${Price.Arn}:$LATEST"}}
      Policies:
        - arn:aws:iam::aws:policy/service-role/AWSLambdaBasicDurableExecutionRolePolicy
        - DynamoDBCrudPolicy: {TableName: !Ref Steps}
        - Version: "2012-10-17"
          Statement: [{Effect: Allow, Action: lambda:InvokeFunction, Resource: [!GetAtt Price.Arn, !Sub "${Price.Arn}:*"]}]
Outputs:
  Steps: {Value: !Ref Steps}
"""

PYTHON = """
import os
import boto3
from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration, StepConfig
from aws_durable_execution_sdk_python.retries import RetryStrategyConfig, create_retry_strategy

steps = boto3.resource("dynamodb").Table(os.environ["STEPS"])
hourly = create_retry_strategy(RetryStrategyConfig(max_attempts=5, initial_delay=Duration.from_hours(1), backoff_rate=1))

def note(order_id, step, result=None):
    steps.update_item(Key={"order_id": order_id, "step": step}, UpdateExpression="ADD runs :one", ExpressionAttributeValues={":one": 1})
    return result

@durable_execution
def handler(event: dict, context: DurableContext) -> dict:
    order_id = event["order_id"]
    price = context.invoke(os.environ["PRICE"], {"items": event["items"]}, name="price")
    context.step(lambda _: note(order_id, "charge"), name="charge")

    def ship(step):
        note(order_id, "ship")
        if step.attempt < 2:
            raise ConnectionError("the carrier does not answer")
        return step.attempt

    context.wait(Duration.from_days(1), name="until tomorrow")
    tries = context.step(ship, name="ship", config=StepConfig(retry_strategy=hourly))
    packed = context.map(list(range(event["items"])), lambda child, item, index, items: child.step(lambda _: note(order_id, f"pack {item}", item)), name="pack")
    approved = context.wait_for_callback(lambda callback_id, _: steps.update_item(
        Key={"order_id": order_id, "step": "callback"}, UpdateExpression="SET callback_id = :id", ExpressionAttributeValues={":id": callback_id}), name="approval")
    return {"price": price, "tries": tries, "packed": packed.get_results(), "approved": approved}
"""

JAVASCRIPT = """
import { withDurableExecution } from "@aws/durable-execution-sdk-js";
import { DynamoDBClient, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
const dynamodb = new DynamoDBClient({});

const key = (order_id, step) => ({ TableName: process.env.STEPS, Key: { order_id: { S: order_id }, step: { S: step } } });
const note = async (order_id, step, result) => {
  await dynamodb.send(new UpdateItemCommand({ ...key(order_id, step), UpdateExpression: "ADD runs :one", ExpressionAttributeValues: { ":one": { N: "1" } } }));
  return result;
};

export const handler = withDurableExecution(async (event, context) => {
  const order_id = event.order_id;
  const price = await context.invoke("price", process.env.PRICE, { items: event.items });
  await context.step("charge", () => note(order_id, "charge"));
  await context.wait("until tomorrow", { days: 1 });
  const tries = await context.step("ship", async () => {
    await note(order_id, "ship");
    if ((await count(order_id, "ship")) < 2) throw new Error("the carrier does not answer");
    return 2;
  }, { retryStrategy: (error, attempt) => ({ shouldRetry: attempt < 5, delay: { hours: 1 } }) });
  const packed = await context.map("pack", [...Array(event.items).keys()], async (child, item) => child.step("one", () => note(order_id, `pack ${item}`, item)));
  const approved = await context.waitForCallback("approval", async (callback_id) => {
    await dynamodb.send(new UpdateItemCommand({ ...key(order_id, "callback"), UpdateExpression: "SET callback_id = :id", ExpressionAttributeValues: { ":id": { S: callback_id } } }));
  });
  return { price, tries, packed: packed.getResults(), approved };
});

const count = async (order_id, step) => {
  const found = await dynamodb.send(new UpdateItemCommand({ ...key(order_id, step), UpdateExpression: "ADD looks :one", ExpressionAttributeValues: { ":one": { N: "1" } }, ReturnValues: "ALL_NEW" }));
  return Number(found.Attributes.runs.N);
};
"""


def project(folder: Path, runtime: str) -> Path:
    source = folder / "src"
    source.mkdir()
    if runtime.startswith("python"):
        (source / "order.py").write_text(PYTHON)
        (source / "requirements.txt").write_text("aws-durable-execution-sdk-python\n")
    else:
        if shutil.which("npm") is None:
            pytest.skip("npm installs the durable execution SDK for JavaScript")
        (source / "order.mjs").write_text(JAVASCRIPT)
        packages = {"@aws/durable-execution-sdk-js": "^2.4.0"}
        (source / "package.json").write_text(json.dumps({"name": "order", "version": "1.0.0", "dependencies": packages}))
    (folder / "template.yaml").write_text(TEMPLATE.replace("RUNTIME", runtime))
    return folder / "template.yaml"


def runs(stack: Stack, order_id: str) -> Counter[str]:
    found = stack.client("dynamodb").query(
        TableName=stack.outputs["Steps"],
        KeyConditionExpression="order_id = :id",
        ExpressionAttributeValues={":id": {"S": order_id}},
        ConsistentRead=True,
    )
    return Counter({item["step"]["S"]: int(item["runs"]["N"]) for item in found["Items"] if "runs" in item})


def callback_id(stack: Stack, order_id: str) -> str:
    key = {"order_id": {"S": order_id}, "step": {"S": "callback"}}
    item = stack.client("dynamodb").get_item(TableName=stack.outputs["Steps"], Key=key, ConsistentRead=True).get("Item", {})
    return str(item["callback_id"]["S"]) if item else ""


@pytest.mark.parametrize("runtime", ["python3.12", "nodejs22.x"])
def test_orders_go_on_for_days_however_often_the_server_is_killed(process: Any, tmp_path: Path, runtime: str) -> None:
    (tmp_path / "app").mkdir()
    stack = Stack(process, "durable")
    stack.deploy(project(tmp_path / "app", runtime))
    name = f"{stack.physical_id('Order')}:live"
    executions = {}
    for number in range(ORDERS):
        event = json.dumps({"order_id": f"o{number}", "items": 3}).encode()
        started = stack.client("lambda").invoke(
            FunctionName=name, InvocationType="Event", Payload=event, DurableExecutionName=f"order-{number}"
        )
        executions[f"o{number}"] = started["DurableExecutionArn"]
    chance = random.Random(20261121)
    for _ in range(KILLS):
        threading.Event().wait(chance.uniform(0.05, 0.6))  # how far it comes before the blow is the point
        process.restart()
        process.admin("POST", "/_ground/clock", {"advance": "6h"})
    answered: set[str] = set()
    give_up = time.monotonic() + 60
    while len(answered) < ORDERS:
        assert time.monotonic() < give_up, {order: dict(runs(stack, order)) for order in executions}
        process.advance("2h")
        for order in executions.keys() - answered:
            if waiting := callback_id(stack, order):
                stack.client("lambda").send_durable_execution_callback_success(CallbackId=waiting, Result=b'"yes"')
                answered.add(order)
    process.settle()
    lambda_ = stack.client("lambda")
    for order, arn in executions.items():
        found = lambda_.get_durable_execution(DurableExecutionArn=arn)
        assert found["Status"] == "SUCCEEDED", found
        result = json.loads(found["Result"])
        assert (result["price"], result["packed"], json.loads(result["approved"])) == (21, [0, 1, 2], "yes")
        done = runs(stack, order)
        assert set(done) == {"charge", "ship", "pack 0", "pack 1", "pack 2"}
        assert done["ship"] >= 2
        # What is checkpointed is not done again; what a kill cut off before its checkpoint is: at least once.
        assert max(done.values()) <= 2 + KILLS
        kinds = Counter(
            event["EventType"]
            for page in lambda_.get_paginator("get_durable_execution_history").paginate(DurableExecutionArn=arn)
            for event in page["Events"]
        )
        assert kinds["ExecutionSucceeded"] == kinds["CallbackSucceeded"] == kinds["WaitSucceeded"] == kinds["ChainedInvokeSucceeded"] == 1
        assert kinds["StepSucceeded"] in (5, 6), "charge, ship, three packed, and the submitter where the SDK calls it a step"
        # The same name finds the same execution.
        again = lambda_.invoke(
            FunctionName=name,
            InvocationType="Event",
            Payload=json.dumps({"order_id": order, "items": 3}).encode(),
            DurableExecutionName=f"order-{order[1:]}",
        )
        assert again["DurableExecutionArn"] == arn
    charged_once = sum(runs(stack, order)["charge"] == 1 for order in executions)
    assert charged_once >= ORDERS - KILLS, "a kill repeats the step that it cuts off, not the others"
