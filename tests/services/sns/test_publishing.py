"""What arrives where: envelopes, raw messages, batches, errors."""

import base64
import json
import urllib.request

import pytest
from botocore.exceptions import ClientError


def test_a_queue_receives_the_envelope_as_aws_writes_it(sns, make_queue, received, account, ground):
    url, queue_arn = make_queue("q")
    topic = sns.create_topic(Name="t")["TopicArn"]
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)["SubscriptionArn"]
    attributes = {"colour": {"DataType": "String", "StringValue": "red"}, "data": {"DataType": "Binary", "BinaryValue": b"\x00\x01"}}
    sent = sns.publish(TopicArn=topic, Message='say "hi"\n', Subject="Greeting", MessageAttributes=attributes)
    (message,) = received(url)
    assert message["Body"].startswith(
        f'{{\n  "Type" : "Notification",\n  "MessageId" : "{sent["MessageId"]}",\n  "TopicArn" : "{topic}",\n'
    )
    envelope = json.loads(message["Body"])
    assert list(envelope) == [
        "Type",
        "MessageId",
        "TopicArn",
        "Subject",
        "Message",
        "Timestamp",
        "SignatureVersion",
        "Signature",
        "SigningCertURL",
        "UnsubscribeURL",
        "MessageAttributes",
    ]
    assert (envelope["Message"], envelope["Subject"], envelope["SignatureVersion"]) == ('say "hi"\n', "Greeting", "1")
    assert envelope["UnsubscribeURL"] == f"{ground.endpoint}/?Action=Unsubscribe&SubscriptionArn={subscription}"
    assert envelope["MessageAttributes"] == {
        "colour": {"Type": "String", "Value": "red"},
        "data": {"Type": "Binary", "Value": base64.b64encode(b"\x00\x01").decode()},
    }
    assert '"colour" : {"Type":"String","Value":"red"}' in message["Body"]
    assert "MessageAttributes" not in message


def test_a_raw_subscription_receives_the_message_and_its_attributes(sns, make_queue, received):
    url, queue_arn = make_queue("q")
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn, Attributes={"RawMessageDelivery": "true"})
    attributes = {
        "price": {"DataType": "Number", "StringValue": "1.5"},
        "data": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        "tags": {"DataType": "String.Array", "StringValue": '["a"]'},
    }
    sns.publish(TopicArn=topic, Message="plain", MessageAttributes=attributes, MessageGroupId="tenant")
    (message,) = received(url)
    assert message["Body"] == "plain"
    assert message["MessageAttributes"] == attributes
    assert message["Attributes"]["MessageGroupId"] == "tenant"


