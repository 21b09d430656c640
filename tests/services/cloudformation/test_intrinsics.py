"""Intrinsic functions, conditions and references, by tables of cases."""

from __future__ import annotations

from typing import Any

import pytest

from groundcloud.base.errors import AwsError
from groundcloud.services.cloudformation import graph, intrinsics, language_extensions, parameters, template, validation
from groundcloud.services.cloudformation.intrinsics import KNOWN_AFTER_APPLY, NO_VALUE, Scope, resolve

RESOURCES = {"Q": ("queue-url", {"Arn": "arn:q"}), "N": (KNOWN_AFTER_APPLY, {"Arn": KNOWN_AFTER_APPLY})}
SCOPE = Scope(
    parameters={"P": "v", "L": ["a", "b", "c"], "N1": "3", "AWS::Region": "eu-west-1", "AWS::NoValue": NO_VALUE},
    mappings={"M": {"eu-west-1": {"Ami": "ami-1", "List": ["x", "y"]}}},
    conditions={"Yes": True, "No": False},
    reference=lambda name: RESOURCES[name][0],
    attribute=lambda name, attribute: RESOURCES[name][1][attribute],
    imported={"shared": "imported-value"}.__getitem__,
)
EXTENDED = Scope(SCOPE.parameters, SCOPE.mappings, SCOPE.conditions, SCOPE.reference, SCOPE.attribute, SCOPE.imported, extended=True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "P"}, "v"),
        ({"Ref": "Q"}, "queue-url"),
        ({"Fn::GetAtt": ["Q", "Arn"]}, "arn:q"),
        ({"Fn::GetAtt": "Q.Arn"}, "arn:q"),
        ({"Fn::Sub": "${P}-${Q}-${Q.Arn}-${AWS::Region}-${!Literal}"}, "v-queue-url-arn:q-eu-west-1-${Literal}"),
        ({"Fn::Sub": ["${X}/${P}", {"X": {"Ref": "Q"}}]}, "queue-url/v"),
        ({"Fn::Join": ["-", ["a", 1, True, {"Ref": "P"}]]}, "a-1-true-v"),
        ({"Fn::Join": [",", {"Ref": "L"}]}, "a,b,c"),
        ({"Fn::Join": ["", ["a", {"Ref": "AWS::NoValue"}, "b"]]}, "ab"),
        ({"Fn::Select": [1, {"Ref": "L"}]}, "b"),
        ({"Fn::Select": ["0", {"Fn::GetAZs": ""}]}, "eu-west-1a"),
        ({"Fn::Split": ["|", "a|b"]}, ["a", "b"]),
        ({"Fn::FindInMap": ["M", {"Ref": "AWS::Region"}, "Ami"]}, "ami-1"),
        ({"Fn::FindInMap": ["M", "eu-west-1", "List"]}, ["x", "y"]),
        ({"Fn::If": ["Yes", 1, {"Ref": "Nothing"}]}, 1),
        ({"a": {"Fn::If": ["No", 1, {"Ref": "AWS::NoValue"}]}, "b": 2}, {"b": 2}),
        ([1, {"Ref": "AWS::NoValue"}, 2], [1, 2]),
        ({"Fn::ImportValue": {"Fn::Sub": "shared"}}, "imported-value"),
        ({"Fn::Base64": "hi"}, "aGk="),
        ({"Fn::Cidr": ["10.0.0.0/16", 3, 8]}, ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"]),
        ({"Fn::Cidr": ["10.0.0.0/24", "2", "5"]}, ["10.0.0.0/27", "10.0.0.32/27"]),
        ({"Fn::GetAZs": {"Ref": "AWS::Region"}}, ["eu-west-1a", "eu-west-1b", "eu-west-1c"]),
        ({"Condition": {"StringEquals": {"a": {"Ref": "P"}}}}, {"Condition": {"StringEquals": {"a": "v"}}}),
        ({"Fn::Join": ["/", ["x", {"Ref": "N"}]]}, f"x/{KNOWN_AFTER_APPLY}"),
        ({"Fn::Select": [3, {"Fn::Split": ["/", {"Fn::GetAtt": ["N", "Arn"]}]}]}, KNOWN_AFTER_APPLY),
        ({"Fn::Equals": [{"Ref": "P"}, "v"]}, True),
    ],
)
def test_a_function_stands_for_its_value(value: Any, expected: Any) -> None:
    assert resolve(value, SCOPE) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Fn::Length": [1, 2, 3]}, 3),
        ({"Fn::Length": {"Ref": "L"}}, 3),
        ({"Fn::ToJsonString": {"a": {"Ref": "P"}, "b": [1]}}, '{"a":"v","b":[1]}'),
        ({"Fn::FindInMap": ["M", "nowhere", "Ami", {"DefaultValue": {"Ref": "P"}}]}, "v"),
        ({"Fn::FindInMap": ["None", "nowhere", "Ami", {"DefaultValue": "d"}]}, "d"),
        ({"Ref": {"Fn::Sub": "${P}"}}, "seen"),
    ],
)
def test_language_extensions_add_functions(value: Any, expected: Any) -> None:
    scope = Scope({**SCOPE.parameters, "v": "seen"}, SCOPE.mappings, SCOPE.conditions, extended=True)
    assert resolve(value, scope) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"Ref": ["a"]}, "Template error: every Ref object must have a single String value."),
        (
            {"Fn::GetAtt": ["Q"]},
            "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute",
        ),
        ({"Fn::FindInMap": ["M", "eu-west-1", "Nope"]}, "Template error: Unable to get mapping for M::eu-west-1::Nope"),
        ({"Fn::Select": [9, ["a"]]}, "Template error: Fn::Select cannot select nonexistent value at index 9"),
        ({"Fn::If": ["Yes", 1]}, "Template error: Fn::If requires a list argument with three elements"),
        ({"Fn::If": ["Unknown", 1, 2]}, "Template error: unresolved condition dependency Unknown in Fn::If"),
        ({"Fn::Sub": "${L}"}, "Template error: variable L in Fn::Sub expression does not resolve to a string"),
        ({"Fn::Transform": {"Name": "AWS::Include"}}, "Fn::Transform with AWS::Include is not supported by Groundcloud"),
        (
            {"Fn::Split": ["", "x"]},
            "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that returns a string to be split.",
        ),
    ],
)
def test_a_wrong_use_is_refused_in_awss_sentence(value: Any, message: str) -> None:
    with pytest.raises(AwsError) as caught:
        resolve(value, SCOPE)
    assert caught.value.message == message


