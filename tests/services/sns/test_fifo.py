"""FIFO topics: order, deduplication, archive and replay."""

import json

import pytest
from botocore.exceptions import ClientError

FIFO = {"FifoTopic": "true"}


@pytest.fixture
def make_topic(sns):
    return lambda name="t.fifo", **attributes: sns.create_topic(Name=name, Attributes={**FIFO, **attributes})["TopicArn"]


@pytest.fixture
def queue(make_queue):
    return make_queue("q.fifo", FifoQueue="true")


def bodies(messages):
    return [message["Body"] for message in messages]


RAW = {"RawMessageDelivery": "true"}


def test_messages_arrive_in_order_with_group_and_sequence(sns, make_topic, queue, received):
    url, queue_arn = queue
    topic = make_topic()
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    sent = [sns.publish(TopicArn=topic, Message=str(n), MessageGroupId="g", MessageDeduplicationId=f"d{n}") for n in range(15)]
    messages = received(url)
    documents = [json.loads(message["Body"]) for message in messages]
    assert [document["Message"] for document in documents] == [str(n) for n in range(15)]
    numbers = [answer["SequenceNumber"] for answer in sent]
    assert numbers == sorted(numbers) and {len(number) for number in numbers} == {20}
    assert [document["SequenceNumber"] for document in documents] == numbers
    assert "Signature" not in documents[0]
    assert messages[3]["Attributes"]["MessageGroupId"] == "g"
    assert messages[3]["Attributes"]["MessageDeduplicationId"] == "d3"


def test_a_batch_keeps_its_order(sns, make_topic, queue, received):
    url, queue_arn = queue
    topic = make_topic(ContentBasedDeduplication="true")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn, Attributes=RAW)
    entries = [{"Id": str(n), "Message": f"m{n}", "MessageGroupId": "g"} for n in range(10)]
    assert len(sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)["Successful"]) == 10
    assert bodies(received(url)) == [f"m{n}" for n in range(10)]


def test_each_of_many_queues_has_a_batch_in_order(sns, make_topic, make_queue, received, account):
    topic = make_topic(ContentBasedDeduplication="true")
    urls = []
    for number in range(12):
        url, arn = make_queue(f"q{number}.fifo", FifoQueue="true")
        urls.append(url)
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=RAW)
    entries = [{"Id": str(n), "Message": f"m{n}", "MessageGroupId": "g"} for n in range(10)]
    sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    for url in urls:
        assert bodies(received(url)) == [f"m{n}" for n in range(10)]
    for number in range(12, 100):
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:{account}:q{number}.fifo")
    with pytest.raises(sns.exceptions.SubscriptionLimitExceededException):
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:{account}:q100.fifo")


def test_what_was_published_within_five_minutes_is_not_delivered_again(sns, make_topic, queue, received, clock):
    url, queue_arn = queue
    topic = make_topic(ContentBasedDeduplication="true")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn, Attributes=RAW)
    first = sns.publish(TopicArn=topic, Message="m", MessageGroupId="g")
    again = sns.publish(TopicArn=topic, Message="m", MessageGroupId="other")
    assert (again["MessageId"], again["SequenceNumber"]) == (first["MessageId"], first["SequenceNumber"])
    assert bodies(received(url)) == ["m"]
    clock.advance("6m")
    sns.publish(TopicArn=topic, Message="m", MessageGroupId="g")
    assert bodies(received(url)) == ["m"]


def test_groups_may_deduplicate_by_themselves(sns, make_topic, make_queue, received):
    url, queue_arn = make_queue("plain")
    topic = make_topic(ContentBasedDeduplication="true", FifoThroughputScope="MessageGroup")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn, Attributes=RAW)
    for group in ("a", "b", "a"):
        sns.publish(TopicArn=topic, Message="m", MessageGroupId=group)
    assert bodies(received(url)) == ["m", "m"]


