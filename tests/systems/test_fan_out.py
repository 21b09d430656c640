"""A12, the big fan: one event goes to many by topics and a bus, filtered, compressed, in batches, signed, with dead letters; the server is killed in the middle."""

from __future__ import annotations

import base64
import json
import threading
import time
import urllib.request
import zlib
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from tests.systems.stacks import Stack

pytestmark = pytest.mark.slow

ORDERS = 300
KINDS = ("book", "game", "song")

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  HookUrl: {Type: String}
Resources:
  Sales: {Type: AWS::SNS::Topic}
  Ledger: {Type: AWS::SNS::Topic, Properties: {FifoTopic: true, ContentBasedDeduplication: true, TopicName: !Sub "${AWS::StackName}.fifo"}}
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: !Sub "${AWS::StackName}-bus"}}
  Books: {Type: AWS::SQS::Queue}
  Large: {Type: AWS::SQS::Queue}
  Everything: {Type: AWS::SQS::Queue}
  Booked: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}
  Games: {Type: AWS::SQS::Queue}
  Dead: {Type: AWS::SQS::Queue}
  Allowed:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Books, !Ref Large, !Ref Everything, !Ref Booked, !Ref Games, !Ref Dead]
      PolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: [sns.amazonaws.com, events.amazonaws.com, lambda.amazonaws.com]}, Action: sqs:SendMessage, Resource: "*"}]
  ToBooks:
    Type: AWS::SNS::Subscription
    Properties: {TopicArn: !Ref Sales, Protocol: sqs, Endpoint: !GetAtt Books.Arn, RawMessageDelivery: true, FilterPolicy: {kind: [book]}}
  ToLarge:
    Type: AWS::SNS::Subscription
    Properties:
      TopicArn: !Ref Sales
      Protocol: sqs
      Endpoint: !GetAtt Large.Arn
      RawMessageDelivery: true
      FilterPolicyScope: MessageBody
      FilterPolicy: {total: [{numeric: [">=", 250]}]}
  ToEverything:
    Type: AWS::SNS::Subscription
    Properties: {TopicArn: !Ref Sales, Protocol: sqs, Endpoint: !GetAtt Everything.Arn}
  ToNobody:
    Type: AWS::SNS::Subscription
    DependsOn: Allowed
    Properties:
      TopicArn: !Ref Sales
      Protocol: sqs
      Endpoint: !Sub "arn:aws:sqs:${AWS::Region}:${AWS::AccountId}:gone"
      FilterPolicy: {kind: [song]}
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn}
  ToHook:
    Type: AWS::SNS::Subscription
    Properties: {TopicArn: !Ref Sales, Protocol: http, Endpoint: !Ref HookUrl, FilterPolicy: {hook: [{exists: true}]}}
  ToBooked:
    Type: AWS::SNS::Subscription
    Properties: {TopicArn: !Ref Ledger, Protocol: sqs, Endpoint: !GetAtt Booked.Arn, RawMessageDelivery: true}
  ToGames:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Bus
      EventPattern: {source: [shop], detail: {kind: [game]}}
      Targets: [{Id: games, Arn: !GetAtt Games.Arn, InputTransformer: {InputPathsMap: {n: "$.detail.n"}, InputTemplate: '{"game": <n>}'}}]
  Packer:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Environment: {Variables: {SALES: !Ref Sales, LEDGER: !Ref Ledger, BUS: !Ref Bus}}
      Policies:
        - SNSPublishMessagePolicy: {TopicName: !GetAtt Sales.TopicName}
        - SNSPublishMessagePolicy: {TopicName: !GetAtt Ledger.TopicName}
        - EventBridgePutEventsPolicy: {EventBusName: !Ref Bus}
      InlineCode: |
        import base64, json, os, zlib
        import boto3
        sns, events = boto3.client("sns"), boto3.client("events")
        def handler(event, context):
            "Ten orders at once: one call to each topic and one to the bus; the text is packed, what filters look at is beside it."
            batch, booked, entries = [], [], []
            for n in event["orders"]:
                kind = ("book", "game", "song")[n % 3]
                packed = base64.b64encode(zlib.compress(json.dumps({"n": n, "text": "a long description " * 50}).encode())).decode()
                batch.append({"Id": str(n), "Message": json.dumps({"n": n, "total": n, "packed": packed}), "MessageAttributes": {"kind": {"DataType": "String", "StringValue": kind}}})
                booked.append({"Id": str(n), "Message": str(n), "MessageGroupId": kind})
                entries.append({"Source": "shop", "DetailType": "order", "Detail": json.dumps({"n": n, "kind": kind}), "EventBusName": os.environ["BUS"]})
            assert not sns.publish_batch(TopicArn=os.environ["SALES"], PublishBatchRequestEntries=batch)["Failed"]
            assert not sns.publish_batch(TopicArn=os.environ["LEDGER"], PublishBatchRequestEntries=booked)["Failed"]
            assert not events.put_events(Entries=entries)["FailedEntryCount"]
            return len(event["orders"])
