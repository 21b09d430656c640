"""Scheduled functions over a month of virtual time: each due time starts one run, none starts two."""

import collections
from datetime import UTC, datetime, timedelta

import pytest

CONSUMER = """
        import os, boto3
        table = boto3.resource("dynamodb").Table(os.environ["RUNS"])

        def handler(event, context):
            rule = event["resources"][0].split("/")[-1]
            key = {"rule": rule, "at": event["time"]}
            table.update_item(Key=key, UpdateExpression="ADD runs :one", ExpressionAttributeValues={":one": 1})
"""

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Runs:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: rule, AttributeType: S}, {AttributeName: at, AttributeType: S}]
      KeySchema: [{AttributeName: rule, KeyType: HASH}, {AttributeName: at, KeyType: RANGE}]
  Report:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Environment: {Variables: {RUNS: !Ref Runs}}
      Policies: [{DynamoDBWritePolicy: {TableName: !Ref Runs}}]
      InlineCode: |CONSUMER
      Events:
        Daily: {Type: Schedule, Properties: {Name: daily, Schedule: "cron(15 2 * * ? *)"}}
        Weekdays: {Type: Schedule, Properties: {Name: weekdays, Schedule: "cron(30 9 ? * MON-FRI *)"}}
        Often: {Type: Schedule, Properties: {Name: often, Schedule: "rate(6 hours)"}}
Outputs:
  Runs: {Value: !Ref Runs}
"""


def due(start, end, hour, minute, days):
    """Times between start and end at hour:minute of these weekdays, as events write them."""
    day = start.replace(hour=hour, minute=minute, second=0, microsecond=0)
    times = (day + timedelta(days=n) for n in range((end - start).days + 2))
    return [time.strftime("%Y-%m-%dT%H:%M:%SZ") for time in times if start < time <= end and time.weekday() in days]


@pytest.mark.slow
def test_a_month_of_schedules_starts_each_run_once(process):
    cloudformation = process.client("cloudformation")
    body = TEMPLATE.replace("CONSUMER", CONSUMER)
    cloudformation.create_stack(StackName="month", TemplateBody=body, Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
    cloudformation.get_waiter("stack_create_complete").wait(StackName="month", WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    table_name = cloudformation.describe_stacks(StackName="month")["Stacks"][0]["Outputs"][0]["OutputValue"]
    start = datetime.fromtimestamp(process.now_s(), UTC)
    process.advance("15d")
    process.restart()
    process.advance("15d")
    end = datetime.fromtimestamp(process.now_s(), UTC)
    times, runs = collections.defaultdict(list), collections.Counter()
    for page in process.client("dynamodb").get_paginator("scan").paginate(TableName=table_name, ConsistentRead=True):
        for item in page["Items"]:
            times[item["rule"]["S"]].append(item["at"]["S"])
            runs[int(item["runs"]["N"])] += 1
    assert sorted(times["daily"]) == due(start, end, 2, 15, range(7))
    assert sorted(times["weekdays"]) == due(start, end, 9, 30, range(5))
    assert len(times["often"]) in (120, 121)
    assert set(runs) == {1}, "a run was started twice"
