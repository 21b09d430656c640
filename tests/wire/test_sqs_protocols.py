"""SQS speaks JSON and, for clients older than 2023, the query protocol (requests as the SQS API Reference writes them)."""

import asyncio
from typing import Any
from urllib.parse import urlencode

import pytest
from lxml import etree

from groundcloud.base.errors import AwsError
from groundcloud.wire import model as models
from groundcloud.wire.codec import Codecs
from groundcloud.wire.message import HttpRequest
from groundcloud.wire.route import identify

CODECS = Codecs(models.load("sqs"))
QUEUE_URL = "http://localhost:4566/000000000000/orders"


def by_query(fields: dict[str, str], path: str = "/000000000000/orders") -> tuple[str, dict[str, Any]]:
    headers = {"content-type": "application/x-www-form-urlencoded", "host": "localhost:4566"}
    http = HttpRequest("POST", path, "", headers, urlencode({"Version": "2012-11-05", **fields}).encode())

    async def run() -> tuple[str, dict[str, Any]]:
        route = await identify(http, "sqs")
        return route.operation, await CODECS.get(route.operation, route.protocol).parse(http, route.labels)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("fields", "params"),
    [
        ({"Action": "CreateQueue", "QueueName": "orders", "Attribute.1.Name": "VisibilityTimeout", "Attribute.1.Value": "40", "Tag.1.Key": "team", "Tag.1.Value": "a"},
         {"QueueName": "orders", "Attributes": {"VisibilityTimeout": "40"}, "tags": {"team": "a"}}),
        ({"Action": "SendMessage", "MessageBody": "a & b\n", "DelaySeconds": "5", "MessageAttribute.1.Name": "colour", "MessageAttribute.1.Value.DataType": "String",
          "MessageAttribute.1.Value.StringValue": "red", "MessageAttribute.2.Name": "raw", "MessageAttribute.2.Value.DataType": "Binary", "MessageAttribute.2.Value.BinaryValue": "AAE="},
         {"QueueUrl": QUEUE_URL, "MessageBody": "a & b\n", "DelaySeconds": 5,
          "MessageAttributes": {"colour": {"DataType": "String", "StringValue": "red"}, "raw": {"DataType": "Binary", "BinaryValue": b"\x00\x01"}}}),
        ({"Action": "SendMessage", "MessageBody": "m", "MessageSystemAttribute.1.Name": "AWSTraceHeader", "MessageSystemAttribute.1.Value.DataType": "String",
          "MessageSystemAttribute.1.Value.StringValue": "Root=1"},
         {"QueueUrl": QUEUE_URL, "MessageBody": "m", "MessageSystemAttributes": {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1"}}}),
        ({"Action": "SendMessageBatch", "SendMessageBatchRequestEntry.1.Id": "a", "SendMessageBatchRequestEntry.1.MessageBody": "1",
          "SendMessageBatchRequestEntry.2.Id": "b", "SendMessageBatchRequestEntry.2.MessageBody": "2", "SendMessageBatchRequestEntry.2.DelaySeconds": "60"},
         {"QueueUrl": QUEUE_URL, "Entries": [{"Id": "a", "MessageBody": "1"}, {"Id": "b", "MessageBody": "2", "DelaySeconds": 60}]}),
        ({"Action": "ReceiveMessage", "MaxNumberOfMessages": "5", "AttributeName.1": "All", "MessageAttributeName.1": "colour", "MessageAttributeName.2": "size.*"},
         {"QueueUrl": QUEUE_URL, "MaxNumberOfMessages": 5, "AttributeNames": ["All"], "MessageAttributeNames": ["colour", "size.*"]}),
        ({"Action": "GetQueueAttributes", "AttributeName.1": "QueueArn", "AttributeName.2": "VisibilityTimeout"},
         {"QueueUrl": QUEUE_URL, "AttributeNames": ["QueueArn", "VisibilityTimeout"]}),
        ({"Action": "GetQueueAttributes", "AttributeNames.member.1": "All"}, {"QueueUrl": QUEUE_URL, "AttributeNames": ["All"]}),
        ({"Action": "SetQueueAttributes", "Attribute.Name": "Policy", "Attribute.1.Name": "DelaySeconds", "Attribute.1.Value": ""},
         {"QueueUrl": QUEUE_URL, "Attributes": {"DelaySeconds": ""}}),
        ({"Action": "DeleteMessage", "QueueUrl": "http://elsewhere/1/q", "ReceiptHandle": "r+/="}, {"QueueUrl": "http://elsewhere/1/q", "ReceiptHandle": "r+/="}),
        ({"Action": "DeleteMessageBatch", "DeleteMessageBatchRequestEntry.1.Id": "m", "DeleteMessageBatchRequestEntry.1.ReceiptHandle": "r"},
         {"QueueUrl": QUEUE_URL, "Entries": [{"Id": "m", "ReceiptHandle": "r"}]}),
        ({"Action": "ChangeMessageVisibilityBatch", "ChangeMessageVisibilityBatchRequestEntry.1.Id": "m", "ChangeMessageVisibilityBatchRequestEntry.1.ReceiptHandle": "r",
          "ChangeMessageVisibilityBatchRequestEntry.1.VisibilityTimeout": "45"},
         {"QueueUrl": QUEUE_URL, "Entries": [{"Id": "m", "ReceiptHandle": "r", "VisibilityTimeout": 45}]}),
        ({"Action": "AddPermission", "Label": "l", "AWSAccountId.1": "1", "AWSAccountId.2": "2", "ActionName.1": "SendMessage"},
         {"QueueUrl": QUEUE_URL, "Label": "l", "AWSAccountIds": ["1", "2"], "Actions": ["SendMessage"]}),
        ({"Action": "TagQueue", "Tag.1.Key": "k", "Tag.1.Value": "v"}, {"QueueUrl": QUEUE_URL, "Tags": {"k": "v"}}),
        ({"Action": "UntagQueue", "TagKey.1": "k"}, {"QueueUrl": QUEUE_URL, "TagKeys": ["k"]}),
    ],
    ids=lambda value: value.get("Action", "") if isinstance(value, dict) else None,
)  # fmt: skip
def test_a_query_request_is_read(fields: dict[str, str], params: dict[str, Any]) -> None:
    assert by_query(fields) == (fields["Action"], params)


def test_a_request_to_the_root_names_no_queue() -> None:
    assert by_query({"Action": "ListQueues", "QueueNamePrefix": "o"}, "/") == ("ListQueues", {"QueueNamePrefix": "o"})
    assert by_query({"Action": "PurgeQueue"}, "/") == ("PurgeQueue", {})


def xml_of(operation: str, result: dict[str, Any]) -> Any:
    response = CODECS.get(operation, "query").serialize(result, "an-id")
    assert dict(response.headers)["content-type"] == "text/xml"
    assert isinstance(response.body, bytes)
    root = etree.fromstring(response.body)
    assert etree.QName(root).namespace == "http://queue.amazonaws.com/doc/2012-11-05/"
    return root


def texts(root: Any, path: str) -> list[str]:
    return [node.text for node in root.iterfind("/".join(f"{{*}}{step}" for step in path.split("/")))]


def test_a_query_answer_is_written_as_the_reference_shows_it() -> None:
    received = xml_of(
        "ReceiveMessage",
        {
            "Messages": [
                {
                    "MessageId": "1",
                    "Body": "<b>",
                    "Attributes": {"SentTimestamp": "9"},
                    "MessageAttributes": {"c": {"DataType": "String", "StringValue": "x"}},
                },
                {"MessageId": "2"},
            ]
        },
    )
    assert texts(received, "ReceiveMessageResult/Message/MessageId") == ["1", "2"]
    assert texts(received, "ReceiveMessageResult/Message/Body") == ["<b>"]
    assert texts(received, "ReceiveMessageResult/Message/Attribute/Name") == ["SentTimestamp"]
    assert texts(received, "ReceiveMessageResult/Message/MessageAttribute/Name") == ["c"]
    assert texts(received, "ReceiveMessageResult/Message/MessageAttribute/Value/StringValue") == ["x"]
    assert texts(received, "ResponseMetadata/RequestId") == ["an-id"]
    assert texts(xml_of("ListQueues", {"QueueUrls": ["a", "b"]}), "ListQueuesResult/QueueUrl") == ["a", "b"]
    assert texts(xml_of("GetQueueAttributes", {"Attributes": {"QueueArn": "arn"}}), "GetQueueAttributesResult/Attribute/Value") == ["arn"]
    assert texts(xml_of("ListQueueTags", {"Tags": {"k": "v"}}), "ListQueueTagsResult/Tag/Key") == ["k"]
    batch = xml_of(
        "SendMessageBatch", {"Successful": [{"Id": "a", "MessageId": "m"}], "Failed": [{"Id": "b", "Code": "c", "SenderFault": True}]}
    )
    assert texts(batch, "SendMessageBatchResult/SendMessageBatchResultEntry/Id") == ["a"]
    assert texts(batch, "SendMessageBatchResult/BatchResultErrorEntry/SenderFault") == ["true"]
    assert texts(xml_of("DeleteMessage", {}), "ResponseMetadata/RequestId") == ["an-id"]


def test_an_error_has_the_old_code_in_both_protocols() -> None:
    error = AwsError("QueueDoesNotExist", "The specified queue does not exist.")
    old = CODECS.get("SendMessage", "query").error(error, "an-id")
    assert old.status == 400
    assert isinstance(old.body, bytes)
    root = etree.fromstring(old.body)
    assert texts(root, "Error/Code") == ["AWS.SimpleQueueService.NonExistentQueue"]
    assert texts(root, "Error/Type") == ["Sender"]
    assert texts(root, "RequestId") == ["an-id"]
    new = CODECS.get("SendMessage", "json").error(error, "an-id")
    assert dict(new.headers)["x-amzn-query-error"] == "AWS.SimpleQueueService.NonExistentQueue;Sender"
    assert new.body == b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}'


def test_an_error_outside_the_model_goes_as_it_is() -> None:
    response = CODECS.get("SendMessage", "query").error(AwsError("InvalidParameterValue", "Value x & y", status=400), "an-id")
    assert isinstance(response.body, bytes)
    assert texts(etree.fromstring(response.body), "Error/Message") == ["Value x & y"]