@pytest.mark.parametrize("name", ["Fn::Length", "Fn::ToJsonString", "Fn::Nope"])
def test_functions_not_at_hand_are_refused_by_name(name: str) -> None:
    with pytest.raises(AwsError, match=f"Encountered unsupported function: {name}"):
        resolve({name: ["x"]}, SCOPE)


def test_conditions_are_evaluated_once_and_may_name_each_other() -> None:
    conditions = {
        "Both": {"Fn::And": [{"Condition": "IsV"}, {"Fn::Not": [{"Condition": "Never"}]}]},
        "IsV": {"Fn::Equals": [{"Ref": "P"}, "v"]},
        "Never": {"Fn::Or": [{"Fn::Equals": ["a", "b"]}, {"Fn::Equals": [1, "2"]}]},
        "Number": {"Fn::Equals": [3, {"Ref": "N1"}]},
        "Truth": {"Fn::Equals": [True, "true"]},
    }
    assert intrinsics.evaluate_conditions(conditions, SCOPE) == {"Both": True, "IsV": True, "Never": False, "Number": True, "Truth": True}


def test_a_circle_of_conditions_is_refused() -> None:
    with pytest.raises(AwsError, match="Found circular condition dependency between B and A"):
        intrinsics.evaluate_conditions({"A": {"Fn::Not": [{"Condition": "B"}]}, "B": {"Fn::Not": [{"Condition": "A"}]}}, SCOPE)


