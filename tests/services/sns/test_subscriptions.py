"""Subscriptions: checks, confirmation, cross-account, lists, unsubscribing."""

import json
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError
from tests.services.sns.conftest import let_in

OTHER = "999999999999"


@pytest.fixture
def topic(sns):
    return sns.create_topic(Name="t")["TopicArn"]


@pytest.mark.parametrize(
    ("protocol", "endpoint", "sentence"),
    [
        ("pigeon", "coo", "Amazon SNS does not support this protocol string: pigeon"),
        ("http", "https://a.example/", "Endpoint must match the specified protocol"),
        ("https", "a.example", "Endpoint must match the specified protocol"),
        ("email", "nobody", "Email address"),
        ("sms", "abc", "Invalid SMS endpoint: abc"),
        ("sqs", "q", "SQS endpoint ARN"),
        ("lambda", "arn:aws:sqs:us-east-1:000000000000:q", "Lambda endpoint ARN"),
        ("application", "x", "ApplicationEndpoint ARN"),
        ("sqs", "arn:aws:sqs:us-east-1:000000000000:q.fifo", "FIFO SQS Queues can not be subscribed to standard SNS topics"),
    ],
)
def test_an_endpoint_fits_its_protocol(sns, topic, protocol, endpoint, sentence):
    with pytest.raises(sns.exceptions.InvalidParameterException) as caught:
        sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint)
    assert sentence in caught.value.response["Error"]["Message"]


def test_firehose_is_refused_by_name(sns, topic):
    with pytest.raises(ClientError, match="firehose") as caught:
        sns.subscribe(TopicArn=topic, Protocol="firehose", Endpoint="arn:aws:firehose:us-east-1:000000000000:deliverystream/d")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ({"Colour": "red"}, "Attributes Reason: AttributeName"),
        ({"RawMessageDelivery": "maybe"}, r"RawMessageDelivery: Invalid value \[maybe\]. Must be true or false."),
        ({"FilterPolicyScope": "Head"}, r"FilterPolicyScope: Invalid value \[Head\]. Please use either MessageBody or MessageAttributes"),
        ({"FilterPolicy": "{"}, "FilterPolicy: failed to parse JSON."),
        ({"RedrivePolicy": "{"}, "RedrivePolicy: failed to parse JSON."),
        ({"RedrivePolicy": '{"deadLetterTargetArn": "q"}'}, "RedrivePolicy: deadLetterTargetArn is an invalid arn"),
        ({"DeliveryPolicy": '{"healthyRetryPolicy": {"numRetries": 5}}'}, "does not support delivery policies"),
        ({"ReplayPolicy": "{}"}, "Replay is not supported on standard topics"),
    ],
)
def test_attributes_that_cannot_be_are_refused(sns, topic, make_queue, attributes, sentence):
    _, queue_arn = make_queue("q")
    with pytest.raises(sns.exceptions.InvalidParameterException, match=sentence):
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn, Attributes=attributes)
    assert sns.list_subscriptions()["Subscriptions"] == []


def test_subscribing_again_gives_the_same_subscription_unless_it_differs(sns, topic, make_queue):
    _, queue_arn = make_queue("q")
    first = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn, Attributes={"RawMessageDelivery": "true"})["SubscriptionArn"]
    assert sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)["SubscriptionArn"] == first
    with pytest.raises(ClientError, match="Subscription already exists with different attributes"):
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn, Attributes={"RawMessageDelivery": "false"})


