"""FIFO queues: order within a group, deduplication, sequence numbers."""

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def sqs(client):
    return client("sqs")


@pytest.fixture
def queue(sqs):
    return sqs.create_queue(QueueName="orders.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]


def send(sqs, queue, body, group="g", token=None):
    return sqs.send_message(QueueUrl=queue, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=token or body)


def receive(sqs, queue, **options):
    return sqs.receive_message(QueueUrl=queue, **{"MaxNumberOfMessages": 10, **options}).get("Messages", [])


def test_a_group_waits_while_one_of_its_messages_is_in_flight(sqs, queue, clock):
    for body in ("a1", "a2"):
        send(sqs, queue, body, "a")
    send(sqs, queue, "b1", "b")
    first = receive(sqs, queue, MaxNumberOfMessages=1)[0]
    assert first["Body"] == "a1"
    assert [message["Body"] for message in receive(sqs, queue)] == ["b1"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=first["ReceiptHandle"])
    assert [message["Body"] for message in receive(sqs, queue)] == ["a2"]
    clock.advance("31s")
    assert [message["Body"] for message in receive(sqs, queue)] == ["a2", "b1"]


def test_a_duplicate_within_five_minutes_is_the_same_message(sqs, queue, clock):
    first = send(sqs, queue, "one", token="t")
    again = send(sqs, queue, "two", token="t")
    assert (again["MessageId"], again["SequenceNumber"]) == (first["MessageId"], first["SequenceNumber"])
    assert [message["Body"] for message in receive(sqs, queue)] == ["one"]
    clock.advance("301s")
    assert send(sqs, queue, "three", token="t")["MessageId"] != first["MessageId"]


def test_what_a_fifo_queue_needs_is_demanded(sqs, queue):
    with pytest.raises(ClientError, match="MessageGroupId"):
        sqs.send_message(QueueUrl=queue, MessageBody="x")
    with pytest.raises(ClientError, match="ContentBasedDeduplication enabled or MessageDeduplicationId provided"):
        sqs.send_message(QueueUrl=queue, MessageBody="x", MessageGroupId="g")
    with pytest.raises(ClientError, match=r"must end with \.fifo"):
        sqs.create_queue(QueueName="orders", Attributes={"FifoQueue": "true"})


def test_a_stale_handle_does_not_delete(sqs, queue, clock):
    send(sqs, queue, "one")
    handle = receive(sqs, queue)[0]["ReceiptHandle"]
    clock.advance("31s")
    with pytest.raises(ClientError, match=r"The receipt handle has expired\."):
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)
    assert len(receive(sqs, queue)) == 1


def test_a_repeated_receive_attempt_gives_the_same_messages(sqs, queue):
    send(sqs, queue, "one")
    first = receive(sqs, queue, ReceiveRequestAttemptId="try")
    assert [message["Body"] for message in first] == ["one"]
    assert [message["Body"] for message in receive(sqs, queue, ReceiveRequestAttemptId="try")] == ["one"]
    assert receive(sqs, queue) == []
