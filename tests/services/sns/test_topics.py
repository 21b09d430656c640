"""Topics: create again, attributes, pages, tags, permissions, deletion; who may; what is left after a kill."""

import json

import pytest
from botocore.exceptions import ClientError


def test_creating_again_gives_the_same_topic_unless_it_differs(sns, account):
    first = sns.create_topic(Name="t", Attributes={"DisplayName": "D"}, Tags=[{"Key": "a", "Value": "1"}])["TopicArn"]
    assert first == f"arn:aws:sns:us-east-1:{account}:t"
    assert sns.create_topic(Name="t")["TopicArn"] == first
    assert sns.create_topic(Name="t", Attributes={"DisplayName": "D"}, Tags=[{"Key": "a", "Value": "1"}])["TopicArn"] == first
    with pytest.raises(ClientError, match="Attributes Reason: Topic already exists with different attributes"):
        sns.create_topic(Name="t", Attributes={"DisplayName": "E"})
    with pytest.raises(ClientError, match="Tags Reason: Topic already exists with different tags"):
        sns.create_topic(Name="t", Tags=[{"Key": "a", "Value": "2"}])


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"Name": "a b"}, "Invalid parameter: Topic Name"),
        ({"Name": "x" * 257}, "Invalid parameter: Topic Name"),
        ({"Name": "t.fifo"}, "Invalid parameter: Topic Name"),
        ({"Name": "t", "Attributes": {"FifoTopic": "true"}}, "Invalid parameter: Fifo Topic names must end with .fifo"),
        ({"Name": "t", "Attributes": {"Colour": "red"}}, "Attributes Reason: Unknown attribute Colour"),
        (
            {"Name": "t", "Attributes": {"ContentBasedDeduplication": "true"}},
            "Attributes Reason: Unknown attribute ContentBasedDeduplication",
        ),
        ({"Name": "t", "Attributes": {"SignatureVersion": "3"}}, "Attributes Reason: SignatureVersion"),
        ({"Name": "t", "Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}, "Duplicated keys are not allowed"),
    ],
)
def test_what_cannot_be_created_is_refused(sns, request_, sentence):
    with pytest.raises(sns.exceptions.InvalidParameterException) as caught:
        sns.create_topic(**request_)
    assert sentence in caught.value.response["Error"]["Message"]


def test_attributes_have_awss_defaults(sns, account):
    arn = sns.create_topic(Name="t")["TopicArn"]
    found = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    policy = json.loads(found.pop("Policy"))
    assert policy["Id"] == "__default_policy_ID"
    assert policy["Statement"][0]["Condition"] == {"StringEquals": {"AWS:SourceOwner": account}}
    effective = json.loads(found.pop("EffectiveDeliveryPolicy"))
    assert effective["http"]["defaultHealthyRetryPolicy"]["numRetries"] == 3
    assert found == {
        "DisplayName": "",
        "Owner": account,
        "SubscriptionsConfirmed": "0",
        "SubscriptionsDeleted": "0",
        "SubscriptionsPending": "0",
        "TopicArn": arn,
    }


def test_attributes_are_set_and_refused(sns):
    arn = sns.create_topic(Name="t")["TopicArn"]
    policy = {"http": {"defaultHealthyRetryPolicy": {"minDelayTarget": 1, "maxDelayTarget": 2, "numRetries": 5}}}
    for name, value in (("DisplayName", "Hello"), ("DeliveryPolicy", json.dumps(policy)), ("SignatureVersion", "2")):
        sns.set_topic_attributes(TopicArn=arn, AttributeName=name, AttributeValue=value)
    found = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert (found["DisplayName"], found["SignatureVersion"]) == ("Hello", "2")
    assert json.loads(found["EffectiveDeliveryPolicy"])["http"]["defaultHealthyRetryPolicy"]["numRetries"] == 5
    bad = {
        "FifoTopic": "true",
        "Colour": "red",
        "SignatureVersion": "0",
        "TracingConfig": "Loud",
        "MaximumMessageSize": "10",
        "DeliveryPolicy": '{"http": {"defaultHealthyRetryPolicy": {"minDelayTarget": 9, "maxDelayTarget": 2}}}',
        "Policy": "{",
        "SQSSuccessFeedbackSampleRate": "101",
    }
    for name, value in bad.items():
        with pytest.raises(sns.exceptions.InvalidParameterException):
            sns.set_topic_attributes(TopicArn=arn, AttributeName=name, AttributeValue=value)
    with pytest.raises(sns.exceptions.NotFoundException, match="Topic does not exist"):
        sns.get_topic_attributes(TopicArn=arn + "x")


def test_a_larger_message_may_be_published_where_the_topic_says_so(sns):
    arn = sns.create_topic(Name="t", Attributes={"MaximumMessageSize": "1048576"})["TopicArn"]
    sns.publish(TopicArn=arn, Message="x" * 600_000)
    with pytest.raises(ClientError, match="100 or fewer subscriptions"):
        sns.subscribe(TopicArn=arn, Protocol="sms", Endpoint="+15551234567")
    spoken = sns.create_topic(Name="spoken")["TopicArn"]
    sns.subscribe(TopicArn=spoken, Protocol="sms", Endpoint="+15551234567")
    with pytest.raises(ClientError, match="100 or fewer subscriptions"):
        sns.set_topic_attributes(TopicArn=spoken, AttributeName="MaximumMessageSize", AttributeValue="1048576")
    small = sns.create_topic(Name="small", Attributes={"MaximumMessageSize": "1024"})["TopicArn"]
    with pytest.raises(ClientError, match="Message too long"):
        sns.publish(TopicArn=small, Message="x" * 1025)


