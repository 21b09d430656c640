"""CloudFormation types of EventBridge, and SAM's events that become rules."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def stack(client, clock):
    cloudformation = client("cloudformation")

    class Stack:
        exists = False

        def deploy(self, resources, outputs=None, **more):
            template = {"Resources": resources, "Outputs": {name: {"Value": value} for name, value in (outputs or {}).items()}, **more}
            arguments = {
                "StackName": "app",
                "TemplateBody": json.dumps(template),
                "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            }
            (cloudformation.update_stack if self.exists else cloudformation.create_stack)(**arguments)
            self.exists = True
            clock.settle()
            found = cloudformation.describe_stacks(StackName="app")["Stacks"][0]
            events = cloudformation.describe_stack_events(StackName="app")["StackEvents"]
            assert found["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), [
                (event["LogicalResourceId"], event.get("ResourceStatusReason")) for event in events if "FAILED" in event["ResourceStatus"]
            ]
            return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}

        def delete(self):
            cloudformation.delete_stack(StackName="app")
            clock.settle()
            assert cloudformation.list_stacks()["StackSummaries"][0]["StackStatus"] == "DELETE_COMPLETE"

    return Stack()


QUEUE = {
    "Queue": {"Type": "AWS::SQS::Queue"},
    "QueuePolicy": {
        "Type": "AWS::SQS::QueuePolicy",
        "Properties": {
            "Queues": [{"Ref": "Queue"}],
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*"}
                ],
            },
        },
    },
}


def rule(**properties):
    target = {"Id": "q", "Arn": {"Fn::GetAtt": ["Queue", "Arn"]}, "RetryPolicy": {"MaximumRetryAttempts": "3"}}
    return {"Type": "AWS::Events::Rule", "Properties": {"Targets": [target], **properties}}


def test_a_rule_on_a_bus_is_made_changed_and_removed(stack, events, put, arrived):
    resources = {
        **QUEUE,
        "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "own", "Tags": [{"Key": "a", "Value": "b"}]}},
        "Rule": rule(EventBusName={"Ref": "Bus"}, EventPattern={"source": ["app.orders"], "detail": {"n": [{"numeric": [">", 1]}]}}),
    }
    outputs = {
        "Rule": {"Ref": "Rule"},
        "Arn": {"Fn::GetAtt": ["Rule", "Arn"]},
        "Url": {"Ref": "Queue"},
        "Bus": {"Fn::GetAtt": ["Bus", "Arn"]},
    }
    found = stack.deploy(resources, outputs)
    bus_name, _, name = found["Rule"].partition("|")
    assert bus_name == "own" and name.startswith("app-Rule-") and found["Arn"].endswith(f":rule/own/{name}")
    assert {"Key": "a", "Value": "b"} in events.list_tags_for_resource(ResourceARN=found["Bus"])["Tags"]
    put({"n": 2}, EventBusName="own")
    put({"n": 1}, EventBusName="own")
    assert [event["detail"]["n"] for event in arrived(found["Url"])] == [2]
    resources["Rule"] = rule(EventBusName={"Ref": "Bus"}, EventPattern={"source": ["app.orders"]}, State="DISABLED", Description="off")
    assert stack.deploy(resources, outputs)["Rule"] == found["Rule"]
    shown = events.describe_rule(Name=name, EventBusName="own")
    assert shown["State"] == "DISABLED" and shown["Description"] == "off"
    stack.delete()
    assert [bus["Name"] for bus in events.list_event_buses()["EventBuses"]] == ["default"]


def test_a_target_that_is_gone_from_the_template_is_removed(stack, events):
    pattern = {"EventPattern": {"source": ["a"]}, "Name": "named"}
    stack.deploy({**QUEUE, "Rule": rule(**pattern)})
    resources = {**QUEUE, "Rule": rule(**pattern)}
    resources["Rule"]["Properties"]["Targets"][0]["Id"] = "other"
    stack.deploy(resources)
    assert [target["Id"] for target in events.list_targets_by_rule(Rule="named")["Targets"]] == ["other"]


def test_policies_archives_connections_and_destinations(stack, events):
    connection = {
        "AuthorizationType": "API_KEY",
        "AuthParameters": {"ApiKeyAuthParameters": {"ApiKeyName": "x-key", "ApiKeyValue": "hush"}},
    }
    destination = {
        "ConnectionArn": {"Fn::GetAtt": ["Connection", "Arn"]},
        "HttpMethod": "POST",
        "InvocationEndpoint": "https://example.com/hook",
    }
    resources = {
        "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "own"}},
        "Grant": {
            "Type": "AWS::Events::EventBusPolicy",
            "Properties": {
                "EventBusName": {"Ref": "Bus"},
                "StatementId": "far",
                "Statement": {
                    "Effect": "Allow",
                    "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
                    "Action": "events:PutEvents",
                    "Resource": {"Fn::GetAtt": ["Bus", "Arn"]},
                },
            },
        },
        "Old": {
            "Type": "AWS::Events::EventBusPolicy",
            "Properties": {
                "EventBusName": {"Ref": "Bus"},
                "StatementId": "near",
                "Action": "events:PutEvents",
                "Principal": "222222222222",
            },
            "DependsOn": "Grant",
        },
        "Archive": {
            "Type": "AWS::Events::Archive",
            "Properties": {"SourceArn": {"Fn::GetAtt": ["Bus", "Arn"]}, "RetentionDays": "7", "EventPattern": {"source": ["a"]}},
        },
        "Connection": {"Type": "AWS::Events::Connection", "Properties": connection},
        "Destination": {"Type": "AWS::Events::ApiDestination", "Properties": destination},
    }
    outputs = {"Archive": {"Ref": "Archive"}, "Destination": {"Fn::GetAtt": ["Destination", "Arn"]}, "Connection": {"Ref": "Connection"}}
    found = stack.deploy(resources, outputs)
    policy = json.loads(events.describe_event_bus(Name="own")["Policy"])
    assert [statement["Sid"] for statement in policy["Statement"]] == ["far", "near"]
    assert events.describe_archive(ArchiveName=found["Archive"])["RetentionDays"] == 7
    (shown,) = events.list_api_destinations()["ApiDestinations"]
    assert shown["ApiDestinationArn"] == found["Destination"] and shown["ApiDestinationState"] == "ACTIVE"
    resources["Archive"]["Properties"]["RetentionDays"] = 9
    resources["Destination"]["Properties"]["InvocationRateLimitPerSecond"] = "5"
    del resources["Old"]
    stack.deploy(resources, outputs)
    assert events.describe_archive(ArchiveName=found["Archive"])["RetentionDays"] == 9
    assert events.list_api_destinations()["ApiDestinations"][0]["InvocationRateLimitPerSecond"] == 5
    policy = json.loads(events.describe_event_bus(Name="own")["Policy"])
    assert [statement["Sid"] for statement in policy["Statement"]] == ["far"]
    stack.delete()
    assert events.list_connections()["Connections"] == [] and events.list_archives()["Archives"] == []


def test_sams_schedule_and_eventbridge_events_call_the_function(stack, client, clock, put):
    code = (
        "import boto3, json\n"
        "def handler(event, context):\n"
        "    boto3.client('sqs').send_message(QueueUrl=__import__('os').environ['URL'], MessageBody=json.dumps(event))\n"
    )
    resources = {
        "Seen": {"Type": "AWS::SQS::Queue"},
        "Worker": {
            "Type": "AWS::Serverless::Function",
            "Properties": {
                "Runtime": "python3.11",
                "Handler": "index.handler",
                "InlineCode": code,
                "Timeout": 20,
                "Environment": {"Variables": {"URL": {"Ref": "Seen"}}},
                "Policies": [
                    {"Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": {"Fn::GetAtt": ["Seen", "Arn"]}}]}
                ],
                "Events": {
                    "Nightly": {"Type": "Schedule", "Properties": {"Schedule": "rate(1 hour)", "Input": '{"scheduled": true}'}},
                    "Order": {"Type": "EventBridgeRule", "Properties": {"Pattern": {"source": ["app.orders"]}, "InputPath": "$.detail"}},
                    "Old": {"Type": "CloudWatchEvent", "Properties": {"Pattern": {"source": ["app.old"]}, "InputPath": "$.source"}},
                },
            },
        },
    }
    url = stack.deploy(resources, {"Url": {"Ref": "Seen"}}, Transform="AWS::Serverless-2016-10-31")["Url"]
    put({"n": 1})
    put({"n": 2}, source="app.old")
    clock.advance("1h1s")
    sqs = client("sqs")
    bodies = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [json.loads(message["Body"]) for message in messages]
    assert sorted(map(str, bodies)) == sorted(map(str, [{"n": 1}, "app.old", {"scheduled": True}]))