def checked(text: str, conditions: dict[str, bool] | None = None) -> template.Template:
    parsed = template.sections(template.parse(text))
    validation.check_references(parsed, conditions)
    return parsed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "Resources: {A: {Type: T, Properties: {X: !Ref B}}}",
            "Template format error: Unresolved resource dependencies [B] in the Resources block of the template",
        ),
        (
            "Resources: {A: {Type: T, Properties: {X: !Sub '${B}'}}}",
            "Template format error: Unresolved resource dependencies [B] in the Resources block of the template",
        ),
        (
            "Resources: {A: {Type: T, DependsOn: B}}",
            "Template format error: Unresolved resource dependencies [B] in the Resources block of the template",
        ),
        (
            "Resources: {A: {Type: T, Properties: {X: !GetAtt B.Arn}}}",
            "Template error: instance of Fn::GetAtt references undefined resource B",
        ),
        (
            "Resources: {A: {Type: T}}\nOutputs: {O: {Value: !Ref B}}",
            "Template format error: Unresolved resource dependencies [B] in the Outputs block of the template",
        ),
        (
            "Resources: {A: {Type: T, Condition: C}}",
            "Template format error: Unresolved condition dependency C in the Resources block of the template",
        ),
        (
            "Conditions: {C: !Equals [!Ref A, x]}\nResources: {A: {Type: T}}",
            "Template format error: Unresolved dependencies [A]. Cannot reference resources in the Conditions block of the template",
        ),
        ("Resources: {A: {Type: T, Properties: {X: !Ref B}}, B: {Type: T, DependsOn: A}}", "Circular dependency between resources: [A, B]"),
        ("Resources: {A: {Type: T, Properties: {X: !Ref A}}}", "Circular dependency between resources: [A]"),
        (
            "Resources: {A: {Type: T, Properties: {X: !FindInMap [M, a, b]}}}",
            "Template error: Mapping named 'M' is not present in the 'Mappings' section of template.",
        ),
    ],
)
def test_references_to_nothing_are_refused(text: str, message: str) -> None:
    with pytest.raises(AwsError) as caught:
        checked(text)
    assert caught.value.message == message


def test_a_reference_to_a_resource_that_its_condition_leaves_out_is_refused_only_on_the_branch_taken() -> None:
    text = "Conditions: {C: !Equals [a, b]}\nResources: {A: {Type: T, Condition: C}, B: {Type: T, Properties: {X: !If [C, !Ref A, y]}}}"
    checked(text, {"C": False})
    with pytest.raises(AwsError, match=r"Unresolved resource dependencies \[A\]"):
        checked(text.replace("!If [C, !Ref A, y]", "!Ref A"), {"C": False})


def test_resources_are_ordered_by_what_they_need() -> None:
    parsed = checked(
        "Resources: {C: {Type: T, Properties: {X: !Sub '${B.Arn}'}}, B: {Type: T, DependsOn: [A]}, A: {Type: T}, D: {Type: T, Properties: {X: !Join ['', [!Ref C, !GetAtt A.X]]}}}"
    )
    needs = graph.dependencies(parsed.resources)
    assert needs == {"A": set(), "B": {"A"}, "C": {"B"}, "D": {"C", "A"}}
    assert graph.order(needs) == ["A", "B", "C", "D"]
    assert graph.reverse(needs) == {"A": {"B", "D"}, "B": {"C"}, "C": {"D"}, "D": set()}


def test_loops_are_unrolled() -> None:
    document = template.parse(
        """
Transform: AWS::LanguageExtensions
Resources:
  Fn::ForEach::Queues:
    - Name
    - !Ref L
    - Queue${Name}:
        Type: AWS::SQS::Queue
        Properties: {QueueName: !Sub 'q-${Name}', Tags: [{Key: k, Value: !Ref Name}], Peer: !GetAtt ['Queue${Name}', Arn]}
      Fn::ForEach::Inner:
        - X
        - [1, b-2]
        - T${Name}&{X}: {Type: T}
Outputs:
  Fn::ForEach::Out: [Name, [a, b], {'O${Name}': {Value: !Ref 'Queue${Name}'}}]
"""
    )
    expanded = language_extensions.expand(document, EXTENDED)
    assert list(expanded["Resources"]) == ["Queuea", "Ta1", "Tab2", "Queueb", "Tb1", "Tbb2", "Queuec", "Tc1", "Tcb2"]
    properties = expanded["Resources"]["Queueb"]["Properties"]
    assert properties["QueueName"] == {"Fn::Sub": "q-b"}
    assert properties["Tags"] == [{"Key": "k", "Value": "b"}]
    assert properties["Peer"] == {"Fn::GetAtt": ["Queueb", "Arn"]}
    assert expanded["Outputs"] == {"Oa": {"Value": {"Ref": "Queuea"}}, "Ob": {"Value": {"Ref": "Queueb"}}}