def test_a_subscription_is_described_listed_and_removed(sns, topic, make_queue, account):
    _, queue_arn = make_queue("q")
    arn = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)["SubscriptionArn"]
    assert sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"] == {
        "ConfirmationWasAuthenticated": "true",
        "Endpoint": queue_arn,
        "Owner": account,
        "PendingConfirmation": "false",
        "Protocol": "sqs",
        "RawMessageDelivery": "false",
        "SubscriptionArn": arn,
        "SubscriptionPrincipal": f"arn:aws:iam::{account}:root",
        "TopicArn": topic,
    }
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue='{"a": ["b"]}')
    found = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert (found["FilterPolicy"], found["FilterPolicyScope"]) == ('{"a": ["b"]}', "MessageAttributes")
    listed = {"SubscriptionArn": arn, "Owner": account, "Protocol": "sqs", "Endpoint": queue_arn, "TopicArn": topic}
    assert sns.list_subscriptions()["Subscriptions"] == [listed]
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == [listed]
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsConfirmed"] == "1"
    sns.unsubscribe(SubscriptionArn=arn)
    sns.unsubscribe(SubscriptionArn=arn)
    found = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (found["SubscriptionsConfirmed"], found["SubscriptionsDeleted"]) == ("0", "1")
    assert sns.list_subscriptions()["Subscriptions"] == []
    with pytest.raises(sns.exceptions.NotFoundException, match="Subscription does not exist"):
        sns.get_subscription_attributes(SubscriptionArn=arn)
    for wrong, sentence in ((topic, "SubscriptionArn"), ("x", "An ARN must have at least 6 elements, not 1")):
        with pytest.raises(ClientError, match=sentence):
            sns.unsubscribe(SubscriptionArn=wrong)


def test_subscriptions_are_listed_in_pages_of_a_hundred(sns, topic):
    for number in range(103):
        sns.subscribe(TopicArn=topic, Protocol="sms", Endpoint=f"+1555{number:07}")
    for listing in (sns.list_subscriptions, lambda **more: sns.list_subscriptions_by_topic(TopicArn=topic, **more)):
        first = listing()
        second = listing(NextToken=first["NextToken"])
        assert (len(first["Subscriptions"]), len(second["Subscriptions"]), "NextToken" in second) == (100, 3, False)


def test_an_email_address_confirms_with_the_token_that_it_is_sent(sns, topic, ground, account):
    asked = sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@b.example")
    assert asked["SubscriptionArn"] == "pending confirmation"
    arn = sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@b.example", ReturnSubscriptionArn=True)["SubscriptionArn"]
    assert sns.list_subscriptions()["Subscriptions"][0]["SubscriptionArn"] == "PendingConfirmation"
    assert sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["PendingConfirmation"] == "true"
    sns.publish(TopicArn=topic, Message="too early")
    mail = ground.admin("GET", f"/_ground/sns/messages?accountId={account}&protocol=email")["messages"]
    assert [each["endpoint"] for each in mail] == ["a@b.example"] * 2
    token = json.loads(mail[-1]["message"])["Token"]
    assert ground.admin("GET", f"/_aws/sns/subscription-tokens/{arn}")["subscription_token"]
    with pytest.raises(ClientError, match="Invalid parameter: Token"):
        sns.confirm_subscription(TopicArn=topic, Token="wrong")
    assert sns.confirm_subscription(TopicArn=topic, Token=token)["SubscriptionArn"] == arn
    assert sns.confirm_subscription(TopicArn=topic, Token=token)["SubscriptionArn"] == arn
    assert sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["ConfirmationWasAuthenticated"] == "true"
    sns.publish(TopicArn=topic, Message="hello", Subject="S")
    mail = ground.admin("GET", f"/_ground/sns/messages?accountId={account}&protocol=email")["messages"]
    assert (mail[-1]["subject"], mail[-1]["message"]) == ("S", "hello")


def test_a_link_without_a_signature_confirms_and_another_unsubscribes(sns, topic, ground, account):
    sns.subscribe(TopicArn=topic, Protocol="email-json", Endpoint="a@b.example")

    def latest():
        return json.loads(ground.admin("GET", f"/_ground/sns/messages?accountId={account}")["messages"][-1]["message"])

    with urllib.request.urlopen(latest()["SubscribeURL"]) as answer:
        assert b"<ConfirmSubscriptionResult><SubscriptionArn>arn:aws:sns" in answer.read()
    arn = sns.list_subscriptions()["Subscriptions"][0]["SubscriptionArn"]
    assert sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["ConfirmationWasAuthenticated"] == "false"
    sns.publish(TopicArn=topic, Message="one")
    with urllib.request.urlopen(latest()["UnsubscribeURL"]) as answer:
        assert answer.status == 200
    assert latest()["Type"] == "UnsubscribeConfirmation"
    sns.publish(TopicArn=topic, Message="two")
    assert latest()["Type"] == "UnsubscribeConfirmation"
    with urllib.request.urlopen(latest()["SubscribeURL"]) as answer:
        assert answer.status == 200
    sns.publish(TopicArn=topic, Message="three")
    assert latest()["Message"] == "three"


