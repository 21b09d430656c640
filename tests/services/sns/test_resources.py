"""CloudFormation types: made, changed, replaced, removed; what Ref and GetAtt give."""

import json

import pytest

TOPIC = """
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      DisplayName: %(display)s
      SignatureVersion: 2
      Tags: [{Key: team, Value: %(display)s}]
      Subscription: [{Protocol: sms, Endpoint: '%(number)s'}]
      DeliveryStatusLogging: [{Protocol: sqs, FailureFeedbackRoleArn: 'arn:aws:iam::000000000000:role/r'}]
  Subscription:
    Type: AWS::SNS::Subscription
    Properties:
      TopicArn: !Ref Topic
      Protocol: sqs
      Endpoint: !GetAtt Queue.Arn
      RawMessageDelivery: true
      FilterPolicy: {kind: [%(kind)s]}
  Policy:
    Type: AWS::SNS::TopicPolicy
    Properties:
      Topics: [!Ref Topic]
      PolicyDocument:
        Version: '2012-10-17'
        Statement: [{Sid: in, Effect: Allow, Principal: {Service: events.amazonaws.com}, Action: 'sns:Publish', Resource: !Ref Topic}]
Outputs:
  Arn: {Value: !Ref Topic}
  Name: {Value: !GetAtt Topic.TopicName}
  Subscription: {Value: !Ref Subscription}
"""


@pytest.fixture
def cloud(client):
    return client("cloudformation")


def outputs(cloud, waiter, **request):
    cloud.get_waiter(waiter).wait(StackName="s", WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})
    stack = cloud.describe_stacks(StackName="s")["Stacks"][0]
    return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}


def test_a_topic_with_subscription_and_policy(sns, cloud):
    first = {"display": "one", "number": "+15550000001", "kind": "a"}
    cloud.create_stack(StackName="s", TemplateBody=TOPIC % first)
    found = outputs(cloud, "stack_create_complete")
    arn = found["Arn"]
    assert arn.endswith(":" + found["Name"]) and found["Name"].startswith("s-Topic-")
    attributes = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert (attributes["DisplayName"], attributes["SignatureVersion"]) == ("one", "2")
    assert attributes["SQSFailureFeedbackRoleArn"] == "arn:aws:iam::000000000000:role/r"
    assert json.loads(attributes["Policy"])["Statement"][0]["Sid"] == "in"
    subscription = sns.get_subscription_attributes(SubscriptionArn=found["Subscription"])["Attributes"]
    assert (subscription["RawMessageDelivery"], json.loads(subscription["FilterPolicy"])) == ("true", {"kind": ["a"]})
    cloud.update_stack(StackName="s", TemplateBody=TOPIC % {"display": "two", "number": "+15550000002", "kind": "b"})
    again = outputs(cloud, "stack_update_complete")
    assert again == found
    assert sns.get_topic_attributes(TopicArn=arn)["Attributes"]["DisplayName"] == "two"
    assert {"Key": "team", "Value": "two"} in sns.list_tags_for_resource(ResourceArn=arn)["Tags"]
    subscription = sns.get_subscription_attributes(SubscriptionArn=found["Subscription"])["Attributes"]
    assert json.loads(subscription["FilterPolicy"]) == {"kind": ["b"]}
    listed = {each["Endpoint"] for each in sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"] if each["Protocol"] == "sms"}
    assert listed == {"+15550000002"}
    without = (TOPIC % {"display": "two", "number": "+15550000002", "kind": "b"}).split("  Policy:")[0]
    cloud.update_stack(StackName="s", TemplateBody=without + "Outputs: {Arn: {Value: !Ref Topic}}\n")
    outputs(cloud, "stack_update_complete")
    assert json.loads(sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"])["Id"] == "__default_policy_ID"
    cloud.delete_stack(StackName="s")
    cloud.get_waiter("stack_delete_complete").wait(StackName="s", WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})
    assert sns.list_topics()["Topics"] == []


FIFO = """
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties: {TopicName: %s, FifoTopic: true, ContentBasedDeduplication: true, ArchivePolicy: {MessageRetentionPeriod: 5}}
  Inline:
    Type: AWS::SNS::TopicInlinePolicy
    Properties:
      TopicArn: !Ref Topic
      PolicyDocument: {Statement: [{Effect: Allow, Principal: '*', Action: ['sns:Publish'], Resource: !Ref Topic}]}
Outputs: {Arn: {Value: !Ref Topic}}
"""


def test_a_fifo_topic_is_replaced_under_another_name(sns, cloud):
    cloud.create_stack(StackName="s", TemplateBody=FIFO % "one.fifo")
    first = outputs(cloud, "stack_create_complete")["Arn"]
    found = sns.get_topic_attributes(TopicArn=first)["Attributes"]
    assert (found["FifoTopic"], found["ContentBasedDeduplication"]) == ("true", "true")
    assert json.loads(found["Policy"])["Statement"][0]["Principal"] == "*"
    cloud.update_stack(StackName="s", TemplateBody=FIFO % "two.fifo")
    second = outputs(cloud, "stack_update_complete")["Arn"]
    assert [topic["TopicArn"] for topic in sns.list_topics()["Topics"]] == [second]
    cloud.delete_stack(StackName="s")
    cloud.get_waiter("stack_delete_complete").wait(StackName="s", WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})
    assert sns.list_topics()["Topics"] == []
