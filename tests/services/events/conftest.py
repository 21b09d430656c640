"""What EventBridge's tests share: clients, a queue that takes events and what arrived in it, an HTTP server that is called."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def events(client):
    return client("events")


@pytest.fixture
def sqs(client):
    return client("sqs")


@pytest.fixture
def arrived(sqs, clock):
    """`arrived(queue_url)`: the messages that are there now, decoded and taken away."""

    def take(queue_url, *, raw=False):
        clock.settle()
        found = []
        while messages := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get("Messages"):
            found += messages
            for message in messages:
                sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        return found if raw else [json.loads(message["Body"]) for message in found]

    return take


@pytest.fixture
def queue(sqs, account):
    """`queue("name")` -> (URL, ARN) of a queue that EventBridge may send to."""

    def make(name="events", **attributes):
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*"}
            ],
        }
        url = sqs.create_queue(QueueName=name, Attributes={"Policy": json.dumps(policy), **attributes})["QueueUrl"]
        return url, f"arn:aws:sqs:us-east-1:{account}:{name}"

    return make


@pytest.fixture
def fails():
    def check(code, function, **arguments):
        with pytest.raises(ClientError) as caught:
            function(**arguments)
        assert caught.value.response["Error"]["Code"] == code, caught.value
        return caught.value.response["Error"]["Message"]

    return check


@pytest.fixture
def rule(events):
    """`rule("name", pattern, target_arn, **target)` makes a rule with one target."""

    def make(name, pattern, target_arn, bus="default", **target):
        arn = events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern))["RuleArn"]
        answer = events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "1", "Arn": target_arn, **target}])
        assert answer["FailedEntryCount"] == 0
        return arn

    return make


@pytest.fixture
def put(events):
    """`put(detail, source=..., ...)` puts one event and gives its id."""

    def make(detail, source="app.orders", kind="Order placed", **entry):
        answer = events.put_events(Entries=[{"Source": source, "DetailType": kind, "Detail": json.dumps(detail), **entry}])
        assert answer["FailedEntryCount"] == 0, answer
        return answer["Entries"][0]["EventId"]

    return make


class Endpoint:
    """Answers with the next of `answers` (status, headers), 200 when there are none left; gives tokens at /token."""

    def __init__(self):
        self.seen = []
        self.answers = []
        self.tokens = 0
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
                parts = urlsplit(self.path)
                if parts.path == "/token":
                    endpoint.tokens += 1
                    endpoint.form = parse_qs(body)
                    self.reply(
                        200, json.dumps({"access_token": f"token-{endpoint.tokens}", "token_type": "Bearer", "expires_in": 600}).encode()
                    )
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                endpoint.seen.append((self.command, parts.path, parse_qs(parts.query), headers, body))
                status, more = endpoint.answers.pop(0) if endpoint.answers else (200, {})
                self.reply(status, b"", more)

            def reply(self, status, body, headers=None):
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def endpoint():
    found = Endpoint()
    yield found
    found.server.shutdown()
    found.server.server_close()
