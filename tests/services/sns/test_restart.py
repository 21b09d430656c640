"""Kills: what was acknowledged is delivered afterwards, in order; signatures still verify; timers go on."""

import json
import urllib.request

import pytest

ACCOUNT = "111111111111"


def queue_for(process, name, **attributes):
    sqs = process.client("sqs", ACCOUNT)
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"
    allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [allow]})})
    return url.rsplit("/", 1)[1], arn


def taken(process, name):
    sqs = process.client("sqs", ACCOUNT)
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    found = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            found.append(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


@pytest.mark.slow
def test_a_killed_server_delivers_what_it_acknowledged(process):
    sns = process.client("sns", ACCOUNT)
    plain, plain_arn = queue_for(process, "plain")
    ordered, ordered_arn = queue_for(process, "ordered.fifo", FifoQueue="true")
    topic = sns.create_topic(Name="t")["TopicArn"]
    fifo = sns.create_topic(Name="t.fifo", Attributes={"FifoTopic": "true", "ContentBasedDeduplication": "true"})["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=plain_arn)
    sns.subscribe(TopicArn=fifo, Protocol="sqs", Endpoint=ordered_arn, Attributes={"RawMessageDelivery": "true"})
    for turn in range(3):
        for number in range(10):
            sns.publish(TopicArn=topic, Message=f"{turn}-{number}")
            sns.publish(TopicArn=fifo, Message=f"{turn}-{number}", MessageGroupId="g")
        process.restart()
        sns = process.client("sns", ACCOUNT)
    process.settle()
    sent = [f"{turn}-{number}" for turn in range(3) for number in range(10)]
    envelopes = [json.loads(body) for body in taken(process, plain)]
    assert sorted(each["Message"] for each in envelopes) == sent
    assert taken(process, ordered) == sent
    assert len({each["SigningCertURL"].rsplit("/", 1)[1] for each in envelopes}) == 1
    name = envelopes[0]["SigningCertURL"].rsplit("/", 1)[1]
    with urllib.request.urlopen(f"{process.endpoint}/{name}") as answer:
        assert answer.read().startswith(b"-----BEGIN CERTIFICATE-----")


@pytest.mark.slow
def test_a_pending_subscription_ends_in_time_though_the_server_was_killed(process):
    sns = process.client("sns", ACCOUNT)
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@b.example")
    process.restart()
    sns = process.client("sns", ACCOUNT)
    assert len(sns.list_subscriptions()["Subscriptions"]) == 1
    process.advance("49h")
    assert sns.list_subscriptions()["Subscriptions"] == []
