"""Topics with queues behind them."""

import json

import pytest


@pytest.fixture
def sns(client):
    return client("sns")


@pytest.fixture
def sqs(client):
    return client("sqs")


@pytest.fixture
def make_queue(sqs):
    """`make_queue("q")` is (URL, ARN) of a queue that lets SNS in."""

    def make(name, **attributes):
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        let_in(sqs, url, arn)
        return url, arn

    return make


def let_in(sqs, url, arn, service="sns.amazonaws.com"):
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sqs:SendMessage", "Resource": arn}],
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})


@pytest.fixture
def received(sqs, ground):
    """`received(url)` takes what is in a queue, settled first."""

    def take(url, limit=10):
        ground.settle()
        found = []
        while messages := sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=limit, MessageAttributeNames=["All"], AttributeNames=["All"]
        ).get("Messages"):
            found += messages
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    return take
