"""Stacks through boto3: made, changed, removed; what is refused, and in which words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

TWO = """
Description: two things
Parameters: {Text: {Type: String, Default: x}, Hidden: {Type: String, NoEcho: true, Default: secret}}
Conditions: {WithC: !Equals [!Ref Text, c]}
Resources:
  A: {Type: AWS::CDK::Metadata, Properties: {Analytics: !Ref Text}}
  B: {Type: AWS::CDK::Metadata, Properties: {Analytics: !Sub '${A}-${AWS::Region}'}}
  C: {Type: AWS::CDK::Metadata, Condition: WithC}
Outputs:
  RefOfB: {Value: !Ref B, Description: where B is}
  OnlyWithC: {Condition: WithC, Value: !Ref C}
"""


def parameter(key: str, value: str) -> dict[str, str]:
    return {"ParameterKey": key, "ParameterValue": value}


def fails(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == "ValidationError"
    return str(caught.value.response["Error"]["Message"])


def test_a_stack_is_created_with_events_outputs_and_resources(cloud: Any) -> None:
    assert cloud.create("two", TWO, Tags=[{"Key": "team", "Value": "a"}]) == "CREATE_COMPLETE"
    stack = cloud.stack("two")
    assert stack["Description"] == "two things"
    assert stack["Tags"] == [{"Key": "team", "Value": "a"}]
    assert {item["ParameterKey"]: item["ParameterValue"] for item in stack["Parameters"]} == {"Text": "x", "Hidden": "****"}
    resources = cloud.resources("two")
    assert set(resources) == {"A", "B"}
    assert resources["B"][1].startswith("two-B-") and len(resources["B"][1]) == len("two-B-") + 12
    assert cloud.outputs("two") == {"RefOfB": resources["B"][1]}
    assert cloud.events("two") == [
        ("two", "CREATE_IN_PROGRESS"),
        ("A", "CREATE_IN_PROGRESS"),
        ("A", "CREATE_IN_PROGRESS"),
        ("A", "CREATE_COMPLETE"),
        ("B", "CREATE_IN_PROGRESS"),
        ("B", "CREATE_IN_PROGRESS"),
        ("B", "CREATE_COMPLETE"),
        ("two", "CREATE_COMPLETE"),
    ]
    assert cloud.reasons("two", "CREATE_IN_PROGRESS") == [
        "User Initiated",
        "",
        "Resource creation Initiated",
        "",
        "Resource creation Initiated",
    ]


def test_an_update_changes_adds_and_removes(cloud: Any) -> None:
    cloud.create("up", TWO)
    before = cloud.resources("up")
    assert (
        cloud.update("up", TWO.replace("  B: ", "  D: ").replace("!Ref B", "!Ref D"), Parameters=[parameter("Text", "c")])
        == "UPDATE_COMPLETE"
    )
    after = cloud.resources("up")
    assert set(after) == {"A", "C", "D"} and after["A"] == ("UPDATE_COMPLETE", before["A"][1])
    assert cloud.outputs("up") == {"RefOfB": after["D"][1], "OnlyWithC": after["C"][1]}
    events = cloud.events("up")
    last = events[events.index(("up", "UPDATE_IN_PROGRESS")) :]
    assert last[-4:] == [
        ("up", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
        ("B", "DELETE_IN_PROGRESS"),
        ("B", "DELETE_COMPLETE"),
        ("up", "UPDATE_COMPLETE"),
    ]


def test_an_update_without_changes_is_refused(cloud: Any) -> None:
    cloud.create("same", TWO)
    assert fails(cloud.client.update_stack, StackName="same", TemplateBody=TWO) == "No updates are to be performed."
    reworded = TWO.replace("two things", "other words")
    assert fails(cloud.client.update_stack, StackName="same", TemplateBody=reworded) == "No updates are to be performed."
    assert cloud.update("same", TWO.replace("where B is", "where it is")) == "UPDATE_COMPLETE"


def test_previous_values_and_the_previous_template_are_used(cloud: Any) -> None:
    cloud.create("prev", TWO, Parameters=[parameter("Text", "kept"), parameter("Hidden", "h")])
    cloud.client.update_stack(
        StackName="prev",
        UsePreviousTemplate=True,
        Parameters=[{"ParameterKey": "Text", "UsePreviousValue": True}],
        Tags=[{"Key": "new", "Value": "tag"}],
    )
    stack = cloud.stack("prev")
    assert stack["StackStatus"] == "UPDATE_COMPLETE" and stack["Parameters"][0]["ParameterValue"] == "kept"


def test_a_deleted_stack_is_gone_by_name_and_kept_by_id(cloud: Any) -> None:
    cloud.create("gone", TWO)
    stack_id = cloud.stack("gone")["StackId"]
    assert cloud.delete("gone") == "DELETE_COMPLETE"
    assert fails(cloud.client.describe_stacks, StackName="gone") == "Stack with id gone does not exist"
    assert cloud.stack(stack_id)["DeletionTime"]
    assert cloud.events(stack_id)[-1] == ("gone", "DELETE_COMPLETE")
    order = [name for name, status in cloud.events(stack_id) if status == "DELETE_COMPLETE"]
    assert order == ["B", "A", "gone"]
    assert cloud.create("gone", TWO) == "CREATE_COMPLETE"
    cloud.client.delete_stack(StackName="never-was")


SHIFTING = (
    "is not supported by Groundcloud: it does not implement traffic shifting by CodeDeploy yet. Remove the function's DeploymentPreference "
    "(without SAM: this UpdatePolicy); the alias then goes over to each new version at once."
)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (
            "Resources: {A: {Type: AWS::Foo::Bar}, B: {Type: AWS::Baz::Qux}}",
            "Template format error: Unrecognized resource types: [AWS::Baz::Qux, AWS::Foo::Bar]",
        ),
        (
            "Resources: {A: {Type: AWS::CloudFormation::Macro}}",
            "Template format error: Unrecognized resource types: [AWS::CloudFormation::Macro]",
        ),
        (
            "Resources: {A: {Type: AWS::CDK::Metadata, DependsOn: B}, B: {Type: AWS::CDK::Metadata, DependsOn: A}}",
            "Circular dependency between resources: [A, B]",
        ),
        ("Parameters: {P: {Type: String}}\nResources: {A: {Type: AWS::CDK::Metadata}}", "Parameters: [P] must have values"),
        (
            "Parameters: {P: {Type: 'AWS::SSM::Parameter::Value<String>', Default: n}}\nResources: {A: {Type: AWS::CDK::Metadata}}",
            "Parameter P of type AWS::SSM::Parameter::Value<String>: Groundcloud does not implement the service 'ssm' yet.",
        ),
        ("Transform: Nope\nResources: {A: {Type: AWS::CDK::Metadata}}", "No transform named Nope found."),
        (
            "Transform: AWS::Include\nResources: {A: {Type: AWS::CDK::Metadata}}",
            "Transform AWS::Include failed with: The location parameter is not a valid S3 Uri.",
        ),
        (
            "Resources: {A: {Type: AWS::CDK::Metadata, DeletionPolicy: Snapshot}}",
            "Template error: resource type AWS::CDK::Metadata does not support deletion policy Snapshot",
        ),
        (
            "Resources: {A: {Type: AWS::CDK::Metadata, UpdatePolicy: {UseOnlineResharding: true}}}",
            "UpdatePolicy of AWS::CDK::Metadata is not supported by Groundcloud",
        ),
        (
            "Resources: {A: {Type: AWS::CDK::Metadata, UpdatePolicy: {CodeDeployLambdaAliasUpdate: {ApplicationName: a}}}}",
            f"UpdatePolicy CodeDeployLambdaAliasUpdate of A {SHIFTING}",
        ),
        (
            "Transform: AWS::Serverless-2016-10-31\nResources: {F: {Type: AWS::Serverless::Function, Properties: {Runtime: python3.11, Handler: a.b, "
            "InlineCode: x, AutoPublishAlias: live, DeploymentPreference: {Type: Canary10Percent5Minutes}}}}",
            f"UpdatePolicy CodeDeployLambdaAliasUpdate of FAliaslive {SHIFTING}",
        ),
        (
            "Resources: {A: {Type: AWS::CodeDeploy::Application}, B: {Type: AWS::Foo::Bar}}",
            "Template format error: Unrecognized resource types: [AWS::CodeDeploy::Application, AWS::Foo::Bar]. Groundcloud does not "
            "implement CodeDeploy yet: remove these, and each UpdatePolicy that names them.",
        ),
        ("not a template", "Template format error: unsupported structure."),
    ],
)
def test_a_template_that_cannot_be_is_refused_before_anything_is_made(cloud: Any, template: str, message: str) -> None:
    capabilities = ["CAPABILITY_AUTO_EXPAND", "CAPABILITY_IAM"]
    assert fails(cloud.client.create_stack, StackName="bad", TemplateBody=template, Capabilities=capabilities) == message
    assert fails(cloud.client.describe_stacks, StackName="bad") == "Stack with id bad does not exist"


def test_names_states_and_sizes_are_checked(cloud: Any) -> None:
    cloud.create("once", TWO)
    with pytest.raises(ClientError) as caught:
        cloud.client.create_stack(StackName="once", TemplateBody=TWO)
    assert caught.value.response["Error"] == {"Code": "AlreadyExistsException", "Message": "Stack [once] already exists", "Type": "Sender"}
    assert "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*" in fails(
        cloud.client.create_stack, StackName="1x", TemplateBody=TWO
    )
    assert fails(cloud.client.update_stack, StackName="none", TemplateBody=TWO) == "Stack [none] does not exist"
    big = TWO + "#" * 51_200
    assert "Member must have length less than or equal to 51200" in fails(cloud.client.create_stack, StackName="big", TemplateBody=big)
    assert fails(cloud.client.create_stack, StackName="empty") == "Either Template URL or Template Body must be specified."
    changed = TWO.replace("A: {Type: AWS::CDK::Metadata", "A: {Type: AWS::CloudFormation::WaitConditionHandle").replace(
        ", Properties: {Analytics: !Ref Text}", ""
    )
    assert fails(cloud.client.update_stack, StackName="once", TemplateBody=changed) == (
        "Update of resource type is not permitted. The new template modifies resource type of the following resources: [A]"
    )


def test_a_property_that_a_type_does_not_have_fails_the_stack_by_name(cloud: Any) -> None:
    assert cloud.create("prop", "Resources: {A: {Type: AWS::CDK::Metadata, Properties: {Nope: 1}}}") == "ROLLBACK_COMPLETE"
    assert "Nope" in cloud.reasons("prop", "CREATE_FAILED")[0]
    assert cloud.reasons("prop", "ROLLBACK_IN_PROGRESS") == ["The following resource(s) failed to create: [A]. Rollback requested by user."]


def test_capabilities_must_be_given(cloud: Any) -> None:
    for template, needed in (
        ("Resources: {R: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {}}}}", "CAPABILITY_IAM"),
        ("Resources: {R: {Type: AWS::IAM::Role, Properties: {RoleName: r, AssumeRolePolicyDocument: {}}}}", "CAPABILITY_NAMED_IAM"),
        ("Transform: AWS::LanguageExtensions\nResources: {A: {Type: AWS::CDK::Metadata}}", "CAPABILITY_AUTO_EXPAND"),
    ):
        with pytest.raises(ClientError) as caught:
            cloud.client.create_stack(StackName="caps", TemplateBody=template)
        error = caught.value.response["Error"]
        assert (error["Code"], error["Message"]) == ("InsufficientCapabilitiesException", f"Requires capabilities : [{needed}]")


def test_loops_become_resources(cloud: Any) -> None:
    template = """
