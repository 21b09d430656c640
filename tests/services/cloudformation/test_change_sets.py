"""Change sets through boto3."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

TEMPLATE = """
Parameters: {Text: {Type: String, Default: x}}
Resources:
  A: {Type: AWS::CDK::Metadata, Properties: {Analytics: !Ref Text}}
  B: {Type: AWS::CDK::Metadata}
"""
NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."


def create(cloud: Any, stack: str, name: str, template: str, **options: Any) -> dict[str, Any]:
    answer = cloud.client.create_change_set(StackName=stack, ChangeSetName=name, TemplateBody=template, **options)
    described: dict[str, Any] = cloud.client.describe_change_set(ChangeSetName=answer["Id"])
    return described


def actions(described: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    changes = [change["ResourceChange"] for change in described["Changes"]]
    return [(change["Action"], change["LogicalResourceId"], change.get("Replacement")) for change in changes]


def test_a_change_set_creates_a_stack_when_it_is_executed(cloud: Any) -> None:
    described = create(cloud, "new", "first", TEMPLATE, ChangeSetType="CREATE", Description="d")
    assert (described["Status"], described["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
    assert actions(described) == [("Add", "A", None), ("Add", "B", None)]
    assert cloud.status("new") == "REVIEW_IN_PROGRESS"
    cloud.client.execute_change_set(ChangeSetName="first", StackName="new")
    assert cloud.status("new") == "CREATE_COMPLETE"
    assert cloud.stack("new")["ChangeSetId"] == described["ChangeSetId"]
    assert [status for _, status in cloud.events("new")][:2] == ["REVIEW_IN_PROGRESS", "CREATE_IN_PROGRESS"]
    with pytest.raises(ClientError) as caught:
        cloud.client.execute_change_set(ChangeSetName=described["ChangeSetId"])
    assert caught.value.response["Error"]["Code"] == "InvalidChangeSetStatus"


def test_a_change_set_updates_and_makes_the_others_obsolete(cloud: Any) -> None:
    cloud.create("old", TEMPLATE)
    other = create(cloud, "old", "other", TEMPLATE + "  C: {Type: AWS::CDK::Metadata}\n")
    described = create(cloud, "old", "this", TEMPLATE.replace("  B:", "  D:"), Parameters=[{"ParameterKey": "Text", "ParameterValue": "y"}])
    assert actions(described) == [("Modify", "A", "False"), ("Add", "D", None), ("Remove", "B", None)]
    cloud.client.execute_change_set(ChangeSetName="this", StackName="old")
    assert cloud.status("old") == "UPDATE_COMPLETE" and set(cloud.resources("old")) == {"A", "D"}
    summaries = {item["ChangeSetName"]: item["ExecutionStatus"] for item in cloud.client.list_change_sets(StackName="old")["Summaries"]}
    assert summaries == {"other": "OBSOLETE", "this": "EXECUTE_COMPLETE"}
    cloud.client.delete_change_set(ChangeSetName=other["ChangeSetId"])
    with pytest.raises(ClientError) as caught:
        cloud.client.describe_change_set(ChangeSetName="other", StackName="old")
    assert caught.value.response["Error"]["Code"] == "ChangeSetNotFound"


def test_deleting_a_change_set_that_is_not_there_succeeds_while_the_stack_exists(cloud: Any) -> None:
    cloud.create("bare", TEMPLATE)
    cloud.client.delete_change_set(ChangeSetName="gone", StackName="bare")
    with pytest.raises(ClientError) as caught:
        cloud.client.delete_change_set(ChangeSetName="gone", StackName="none")
    assert caught.value.response["Error"]["Message"] == "Stack [none] does not exist"


def test_a_change_set_without_changes_fails(cloud: Any) -> None:
    cloud.create("same", TEMPLATE)
    described = create(cloud, "same", "none", TEMPLATE)
    assert (described["Status"], described["ExecutionStatus"], described["StatusReason"]) == ("FAILED", "UNAVAILABLE", NO_CHANGES)


def test_values_are_shown_on_request(cloud: Any) -> None:
    cloud.create("shown", TEMPLATE)
    create(cloud, "shown", "v", TEMPLATE, Parameters=[{"ParameterKey": "Text", "ParameterValue": "y"}])
    described = cloud.client.describe_change_set(StackName="shown", ChangeSetName="v", IncludePropertyValues=True)
    detail = described["Changes"][0]["ResourceChange"]["Details"][0]
    assert (detail["Target"]["BeforeValue"], detail["Target"]["AfterValue"]) == ("x", "y")
    assert (detail["ChangeSource"], detail["CausingEntity"]) == ("ParameterReference", "Text")


def test_what_a_transform_makes_fails_the_change_set_with_its_reason(cloud: Any) -> None:
    template = "Transform: AWS::Serverless-2016-10-31\nResources: {F: {Type: AWS::Serverless::Function, Properties: {Runtime: python3.12}}}"
    described = create(cloud, "sam", "s", template, ChangeSetType="CREATE", Capabilities=["CAPABILITY_IAM"])
    assert described["Status"] == "FAILED"
    assert described["StatusReason"].startswith(
        "Transform AWS::Serverless-2016-10-31 failed with: Invalid Serverless Application Specification document."
    )
    cloud.client.delete_stack(StackName="sam")
    with pytest.raises(ClientError, match="Stack with id sam does not exist"):
        cloud.status("sam")


def test_a_change_set_needs_a_stack_of_the_right_kind(cloud: Any) -> None:
    with pytest.raises(ClientError, match=r"Stack \[no\] does not exist"):
        create(cloud, "no", "c", TEMPLATE)
    cloud.create("yes", TEMPLATE)
    with pytest.raises(ClientError, match="already exists and cannot be created again with the changeSet"):
        create(cloud, "yes", "c", TEMPLATE, ChangeSetType="CREATE")
    with pytest.raises(ClientError, match="ChangeSetType IMPORT is not supported by Groundcloud"):
        create(cloud, "yes", "c", TEMPLATE, ChangeSetType="IMPORT", ResourcesToImport=[])


def test_a_change_set_is_obsolete_once_the_stack_is_updated(cloud: Any) -> None:
    cloud.create("moved", TEMPLATE)
    create(cloud, "moved", "c", TEMPLATE.replace("  B:", "  D:"))
    cloud.update("moved", TEMPLATE, Parameters=[{"ParameterKey": "Text", "ParameterValue": "z"}])
    with pytest.raises(ClientError) as caught:
        cloud.client.execute_change_set(ChangeSetName="c", StackName="moved")
    assert caught.value.response["Error"]["Code"] == "InvalidChangeSetStatus"
    assert caught.value.response["Error"]["Message"].endswith("cannot be executed in its current status of [OBSOLETE]")
    again = create(cloud, "moved", "c", TEMPLATE.replace("  B:", "  D:"))
    assert again["ExecutionStatus"] == "AVAILABLE"