def test_topics_are_listed_in_pages_of_a_hundred(sns):
    made = sorted(sns.create_topic(Name=f"t{number:03}")["TopicArn"] for number in range(103))
    first = sns.list_topics()
    second = sns.list_topics(NextToken=first["NextToken"])
    assert (len(first["Topics"]), "NextToken" in second) == (100, False)
    assert [topic["TopicArn"] for topic in first["Topics"] + second["Topics"]] == made


def test_tags_are_given_taken_and_limited(sns):
    arn = sns.create_topic(Name="t", Tags=[{"Key": "a", "Value": "1"}])["TopicArn"]
    sns.tag_resource(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "3"}])
    assert sns.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "3"}, {"Key": "b", "Value": "2"}]
    sns.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert sns.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    with pytest.raises(sns.exceptions.TagLimitExceededException, match="tag quota of per resource exceeded"):
        sns.tag_resource(ResourceArn=arn, Tags=[{"Key": f"k{number}", "Value": ""} for number in range(50)])
    with pytest.raises(sns.exceptions.ResourceNotFoundException, match="Resource does not exist"):
        sns.list_tags_for_resource(ResourceArn=arn + "x")


def test_another_account_needs_a_permission_on_the_topic(sns, client):
    arn = sns.create_topic(Name="t")["TopicArn"]
    other = client("sns", account="999999999999")
    with pytest.raises(other.exceptions.AuthorizationErrorException, match="SNS:Publish on resource"):
        other.publish(TopicArn=arn, Message="x")
    sns.add_permission(TopicArn=arn, Label="share", AWSAccountId=["999999999999"], ActionName=["Publish"])
    other.publish(TopicArn=arn, Message="x")
    with pytest.raises(ClientError):
        other.subscribe(TopicArn=arn, Protocol="email", Endpoint="a@b.example")
    with pytest.raises(ClientError, match="Statement already exists"):
        sns.add_permission(TopicArn=arn, Label="share", AWSAccountId=["999999999999"], ActionName=["Publish"])
    with pytest.raises(ClientError, match="Policy statement action out of service scope!"):
        sns.add_permission(TopicArn=arn, Label="more", AWSAccountId=["999999999999"], ActionName=["*"])
    sns.remove_permission(TopicArn=arn, Label="share")
    with pytest.raises(ClientError):
        other.publish(TopicArn=arn, Message="x")


def test_a_user_needs_a_policy_and_its_condition_on_the_endpoint_holds(sns, client, ground):
    iam = client("iam")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    user = ground.client("sns", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    arn = sns.create_topic(Name="t")["TopicArn"]
    with pytest.raises(user.exceptions.AuthorizationErrorException, match="no identity-based policy allows the SNS:Subscribe action"):
        user.subscribe(TopicArn=arn, Protocol="email", Endpoint="a@good.example")
    statement = {
        "Effect": "Allow",
        "Action": "sns:Subscribe",
        "Resource": arn,
        "Condition": {"StringLike": {"sns:Endpoint": "*@good.example"}},
    }
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert user.subscribe(TopicArn=arn, Protocol="email", Endpoint="a@good.example")["SubscriptionArn"] == "pending confirmation"
    with pytest.raises(ClientError):
        user.subscribe(TopicArn=arn, Protocol="email", Endpoint="a@bad.example")


def test_a_policy_of_another_service_is_refused(sns):
    arn = sns.create_topic(Name="t")["TopicArn"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}]}
    with pytest.raises(ClientError, match="Policy statement action out of service scope!"):
        sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=json.dumps(policy))


def test_a_deleted_topic_is_gone_with_its_subscriptions(sns, make_queue):
    _, queue_arn = make_queue("q")
    arn = sns.create_topic(Name="t")["TopicArn"]
    subscription = sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn)["SubscriptionArn"]
    sns.delete_topic(TopicArn=arn)
    sns.delete_topic(TopicArn=arn)
    assert sns.list_topics()["Topics"] == []
    assert sns.list_subscriptions()["Subscriptions"] == []
    with pytest.raises(sns.exceptions.NotFoundException, match="Subscription does not exist"):
        sns.get_subscription_attributes(SubscriptionArn=subscription)
    sns.create_topic(Name="t")
    assert sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"] == []


def test_a_data_protection_policy_is_kept(sns):
    arn = sns.create_topic(Name="t")["TopicArn"]
    policy = json.dumps({"Name": "p", "Version": "2021-06-01", "Statement": [{"Sid": "s"}]})
    sns.put_data_protection_policy(ResourceArn=arn, DataProtectionPolicy=policy)
    assert sns.get_data_protection_policy(ResourceArn=arn)["DataProtectionPolicy"] == policy
    with pytest.raises(ClientError, match="failed to parse JSON"):
        sns.put_data_protection_policy(ResourceArn=arn, DataProtectionPolicy="{")


def test_a_users_policy_may_ask_for_the_topics_tags(sns, client, ground):
    iam = client("iam")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    user = ground.client("sns", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    tagged = {"Effect": "Allow", "Action": "sns:Publish", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}}}
    made = {"Effect": "Allow", "Action": ["sns:CreateTopic", "sns:TagResource"], "Resource": "*"}
    made["Condition"] = {"StringEquals": {"aws:RequestTag/team": "a"}}
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [tagged, made]}))
    ours = user.create_topic(Name="ours", Tags=[{"Key": "team", "Value": "a"}])["TopicArn"]
    theirs = sns.create_topic(Name="theirs", Tags=[{"Key": "team", "Value": "b"}])["TopicArn"]
    user.publish(TopicArn=ours, Message="x")
    with pytest.raises(ClientError, match="SNS:Publish"):
        user.publish(TopicArn=theirs, Message="x")
    with pytest.raises(ClientError, match="SNS:CreateTopic"):
        user.create_topic(Name="more")
