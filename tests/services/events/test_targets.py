"""Targets of other services: functions, topics, streams, log groups, APIs."""

from __future__ import annotations

import io
import json
import zipfile

import pytest


@pytest.fixture
def role(client):
    """`role("events.amazonaws.com", "kinesis:*")` -> ARN."""
    iam = client("iam")

    def make(service, *actions):
        name = f"role-{service.split('.')[0]}"
        trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]}
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
        return arn

    return make


def test_an_event_calls_a_function(client, role, rule, put, events, clock, account):
    functions, logs = client("lambda"), client("logs")
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("app.py", "def handler(event, context): print('SEEN', event['detail']['n'])")
    arn = functions.create_function(
        FunctionName="f",
        Runtime="python3.11",
        Handler="app.handler",
        Role=role("lambda.amazonaws.com", "logs:*"),
        Code={"ZipFile": package.getvalue()},
    )["FunctionArn"]
    functions.get_waiter("function_active_v2").wait(FunctionName="f")
    rule_arn = rule("r", {"source": ["app.orders"]}, arn)
    functions.add_permission(
        FunctionName="f", StatementId="s", Action="lambda:InvokeFunction", Principal="events.amazonaws.com", SourceArn=rule_arn
    )
    put({"n": 41})
    clock.settle()
    messages = [event["message"] for event in logs.filter_log_events(logGroupName="/aws/lambda/f")["events"]]
    assert any("SEEN 41" in message for message in messages)


def test_an_event_becomes_a_record_of_a_stream(client, role, rule, put, clock, account):
    kinesis = client("kinesis")
    kinesis.create_stream(StreamName="s", ShardCount=1)
    clock.settle()
    arn = f"arn:aws:kinesis:us-east-1:{account}:stream/s"
    rule(
        "r",
        {"source": ["app.orders"]},
        arn,
        RoleArn=role("events.amazonaws.com", "kinesis:*"),
        KinesisParameters={"PartitionKeyPath": "$.detail.key"},
    )
    put({"key": "k1"})
    clock.settle()
    shard = kinesis.list_shards(StreamName="s")["Shards"][0]["ShardId"]
    iterator = kinesis.get_shard_iterator(StreamName="s", ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    (record,) = kinesis.get_records(ShardIterator=iterator)["Records"]
    assert record["PartitionKey"] == "k1" and json.loads(record["Data"])["detail"] == {"key": "k1"}


def test_an_event_becomes_a_line_of_a_log_group(client, rule, put, clock, account):
    logs = client("logs")
    logs.create_log_group(logGroupName="/aws/events/all")
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]},
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": f"arn:aws:logs:us-east-1:{account}:log-group:/aws/events/all:*",
    }
    logs.put_resource_policy(policyName="p", policyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    rule("r", {"source": ["app.orders"]}, f"arn:aws:logs:us-east-1:{account}:log-group:/aws/events/all")
    put({"n": 1})
    clock.settle()
    (event,) = logs.filter_log_events(logGroupName="/aws/events/all")["events"]
    assert json.loads(event["message"])["detail"] == {"n": 1}


def test_an_event_calls_an_http_api_under_a_role(client, role, rule, put, clock, account, endpoint):
    api = client("apigatewayv2")
    found = api.create_api(Name="a", ProtocolType="HTTP")
    integration = api.create_integration(
        ApiId=found["ApiId"],
        IntegrationType="HTTP_PROXY",
        IntegrationUri=endpoint.url + "/got/{who}",
        IntegrationMethod="POST",
        PayloadFormatVersion="1.0",
    )["IntegrationId"]
    api.create_route(ApiId=found["ApiId"], RouteKey="POST /in/{who}", Target=f"integrations/{integration}", AuthorizationType="AWS_IAM")
    api.create_stage(ApiId=found["ApiId"], StageName="live", AutoDeploy=True)
    arn = f"arn:aws:execute-api:us-east-1:{account}:{found['ApiId']}/live/POST/in/*"
    caller = role("events.amazonaws.com", "execute-api:Invoke")
    rule(
        "r",
        {"source": ["app.orders"]},
        arn,
        RoleArn=caller,
        HttpParameters={"PathParameterValues": ["ann"], "QueryStringParameters": {"a": "b c"}},
    )
    put({"n": 1})
    clock.settle()
    ((method, path, query, _, body),) = endpoint.seen
    assert (method, path, query) == ("POST", "/got/ann", {"a": ["b c"]}) and json.loads(body)["detail"] == {"n": 1}


def test_a_role_that_does_not_trust_eventbridge_delivers_nothing(client, role, rule, put, queue, arrived, account, clock):
    client("kinesis").create_stream(StreamName="s", ShardCount=1)
    dead_url, dead_arn = queue("dead")
    arn = f"arn:aws:kinesis:us-east-1:{account}:stream/s"
    rule("r", {"source": ["app.orders"]}, arn, RoleArn=role("lambda.amazonaws.com", "kinesis:*"), DeadLetterConfig={"Arn": dead_arn})
    put({})
    (message,) = arrived(dead_url, raw=True)
    assert message["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"


def test_a_queue_that_is_gone_is_no_resource_and_one_without_a_policy_no_permission(client, rule, put, queue, arrived, sqs, account):
    dead_url, dead_arn = queue("dead")
    rule("gone", {"source": ["app.orders"]}, f"arn:aws:sqs:us-east-1:{account}:gone", DeadLetterConfig={"Arn": dead_arn})
    put({})
    (message,) = arrived(dead_url, raw=True)
    assert message["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_RESOURCE"
    sqs.create_queue(QueueName="gone")
    put({})
    (message,) = arrived(dead_url, raw=True)
    assert message["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"


def test_an_event_becomes_a_message_of_a_topic(client, rule, put, arrived, sqs, account):
    sns = client("sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    url = sqs.create_queue(QueueName="subscribed")["QueueUrl"]
    queue_arn = f"arn:aws:sqs:us-east-1:{account}:subscribed"
    statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue_arn}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn, Attributes={"RawMessageDelivery": "true"})
    statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sns:Publish", "Resource": topic}
    sns.set_topic_attributes(
        TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )
    rule("r", {"source": ["app.orders"]}, topic, InputPath="$.detail")
    put({"n": 1})
    assert arrived(url) == [{"n": 1}]


def test_a_role_hands_events_on_to_a_bus_of_another_region(client, ground, role, events, rule, put, account, clock):
    far, queues = client("events", region_name="eu-west-1"), client("sqs", region_name="eu-west-1")
    bus_arn = far.create_event_bus(Name="far")["EventBusArn"]
    url = queues.create_queue(QueueName="far")["QueueUrl"]
    queue_arn = f"arn:aws:sqs:eu-west-1:{account}:far"
    statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue_arn}
    queues.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})})
    far.put_rule(Name="all", EventBusName="far", EventPattern='{"region":["us-east-1"]}')
    far.put_targets(Rule="all", EventBusName="far", Targets=[{"Id": "q", "Arn": queue_arn}])
    rule("r", {"source": ["app.orders"]}, bus_arn, RoleArn=role("events.amazonaws.com", "events:PutEvents"))
    event_id = put({"n": 1})
    clock.settle()
    (message,) = queues.receive_message(QueueUrl=url)["Messages"]
    event = json.loads(message["Body"])
    assert event["id"] == event_id and event["region"] == "us-east-1"
