"""Other services publish: buckets, functions' destinations and dead letters, alarms, functions as subscribers."""

import json
import sys

import pytest
from botocore.exceptions import ClientError

RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
"""Of the interpreter that runs the tests."""


@pytest.fixture
def heard(sns, make_queue, received):
    """(topic's ARN, what its queue received, decoded)."""
    url, queue_arn = make_queue("heard")
    topic = sns.create_topic(Name="heard")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    return topic, lambda: [json.loads(message["Body"]) for message in received(url)]


@pytest.fixture
def make_function(client):
    """`make_function("f", code, *statements)` is the ARN of a function whose role has these statements."""

    def make(name, code, *statements):
        import io
        import zipfile

        iam = client("iam")
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        role = iam.create_role(RoleName=f"role-{name}", AssumeRolePolicyDocument=document)["Role"]["Arn"]
        logs = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [logs, *statements]})
        iam.put_role_policy(RoleName=f"role-{name}", PolicyName="p", PolicyDocument=policy)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("app.py", code)
        return client("lambda").create_function(
            FunctionName=name, Runtime=RUNTIME, Role=role, Handler="app.handler", Code={"ZipFile": packed.getvalue()}
        )["FunctionArn"]

    return make


def test_a_bucket_tells_a_topic(sns, client, heard, account, ground):
    topic, messages = heard
    s3 = client("s3")
    bucket = f"b-{account}"
    s3.create_bucket(Bucket=bucket)
    wanted = {"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]}
    with pytest.raises(ClientError, match="Unable to validate the following destination configurations"):
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic,
        "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted)
    (test,) = messages()
    assert json.loads(test["Message"])["Event"] == "s3:TestEvent"
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    (told,) = messages()
    record = json.loads(told["Message"])["Records"][0]
    assert (record["eventName"], record["s3"]["object"]["key"]) == ("ObjectCreated:Put", "k")


def test_an_alarm_tells_a_topic_of_its_account(client, heard):
    topic, messages = heard
    client("cloudwatch").put_metric_alarm(
        AlarmName="a",
        Namespace="n",
        MetricName="m",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[topic],
    )
    client("cloudwatch").set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="trying")
    (told,) = messages()
    assert told["Subject"] == 'ALARM: "a" in US East (N. Virginia)'
    assert json.loads(told["Message"])["NewStateValue"] == "ALARM"


def test_an_alarm_of_another_account_is_not_let_in(sns, client, heard):
    topic, messages = heard
    other = client("cloudwatch", account="999999999998")
    other.put_metric_alarm(
        AlarmName="a",
        Namespace="n",
        MetricName="m",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[topic],
    )
    other.set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="trying")
    assert messages() == []


def test_a_functions_destination_and_dead_letters_may_be_topics(sns, client, heard, make_function, clock):
    topic, messages = heard
    publish = {"Effect": "Allow", "Action": "sns:Publish", "Resource": topic}
    code = "def handler(event, context):\n    if event.get('fail'):\n        raise ValueError('no')\n    return 'fine'\n"
    make_function("f", code, publish)
    functions = client("lambda")
    functions.update_function_configuration(FunctionName="f", DeadLetterConfig={"TargetArn": topic})
    functions.put_function_event_invoke_config(
        FunctionName="f", MaximumRetryAttempts=0, DestinationConfig={"OnSuccess": {"Destination": topic}}
    )
    functions.invoke(FunctionName="f", InvocationType="Event", Payload=b"{}")
    (told,) = messages()
    assert json.loads(told["Message"])["responsePayload"] == "fine"
    functions.invoke(FunctionName="f", InvocationType="Event", Payload=b'{"fail": 1}')
    (dead,) = messages()
    assert dead["Message"] == '{"fail": 1}'
    assert dead["MessageAttributes"]["ErrorMessage"] == {"Type": "String", "Value": "no"}


def test_a_destination_that_the_role_may_not_publish_to_is_refused(client, heard, make_function):
    topic, _ = heard
    make_function("f", "def handler(event, context):\n    pass\n")
    with pytest.raises(ClientError, match="does not have permissions to call Publish on"):
        client("lambda").put_function_event_invoke_config(FunctionName="f", DestinationConfig={"OnSuccess": {"Destination": topic}})


ECHO = """
import json, boto3, os
def handler(event, context):
    boto3.client('sqs').send_message(QueueUrl=os.environ.get('URL') or URL, MessageBody=json.dumps(event))
"""


def test_a_function_is_called_with_awss_event(sns, sqs, client, make_function, received, account):
    url = sqs.create_queue(QueueName="echo")["QueueUrl"]
    send = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}
    function_arn = make_function("f", f"URL = {url!r}\n{ECHO}", send)
    topic = sns.create_topic(Name="t")["TopicArn"]
    client("lambda").add_permission(
        FunctionName="f", StatementId="s", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com", SourceArn=topic
    )
    subscription = sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function_arn)["SubscriptionArn"]
    sent = sns.publish(TopicArn=topic, Message="m", MessageAttributes={"a": {"DataType": "String", "StringValue": "b"}})
    (record,) = json.loads(received(url)[0]["Body"])["Records"]
    assert list(record) == ["EventSource", "EventVersion", "EventSubscriptionArn", "Sns"]
    assert (record["EventSource"], record["EventVersion"], record["EventSubscriptionArn"]) == ("aws:sns", "1.0", subscription)
    assert list(record["Sns"]) == [
        "Type",
        "MessageId",
        "TopicArn",
        "Subject",
        "Message",
        "Timestamp",
        "SignatureVersion",
        "Signature",
        "SigningCertUrl",
        "UnsubscribeUrl",
        "MessageAttributes",
    ] or list(record["Sns"])[-2:] == ["UnsubscribeUrl", "MessageAttributes"]
    assert record["Sns"]["Subject"] is None
    assert (record["Sns"]["MessageId"], record["Sns"]["Message"]) == (sent["MessageId"], "m")
    assert record["Sns"]["MessageAttributes"] == {"a": {"Type": "String", "Value": "b"}}


def test_a_function_that_does_not_let_the_topic_in_is_left_to_the_dead_letters(sns, client, make_function, make_queue, received):
    dead_url, dead_arn = make_queue("dead")
    function_arn = make_function("f", "def handler(event, context):\n    pass\n")
    topic = sns.create_topic(Name="t")["TopicArn"]
    redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead_arn})}
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function_arn, Attributes=redrive)
    sent = sns.publish(TopicArn=topic, Message="m")
    document = json.loads(received(dead_url)[0]["Body"])
    assert (document["Type"], document["MessageId"], document["Message"]) == ("Notification", sent["MessageId"], "m")
    assert "SigningCertURL" in document


RELAY = """
import boto3
def handler(event, context):
    boto3.client('sns').publish(TopicArn=event['Records'][0]['Sns']['TopicArn'] if 'Records' in event else event['topic'], Message='again')
"""


@pytest.mark.slow
def test_a_loop_through_a_topic_is_stopped(sns, client, make_function, received, ground):
    topic = sns.create_topic(Name="loop")["TopicArn"]
    function_arn = make_function("loop", RELAY, {"Effect": "Allow", "Action": "sns:Publish", "Resource": "*"})
    client("lambda").add_permission(FunctionName="loop", StatementId="s", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com")
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function_arn)
    sns.publish(TopicArn=topic, Message="first")
    ground.settle()
    ground.advance("1m")
    events = client("logs").filter_log_events(logGroupName="/aws/lambda/loop", filterPattern="REPORT")["events"]
    assert 10 <= len(events) <= 20