def test_a_bomb_of_loops_is_refused() -> None:
    inner: dict[str, Any] = {"R${A}x${B}x${C}x${D}": {"Type": "T"}}
    for variable in "DCBA":
        inner = {f"Fn::ForEach::{variable}": [variable, [str(n) for n in range(60)], inner]}
    with pytest.raises(AwsError, match="more than 200000 values"):
        language_extensions.expand({"Resources": inner}, EXTENDED)


DECLARED = {
    "S": {"Type": "String", "MinLength": 2, "MaxLength": "4", "Default": "abc"},
    "N": {"Type": "Number", "MinValue": 1, "MaxValue": 10, "Default": 5},
    "L": {"Type": "CommaDelimitedList", "Default": "a, b"},
    "A": {"Type": "String", "AllowedValues": ["x", "y", True], "Default": "x"},
    "R": {"Type": "String", "AllowedPattern": "^[a-z]+$", "Default": "r"},
    "D": {"Type": "String", "AllowedPattern": "[0-9]+", "ConstraintDescription": "digits only", "Default": "1"},
}


def values(**given: str) -> dict[str, Any]:
    parameters.check_declarations(DECLARED)
    texts = parameters.given_values(DECLARED, [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()])
    parameters.check_values(DECLARED, texts)
    return parameters.reference_values(DECLARED, texts)


def test_defaults_are_used_and_lists_split() -> None:
    assert values() == {"S": "abc", "N": "5", "L": ["a", "b"], "A": "x", "R": "r", "D": "1"}
    assert values(L="", A="true")["L"] == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"S": "a"}, "Parameter 'S' must contain at least 2 characters"),
        ({"S": "abcde"}, "Parameter 'S' must contain at most 4 characters"),
        ({"N": "x"}, "Parameter 'N' must be a number."),
        ({"N": "0"}, "Parameter 'N' must be a number not less than 1"),
        ({"N": "11"}, "Parameter 'N' must be a number not greater than 10"),
        ({"A": "z"}, "Parameter 'A' must be one of AllowedValues"),
        ({"R": "R2"}, "Parameter 'R' must match pattern ^[a-z]+$"),
        ({"D": "a"}, "Parameter D failed to satisfy constraint: digits only"),
        ({"Z": "a"}, "Parameters: [Z] do not exist in the template"),
    ],
)
def test_a_value_outside_its_constraints_is_refused(given: dict[str, str], message: str) -> None:
    with pytest.raises(AwsError) as caught:
        values(**given)
    assert caught.value.message == message


def test_values_are_asked_for_and_previous_ones_used() -> None:
    declared = {"A": {"Type": "String"}, "B": {"Type": "String"}}
    with pytest.raises(AwsError) as caught:
        parameters.given_values(declared, [])
    assert caught.value.message == "Parameters: [A, B] must have values"
    given = [{"ParameterKey": "A", "UsePreviousValue": True}, {"ParameterKey": "B", "ParameterValue": "2"}]
    assert parameters.given_values(declared, given, {"A": "1"}) == {"A": "1", "B": "2"}


@pytest.mark.parametrize("kind", ["Foo", "List<Foo>", "AWS::SSM::Parameter::Value<Number>", {"Ref": "x"}])
def test_unknown_parameter_types_are_refused(kind: Any) -> None:
    with pytest.raises(AwsError, match="Template format error: Unrecognized parameter type"):
        parameters.check_declarations({"A": {"Type": kind}})


@pytest.mark.slow
def test_a_pattern_that_backtracks_for_ever_is_stopped() -> None:
    declared = {"A": {"Type": "String", "AllowedPattern": "(a+)+$"}}
    with pytest.raises(AwsError, match="takes more than 2 s to match"):
        parameters.check_values(declared, {"A": "a" * 64 + "!"})
