"""Log groups and streams: create, describe, page, tag, retain, delete."""

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def logs(client):
    return client("logs")


def fails(code, function, **arguments):
    with pytest.raises(ClientError) as caught:
        function(**arguments)
    assert caught.value.response["Error"]["Code"] == code
    return caught.value.response["Error"]["Message"]


def names(answer):
    return [group["logGroupName"] for group in answer["logGroups"]]


def test_a_group_is_described_as_it_was_made(logs, account, clock):
    logs.create_log_group(logGroupName="/aws/lambda/f", tags={"a": "1"}, logGroupClass="INFREQUENT_ACCESS")
    group = logs.describe_log_groups()["logGroups"][0]
    arn = f"arn:aws:logs:us-east-1:{account}:log-group:/aws/lambda/f"
    assert abs(group.pop("creationTime") - clock.now_s() * 1000) < 60_000
    assert group == {
        "logGroupName": "/aws/lambda/f",
        "metricFilterCount": 0,
        "arn": arn + ":*",
        "storedBytes": 0,
        "logGroupClass": "INFREQUENT_ACCESS",
        "logGroupArn": arn,
        "deletionProtectionEnabled": False,
    }
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "1"}
    assert logs.list_tags_log_group(logGroupName="/aws/lambda/f")["tags"] == {"a": "1"}


def test_a_group_made_twice_is_refused_and_a_missing_one_too(logs):
    logs.create_log_group(logGroupName="g")
    assert fails("ResourceAlreadyExistsException", logs.create_log_group, logGroupName="g") == "The specified log group already exists"
    assert fails("ResourceNotFoundException", logs.delete_log_group, logGroupName="x") == "The specified log group does not exist."
    assert "kmsKeyId" in fails("NotImplementedException", logs.create_log_group, logGroupName="k", kmsKeyId="arn:aws:kms:x")
    assert fails("InvalidParameterException", logs.create_log_group, logGroupName="a b") == (
        "1 validation error detected: Value 'a b' at 'logGroupName' failed to satisfy constraint: "
        r"Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+"
    )


def test_groups_are_found_by_prefix_and_pattern_and_page(logs):
    for name in ("/a/1", "/a/2", "/a/3", "/b/1"):
        logs.create_log_group(logGroupName=name)
    assert names(logs.describe_log_groups(logGroupNamePrefix="/a")) == ["/a/1", "/a/2", "/a/3"]
    assert names(logs.describe_log_groups(logGroupNamePattern="/1")) == ["/a/1", "/b/1"]
    first = logs.describe_log_groups(limit=2)
    assert names(first) == ["/a/1", "/a/2"]
    second = logs.describe_log_groups(limit=2, nextToken=first["nextToken"])
    assert names(second) == ["/a/3", "/b/1"]
    assert "nextToken" not in second
    assert names(logs.describe_log_groups(logGroupIdentifiers=["/b/1", "/none"])) == ["/b/1"]
    assert names(logs.list_log_groups(logGroupNamePattern="^/a/|/b/1", limit=10)) == ["/a/1", "/a/2", "/a/3", "/b/1"]
    assert "mutually exclusive" in fails(
        "InvalidParameterException", logs.describe_log_groups, logGroupNamePrefix="a", logGroupNamePattern="b"
    )
    assert fails("InvalidParameterException", logs.describe_log_groups, nextToken="x") == "The specified nextToken is invalid."


def test_retention_is_one_of_aws_values(logs):
    logs.create_log_group(logGroupName="g")
    logs.put_retention_policy(logGroupName="g", retentionInDays=7)
    assert logs.describe_log_groups()["logGroups"][0]["retentionInDays"] == 7
    message = fails("InvalidParameterException", logs.put_retention_policy, logGroupName="g", retentionInDays=8)
    assert message.startswith("1 validation error detected: Value '8' at 'retentionInDays' failed to satisfy constraint")
    logs.delete_retention_policy(logGroupName="g")
    assert "retentionInDays" not in logs.describe_log_groups()["logGroups"][0]