Transform: AWS::LanguageExtensions
Resources:
  Fn::ForEach::Each: [Name, [One, Two], {'Thing${Name}': {Type: AWS::CDK::Metadata, Properties: {Analytics: !Ref Name}}}]
Outputs:
  Count: {Value: {Fn::Length: [a, b, c]}}
  Text: {Value: {Fn::ToJsonString: {a: !Ref ThingOne}}}
"""
    assert cloud.create("loops", template, Capabilities=["CAPABILITY_AUTO_EXPAND"]) == "CREATE_COMPLETE"
    assert set(cloud.resources("loops")) == {"ThingOne", "ThingTwo"}
    assert cloud.outputs("loops")["Count"] == "3"
    processed = cloud.client.get_template(StackName="loops", TemplateStage="Processed")["TemplateBody"]
    assert set(processed["Resources"]) == {"ThingOne", "ThingTwo"}
    assert "Fn::ForEach::Each" in cloud.client.get_template(StackName="loops")["TemplateBody"]


def test_termination_protection_holds(cloud: Any) -> None:
    cloud.create("kept", TWO, EnableTerminationProtection=True)
    assert fails(cloud.client.delete_stack, StackName="kept") == "Stack [kept] cannot be deleted while TerminationProtection is enabled"
    cloud.client.update_termination_protection(StackName="kept", EnableTerminationProtection=False)
    assert cloud.delete("kept") == "DELETE_COMPLETE"


def test_a_stack_policy_holds(cloud: Any) -> None:
    policy = '{"Statement": [{"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "Update:Modify", "Principal": "*", "Resource": "LogicalResourceId/A"}]}'
    cloud.create("policed", TWO, StackPolicyBody=policy)
    assert cloud.client.get_stack_policy(StackName="policed")["StackPolicyBody"] == policy
    message = fails(cloud.client.update_stack, StackName="policed", TemplateBody=TWO, Parameters=[parameter("Text", "y")])
    assert message == "Action denied by stack policy: Statement [#2] does not allow [Update:Modify] for resource [A]"
    allow = policy.replace('"Deny"', '"Allow"')
    assert cloud.update("policed", TWO, Parameters=[parameter("Text", "y")], StackPolicyDuringUpdateBody=allow) == "UPDATE_COMPLETE"


def test_resources_that_are_to_be_retained_are_left(cloud: Any) -> None:
    template = "Resources: {A: {Type: AWS::CDK::Metadata, DeletionPolicy: Retain}, B: {Type: AWS::CDK::Metadata}}"
    cloud.create("retain", template)
    stack_id = cloud.stack("retain")["StackId"]
    assert cloud.delete("retain") == "DELETE_COMPLETE"
    assert ("A", "DELETE_SKIPPED") in cloud.events(stack_id) and ("B", "DELETE_COMPLETE") in cloud.events(stack_id)


def test_exports_are_unique_and_cannot_go_while_they_are_used(cloud: Any) -> None:
    exporting = "Resources: {A: {Type: AWS::CDK::Metadata}}\nOutputs: {O: {Value: !Ref A, Export: {Name: shared}}}"
    importing = "Resources: {B: {Type: AWS::CDK::Metadata, Properties: {Analytics: !ImportValue shared}}}"
    cloud.create("giver", exporting)
    assert cloud.create("taker", importing) == "CREATE_COMPLETE"
    export = cloud.client.list_exports()["Exports"][0]
    assert (export["Name"], export["Value"]) == ("shared", cloud.resources("giver")["A"][1])
    assert cloud.client.list_imports(ExportName="shared")["Imports"] == ["taker"]
    assert cloud.create("other", exporting) == "ROLLBACK_COMPLETE"
    assert cloud.reasons("other", "ROLLBACK_IN_PROGRESS") == [
        "Export with name shared is already exported by stack giver. Rollback requested by user."
    ]
    assert cloud.delete("giver") == "DELETE_FAILED"
    assert cloud.stack("giver")["StackStatusReason"] == "Export shared cannot be deleted as it is in use by taker"
    assert cloud.delete("taker") == "DELETE_COMPLETE"
    assert cloud.delete("giver") == "DELETE_COMPLETE"
    assert cloud.client.list_exports()["Exports"] == []


def test_an_export_in_use_cannot_be_taken_away_by_an_update(cloud: Any) -> None:
    exporting = "Resources: {A: {Type: AWS::CDK::Metadata}}\nOutputs: {O: {Value: !Ref A, Export: {Name: held}}}"
    cloud.create("giver", exporting)
    cloud.create("taker", "Resources: {B: {Type: AWS::CDK::Metadata, Properties: {Analytics: !ImportValue held}}}")
    assert cloud.update("giver", exporting.partition("\n")[0]) == "UPDATE_ROLLBACK_COMPLETE"
    assert cloud.reasons("giver", "UPDATE_ROLLBACK_IN_PROGRESS") == ["Export held cannot be deleted as it is in use by taker"]
    assert cloud.outputs("giver")["O"]


def test_an_import_of_nothing_fails_the_stack(cloud: Any) -> None:
    template = "Resources: {B: {Type: AWS::CDK::Metadata, Properties: {Analytics: !ImportValue nothing}}}"
    assert cloud.create("lonely", template) == "ROLLBACK_COMPLETE"
    assert cloud.reasons("lonely", "CREATE_FAILED") == ["No export named nothing found."]


def test_templates_are_validated_and_summarised(cloud: Any) -> None:
    answer = cloud.client.validate_template(TemplateBody=TWO)
    assert answer["Description"] == "two things"
    assert [(item["ParameterKey"], item["DefaultValue"], item["NoEcho"]) for item in answer["Parameters"]] == [
        ("Text", "x", False),
        ("Hidden", "secret", True),
    ]
    cloud.create("sum", TWO)
    summary = cloud.client.get_template_summary(StackName="sum")
    assert summary["ResourceTypes"] == ["AWS::CDK::Metadata"]
    assert [item["ParameterKey"] for item in summary["Parameters"]] == ["Text", "Hidden"]
    assert cloud.client.get_template(StackName="sum")["TemplateBody"] == TWO
    serverless = "Transform: AWS::Serverless-2016-10-31\nResources: {F: {Type: AWS::Serverless::Function, Properties: {}}}"
    answer = cloud.client.validate_template(TemplateBody=serverless)
    assert answer["DeclaredTransforms"] == ["AWS::Serverless-2016-10-31"]
    assert answer["Capabilities"] == ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
    assert fails(cloud.client.validate_template, TemplateBody="Resources: {A: {Type: AWS::CDK::Metadata, DependsOn: X}}").startswith(
        "Template format error: Unresolved"
    )
    assert fails(cloud.client.estimate_template_cost, TemplateBody=TWO) == "EstimateTemplateCost is not supported by Groundcloud"


def test_what_is_described_is_found_in_every_way(cloud: Any) -> None:
    cloud.create("ways", TWO)
    physical_id = cloud.resources("ways")["A"][1]
    by_physical = cloud.client.describe_stack_resources(PhysicalResourceId=physical_id)["StackResources"]
    assert {item["LogicalResourceId"] for item in by_physical} == {"A", "B"}
    detail = cloud.client.describe_stack_resource(StackName="ways", LogicalResourceId="A")["StackResourceDetail"]
    assert (detail["ResourceType"], detail["PhysicalResourceId"]) == ("AWS::CDK::Metadata", physical_id)
    assert (
        fails(cloud.client.describe_stack_resource, StackName="ways", LogicalResourceId="Z") == "Resource Z does not exist for stack ways"
    )
    listed = cloud.client.list_stack_resources(StackName="ways")["StackResourceSummaries"]
    assert [item["LogicalResourceId"] for item in listed] == ["A", "B"]
    assert [stack["StackName"] for stack in cloud.client.list_stacks(StackStatusFilter=["CREATE_COMPLETE"])["StackSummaries"]] == ["ways"]
    assert fails(cloud.client.list_stack_resources, StackName="nowhere") == "Stack with id nowhere does not exist"


def test_two_hundred_resources_and_their_events_are_paged(cloud: Any) -> None:
    template = "Resources:\n" + "".join(f"  R{number}: {{Type: AWS::CDK::Metadata}}\n" for number in range(120))
    assert cloud.create("many", template) == "CREATE_COMPLETE"
    pages = list(cloud.client.get_paginator("list_stack_resources").paginate(StackName="many"))
    assert [len(page["StackResourceSummaries"]) for page in pages] == [100, 20]
    assert len(cloud.events("many")) == 2 + 3 * 120


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("create_stack_set", {"StackSetName": "s"}),
        ("detect_stack_drift", {"StackName": "s"}),
        ("describe_type", {"Type": "RESOURCE", "TypeName": "AWS::SQS::Queue"}),
        ("create_stack_refactor", {"StackDefinitions": [{"StackName": "s"}]}),
        ("create_generated_template", {"GeneratedTemplateName": "g"}),
    ],
)
def test_what_is_missing_is_refused_by_name(cloud: Any, operation: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(cloud.client, operation)(**arguments)
    name = operation.replace("_", " ").title().replace(" ", "")
    assert caught.value.response["Error"]["Message"] == f"Groundcloud does not implement cloudformation:{name} yet."


def test_a_stacks_topics_are_told_of_its_events(cloud: Any, client: Any, clock: Any) -> None:
    sns, sqs = client("sns"), client("sqs")
    topic = sns.create_topic(Name="told")["TopicArn"]
    url = sqs.create_queue(QueueName="told")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue_arn}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [allow]})})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    cloud.create("told", TWO, NotificationARNs=[topic])
    clock.settle()
    told = json.loads(sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"])
    assert told["Subject"] == "AWS CloudFormation Notification"
    assert "StackName='told'\n" in told["Message"]


def test_events_can_be_asked_for_by_operation(cloud: Any) -> None:
    cloud.create("ops", "Resources: {A: {Type: AWS::CDK::Metadata, Properties: {Nope: 1}}}")
    found = cloud.client.describe_events(StackName="ops", Filters={"FailedEvents": True})["OperationEvents"]
    assert [(event["LogicalResourceId"], event["ResourceStatus"]) for event in found] == [("A", "CREATE_FAILED")]
    same = cloud.client.describe_events(StackName="ops", OperationId=found[0]["OperationId"])["OperationEvents"]
    assert {event["OperationId"] for event in same} == {found[0]["OperationId"]}


@pytest.mark.parametrize("character", ["\x00", "\x0b", "\ufffe", "\ud800"])
def test_characters_that_no_answer_can_carry_are_refused(cloud: Any, character: str) -> None:
    plain: dict[str, Any] = {"Resources": {"A": {"Type": "AWS::CDK::Metadata"}}, "Parameters": {"P": {"Type": "String", "Default": "x"}}}
    for more in ({"Description": character}, {"Outputs": {"O": {"Value": character}}}, {"Metadata": {character: 1}}):
        assert "not allowed" in fails(cloud.client.create_stack, StackName="odd", TemplateBody=json.dumps({**plain, **more}))
    if character != "\ud800":  # which boto3 cannot send
        body = json.dumps(plain)
        assert "not allowed" in fails(cloud.client.create_stack, StackName="odd", TemplateBody=body, Parameters=[parameter("P", character)])
        assert "not allowed" in fails(
            cloud.client.create_stack, StackName="odd", TemplateBody=body, Tags=[{"Key": "k", "Value": character}]
        )
    assert cloud.client.list_stacks()["StackSummaries"] == []


def test_text_of_every_kind_comes_through(cloud: Any) -> None:
    text = "<&>]]> \u00e9 \U0001f389 'quoted' \"twice\""
    template = "Parameters: {P: {Type: String}}\nResources: {A: {Type: AWS::CDK::Metadata, Properties: {Analytics: !Ref P}}}\nOutputs: {O: {Value: !Ref P}}"
    assert cloud.create("text", template, Parameters=[parameter("P", text)]) == "CREATE_COMPLETE"
    assert cloud.outputs("text") == {"O": text}
