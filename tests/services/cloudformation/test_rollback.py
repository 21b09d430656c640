"""What happens when a resource fails: rollback of creations and updates, and the ways of not rolling back."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError

from groundcloud.services.cloudformation.operations import descriptions

FAILING = """
Resources:
  Good: {Type: AWS::CDK::Metadata}
  Bad: {Type: AWS::CDK::Metadata, DependsOn: Good, Properties: {Nope: 1}}
  After: {Type: AWS::CDK::Metadata, DependsOn: Bad}
"""
FINE = "Resources: {Good: {Type: AWS::CDK::Metadata, Properties: {Analytics: a}}, Other: {Type: AWS::CDK::Metadata}}"
BROKEN = """
Resources:
  Good: {Type: AWS::CDK::Metadata, Properties: {Analytics: b}}
  New: {Type: AWS::CDK::Metadata, DependsOn: Good}
  Bad: {Type: AWS::CDK::Metadata, DependsOn: New, Properties: {Nope: 1}}
"""
WAITING = """
Resources:
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}
  Wait: {Type: AWS::CloudFormation::WaitCondition, Properties: {Handle: !Ref Handle, Timeout: 600, Count: 2}}
  After: {Type: AWS::CDK::Metadata, DependsOn: Wait}
Outputs: {Answers: {Value: !GetAtt Wait.Data}}
"""


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """DescribeStacks answers at once, for looking at stacks that are in progress."""
    monkeypatch.setattr(descriptions, "LINGER_S", 0.02)


def put(url: str, document: Any) -> int:
    request = urllib.request.Request(url, method="PUT", data=json.dumps(document).encode(), headers={"Content-Type": ""})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return int(answer.status)


def handle_of(cloud: Any, clock: Any, name: str) -> str:
    clock.settle()
    return str(cloud.resources(name)["Handle"][1])


def test_a_failed_creation_is_rolled_back(cloud: Any) -> None:
    assert cloud.create("f", FAILING) == "ROLLBACK_COMPLETE"
    assert cloud.reasons("f", "ROLLBACK_IN_PROGRESS") == ["The following resource(s) failed to create: [Bad]. Rollback requested by user."]
    assert {name: status for name, (status, _) in cloud.resources("f").items()} == {"Good": "DELETE_COMPLETE", "Bad": "DELETE_COMPLETE"}
    assert cloud.events("f")[-1] == ("f", "ROLLBACK_COMPLETE")
    with pytest.raises(ClientError, match="is in ROLLBACK_COMPLETE state and can not be updated"):
        cloud.update("f", FINE)
    assert cloud.delete("f") == "DELETE_COMPLETE"


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"OnFailure": "DO_NOTHING"}, "CREATE_FAILED"),
        ({"DisableRollback": True}, "CREATE_FAILED"),
        ({"OnFailure": "DELETE"}, "DELETE_COMPLETE"),
        ({"OnFailure": "ROLLBACK"}, "ROLLBACK_COMPLETE"),
    ],
)
def test_what_follows_a_failed_creation_can_be_chosen(cloud: Any, options: dict[str, Any], status: str) -> None:
    stack_id = cloud.create("chosen", FAILING, wait=False, **options)
    assert cloud.status(stack_id) == status


def test_a_creation_left_as_it_failed_can_be_updated_or_rolled_back(cloud: Any) -> None:
    assert cloud.create("mend", FAILING, DisableRollback=True) == "CREATE_FAILED"
    good = cloud.resources("mend")["Good"][1]
    assert cloud.update("mend", FAILING.replace("Nope", "Analytics"), DisableRollback=True) == "UPDATE_COMPLETE"
    assert cloud.resources("mend")["Good"][1] == good and set(cloud.resources("mend")) == {"Good", "Bad", "After"}
    cloud.create("back", FAILING, DisableRollback=True)
    cloud.client.rollback_stack(StackName="back")
    assert cloud.status("back") == "ROLLBACK_COMPLETE"


def test_a_failed_update_returns_to_what_was(cloud: Any) -> None:
    cloud.create("u", FINE)
    before = cloud.resources("u")
    assert cloud.update("u", BROKEN, Tags=[{"Key": "x", "Value": "y"}]) == "UPDATE_ROLLBACK_COMPLETE"
    after = cloud.resources("u")
    assert {name: physical_id for name, (_, physical_id) in after.items()} == {
        name: physical_id for name, (_, physical_id) in before.items()
    }
    assert cloud.stack("u")["Tags"] == []
    assert cloud.client.get_template(StackName="u")["TemplateBody"] == FINE
    events = cloud.events("u")
    assert events[-5:] == [
        ("Good", "UPDATE_COMPLETE"),
        ("u", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"),
        ("New", "DELETE_IN_PROGRESS"),
        ("New", "DELETE_COMPLETE"),
        ("u", "UPDATE_ROLLBACK_COMPLETE"),
    ]
    assert cloud.update("u", FINE.replace("Analytics: a", "Analytics: c")) == "UPDATE_COMPLETE"


def test_a_failed_update_can_be_left_and_rolled_back_later(cloud: Any) -> None:
    cloud.create("later", FINE)
    assert cloud.update("later", BROKEN, DisableRollback=True) == "UPDATE_FAILED"
    assert "New" in cloud.resources("later")
    cloud.client.rollback_stack(StackName="later")
    assert cloud.status("later") == "UPDATE_ROLLBACK_COMPLETE"
    assert set(cloud.resources("later")) == {"Good", "Other"}


def test_a_wait_condition_waits_for_its_signals(cloud: Any, clock: Any, hasty: None) -> None:
    cloud.create("waits", WAITING, wait=False)
    url = handle_of(cloud, clock, "waits")
    assert cloud.status("waits") == "CREATE_IN_PROGRESS"
    assert put(url, {"Status": "SUCCESS", "UniqueId": "one", "Data": "1", "Reason": "r"}) == 200
    put(url, {"Status": "SUCCESS", "UniqueId": "one", "Data": "again"})
    clock.settle()
    assert "After" not in cloud.resources("waits")
    put(url, {"Status": "SUCCESS", "UniqueId": "two", "Data": "a.b&c=d%" * 200})
    clock.settle()
    assert cloud.status("waits") == "CREATE_COMPLETE"
    assert json.loads(cloud.outputs("waits")["Answers"]) == {"one": "1", "two": "a.b&c=d%" * 200}


def test_a_wait_condition_times_out_on_the_virtual_clock(cloud: Any, clock: Any, hasty: None) -> None:
    cloud.create("late", WAITING, wait=False)
    clock.settle()
    clock.advance("601s")
    assert cloud.status("late") == "ROLLBACK_COMPLETE"
    assert cloud.reasons("late", "CREATE_FAILED") == ["WaitCondition timed out. Received 0 conditions when expecting 2"]


def test_a_failure_signal_fails_the_stack(cloud: Any, clock: Any, hasty: None) -> None:
    cloud.create("sorry", WAITING, wait=False)
    put(handle_of(cloud, clock, "sorry"), {"Status": "FAILURE", "UniqueId": "u", "Reason": "no disk"})
    clock.settle()
    assert cloud.reasons("sorry", "CREATE_FAILED") == ["WaitCondition received failed message: 'no disk' for uniqueId: u"]


def test_signals_may_come_by_the_api(cloud: Any, clock: Any, hasty: None) -> None:
    template = "Resources: {Wait: {Type: AWS::CloudFormation::WaitCondition, CreationPolicy: {ResourceSignal: {Count: 1, Timeout: PT15M}}}}"
    cloud.create("api", template, wait=False)
    clock.settle()
    cloud.client.signal_resource(StackName="api", LogicalResourceId="Wait", UniqueId="i-1", Status="SUCCESS")
    clock.settle()
    assert cloud.status("api") == "CREATE_COMPLETE"


def test_a_stack_that_takes_longer_than_its_timeout_fails(cloud: Any, clock: Any, hasty: None) -> None:
    cloud.create("slow", WAITING, wait=False, TimeoutInMinutes=1)
    clock.settle()
    clock.advance("61s")
    assert cloud.status("slow") == "ROLLBACK_COMPLETE"
    assert cloud.reasons("slow", "ROLLBACK_IN_PROGRESS") == [
        "Stack creation time exceeded the specified timeout. Rollback requested by user."
    ]
    assert cloud.reasons("slow", "CREATE_FAILED") == ["Resource creation cancelled"]


def test_an_update_can_be_cancelled(cloud: Any, clock: Any, hasty: None) -> None:
    cloud.create("cancel", FINE)
    cloud.update("cancel", WAITING, wait=False)
    clock.settle()
    assert cloud.status("cancel") == "UPDATE_IN_PROGRESS"
    with pytest.raises(ClientError, match="is in UPDATE_IN_PROGRESS state and can not be updated"):
        cloud.update("cancel", FINE)
    with pytest.raises(ClientError, match="cannot be deleted while in status UPDATE_IN_PROGRESS"):
        cloud.client.delete_stack(StackName="cancel")
    cloud.client.cancel_update_stack(StackName="cancel")
    clock.settle()
    assert cloud.status("cancel") == "UPDATE_ROLLBACK_COMPLETE"
    assert set(cloud.resources("cancel")) == {"Good", "Other"}
    with pytest.raises(ClientError, match="CancelUpdateStack cannot be called from current stack status"):
        cloud.client.cancel_update_stack(StackName="cancel")


def test_a_stack_can_be_deleted_while_it_is_created(cloud: Any, clock: Any, hasty: None) -> None:
    stack_id = cloud.create("brief", WAITING, wait=False)
    clock.settle()
    cloud.client.delete_stack(StackName="brief")
    clock.settle()
    assert cloud.status(stack_id) == "DELETE_COMPLETE"


def test_an_answer_to_a_wrong_token_is_refused(cloud: Any, clock: Any) -> None:
    url = f"{clock.endpoint}/?Action=RecordHandlerProgress&Version=2010-05-15&OperationStatus=IN_PROGRESS&BearerToken=nope"
    with pytest.raises(urllib.request.HTTPError) as caught:  # type: ignore[attr-defined]
        put(url, {"Status": "SUCCESS", "UniqueId": "x"})
    assert caught.value.code == 400


def test_a_failure_cancels_what_only_waits(cloud: Any) -> None:
    template = WAITING.replace("Outputs:", "  Bad: {Type: AWS::CDK::Metadata, DependsOn: Handle, Properties: {Nope: 1}}\nOutputs:")
    assert cloud.create("both", template) == "ROLLBACK_COMPLETE"
    assert "Resource creation cancelled" in cloud.reasons("both", "CREATE_FAILED")


def test_a_rollback_that_fails_can_be_continued_past_what_is_gone(cloud: Any, client: Any, clock: Any, hasty: None) -> None:
    template = "Resources: {Q: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: 1}}}"
    cloud.create("stuck", template)
    clock.settle()
    url = cloud.resources("stuck")["Q"][1]
    changed = (
        "Resources:\n  Q: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: 2}}\n"
        + WAITING.partition("Resources:\n")[2].partition("Outputs:")[0]
    )
    cloud.update("stuck", changed, wait=False)
    clock.settle()
    client("sqs").delete_queue(QueueUrl=url)
    cloud.client.cancel_update_stack(StackName="stuck")
    clock.settle()
    assert cloud.status("stuck") == "UPDATE_ROLLBACK_FAILED"
    assert cloud.stack("stuck")["StackStatusReason"] == "The following resource(s) failed to update: [Q]. "
    with pytest.raises(ClientError, match="is in UPDATE_ROLLBACK_FAILED state and can not be updated"):
        cloud.update("stuck", template)
    cloud.client.continue_update_rollback(StackName="stuck", ResourcesToSkip=["Q"])
    clock.settle()
    assert cloud.status("stuck") == "UPDATE_ROLLBACK_COMPLETE"


def test_a_hidden_parameter_is_not_shown_by_events(cloud: Any) -> None:
    template = "Parameters: {Key: {Type: String, NoEcho: true}}\nResources: {A: {Type: AWS::CDK::Metadata, Properties: {Analytics: !Sub 'x-${Key}'}}}"
    cloud.create("quiet", template, Parameters=[{"ParameterKey": "Key", "ParameterValue": "s3cret"}])
    shown = [
        event["ResourceProperties"]
        for event in cloud.client.describe_stack_events(StackName="quiet")["StackEvents"]
        if "ResourceProperties" in event
    ]
    assert shown and not any("s3cret" in text for text in shown) and any("x-****" in text for text in shown)


def test_a_deleted_stack_is_forgotten_after_ninety_days(cloud: Any, clock: Any) -> None:
    cloud.create("old", FINE)
    stack_id = cloud.stack("old")["StackId"]
    cloud.delete("old")
    clock.advance("89d")
    assert cloud.status(stack_id) == "DELETE_COMPLETE"
    clock.advance("2d")
    with pytest.raises(ClientError, match="does not exist"):
        cloud.status(stack_id)


def test_an_update_that_failed_is_tried_again_by_the_next(cloud: Any, client: Any) -> None:
    template = "Resources: {Q: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: 1}}}"
    wrong = template.replace("DelaySeconds: 1", "DelaySeconds: 99999")
    cloud.create("again", template)
    url = cloud.resources("again")["Q"][1]
    assert cloud.update("again", wrong, DisableRollback=True) == "UPDATE_FAILED"
    assert cloud.update("again", wrong, DisableRollback=True) == "UPDATE_FAILED"
    assert cloud.update("again", template.replace(": 1}", ": 3}"), DisableRollback=True) == "UPDATE_COMPLETE"
    assert client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["DelaySeconds"] == "3"
    assert cloud.update("again", wrong) == "UPDATE_ROLLBACK_COMPLETE"
