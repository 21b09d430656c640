"""The CloudFormation types of CloudWatch Logs and CloudWatch, made, changed and removed by a stack."""

import json

import pytest


@pytest.fixture
def cloudformation(client):
    return client("cloudformation")


def template(days, threshold):
    return json.dumps(
        {
            "Resources": {
                "Group": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "g", "RetentionInDays": days}},
                "Stream": {"Type": "AWS::Logs::LogStream", "Properties": {"LogGroupName": {"Ref": "Group"}, "LogStreamName": "s"}},
                "Filter": {
                    "Type": "AWS::Logs::MetricFilter",
                    "Properties": {
                        "LogGroupName": {"Ref": "Group"},
                        "FilterPattern": "ERROR",
                        "MetricTransformations": [{"MetricName": "m", "MetricNamespace": "n", "MetricValue": "1"}],
                    },
                },
                "Policy": {
                    "Type": "AWS::Logs::ResourcePolicy",
                    "Properties": {
                        "PolicyName": "p",
                        "PolicyDocument": {
                            "Version": "2012-10-17",
                            "Statement": [
                                {
                                    "Effect": "Allow",
                                    "Principal": {"Service": "events.amazonaws.com"},
                                    "Action": "logs:PutLogEvents",
                                    "Resource": "*",
                                }
                            ],
                        },
                    },
                },
                "Alarm": {
                    "Type": "AWS::CloudWatch::Alarm",
                    "Properties": {
                        "AlarmName": "a",
                        "Namespace": "n",
                        "MetricName": "m",
                        "Statistic": "Sum",
                        "Period": "60",
                        "EvaluationPeriods": "1",
                        "Threshold": threshold,
                        "ComparisonOperator": "GreaterThanThreshold",
                    },
                },
                "Composite": {
                    "Type": "AWS::CloudWatch::CompositeAlarm",
                    "Properties": {"AlarmName": "c", "AlarmRule": {"Fn::Sub": "ALARM(${Alarm})"}},
                },
                "Dashboard": {
                    "Type": "AWS::CloudWatch::Dashboard",
                    "Properties": {"DashboardName": "d", "DashboardBody": '{"widgets": []}'},
                },
            },
            "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Group", "Arn"]}}, "AlarmArn": {"Value": {"Fn::GetAtt": ["Alarm", "Arn"]}}},
        }
    )


def test_a_stack_makes_changes_and_removes_them(cloudformation, client, clock, account):
    logs, cloudwatch = client("logs"), client("cloudwatch")
    cloudformation.create_stack(StackName="s", TemplateBody=template(7, 1))
    clock.settle()
    stack = cloudformation.describe_stacks(StackName="s")["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert outputs == {
        "Arn": f"arn:aws:logs:us-east-1:{account}:log-group:g:*",
        "AlarmArn": f"arn:aws:cloudwatch:us-east-1:{account}:alarm:a",
    }
    group = logs.describe_log_groups()["logGroups"][0]
    assert (group["retentionInDays"], group["metricFilterCount"]) == (7, 1)
    assert logs.describe_log_streams(logGroupName="g")["logStreams"][0]["logStreamName"] == "s"
    assert logs.list_tags_log_group(logGroupName="g")["tags"]["aws:cloudformation:stack-name"] == "s"
    cloudformation.update_stack(StackName="s", TemplateBody=template(14, 2))
    clock.settle()
    assert cloudformation.describe_stacks(StackName="s")["Stacks"][0]["StackStatus"] == "UPDATE_COMPLETE"
    assert logs.describe_log_groups()["logGroups"][0]["retentionInDays"] == 14
    assert cloudwatch.describe_alarms()["MetricAlarms"][0]["Threshold"] == 2.0
    cloudformation.delete_stack(StackName="s")
    clock.settle()
    assert logs.describe_log_groups()["logGroups"] == []
    assert logs.describe_resource_policies()["resourcePolicies"] == []
    assert cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])["MetricAlarms"] == []
    assert cloudwatch.list_dashboards()["DashboardEntries"] == []