def test_group_and_deduplication_id_are_required(sns, make_topic, make_queue, queue):
    topic = make_topic()
    with pytest.raises(ClientError, match="The MessageGroupId parameter is required for FIFO topics"):
        sns.publish(TopicArn=topic, Message="m")
    with pytest.raises(ClientError, match="ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"):
        sns.publish(TopicArn=topic, Message="m", MessageGroupId="g")
    with pytest.raises(ClientError, match="MessageGroupId can only include alphanumeric and punctuation characters"):
        sns.publish(TopicArn=topic, Message="m", MessageGroupId="g g", MessageDeduplicationId="d")
    with pytest.raises(ClientError, match="Please use FIFO SQS queue"):
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@b.example")
    _, plain = make_queue("plain")
    redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": plain})}
    with pytest.raises(ClientError, match="must use a FIFO queue as DLQ for a FIFO topic"):
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue[1], Attributes=redrive)
    found = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (found["FifoTopic"], found["ContentBasedDeduplication"], found["FifoThroughputScope"]) == ("true", "false", "Topic")


def test_what_a_queue_refuses_goes_to_the_dead_letters_and_does_not_hold_up_the_rest(sns, sqs, make_topic, make_queue, received, account):
    dead_url, dead_arn = make_queue("dead.fifo", FifoQueue="true")
    topic = make_topic()
    gone = f"arn:aws:sqs:us-east-1:{account}:gone.fifo"
    attributes = {**RAW, "RedrivePolicy": json.dumps({"deadLetterTargetArn": dead_arn})}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=gone, Attributes=attributes)
    for n in range(3):
        sns.publish(TopicArn=topic, Message=str(n), MessageGroupId="g", MessageDeduplicationId=str(n))
    assert sorted(bodies(received(dead_url))) == ["0", "1", "2"]


def test_an_archive_is_replayed_to_a_subscription(sns, make_topic, make_queue, queue, received, clock):
    topic = make_topic(ArchivePolicy='{"MessageRetentionPeriod": "30"}', ContentBasedDeduplication="true")
    for n in range(3):
        sns.publish(TopicArn=topic, Message=f"old{n}", MessageGroupId="g")
        clock.advance("1h")
    found = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    start = found["BeginningArchiveTime"]
    url, queue_arn = queue
    policy = json.dumps({"PointType": "Timestamp", "StartingPoint": start})
    arn = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn, Attributes={"ReplayPolicy": policy})["SubscriptionArn"]
    sns.publish(TopicArn=topic, Message="new", MessageGroupId="g")
    documents = [json.loads(body) for body in bodies(received(url))]
    assert [document["Message"] for document in documents] == ["old0", "old1", "old2", "new"]
    assert [document.get("Replayed") for document in documents] == ["true", "true", "true", None]
    assert sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["ReplayStatus"] == "Completed"
    with pytest.raises(ClientError, match="ArchivePolicy") as caught:
        sns.delete_topic(TopicArn=topic)
    assert caught.value.response["Error"]["Code"] == "InvalidState"
    sns.set_topic_attributes(TopicArn=topic, AttributeName="ArchivePolicy", AttributeValue="{}")
    sns.delete_topic(TopicArn=topic)


def test_a_replay_with_an_end_brings_nothing_new(sns, make_topic, queue, received, clock):
    topic = make_topic(ArchivePolicy='{"MessageRetentionPeriod": "30"}', ContentBasedDeduplication="true")
    start = sns.get_topic_attributes(TopicArn=topic)["Attributes"]["BeginningArchiveTime"]
    sns.publish(TopicArn=topic, Message="one", MessageGroupId="g")
    clock.advance("1h")
    sns.publish(TopicArn=topic, Message="two", MessageGroupId="g")
    url, queue_arn = queue
    from datetime import UTC, datetime

    end = datetime.fromtimestamp(clock.now_s() - 1800, UTC).isoformat()
    policy = json.dumps({"PointType": "Timestamp", "StartingPoint": start, "EndingPoint": end})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn, Attributes={**RAW, "ReplayPolicy": policy})
    clock.settle()
    sns.publish(TopicArn=topic, Message="three", MessageGroupId="g")
    assert bodies(received(url)) == ["one"]
