"""Documents that nobody would write: each is a template or is refused; nothing else is raised, and nothing takes long."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundcloud.base.errors import AwsError
from groundcloud.services.cloudformation import graph, intrinsics, language_extensions, parameters, preparation, template, validation
from groundcloud.services.cloudformation.state import Stack

STACK = Stack(stack_id="arn:s", stack_name="s", status="CREATE_IN_PROGRESS", created_ms=0)
PSEUDO = preparation.pseudo_parameters(STACK, "000000000000", "us-east-1", "aws")
FUNCTIONS = [*intrinsics._FUNCTIONS, "Fn::ForEach::X", "Fn::Contains", "Fn::Unknown", "Condition"]
NAMES = ["A", "B", "P", "L", "C", "M", "AWS::NoValue", "AWS::Region", "a", "${A}", "${A.Arn}-${P}", "${!x}", "A.Arn", "", "0", "1"]

scalars = st.one_of(
    st.sampled_from(NAMES), st.integers(-3, 300), st.booleans(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5)
)


def _deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from([*NAMES, "Type", "Value", "Name", "DefaultValue"]), inner, max_size=3),
        st.sampled_from(FUNCTIONS).flatmap(lambda name: inner.map(lambda argument: {name: argument})),
        st.tuples(st.sampled_from(FUNCTIONS), st.lists(inner, min_size=1, max_size=4)).map(lambda pair: {pair[0]: pair[1]}),
    )


values = st.recursive(scalars, _deeper, max_leaves=12)
resources = st.fixed_dictionaries(
    {"Type": st.sampled_from(["T", "AWS::SQS::Queue", "AWS::Serverless::Function"])},
    optional={
        "Properties": values,
        "DependsOn": values,
        "Condition": st.sampled_from(["C", "D", "X"]),
        "DeletionPolicy": values,
        "Metadata": values,
        "UpdatePolicy": values,
    },
)
documents = st.fixed_dictionaries(
    {
        "Resources": st.one_of(
            values, st.dictionaries(st.sampled_from(["A", "B", "Fn::ForEach::R"]), st.one_of(resources, values), max_size=3)
        )
    },
    optional={
        "Parameters": st.one_of(
            st.just({"P": {"Type": "String", "Default": "x"}, "L": {"Type": "CommaDelimitedList", "Default": "a,b"}}),
            st.dictionaries(
                st.sampled_from(["P", "L"]),
                st.fixed_dictionaries(
                    {"Type": st.sampled_from(["String", "Number", "List<Number>", "X"])},
                    optional={
                        "Default": values,
                        "AllowedValues": values,
                        "MinLength": values,
                        "MaxValue": values,
                        "AllowedPattern": values,
                    },
                ),
                max_size=2,
            ),
            values,
        ),
        "Conditions": st.dictionaries(st.sampled_from(["C", "D"]), values, max_size=2),
        "Mappings": st.one_of(st.just({"M": {"a": {"b": "c"}}}), values),
        "Rules": values,
        "Outputs": st.dictionaries(
            st.sampled_from(["O"]), st.fixed_dictionaries({"Value": values}, optional={"Export": values, "Condition": values}), max_size=1
        ),
        "Transform": st.sampled_from(["AWS::LanguageExtensions", ["AWS::LanguageExtensions"], "Nope", 5]),
        "Metadata": values,
        "Description": scalars,
    },
)


def prepared(document: Any) -> None:
    """The pure part of `preparation.prepare`, then every value resolved."""
    template.refuse_unusable(document)
    declared = template.declared_parameters(document)
    parameters.check_declarations(declared)
    texts = parameters.given_values(declared, [])
    parameters.check_values(declared, texts)
    transforms = list(template.transforms_of(document))
    if transforms:
        scope = intrinsics.Scope({**parameters.reference_values(declared, texts), **PSEUDO}, document.get("Mappings", {}), extended=True)
        document = preparation.transformed(document, transforms, scope, texts, "us-east-1")
    made = template.sections(document)
    validation.check_references(made)
    validation.capabilities_needed(made)
    scope = preparation.scope_of(STACK.replace(parameters=texts, transforms=transforms), made, PSEUDO)
    validation.check_references(made, scope.conditions)
    validation.check_rules(made, scope)
    active = validation.active(made, scope.conditions)
    scope.reference = lambda name: intrinsics.KNOWN_AFTER_APPLY
    scope.attribute = lambda name, attribute: intrinsics.KNOWN_AFTER_APPLY
    for name in graph.order(graph.dependencies(active, scope.conditions)):
        intrinsics.resolve(active[name].get("Properties", {}), scope)
    for output in made.outputs.values():
        intrinsics.resolve(output["Value"], scope)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents)
def test_any_document_is_a_template_or_is_refused(document: Any) -> None:
    try:
        prepared(document)
    except AwsError as error:
        assert error.code in ("ValidationError", "InsufficientCapabilitiesException") and error.message


@settings(max_examples=300, deadline=None)
@given(values)
def test_any_value_is_resolved_or_refused(value: Any) -> None:
    scope = intrinsics.Scope({**PSEUDO, "P": "x", "L": ["a", "b"]}, {"M": {"a": {"b": "c"}}}, {"C": True, "D": False}, extended=True)
    scope.reference = scope.imported = lambda name: "r"
    scope.attribute = lambda name, attribute: "v"
    try:
        intrinsics.resolve(value, scope)
    except AwsError as error:
        assert error.code == "ValidationError"


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"Resources": {f"R{n}": {"Type": "T", "DependsOn": [f"R{m}" for m in range(500) if m != n]} for n in range(500)}}),
        json.dumps({"Resources": {f"R{n}": {"Type": "T", "DependsOn": [f"R{m}" for m in range(n)]} for n in range(500)}}),
        json.dumps(
            {
                "Resources": {"R": {"Type": "T", "Properties": {"x": {"Fn::Sub": "${A}" * 100_000}}}},
                "Parameters": {"A": {"Type": "String", "Default": "a" * 4000}},
            }
        ),
        json.dumps(
            {
                "Conditions": {f"C{n}": {"Fn::And": [{"Condition": f"C{n + 1}"}, {"Condition": f"C{n + 1}"}]} for n in range(3000)}
                | {"C3000": {"Fn::Equals": [1, 1]}},
                "Resources": {"R": {"Type": "T"}},
            }
        ),
        json.dumps({"Resources": {"R": {"Type": "T", "Properties": {"x": [{"Fn::Cidr": ["10.0.0.0/8", 256, 8]}] * 2000}}}}),
    ],
)
def test_what_grows_is_bounded(text: str) -> None:
    began = time.process_time()
    try:
        prepared(template.parse(text))
    except AwsError:
        pass
    assert time.process_time() - began < 5


def test_loops_over_loops_are_bounded() -> None:
    began = time.process_time()
    body: Any = {"x${A}": "y"}
    for _ in range(4):
        body = {"Fn::ForEach::A": ["A", ["p" * 500] * 1000, body]}
    with pytest.raises(AwsError):
        language_extensions.expand({"Resources": body}, intrinsics.Scope(extended=True))
    assert time.process_time() - began < 5
