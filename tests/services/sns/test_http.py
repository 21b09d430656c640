"""HTTP endpoints: confirmation, headers, raw messages, retries by policy, dead letters, delivery status."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding


class Listener:
    """An endpoint that notes what it is sent, and answers as it is told."""

    def __init__(self):
        self.requests = []
        self.statuses = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                listener.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(listener.statuses.pop(0) if listener.statuses else 200)
                self.end_headers()

            def log_message(self, *_):
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}/hook?a=b"

    def documents(self):
        return [json.loads(body) for _, body in self.requests]


@pytest.fixture
def listener():
    made = Listener()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def topic(sns):
    return sns.create_topic(Name="t")["TopicArn"]


def subscribed(sns, topic, listener, clock, **attributes):
    """A confirmed subscription's ARN."""
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=listener.url, Attributes=attributes)
    clock.settle()
    token = listener.documents()[-1]["Token"]
    listener.requests.clear()
    return sns.confirm_subscription(TopicArn=topic, Token=token)["SubscriptionArn"]


def test_an_endpoint_is_asked_then_told(sns, topic, listener, clock):
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=listener.url)
    clock.settle()
    ((headers, body),) = listener.requests
    asked = json.loads(body)
    assert list(asked) == [
        "Type",
        "MessageId",
        "Token",
        "TopicArn",
        "Message",
        "SubscribeURL",
        "Timestamp",
        "SignatureVersion",
        "Signature",
        "SigningCertURL",
    ]
    assert headers["x-amz-sns-message-type"] == asked["Type"] == "SubscriptionConfirmation"
    assert (headers["x-amz-sns-message-id"], headers["x-amz-sns-topic-arn"]) == (asked["MessageId"], topic)
    assert headers["content-type"] == "text/plain; charset=UTF-8"
    assert headers["user-agent"] == "Amazon Simple Notification Service Agent"
    with urlopen(asked["SigningCertURL"]) as answer:
        key = x509.load_pem_x509_certificate(answer.read()).public_key()
    names = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
    signed = "".join(f"{name}\n{asked[name]}\n" for name in names)
    key.verify(base64.b64decode(asked["Signature"]), signed.encode(), padding.PKCS1v15(), hashes.SHA1())
    urlopen(asked["SubscribeURL"]).close()
    arn = sns.list_subscriptions()["Subscriptions"][0]["SubscriptionArn"]
    listener.requests.clear()
    sent = sns.publish(TopicArn=topic, Message="hello")
    clock.settle()
    ((headers, body),) = listener.requests
    assert (headers["x-amz-sns-message-type"], headers["x-amz-sns-subscription-arn"]) == ("Notification", arn)
    assert json.loads(body)["MessageId"] == sent["MessageId"]


def test_raw_messages_and_their_content_type(sns, topic, listener, clock):
    policy = json.dumps({"requestPolicy": {"headerContentType": "application/json"}})
    subscribed(sns, topic, listener, clock, RawMessageDelivery="true", DeliveryPolicy=policy)
    sns.publish(TopicArn=topic, Message='{"a": 1}')
    clock.settle()
    ((headers, body),) = listener.requests
    assert body == '{"a": 1}'
    assert (headers["x-amz-sns-rawdelivery"], headers["content-type"]) == ("true", "application/json")


def test_a_failing_endpoint_is_tried_again_by_its_policy(sns, topic, listener, clock):
    retry = {"minDelayTarget": 10, "maxDelayTarget": 30, "numRetries": 3}
    subscribed(sns, topic, listener, clock, DeliveryPolicy=json.dumps({"healthyRetryPolicy": retry}))
    listener.statuses = [500, 429, 503]
    sns.publish(TopicArn=topic, Message="x")
    clock.settle()
    for pause, requests in (("9s", 1), ("2s", 2), ("18s", 2), ("2s", 3), ("28s", 3), ("3s", 4), ("10m", 4)):
        clock.advance(pause)
        assert len(listener.requests) == requests


def test_what_is_refused_for_good_goes_to_the_dead_letters(sns, topic, listener, clock, make_queue, received):
    dead_url, dead_arn = make_queue("dead")
    subscribed(sns, topic, listener, clock, RedrivePolicy=json.dumps({"deadLetterTargetArn": dead_arn}))
    listener.statuses = [404]
    sns.publish(TopicArn=topic, Message="refused")
    assert json.loads(received(dead_url)[0]["Body"])["Message"] == "refused"
    listener.statuses = [500] * 4
    sns.publish(TopicArn=topic, Message="failed")
    clock.advance("65s")
    assert json.loads(received(dead_url)[0]["Body"])["Message"] == "failed"
    assert len(listener.requests) == 5


def test_an_endpoint_that_nobody_answers_is_tried_again(sns, topic, listener, clock):
    subscribed(sns, topic, listener, clock)
    address = listener.server.server_address
    listener.server.shutdown()
    listener.server.server_close()
    sns.publish(TopicArn=topic, Message="x")
    clock.settle()
    listener.requests.clear()
    handler = listener.server.RequestHandlerClass
    listener.server = ThreadingHTTPServer(address, handler)
    threading.Thread(target=listener.server.serve_forever, daemon=True).start()
    clock.advance("21s")
    assert len(listener.requests) == 1


def test_a_throttled_endpoint_is_told_at_its_pace(sns, topic, listener, clock):
    policy = json.dumps({"throttlePolicy": {"maxReceivesPerSecond": 1}})
    subscribed(sns, topic, listener, clock, DeliveryPolicy=policy)
    for _ in range(5):
        sns.publish(TopicArn=topic, Message="x")
    clock.settle()
    assert len(listener.requests) < 5
    clock.advance("5s")
    assert len(listener.requests) == 5


def test_delivery_status_is_logged_where_the_topic_names_a_role(sns, topic, listener, clock, client, make_queue, account):
    iam = client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="feedback", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    allow = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]})
    iam.put_role_policy(RoleName="feedback", PolicyName="p", PolicyDocument=allow)
    for family in ("HTTP", "SQS"):
        for name, value in (("SuccessFeedbackRoleArn", role), ("SuccessFeedbackSampleRate", "100"), ("FailureFeedbackRoleArn", role)):
            sns.set_topic_attributes(TopicArn=topic, AttributeName=family + name, AttributeValue=value)
    subscribed(sns, topic, listener, clock)
    _, queue_arn = make_queue("q")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:{account}:gone")
    listener.statuses = [400]
    sent = sns.publish(TopicArn=topic, Message="x")
    clock.settle()
    logs = client("logs")

    def entries(group):
        found = logs.filter_log_events(logGroupName=group)["events"]
        return sorted((json.loads(event["message"]) for event in found), key=lambda entry: entry["delivery"]["destination"])

    failures = entries(f"sns/us-east-1/{account}/t/Failure")
    assert [entry["delivery"]["destination"] for entry in failures] == [f"arn:aws:sqs:us-east-1:{account}:gone", listener.url]
    assert (failures[1]["status"], failures[1]["delivery"]["statusCode"]) == ("FAILURE", 400)
    (success,) = entries(f"sns/us-east-1/{account}/t")
    assert (success["status"], success["delivery"]["destination"]) == ("SUCCESS", queue_arn)
    assert success["notification"]["messageId"] == sent["MessageId"]


def test_a_delivery_policy_is_for_urls_alone(sns, topic, make_queue):
    _, queue_arn = make_queue("q")
    arn = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)["SubscriptionArn"]
    with pytest.raises(ClientError, match="DeliveryPolicy"):
        sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="DeliveryPolicy", AttributeValue="{}")