@pytest.mark.parametrize(("version", "algorithm"), [("1", "SHA1"), ("2", "SHA256")])
def test_signatures_verify_with_the_certificate_that_they_name(sns, make_queue, received, version, algorithm):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    url, queue_arn = make_queue("q")
    topic = sns.create_topic(Name="t", Attributes={"SignatureVersion": version})["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    sns.publish(TopicArn=topic, Message="signed", Subject="S")
    envelope = json.loads(received(url)[0]["Body"])
    assert envelope["SignatureVersion"] == version
    with urllib.request.urlopen(envelope["SigningCertURL"]) as answer:
        certificate = x509.load_pem_x509_certificate(answer.read())
    text = "".join(f"{name}\n{envelope[name]}\n" for name in ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"))
    signature = base64.b64decode(envelope["Signature"])
    certificate.public_key().verify(signature, text.encode(), padding.PKCS1v15(), getattr(hashes, algorithm)())
    assert certificate.public_key().key_size == 2048


def test_each_protocol_has_its_own_text_where_the_structure_is_json(sns, make_queue, received):
    url, queue_arn = make_queue("q")
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    sns.publish(TopicArn=topic, Message=json.dumps({"default": "d", "sqs": "for queues", "http": 5}), MessageStructure="json")
    sns.publish(TopicArn=topic, Message=json.dumps({"default": "d"}), MessageStructure="json")
    assert sorted(json.loads(message["Body"])["Message"] for message in received(url)) == ["d", "for queues"]


ERRORS = [
    ({"Message": ""}, "InvalidParameter", "Invalid parameter: Empty message"),
    ({"Message": "x" * 262_145}, "InvalidParameter", "Invalid parameter: Message too long"),
    ({"Message": "x", "Subject": ""}, "InvalidParameter", "Invalid parameter: Subject"),
    ({"Message": "x", "Subject": "a\nb"}, "InvalidParameter", "Invalid parameter: Subject"),
    ({"Message": "x", "Subject": "a" * 101}, "InvalidParameter", "Invalid parameter: Subject"),
    (
        {"Message": "{", "MessageStructure": "json"},
        "InvalidParameter",
        "Invalid parameter: Message Structure - JSON message body failed to parse",
    ),
    (
        {"Message": '{"sqs": "x"}', "MessageStructure": "json"},
        "InvalidParameter",
        "Invalid parameter: Message Structure - No default entry in JSON message body",
    ),
    (
        {"Message": "x", "MessageDeduplicationId": "d"},
        "InvalidParameter",
        "Invalid parameter: MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type",
    ),
    (
        {"Message": "x", "MessageAttributes": {"a b": {"DataType": "String", "StringValue": "x"}}},
        "ParameterValueInvalid",
        "Invalid non-alphanumeric character '#x0020' was found in the message attribute name. Can only include alphanumeric characters, hyphens, underscores, or dots.",
    ),
    (
        {"Message": "x", "MessageAttributes": {"a": {"DataType": "Text", "StringValue": "x"}}},
        "ParameterValueInvalid",
        "The message attribute 'a' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.",
    ),
    (
        {"Message": "x", "MessageAttributes": {"a": {"DataType": "Binary", "StringValue": "x"}}},
        "ParameterValueInvalid",
        "The message attribute 'a' with type 'Binary' must use field 'Binary'.",
    ),
    (
        {"Message": "x", "MessageAttributes": {"a": {"DataType": "String", "StringValue": ""}}},
        "ParameterValueInvalid",
        "The message attribute 'a' must contain non-empty message attribute value for message attribute type 'String'.",
    ),
    (
        {"Message": "x", "MessageAttributes": {"a": {"DataType": "Number", "StringValue": "many"}}},
        "ParameterValueInvalid",
        "Could not cast message attribute 'a' value to number.",
    ),
]


@pytest.mark.parametrize(("request_", "code", "sentence"), ERRORS)
def test_what_cannot_be_published_is_refused_in_awss_words(sns, request_, code, sentence):
    topic = sns.create_topic(Name="t")["TopicArn"]
    with pytest.raises(ClientError) as caught:
        sns.publish(TopicArn=topic, **request_)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["Error"]["Message"] == sentence
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_topic_that_is_not_there_or_no_topic(sns, account):
    with pytest.raises(sns.exceptions.NotFoundException, match="Topic does not exist"):
        sns.publish(TopicArn=f"arn:aws:sns:us-east-1:{account}:nowhere", Message="x")
    with pytest.raises(ClientError, match="TopicArn Reason: An ARN must have at least 6 elements, not 1"):
        sns.publish(TopicArn="t", Message="x")
    with pytest.raises(ClientError, match="TopicArn or TargetArn Reason: no value for required parameter"):
        sns.publish(Message="x")
    with pytest.raises(ClientError, match="PhoneNumber Reason: abc is not valid to publish to"):
        sns.publish(PhoneNumber="abc", Message="x")
    with pytest.raises(ClientError, match="Invalid parameter: TopicArn"):
        sns.publish(TopicArn=f"arn:aws:sns:eu-west-1:{account}:t", Message="x")


def test_a_batch_answers_for_each_entry(sns, make_queue, received):
    url, queue_arn = make_queue("q")
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn, Attributes={"RawMessageDelivery": "true"})
    answer = sns.publish_batch(
        TopicArn=topic,
        PublishBatchRequestEntries=[
            {"Id": "1", "Message": "one"},
            {"Id": "2", "Message": "two", "MessageDeduplicationId": "x"},
            {"Id": "3", "Message": "three", "MessageAttributes": {"a": {"DataType": "Text", "StringValue": "x"}}},
        ],
    )
    assert [entry["Id"] for entry in answer["Successful"]] == ["1"]
    assert [(entry["Id"], entry["Code"], entry["SenderFault"]) for entry in answer["Failed"]] == [
        ("2", "InvalidParameter", True),
        ("3", "ParameterValueInvalid", True),
    ]
    assert [message["Body"] for message in received(url)] == ["one"]


@pytest.mark.parametrize(
    ("entries", "code", "sentence"),
    [
        ([], "EmptyBatchRequest", "The batch request doesn't contain any entries."),
        ([{"Id": str(n), "Message": "x"} for n in range(11)], "TooManyEntriesInBatchRequest", "more entries than permissible"),
        ([{"Id": "1", "Message": "x"}, {"Id": "1", "Message": "x"}], "BatchEntryIdsNotDistinct", "have the same Id"),
        ([{"Id": "a b", "Message": "x"}], "InvalidBatchEntryId", "doesn't abide by the specification"),
        ([{"Id": str(n), "Message": "x" * 100_000} for n in range(3)], "BatchRequestTooLong", "more than the limit"),
    ],
)
def test_a_batch_that_is_none_is_refused_whole(sns, entries, code, sentence):
    topic = sns.create_topic(Name="t")["TopicArn"]
    with pytest.raises(ClientError, match=sentence) as caught:
        sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert caught.value.response["Error"]["Code"] == code


def test_a_hundred_queues_and_more_receive_one_message(sns, sqs, make_queue, received, ground):
    topic = sns.create_topic(Name="t")["TopicArn"]
    urls = []
    for number in range(130):
        url, arn = make_queue(f"q{number}")
        urls.append(url)
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="to all")
    ground.settle()
    for url in urls:
        assert [json.loads(message["Body"])["Message"] for message in sqs.receive_message(QueueUrl=url)["Messages"]] == ["to all"]


