"""Template text to document, by tables of cases."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundcloud.base.errors import AwsError
from groundcloud.services.cloudformation import preparation, template


def fails(text: str) -> str:
    with pytest.raises(AwsError) as caught:
        template.sections(template.parse(text))
    assert caught.value.code == "ValidationError"
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: !Ref B", {"Ref": "B"}),
        ("a: !GetAtt B.Arn", {"Fn::GetAtt": ["B", "Arn"]}),
        ("a: !GetAtt B.Outputs.Url", {"Fn::GetAtt": ["B", "Outputs.Url"]}),
        ("a: !GetAtt [B, Arn]", {"Fn::GetAtt": ["B", "Arn"]}),
        ("a: !Sub '${B}-x'", {"Fn::Sub": "${B}-x"}),
        ("a: !Sub\n  - '${B}'\n  - B: !Ref C", {"Fn::Sub": ["${B}", {"B": {"Ref": "C"}}]}),
        ("a: !Join ['-', [x, !Ref C]]", {"Fn::Join": ["-", ["x", {"Ref": "C"}]]}),
        ("a: !If [P, !Ref 'AWS::NoValue', 1]", {"Fn::If": ["P", {"Ref": "AWS::NoValue"}, 1]}),
        ("a: !Condition P", {"Condition": "P"}),
        ("a: !Base64\n  Fn::Sub: x", {"Fn::Base64": {"Fn::Sub": "x"}}),
        ("a: !GetAZs ''", {"Fn::GetAZs": ""}),
        ("a: 2012-10-17", "2012-10-17"),
        ("a: 2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"),
        ("a: 12:30:45", "12:30:45"),
        ("a: '012345'", "012345"),
        ("a: 098765432109", "098765432109"),
        ("a: 010", 8),
        ("a: 0x1F", 31),
        ("a: -5", -5),
        ("a: 1.5", 1.5),
        ("a: yes", True),
        ("a: 'yes'", "yes"),
        ("a: Off", False),
        ("a: !!str 12", "12"),
        ("a: |\n  x\n  y\n", "x\ny\n"),
        ("a: {b: [1, {c: d}]}", {"b": [1, {"c": "d"}]}),
        ("a: ''", ""),
        ("a: ~", None),
        ("\ufeffa: 1", 1),
        ('\ufeff{"a": 1}', 1),
        ("a: 1e999", "1e999"),
        ('{"a": 1e999}', "1e999"),
        ('{"a": 12345678901234567890123}', "12345678901234567890123"),
        ("a: 12345678901234567890123", "12345678901234567890123"),
        ("a: 0xFFFFFFFFFFFFFFFFFF", "0xFFFFFFFFFFFFFFFFFF"),
        ("a: 1\na: 2", 2),
        ("a: {b: 1}\na: {c: [2]}", {"c": [2]}),
        ('{"a": 1, "a": {"b": 1, "b": 2}}', {"b": 2}),
    ],
)
def test_yaml_is_read_as_cloudformation_reads_it(text: str, value: object) -> None:
    assert template.parse(text) == {"a": value}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x: &x {b: 1}\na: [*x, *x]", [{"b": 1}, {"b": 1}]),
        ("x: &x word\na: *x", "word"),
        ("x: &x !Ref Q\na: {b: *x}", {"b": {"Ref": "Q"}}),
        ("x: &x {b: 1, c: 2}\na:\n  <<: *x\n  c: 3", {"b": 1, "c": 3}),
        ("x: &x {b: 1}\ny: &y {b: 2, c: 2}\na:\n  d: 4\n  <<: [*x, *y]", {"b": 1, "c": 2, "d": 4}),
        ("x: &x {b: 1}\ny: &y\n  <<: *x\n  c: 2\na: {<<: *y}", {"b": 1, "c": 2}),
        ("x: &x 1\nx: &x 2\na: *x", 2),
    ],
)
def test_aliases_and_merge_keys_are_read_as_the_clis_read_them(text: str, value: object) -> None:
    assert template.parse(text, aliases=True)["a"] == value


def test_what_an_alias_names_is_there_each_time_anew() -> None:
    document = template.parse("x: &x {b: [1]}\na: *x\nc: {<<: *x}", aliases=True)
    document["a"]["b"].append(2)
    assert document == {"x": {"b": [1]}, "a": {"b": [1, 2]}, "c": {"b": [1]}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: *x", "Template format error: YAML not well-formed. (line 1, column 4) Undefined alias: x"),
        ("a: &x [*x]", "Template format error: YAML not well-formed. (line 1, column 8) Undefined alias: x"),
        ("x: &x y\n*x : 1", "Template format error: YAML not well-formed. (line 2, column 1) Undefined alias: x"),
        ("x: &x [1]\na: {<<: *x}", "Template format error: YAML not well-formed. (line 2, column 9) A merge key takes mappings."),
    ],
)
def test_aliases_that_lead_nowhere_are_refused(text: str, message: str) -> None:
    with pytest.raises(AwsError) as caught:
        template.parse(text, aliases=True)
    assert caught.value.message == message


def test_an_alias_bomb_is_refused() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    began = time.process_time()
    with pytest.raises(AwsError, match="Template has more than"):
        template.parse(bomb, aliases=True)
    assert time.process_time() - began < 2


def test_keys_are_strings_whatever_they_look_like() -> None:
    assert template.parse("Mappings: {A: {123: {true: x}}}") == {"Mappings": {"A": {"123": {"true": "x"}}}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1,}', "Template format error: JSON not well-formed. (line 1, column 9)"),
        ("a: [1", "Template format error: YAML not well-formed. (line 2, column 1)"),
        ("a: 1\n b: 2", "Template format error: YAML not well-formed. (line 2, column 3)"),
        ("a: !Nope x", "Template format error: YAML not well-formed. (line 1, column 4) Unknown tag: !Nope"),
        ("a: !!binary aGk=", "Template format error: YAML not well-formed. (line 1, column 4) The YAML tag !!binary is not supported."),
        ("a: &x 1\nb: *x", "Template error: YAML aliases are not allowed in CloudFormation templates"),
        ("a: 1\n---\nb: 2", "Template format error: YAML not well-formed. (line 2, column 1)"),
        ("just text", "Template format error: unsupported structure."),
        ("- a", "Template format error: unsupported structure."),
        ("{}", "Template format error: At least one Resources member must be defined."),
        ("Resources: {A: {Type: T}}\nFoo: 1", "Invalid template property or properties [Foo]"),
        ("Resources: {A: {Type: T}}\nGlobals: {Function: {}}", "Invalid template property or properties [Globals]"),
        ("Resources: {A: {}}", "Template format error: [/Resources/A] Every Resources object must contain a Type member."),
        ("Resources: {A: {Type: {Ref: B}}}", "Template format error: [/Resources/A] Every Type member must be a string."),
        ("Resources: {A-B: {Type: T}}", "Template format error: Resource name A-B is non alphanumeric."),
        ("Resources: {A: {Type: T, Foo: 1}}", "Invalid template resource property 'Foo'"),
        ("Resources: {A: {Type: T, Version: '1.0'}}", "Invalid template resource property 'Version'"),
        (
            "Resources:\n  A:\n    Type: T\n    Properties:\n",
            "Template format error: [/Resources/A/Properties] 'null' values are not allowed in templates",
        ),
        (
            "Resources: {A: {Type: T}}\nOutputs: {O: {Description: x}}",
            "Template format error: [/Outputs/O] Every Outputs member must contain a Value object",
        ),
        (
            "AWSTemplateFormatVersion: '2011-01-01'\nResources: {A: {Type: T}}",
            'Template format error: Template format version not supported: "2011-01-01"',
        ),
        ("Resources: {A: {Type: T, DependsOn: {a: b}}}", "Template format error: [/Resources/A] Every DependsOn value must be a string."),
    ],
)
def test_what_is_malformed_is_refused_in_awss_sentence(text: str, message: str) -> None:
    assert fails(text) == message


@pytest.mark.parametrize("kind", ["Custom::Thing", "AWS::CloudFormation::CustomResource"])
def test_a_custom_resource_may_say_a_version(kind: str) -> None:
    made = template.sections(template.parse(f"Resources: {{A: {{Type: '{kind}', Version: '1.0', Properties: {{ServiceToken: x}}}}}}"))
    assert made.resources["A"]["Version"] == "1.0"


def test_counts_are_limited() -> None:
    many = "Resources:\n" + "".join(f"  R{index}: {{Type: T}}\n" for index in range(501))
    assert fails(many) == "Template format error: Number of resources, 501, is greater than maximum allowed, 500"
    parameters = "Resources: {A: {Type: T}}\nParameters:\n" + "".join(f"  P{index}: {{Type: String}}\n" for index in range(201))
    assert fails(parameters) == "Template format error: Number of parameters, 201, is greater than maximum allowed, 200"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 400_000,
        '{"a":' * 150_000,
        "a: " + "[" * 1000 + "]" * 1000,
        "{" + ",".join(f'"k{n}":[[]]' for n in range(60_000)) + "}",
        "a: &a [x]\n" + "b: [*a,*a]",
    ],
)
def test_bombs_are_refused_within_bounds(text: str) -> None:
    began = time.process_time()
    with pytest.raises(AwsError):
        template.sections(template.parse(text))
    assert time.process_time() - began < 2


def test_a_text_above_the_limit_is_refused() -> None:
    with pytest.raises(AwsError) as caught:
        template.check_size("x" * 51_201, template.TEMPLATE_INLINE_BYTES_MAX, "templateBody")
    assert caught.value.message.endswith(
        "at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to 51200"
    )


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_gives_a_document_or_a_validation_error(text: str) -> None:
    try:
        document = template.parse(text)
    except AwsError as error:
        assert error.code == "ValidationError"
    else:
        assert isinstance(document, dict)


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("https://s3.amazonaws.com/b/k/e.y", ("b", "k/e.y", None)),
        ("https://s3.eu-west-1.amazonaws.com/b/k", ("b", "k", None)),
        ("https://s3-eu-west-1.amazonaws.com/b/k", ("b", "k", None)),
        ("https://b.s3.amazonaws.com/k", ("b", "k", None)),
        ("https://b.with.dots.s3.eu-west-1.amazonaws.com/k%20k", ("b.with.dots", "k k", None)),
        ("http://localhost:4566/b/k?versionId=v1", ("b", "k", "v1")),
        ("http://127.0.0.1:9/b/k", ("b", "k", None)),
        ("http://b.s3.localhost:4566/k", ("b", "k", None)),
        ("http://cloud.example.com:4566/b/k", ("b", "k", None)),
        ("http://own.example.com/b/k", ("b", "k", None)),
        ("https://example.com/b/k", None),
        ("https://s3.example.com/b/k", None),
        ("s3://b/k", None),
        ("https://s3.amazonaws.com/b", None),
        ("file:///etc/passwd", None),
        ("http://[", None),
        ("http://localhost:99999999/b/k", None),
    ],
)
def test_a_template_url_names_a_bucket_and_a_key(url: str, location: object) -> None:
    if location is not None:
        assert preparation.s3_location(url, "own.example.com", 4566) == location
        return
    with pytest.raises(AwsError) as caught:
        preparation.s3_location(url, "own.example.com", 4566)
    assert caught.value.message == "TemplateURL must be a supported URL."
