"""Queues: create, describe, list, tag, purge, delete; the query protocol; who may."""

import urllib.parse
import urllib.request

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError


@pytest.fixture
def sqs(client):
    return client("sqs")


def test_creating_again_gives_the_same_queue_unless_it_differs(sqs):
    first = sqs.create_queue(QueueName="q", Attributes={"DelaySeconds": "5"})["QueueUrl"]
    assert sqs.create_queue(QueueName="q", Attributes={"DelaySeconds": "5"})["QueueUrl"] == first
    with pytest.raises(ClientError) as caught:
        sqs.create_queue(QueueName="q", Attributes={"DelaySeconds": "6"})
    assert caught.value.response["Error"]["Code"] == "QueueAlreadyExists"
    assert "different value for attribute DelaySeconds" in caught.value.response["Error"]["Message"]


def test_attributes_have_aws_defaults_and_ranges(sqs):
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert (found["VisibilityTimeout"], found["MaximumMessageSize"], found["MessageRetentionPeriod"]) == ("30", "1048576", "345600")
    with pytest.raises(ClientError, match="Invalid value for the parameter VisibilityTimeout"):
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "43201"})
    with pytest.raises(ClientError, match=r"Unknown Attribute Colour\."):
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Colour": "red"})
    with pytest.raises(ClientError, match="KmsMasterKeyId"):
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"KmsMasterKeyId": "alias/key"})


def test_queues_are_listed_by_prefix_and_page(sqs):
    for name in ("a1", "a2", "a3", "b1"):
        sqs.create_queue(QueueName=name)
    first = sqs.list_queues(QueueNamePrefix="a", MaxResults=2)
    second = sqs.list_queues(QueueNamePrefix="a", MaxResults=2, NextToken=first["NextToken"])
    assert [url.rsplit("/", 1)[1] for url in first["QueueUrls"] + second["QueueUrls"]] == ["a1", "a2", "a3"]
    assert "NextToken" not in second


def test_a_purged_queue_is_empty_and_not_purged_again_within_a_minute(sqs, clock):
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="one")
    sqs.purge_queue(QueueUrl=queue)
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    with pytest.raises(ClientError, match="every 60 seconds"):
        sqs.purge_queue(QueueUrl=queue)
    clock.advance("61s")
    sqs.purge_queue(QueueUrl=queue)


def test_a_deleted_queue_is_gone_with_its_messages(sqs):
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="one")
    sqs.delete_queue(QueueUrl=queue)
    with pytest.raises(ClientError):
        sqs.get_queue_url(QueueName="q")
    sqs.create_queue(QueueName="q")
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)


def test_another_account_needs_a_permission_on_the_queue(sqs, client):
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    other = client("sqs", account="999999999999")
    with pytest.raises(ClientError) as caught:
        other.send_message(QueueUrl=queue, MessageBody="x")
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    sqs.add_permission(QueueUrl=queue, Label="share", AWSAccountIds=["999999999999"], Actions=["SendMessage"])
    other.send_message(QueueUrl=queue, MessageBody="x")
    with pytest.raises(ClientError):
        other.receive_message(QueueUrl=queue)
    sqs.remove_permission(QueueUrl=queue, Label="share")
    with pytest.raises(ClientError):
        other.send_message(QueueUrl=queue, MessageBody="x")


def test_tags_are_kept(sqs):
    queue = sqs.create_queue(QueueName="q", tags={"a": "1"})["QueueUrl"]
    sqs.tag_queue(QueueUrl=queue, Tags={"b": "2"})
    sqs.untag_queue(QueueUrl=queue, TagKeys=["a"])
    assert sqs.list_queue_tags(QueueUrl=queue)["Tags"] == {"b": "2"}


def query(ground, account, path="/", **parameters):
    """A call in the query protocol, as SDKs made it before 2023."""
    body = urllib.parse.urlencode({"Version": "2012-11-05", **parameters}).encode()
    request = AWSRequest("POST", ground.endpoint + path, data=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    SigV4Auth(Credentials(account, "test"), "sqs", "us-east-1").add_auth(request)
    try:
        with urllib.request.urlopen(urllib.request.Request(request.url, body, dict(request.headers))) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_query_protocol_works_on_the_same_queues(ground, account, sqs):
    status, text = query(
        ground, account, **{"Action": "CreateQueue", "QueueName": "q", "Attribute.1.Name": "DelaySeconds", "Attribute.1.Value": "0"}
    )
    assert status == 200 and f"<QueueUrl>{ground.endpoint}/{account}/q</QueueUrl>" in text
    attribute = {"MessageAttribute.1.Name": "k", "MessageAttribute.1.Value.DataType": "String", "MessageAttribute.1.Value.StringValue": "v"}
    status, text = query(
        ground, account, f"/{account}/q", Action="SendMessage", MessageBody="hello", QueueUrl=f"{ground.endpoint}/{account}/q", **attribute
    )
    assert status == 200 and "<MD5OfMessageBody>5d41402abc4b2a76b9719d911017c592</MD5OfMessageBody>" in text
    status, text = query(
        ground,
        account,
        Action="ReceiveMessage",
        QueueUrl=f"{ground.endpoint}/{account}/q",
        **{"MessageAttributeName.1": "All", "AttributeName.1": "All"},
    )
    assert (
        "<Body>hello</Body>" in text
        and "<Name>k</Name><Value><StringValue>v</StringValue>" in text
        and "<Name>SentTimestamp</Name>" in text
    )
    status, text = query(ground, account, Action="GetQueueUrl", QueueName="nothing")
    assert status == 400 and "<Code>AWS.SimpleQueueService.NonExistentQueue</Code>" in text