def test_a_queue_that_does_not_let_the_topic_in_receives_nothing(sns, sqs, received, account):
    url = sqs.create_queue(QueueName="closed")["QueueUrl"]
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:{account}:closed")
    sns.publish(TopicArn=topic, Message="x")
    assert received(url) == []


def test_what_a_queue_refuses_goes_to_the_dead_letter_queue(sns, sqs, make_queue, received, account):
    dead_url, dead_arn = make_queue("dead")
    topic = sns.create_topic(Name="t")["TopicArn"]
    redrive = json.dumps({"deadLetterTargetArn": dead_arn})
    gone = f"arn:aws:sqs:us-east-1:{account}:gone"
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=gone, Attributes={"RedrivePolicy": redrive, "RawMessageDelivery": "true"})
    sns.publish(TopicArn=topic, Message="lost", MessageAttributes={"n": {"DataType": "Number", "StringValue": "1"}})
    (message,) = received(dead_url)
    assert message["Body"] == "lost"
    assert message["MessageAttributes"] == {"n": {"DataType": "Number", "StringValue": "1"}}


def test_the_tracing_header_goes_along(sns, make_queue, received, client):
    url, queue_arn = make_queue("q")
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=a87bd80c:3"
    traced = client("sns")
    traced.meta.events.register("before-sign.sns.Publish", lambda request, **_: request.headers.add_header("X-Amzn-Trace-Id", trace))
    traced.publish(TopicArn=topic, Message="x")
    assert received(url)[0]["Attributes"]["AWSTraceHeader"] == trace


def test_what_is_published_is_measured(sns, make_queue, client, clock, account):
    import datetime

    _, queue_arn = make_queue("q")
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:{account}:gone")
    wanted = {"FilterPolicy": '{"a": ["b"]}'}
    sns.subscribe(TopicArn=topic, Protocol="sms", Endpoint="+15551234567", Attributes=wanted)
    sns.publish(TopicArn=topic, Message="12345")
    clock.advance("2m")
    now_s = clock.now_s()

    def total(metric):
        points = client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SNS",
            MetricName=metric,
            Dimensions=[{"Name": "TopicName", "Value": "t"}],
            StartTime=datetime.datetime.fromtimestamp(now_s - 600, datetime.UTC),
            EndTime=datetime.datetime.fromtimestamp(now_s + 60, datetime.UTC),
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(point["Sum"] for point in points)

    assert total("NumberOfMessagesPublished") == 1
    assert total("PublishSize") == 5
    assert total("NumberOfNotificationsFilteredOut") == 1
    assert total("NumberOfNotificationsFailed") == 1