def test_tags_come_and_go(logs, account):
    logs.create_log_group(logGroupName="g")
    arn = f"arn:aws:logs:us-east-1:{account}:log-group:g"
    logs.tag_resource(resourceArn=arn, tags={"a": "1", "b": "2"})
    logs.tag_log_group(logGroupName="g", tags={"c": "3"})
    logs.untag_resource(resourceArn=arn, tagKeys=["a"])
    logs.untag_log_group(logGroupName="g", tags=["c"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}
    assert names(logs.list_log_groups(logGroupTags=[{"key": "b", "values": ["2*"]}])) == ["g"]
    assert names(logs.list_log_groups(logGroupTags=[{"key": "b", "values": ["!2"]}])) == []
    assert (
        fails("ResourceNotFoundException", logs.list_tags_for_resource, resourceArn=arn + "x") == "The specified resource does not exist."
    )


def test_a_protected_group_is_not_deleted(logs):
    logs.create_log_group(logGroupName="g", deletionProtectionEnabled=True)
    assert "deletion protection" in fails("ValidationException", logs.delete_log_group, logGroupName="g")
    logs.put_log_group_deletion_protection(logGroupIdentifier="g", deletionProtectionEnabled=False)
    logs.delete_log_group(logGroupName="g")
    assert names(logs.describe_log_groups()) == []


def test_a_group_made_again_is_empty(logs, clock):
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    now_ms = int(clock.now_s() * 1000)
    logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=[{"timestamp": now_ms, "message": "x"}])
    assert logs.describe_log_groups()["logGroups"][0]["storedBytes"] == 27
    logs.delete_log_group(logGroupName="g")
    logs.create_log_group(logGroupName="g")
    assert logs.describe_log_streams(logGroupName="g")["logStreams"] == []
    assert logs.filter_log_events(logGroupName="g")["events"] == []
    clock.settle()
    assert logs.describe_log_groups()["logGroups"][0]["storedBytes"] == 0


def test_streams_are_ordered_by_name_or_last_event(logs, clock, account):
    logs.create_log_group(logGroupName="g")
    now_ms = int(clock.now_s() * 1000)
    for place, name in enumerate(("c", "a", "b")):
        logs.create_log_stream(logGroupName="g", logStreamName=name)
        logs.put_log_events(logGroupName="g", logStreamName=name, logEvents=[{"timestamp": now_ms + place, "message": "x"}])

    def order(**options):
        return [stream["logStreamName"] for stream in logs.describe_log_streams(logGroupName="g", **options)["logStreams"]]

    assert order() == ["a", "b", "c"]
    assert order(descending=True) == ["c", "b", "a"]
    assert order(orderBy="LastEventTime") == ["c", "a", "b"]
    assert order(orderBy="LastEventTime", descending=True, limit=2) == ["b", "a"]
    assert order(logStreamNamePrefix="b") == ["b"]
    for options in ({}, {"descending": True}, {"orderBy": "LastEventTime"}, {"orderBy": "LastEventTime", "descending": True}):
        pages = logs.get_paginator("describe_log_streams").paginate(logGroupName="g", PaginationConfig={"PageSize": 1}, **options)
        assert [stream["logStreamName"] for page in pages for stream in page["logStreams"]] == order(**options)
    stream = logs.describe_log_streams(logGroupName="g", logStreamNamePrefix="a")["logStreams"][0]
    assert (stream["firstEventTimestamp"], stream["lastEventTimestamp"]) == (now_ms + 1, now_ms + 1)
    assert stream["arn"] == f"arn:aws:logs:us-east-1:{account}:log-group:g:log-stream:a"
    assert fails(
        "InvalidParameterException", logs.describe_log_streams, logGroupName="g", orderBy="LastEventTime", logStreamNamePrefix="a"
    ) == ("Cannot order by LastEventTime with a logStreamNamePrefix.")


def test_what_streams_refuse(logs):
    assert (
        fails("ResourceNotFoundException", logs.create_log_stream, logGroupName="g", logStreamName="s")
        == "The specified log group does not exist."
    )
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="2026/11/21/[$LATEST]abc")
    assert (
        fails("ResourceAlreadyExistsException", logs.create_log_stream, logGroupName="g", logStreamName="2026/11/21/[$LATEST]abc")
        == "The specified log stream already exists"
    )
    assert (
        fails("ResourceNotFoundException", logs.delete_log_stream, logGroupName="g", logStreamName="x")
        == "The specified log stream does not exist."
    )


def test_what_is_not_there_is_refused_by_name(logs):
    assert "includeLinkedAccounts" in fails("NotImplementedException", logs.describe_log_groups, includeLinkedAccounts=True)
    assert "StartQuery" in fails(
        "NotImplementedException", logs.start_query, logGroupName="g", startTime=0, endTime=1, queryString="fields x"
    )
    assert "CreateExportTask" in fails(
        "NotImplementedException", logs.create_export_task, logGroupName="g", fromTime=0, to=1, destination="b"
    )


def test_resource_policies_let_services_write(logs, account):
    document = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"logs:*","Resource":"*"}]}'
    put = logs.put_resource_policy(policyName="p", policyDocument=document)["resourcePolicy"]
    assert (put["policyName"], put["policyDocument"]) == ("p", document)
    assert [policy["policyName"] for policy in logs.describe_resource_policies()["resourcePolicies"]] == ["p"]
    logs.delete_resource_policy(policyName="p")
    assert fails("ResourceNotFoundException", logs.delete_resource_policy, policyName="p") == "Policy with name [p] does not exist"
    assert fails("InvalidParameterException", logs.put_resource_policy, policyName="p", policyDocument="{").startswith(
        "Invalid policy document"
    )