Outputs:
  Sales: {Value: !Ref Sales}
  Books: {Value: !GetAtt Books.QueueName}
  Large: {Value: !GetAtt Large.QueueName}
  Everything: {Value: !GetAtt Everything.QueueName}
  Booked: {Value: !GetAtt Booked.QueueName}
  Games: {Value: !GetAtt Games.QueueName}
  Dead: {Value: !GetAtt Dead.QueueName}
"""


class Hook:
    """A subscriber over HTTP that confirms its subscription and verifies what it is told."""

    def __init__(self, server: Any) -> None:
        self.verified: list[str] = []
        self.refuses = 0
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status = 200
                if hook.refuses and message["Type"] == "Notification":
                    hook.refuses -= 1
                    status = 503
                else:
                    verify(server, message)
                    if message["Type"] == "SubscriptionConfirmation":
                        threading.Thread(target=lambda: urllib.request.urlopen(now_at(server, message["SubscribeURL"])).read()).start()
                    else:
                        hook.verified.append(message["Message"])
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def now_at(server: Any, url: str) -> str:
    """A server that these tests kill comes back on another port than it named."""
    return urlsplit(url)._replace(netloc=urlsplit(server.endpoint).netloc).geturl()


def verify(server: Any, message: dict[str, Any]) -> None:
    """As AWS's documentation says: the certificate that the message names has signed its members in their order. Raises InvalidSignature."""
    names = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
    signed = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    with urllib.request.urlopen(now_at(server, message["SigningCertURL"]), timeout=10) as answer:
        certificate = x509.load_pem_x509_certificate(answer.read())
    algorithm = hashes.SHA256() if message["SignatureVersion"] == "2" else hashes.SHA1()
    key: Any = certificate.public_key()
    key.verify(base64.b64decode(message["Signature"]), signed.encode(), padding.PKCS1v15(), algorithm)


@pytest.fixture
def hook(process: Any) -> Iterator[Hook]:
    made = Hook(process)
    yield made
    made.close()


def messages(stack: Stack, output: str) -> list[str]:
    sqs, found = stack.client("sqs"), []
    url = f"{stack.server.endpoint}/000000000000/{stack.outputs[output]}"
    while page := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=3600).get("Messages"):
        found += [message["Body"] for message in page]
        entries = [{"Id": str(at), "ReceiptHandle": message["ReceiptHandle"]} for at, message in enumerate(page)]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    return found


def unpacked(body: str) -> int:
    outer = json.loads(body)
    inner = json.loads(zlib.decompress(base64.b64decode(outer["packed"])))
    assert inner["n"] == outer["n"]
    return int(inner["n"])


def test_every_subscriber_is_told_of_what_it_wants_though_the_server_is_killed(process: Any, tmp_path: Path, hook: Hook) -> None:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    stack = Stack(process, "fan")
    stack.deploy(tmp_path / "template.yaml", HookUrl=hook.url)
    for first in range(0, ORDERS, 10):
        assert stack.invoke("Packer", {"orders": list(range(first, first + 10))}) == 10
        if first in (100, 200):
            process.restart()
    process.restart()
    process.advance("30m")
    everybody = set(range(ORDERS))
    books, large = [unpacked(body) for body in messages(stack, "Books")], [unpacked(body) for body in messages(stack, "Large")]
    assert set(books) == set(range(0, ORDERS, 3))
    assert set(large) == set(range(250, ORDERS))
    envelopes = [json.loads(body) for body in messages(stack, "Everything")]
    assert {unpacked(envelope["Message"]) for envelope in envelopes} == everybody
    for envelope in envelopes[:3]:
        verify(process, envelope)
    games = [json.loads(body)["game"] for body in messages(stack, "Games")]
    assert set(games) == set(range(1, ORDERS, 3))
    booked = [int(body) for body in messages(stack, "Booked")]
    assert sorted(booked) == sorted(everybody), "exactly once"
    for remainder in range(len(KINDS)):
        of_group = [n for n in booked if n % len(KINDS) == remainder]
        assert of_group == sorted(of_group)
    dead = messages(stack, "Dead")
    assert {json.loads(json.loads(body)["Message"])["n"] for body in dead} == set(range(2, ORDERS, 3)), (
        "nobody is subscribed where they were to go"
    )
    # At least once, and hardly ever twice.
    for told in (books, large, games):
        assert max(Counter(told).values()) <= 3


def test_a_hook_is_told_again_until_it_answers_and_can_verify_who_tells(process: Any, tmp_path: Path, hook: Hook) -> None:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    stack = Stack(process, "fan")
    stack.deploy(tmp_path / "template.yaml", HookUrl=hook.url)
    sns = stack.client("sns")
    give_up = time.monotonic() + 20
    while any(one["SubscriptionArn"] == "PendingConfirmation" for one in sns.list_subscriptions()["Subscriptions"]):
        assert time.monotonic() < give_up
        process.settle()
    hook.refuses = 2
    for number in range(5):
        attributes = {"hook": {"DataType": "Number", "StringValue": "1"}}
        sns.publish(TopicArn=stack.outputs["Sales"], Message=json.dumps({"n": number, "total": 0}), MessageAttributes=attributes)
    process.restart()
    process.advance("10m")
    assert sorted({json.loads(text)["n"] for text in hook.verified}) == [0, 1, 2, 3, 4]
