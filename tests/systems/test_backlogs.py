"""Consumers of a queue and of a stream in one stack, killed in the middle of their backlogs: nothing is lost, each key keeps its order,
what cannot be worked off ends where the template says."""

import json
import time

import pytest

MESSAGES = 1000
KEYS = 20
POISON = 333

CONSUMER = """
        import base64, json, os, time, boto3
        journal = boto3.resource("dynamodb").Table(os.environ["JOURNAL"])

        def note(source, body):
            journal.put_item(Item={"key": f"{source}:{body['key']}", "at": time.time_ns(), "n": body["n"]})

        def scans(event, context):
            failed = []
            for record in event["Records"]:
                body = json.loads(record["body"])
                if body["kind"] == "poison":
                    failed.append({"itemIdentifier": record["messageId"]})
                else:
                    note("scan", body)
            return {"batchItemFailures": failed}

        def positions(event, context):
            bodies = [json.loads(base64.b64decode(record["kinesis"]["data"])) for record in event["Records"]]
            if any(body["kind"] == "poison" for body in bodies):
                raise ValueError("poison")
            for body in bodies:
                note("position", body)
"""

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Globals:
  Function:
    Runtime: python3.12
    Timeout: 20
    Environment: {Variables: {JOURNAL: !Ref Journal}}
Resources:
  Scans:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 30
      RedrivePolicy: {deadLetterTargetArn: !GetAtt ScansDead.Arn, maxReceiveCount: 3}
  ScansDead: {Type: AWS::SQS::Queue}
  Positions: {Type: AWS::Kinesis::Stream, Properties: {ShardCount: 2}}
  Journal:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: key, AttributeType: S}, {AttributeName: at, AttributeType: N}]
      KeySchema: [{AttributeName: key, KeyType: HASH}, {AttributeName: at, KeyType: RANGE}]
  Lost: {Type: AWS::S3::Bucket}
  OnScan:
    Type: AWS::Serverless::Function
    Properties:
      Handler: index.scans
      Policies: [{DynamoDBWritePolicy: {TableName: !Ref Journal}}]
      InlineCode: |CONSUMER
      Events:
        Queue:
          Type: SQS
          Properties:
            Queue: !GetAtt Scans.Arn
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: {MaximumConcurrency: 4}
            FilterCriteria: {Filters: [{Pattern: '{"body": {"kind": ["scan", "poison"]}}'}]}
  OnPosition:
    Type: AWS::Serverless::Function
    Properties:
      Handler: index.positions
      Policies: [{DynamoDBWritePolicy: {TableName: !Ref Journal}}, {S3WritePolicy: {BucketName: !Ref Lost}}]
      InlineCode: |CONSUMER
      Events:
        Stream:
          Type: Kinesis
          Properties:
            Stream: !GetAtt Positions.Arn
            StartingPosition: TRIM_HORIZON
            BatchSize: 50
            ParallelizationFactor: 2
            BisectBatchOnFunctionError: true
            MaximumRetryAttempts: 2
            DestinationConfig: {OnFailure: {Type: S3, Destination: !GetAtt Lost.Arn}}
            FilterCriteria: {Filters: [{Pattern: '{"data": {"kind": ["position", "poison"]}}'}]}
Outputs:
  Scans: {Value: !GetAtt Scans.QueueName}
  ScansDead: {Value: !GetAtt ScansDead.QueueName}
  Positions: {Value: !Ref Positions}
  Journal: {Value: !Ref Journal}
  Lost: {Value: !Ref Lost}
"""


def deploy(server):
    cloudformation = server.client("cloudformation")
    body = TEMPLATE.replace("CONSUMER", CONSUMER)
    cloudformation.create_stack(StackName="parcels", TemplateBody=body, Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
    cloudformation.get_waiter("stack_create_complete").wait(StackName="parcels", WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    stack = cloudformation.describe_stacks(StackName="parcels")["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def journal(server, table_name):
    """Key -> the numbers noted under it, in the order of the notes."""
    noted = {}
    for page in server.client("dynamodb").get_paginator("scan").paginate(TableName=table_name, ConsistentRead=True):
        for item in page["Items"]:
            noted.setdefault(item["key"]["S"], []).append((int(item["at"]["N"]), int(item["n"]["N"])))
    return {key: [n for _, n in sorted(notes)] for key, notes in noted.items()}


def numbers(noted, source):
    return {n for key, ns in noted.items() if key.startswith(source) for n in ns}


def depth(server, queue_name):
    sqs = server.client("sqs")
    url = sqs.get_queue_url(QueueName=queue_name)["QueueUrl"]
    return int(
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]["ApproximateNumberOfMessages"]
    )


def fill(server, outputs):
    """Both backlogs, each with one poisoned and one message that the filters leave out."""
    sqs, kinesis = server.client("sqs"), server.client("kinesis")
    url = sqs.get_queue_url(QueueName=outputs["Scans"])["QueueUrl"]

    def body(kind, n):
        return json.dumps({"kind": "poison" if n == POISON else kind, "key": f"k{n % KEYS}", "n": n})

    for first in range(0, MESSAGES, 100):
        records = [{"Data": body("position", n).encode(), "PartitionKey": f"k{n % KEYS}"} for n in range(first, first + 100)]
        assert kinesis.put_records(StreamName=outputs["Positions"], Records=records)["FailedRecordCount"] == 0
    kinesis.put_record(
        StreamName=outputs["Positions"], Data=json.dumps({"kind": "noise", "key": "k0", "n": -1}).encode(), PartitionKey="k0"
    )
    for first in range(0, MESSAGES, 10):
        entries = [{"Id": str(n), "MessageBody": body("scan", n)} for n in range(first, first + 10)]
        assert len(sqs.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == 10
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"kind": "noise", "key": "k0", "n": -1}))


@pytest.mark.slow
def test_a_killed_server_loses_nothing_of_its_backlogs_and_keeps_each_keys_order(process):
    outputs = deploy(process)
    fill(process, outputs)
    before = journal(process, outputs["Journal"])
    assert len(numbers(before, "scan")) + len(numbers(before, "position")) < 2 * MESSAGES - 2, "the backlogs were gone before the kill"
    process.restart()
    wanted = set(range(MESSAGES)) - {POISON}
    give_up = time.monotonic() + 45
    while time.monotonic() < give_up:
        process.advance("35s")
        noted = journal(process, outputs["Journal"])
        if numbers(noted, "scan") == wanted == numbers(noted, "position") and depth(process, outputs["ScansDead"]):
            break
    assert numbers(noted, "scan") == wanted, "messages of the queue"
    assert numbers(noted, "position") == wanted, "records of the stream"
    for key, ns in noted.items():
        if key.startswith("position"):
            assert list(dict.fromkeys(ns)) == sorted(set(ns)), key
    assert depth(process, outputs["ScansDead"]) == 1
    assert depth(process, outputs["Scans"]) == 0
    lost = process.client("s3").list_objects_v2(Bucket=outputs["Lost"])["Contents"]
    assert len(lost) == 1
    letter = json.loads(process.client("s3").get_object(Bucket=outputs["Lost"], Key=lost[0]["Key"])["Body"].read())
    assert letter["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert letter["KinesisBatchInfo"]["batchSize"] == 1
