"""Messages of standard queues, as boto3 sees them."""

import hashlib

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def sqs(client):
    return client("sqs")


@pytest.fixture
def queue(sqs):
    return sqs.create_queue(QueueName="orders")["QueueUrl"]


def bodies(sqs, queue, **options):
    return [message["Body"] for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, **options).get("Messages", [])]


def fails(code, function, **arguments):
    with pytest.raises(ClientError) as caught:
        function(**arguments)
    assert caught.value.response["Error"]["Code"] == code
    return caught.value.response["Error"]["Message"]


def test_a_message_is_hidden_until_its_visibility_timeout(sqs, queue, clock):
    sqs.send_message(QueueUrl=queue, MessageBody="one")
    assert bodies(sqs, queue) == ["one"]
    assert bodies(sqs, queue) == []
    clock.advance("29s")
    assert bodies(sqs, queue) == []
    clock.advance("2s")
    again = sqs.receive_message(QueueUrl=queue, AttributeNames=["All"])["Messages"][0]
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"


def test_a_deleted_message_does_not_come_back(sqs, queue, clock):
    sqs.send_message(QueueUrl=queue, MessageBody="one")
    handle = sqs.receive_message(QueueUrl=queue)["Messages"][0]["ReceiptHandle"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)
    clock.advance("1m")
    assert bodies(sqs, queue) == []


def test_a_delayed_message_is_received_after_its_delay(sqs, queue, clock):
    sqs.send_message(QueueUrl=queue, MessageBody="later", DelaySeconds=60)
    assert bodies(sqs, queue) == []
    counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessagesDelayed"] == "1"
    clock.advance("61s")
    assert bodies(sqs, queue) == ["later"]


def test_a_long_poll_returns_when_a_message_arrives(sqs, queue, client):
    import threading

    other = client("sqs")
    sender = threading.Timer(0.05, lambda: other.send_message(QueueUrl=queue, MessageBody="now"))
    sender.start()
    assert bodies(sqs, queue, WaitTimeSeconds=20) == ["now"]
    sender.join()


def test_digests_and_attributes_come_back(sqs, queue):
    attributes = {
        "kind": {"DataType": "String", "StringValue": "a"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
        "n": {"DataType": "Number", "StringValue": "7"},
    }
    sent = sqs.send_message(QueueUrl=queue, MessageBody="é", MessageAttributes=attributes)
    assert sent["MD5OfMessageBody"] == hashlib.md5("é".encode()).hexdigest()
    message = sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"], MessageSystemAttributeNames=["SentTimestamp", "SenderId"])[
        "Messages"
    ][0]
    assert message["MessageAttributes"] == attributes
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert set(message["Attributes"]) == {"SentTimestamp", "SenderId"}


def test_the_fourth_receive_goes_to_the_dead_letter_queue(sqs, clock):
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    dead_arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    queue = sqs.create_queue(
        QueueName="source", Attributes={"RedrivePolicy": f'{{"deadLetterTargetArn":"{dead_arn}","maxReceiveCount":"3"}}'}
    )["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="poison")
    for _ in range(3):
        assert bodies(sqs, queue) == ["poison"]
        clock.advance("31s")
    assert bodies(sqs, queue) == []
    message = sqs.receive_message(QueueUrl=dead, AttributeNames=["All"])["Messages"][0]
    assert message["Attributes"]["DeadLetterQueueSourceArn"].endswith(":source")
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [queue]
    clock.advance("31s")
    sqs.start_message_move_task(SourceArn=dead_arn)
    clock.settle()
    assert bodies(sqs, queue) == ["poison"]
    assert sqs.list_message_move_tasks(SourceArn=dead_arn)["Results"][0]["Status"] == "COMPLETED"


def test_messages_end_with_their_retention(sqs, clock):
    queue = sqs.create_queue(QueueName="short", Attributes={"MessageRetentionPeriod": "60"})["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="one")
    clock.advance("61s")
    assert (
        sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"][
            "ApproximateNumberOfMessages"
        ]
        == "0"
    )


def test_a_batch_sends_what_is_right_and_names_what_is_not(sqs, queue):
    answer = sqs.send_message_batch(QueueUrl=queue, Entries=[{"Id": "a", "MessageBody": "one"}, {"Id": "b", "MessageBody": "\x00"}])
    assert [entry["Id"] for entry in answer["Successful"]] == ["a"]
    assert [(entry["Id"], entry["Code"]) for entry in answer["Failed"]] == [("b", "InvalidMessageContents")]
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    entries = [{"Id": "x", "ReceiptHandle": messages[0]["ReceiptHandle"], "VisibilityTimeout": 0}]
    assert sqs.change_message_visibility_batch(QueueUrl=queue, Entries=entries)["Successful"] == [{"Id": "x"}]
    handle = sqs.receive_message(QueueUrl=queue)["Messages"][0]["ReceiptHandle"]
    assert sqs.delete_message_batch(QueueUrl=queue, Entries=[{"Id": "x", "ReceiptHandle": handle}])["Successful"] == [{"Id": "x"}]


def test_errors_have_the_words_of_sqs(sqs, queue):
    missing = queue.replace("orders", "nothing")
    assert (
        fails("AWS.SimpleQueueService.NonExistentQueue", sqs.send_message, QueueUrl=missing, MessageBody="x")
        == "The specified queue does not exist."
    )
    assert "MessageBody" in fails("MissingParameter", sqs.send_message, QueueUrl=queue, MessageBody="")
    assert "Must be between 1 and 10" in fails("InvalidParameterValue", sqs.receive_message, QueueUrl=queue, MaxNumberOfMessages=11)
    assert "not a valid receipt handle" in fails("ReceiptHandleIsInvalid", sqs.delete_message, QueueUrl=queue, ReceiptHandle="no")
    entries = [{"Id": "a", "MessageBody": "1"}, {"Id": "a", "MessageBody": "2"}]
    assert (
        fails("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", sqs.send_message_batch, QueueUrl=queue, Entries=entries)
        == "Id a repeated."
    )
    assert "shorter than 1048576 bytes" in fails("InvalidParameterValue", sqs.send_message, QueueUrl=queue, MessageBody="x" * 1_048_577)


def test_what_was_acknowledged_survives_a_kill(process):
    sqs = process.client("sqs")
    queue = sqs.create_queue(QueueName="orders")["QueueUrl"]
    sent = {sqs.send_message(QueueUrl=queue, MessageBody=str(number))["MessageId"] for number in range(20)}
    process.restart()
    sqs = process.client("sqs")
    queue = sqs.get_queue_url(QueueName="orders")["QueueUrl"]
    found = set()
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        found |= {message["MessageId"] for message in messages}
    assert found == sent