def test_a_queues_subscription_does_not_end_without_a_signature(sns, topic, make_queue, received):
    url, queue_arn = make_queue("q")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    sns.publish(TopicArn=topic, Message="one")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(json.loads(received(url)[0]["Body"])["UnsubscribeURL"])
    assert caught.value.code == 403


def test_what_is_not_confirmed_within_two_days_is_gone(sns, topic, clock):
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@b.example")
    clock.advance("47h")
    assert len(sns.list_subscriptions()["Subscriptions"]) == 1
    clock.advance("2h")
    assert sns.list_subscriptions()["Subscriptions"] == []


def test_a_queue_of_another_account_confirms(sns, client, topic, received, ground):
    theirs = client("sqs", account=OTHER)
    url = theirs.create_queue(QueueName="theirs")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{OTHER}:theirs"
    let_in(theirs, url, arn)
    assert sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"] == "pending confirmation"
    ground.settle()
    message = theirs.receive_message(QueueUrl=url)["Messages"][0]
    theirs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    body = json.loads(message["Body"])
    assert body["Type"] == "SubscriptionConfirmation"
    client("sns", account=OTHER).confirm_subscription(TopicArn=topic, Token=body["Token"])
    sns.publish(TopicArn=topic, Message="across")
    ground.settle()
    assert json.loads(theirs.receive_message(QueueUrl=url)["Messages"][0]["Body"])["Message"] == "across"


def test_the_owner_of_a_queue_subscribes_it_without_confirming(sns, client, topic, ground):
    theirs = client("sqs", account=OTHER)
    url = theirs.create_queue(QueueName="own")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{OTHER}:own"
    let_in(theirs, url, arn)
    sns.add_permission(TopicArn=topic, Label="in", AWSAccountId=[OTHER], ActionName=["Subscribe"])
    subscriber = client("sns", account=OTHER)
    subscription = subscriber.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"]
    assert subscription.startswith(topic)
    assert [each["SubscriptionArn"] for each in subscriber.list_subscriptions()["Subscriptions"]] == [subscription]
    assert sns.list_subscriptions()["Subscriptions"] == []
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"][0]["Owner"] == OTHER
    sns.publish(TopicArn=topic, Message="across")
    ground.settle()
    assert "across" in theirs.receive_message(QueueUrl=url)["Messages"][0]["Body"]
    subscriber.unsubscribe(SubscriptionArn=subscription)


def test_a_queue_of_another_region_receives(sns, client, topic, ground, account):
    far = client("sqs", region="eu-west-1")
    url = far.create_queue(QueueName="far")["QueueUrl"]
    arn = f"arn:aws:sqs:eu-west-1:{account}:far"
    let_in(far, url, arn)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="far away")
    ground.settle()
    assert "far away" in far.receive_message(QueueUrl=url)["Messages"][0]["Body"]


def test_messages_pass_filter_policies(sns, topic, make_queue, received):
    by_attribute, by_attribute_arn = make_queue("attributes")
    by_body, by_body_arn = make_queue("body")
    raw = {"RawMessageDelivery": "true"}
    wanted = {**raw, "FilterPolicy": json.dumps({"store": ["shop"], "price": [{"numeric": [">=", 100]}]})}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=by_attribute_arn, Attributes=wanted)
    wanted = {**raw, "FilterPolicyScope": "MessageBody", "FilterPolicy": json.dumps({"order": {"kind": [{"prefix": "gro"}]}})}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=by_body_arn, Attributes=wanted)
    shop, price = {"DataType": "String", "StringValue": "shop"}, {"DataType": "Number", "StringValue": "100.5"}
    sns.publish(TopicArn=topic, Message="1", MessageAttributes={"store": shop, "price": price})
    sns.publish(TopicArn=topic, Message="2", MessageAttributes={"store": shop})
    sns.publish(TopicArn=topic, Message='{"order": {"kind": "groceries"}}')
    sns.publish(TopicArn=topic, Message='{"order": {"kind": "toys"}}')
    assert [message["Body"] for message in received(by_attribute)] == ["1"]
    assert [message["Body"] for message in received(by_body)] == ['{"order": {"kind": "groceries"}}']
