"""The diff of two states of a resource, as DescribeChangeSet shows it."""

from __future__ import annotations

from typing import Any

import pytest

from groundcloud.services.cloudformation.changes import After, Before, Behaviour, Causes, changed_properties, decide, resource_change
from groundcloud.services.cloudformation.intrinsics import KNOWN_AFTER_APPLY

QUEUE = Behaviour(replaces=frozenset({"QueueName"}), may_replace=frozenset({"Odd"}))


def before(properties: dict[str, Any], written: dict[str, Any] | None = None, **attributes: Any) -> Before:
    return Before("AWS::SQS::Queue", "url", properties, {"Type": "AWS::SQS::Queue", "Properties": written or properties, **attributes})


def after(properties: dict[str, Any], written: dict[str, Any] | None = None, **attributes: Any) -> After:
    return After("AWS::SQS::Queue", properties, {"Type": "AWS::SQS::Queue", "Properties": written or properties, **attributes})


@pytest.mark.parametrize(
    ("old", "new", "changed", "replacement"),
    [
        ({"A": 1}, {"A": "1"}, [], "None"),
        ({"A": True}, {"A": "true"}, [], "None"),
        ({"A": [1, {"b": 2}]}, {"A": ["1", {"b": "2"}]}, [], "None"),
        ({"A": 1}, {"A": 2}, ["A"], "False"),
        ({"A": 1}, {}, ["A"], "False"),
        ({}, {"A": 1, "QueueName": "x"}, ["A", "QueueName"], "True"),
        ({"Odd": 1}, {"Odd": 2}, ["Odd"], "Conditional"),
        ({"A": [1, 2]}, {"A": [2, 1]}, ["A"], "False"),
    ],
)
def test_properties_are_compared_as_text(old: dict[str, Any], new: dict[str, Any], changed: list[str], replacement: str) -> None:
    assert changed_properties(old, new) == changed
    assert decide(changed, QUEUE) == replacement


def test_a_new_and_a_removed_resource() -> None:
    added = resource_change("Q", None, after({}), QUEUE, Causes())
    assert added == {"Action": "Add", "LogicalResourceId": "Q", "ResourceType": "AWS::SQS::Queue", "Scope": [], "Details": []}
    removed = resource_change("Q", before({}), None, QUEUE, Causes(), "Delete")
    assert removed is not None and removed["Action"] == "Remove" and removed["PolicyAction"] == "Delete"


def test_a_direct_change() -> None:
    change = resource_change("Q", before({"DelaySeconds": 1}), after({"DelaySeconds": 2}), QUEUE, Causes())
    assert change is not None
    assert (change["Action"], change["Replacement"], change["Scope"]) == ("Modify", "False", ["Properties"])
    assert change["Details"] == [
        {
            "Target": {
                "Attribute": "Properties",
                "Name": "DelaySeconds",
                "RequiresRecreation": "Never",
                "Path": "/Properties/DelaySeconds",
                "BeforeValue": "1",
                "AfterValue": "2",
                "AttributeChangeType": "Modify",
            },
            "Evaluation": "Static",
            "ChangeSource": "DirectModification",
        }
    ]


def test_a_change_that_a_parameter_or_a_resource_causes_names_it() -> None:
    written = {"QueueName": {"Ref": "Name"}, "Peer": {"Fn::GetAtt": ["Other", "Arn"]}}
    change = resource_change(
        "Q",
        before({"QueueName": "a", "Peer": "arn:1"}, written),
        after({"QueueName": "b", "Peer": KNOWN_AFTER_APPLY}, written),
        QUEUE,
        Causes(parameters={"Name"}, resources={"Other"}),
    )
    assert change is not None and change["Replacement"] == "True" and change["PolicyAction"] == "ReplaceAndDelete"
    sources = [(detail["Evaluation"], detail["ChangeSource"], detail["CausingEntity"]) for detail in change["Details"]]
    assert sources == [("Dynamic", "ResourceAttribute", "Other.Arn"), ("Static", "ParameterReference", "Name")]


def test_nothing_changed_is_no_change_and_attributes_are_a_scope() -> None:
    assert resource_change("Q", before({"A": 1}), after({"A": "1"}), QUEUE, Causes()) is None
    change = resource_change("Q", before({"A": 1}), after({"A": 1}, Metadata={"x": 1}), QUEUE, Causes())
    assert change is not None and (change["Scope"], change["Replacement"]) == (["Metadata"], "False")
