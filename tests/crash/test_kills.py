"""SIGKILL under concurrent writers: whatever was acknowledged is there afterwards, and of no operation is there only a half.

Writers send batches of ten in one operation each; a batch is wholly there or not at all. The quick version kills a few times, the slow one two hundred.
"""

import http.client
import json
import random
import threading
import time

import pytest

from groundcloud.auth import signing

WRITERS = 6
BATCH = 10


class Writer(threading.Thread):
    """Sends batches until the server dies; remembers which were acknowledged and which were under way."""

    def __init__(self, endpoint, queue_url, name):
        super().__init__(daemon=True)
        self.host = endpoint.removeprefix("http://")
        self.queue_url, self.label = queue_url, name
        self.acknowledged, self.tried = set(), set()

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", int(self.host.rpartition(":")[2]), timeout=10)
        number = 0
        try:
            while True:
                batch = f"{self.label}-{number}"
                number += 1
                self.tried.add(batch)
                entries = [{"Id": str(i), "MessageBody": f"{batch}:{i}"} for i in range(BATCH)]
                if call(connection, self.host, "SendMessageBatch", {"QueueUrl": self.queue_url, "Entries": entries})[0] == 200:
                    self.acknowledged.add(batch)
        except (OSError, http.client.HTTPException):
            pass


def call(connection, host, operation, params):
    body = json.dumps(params).encode()
    headers = {"host": host, "content-type": "application/x-amz-json-1.0", "x-amz-target": f"AmazonSQS.{operation}"}
    headers = signing.sign(signing.Credentials("test", "test"), "us-east-1", "sqs", "POST", "/", "", headers, body, time.time())
    connection.request("POST", "/", body, headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def found_in(endpoint, queue_url):
    """Batch -> how many of its messages are there; each message once."""
    host = endpoint.removeprefix("http://")
    connection = http.client.HTTPConnection("127.0.0.1", int(host.rpartition(":")[2]), timeout=10)
    counts, bodies = {}, set()
    while True:
        status, answer = call(
            connection, host, "ReceiveMessage", {"QueueUrl": queue_url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 3600}
        )
        assert status == 200
        if not answer.get("Messages"):
            return counts
        for message in answer["Messages"]:
            assert message["Body"] not in bodies
            bodies.add(message["Body"])
            batch = message["Body"].partition(":")[0]
            counts[batch] = counts.get(batch, 0) + 1


def kill_rounds(process, rounds, seed):
    chance = random.Random(seed)
    acknowledged_in_all = 0
    for number in range(rounds):
        queue_url = process.client("sqs").create_queue(QueueName=f"round-{number}")["QueueUrl"]
        writers = [Writer(process.endpoint, queue_url, f"w{index}") for index in range(WRITERS)]
        for writer in writers:
            writer.start()
        threading.Event().wait(chance.uniform(0.02, 0.25))  # how far the writers come before the blow is the point
        process.kill()
        for writer in writers:
            writer.join(timeout=15)
        process.start()
        counts = found_in(process.endpoint, queue_url)
        acknowledged = set().union(*(writer.acknowledged for writer in writers))
        tried = set().union(*(writer.tried for writer in writers))
        assert acknowledged <= set(counts), f"seed {seed}, round {number}: lost {sorted(acknowledged - set(counts))[:5]}"
        assert set(counts.values()) <= {BATCH}, f"seed {seed}, round {number}: half an operation"
        assert set(counts) <= tried
        acknowledged_in_all += len(acknowledged)
    assert acknowledged_in_all > rounds
    return acknowledged_in_all


def test_a_few_kills_lose_nothing(process):
    kill_rounds(process, 3, seed=1)


@pytest.mark.slow
def test_two_hundred_kills_lose_nothing(process):
    kill_rounds(process, 200, seed=20261121)
