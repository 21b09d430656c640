"""Versions and aliases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.services.lambda_.conftest import zipped

VERSION = "def handler(event, context): return [context.function_version, {!r}, context.invoked_function_arn]"


def error(call: Callable[..., Any], **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    found = refused.value.response["Error"]
    return found["Code"], found["Message"]


@pytest.fixture
def two(function: Callable[..., str], lambda_: Any) -> str:
    """A function with versions 1 ("a") and 2 ("b"), and "c" in $LATEST."""
    name = function(VERSION.format("a"))
    lambda_.publish_version(FunctionName=name)
    for letter in "bc":
        lambda_.update_function_code(FunctionName=name, ZipFile=zipped(VERSION.format(letter)), Publish=letter == "b")
    return name


def test_a_published_version_keeps_its_code(two: str, answer: Any, account: str) -> None:
    arn = f"arn:aws:lambda:us-east-1:{account}:function:{two}"
    assert answer(two) == ["$LATEST", "c", arn]
    assert answer(two, Qualifier="1") == ["1", "a", f"{arn}:1"]
    assert answer(f"{two}:2") == ["2", "b", f"{arn}:2"]


def test_publishing_without_a_change_gives_the_last_version_again(two: str, lambda_: Any) -> None:
    first = lambda_.publish_version(FunctionName=two)
    assert first["Version"] == "3"
    assert lambda_.publish_version(FunctionName=two)["Version"] == "3"
    again = lambda_.publish_version(FunctionName=two, Description="words of the version alone")
    assert (again["Version"], again["Description"]) == ("3", "")
    lambda_.update_function_configuration(FunctionName=two, Description="new words")
    fourth = lambda_.publish_version(FunctionName=two)
    assert (fourth["Version"], fourth["Description"]) == ("4", "new words")
    fifth = lambda_.publish_version(FunctionName=two, Description="words of the version alone")
    assert (fifth["Version"], fifth["Description"]) == ("4", "new words")


def test_versions_are_listed_with_their_arns(two: str, lambda_: Any, account: str) -> None:
    versions = lambda_.list_versions_by_function(FunctionName=two)["Versions"]
    assert [one["Version"] for one in versions] == ["$LATEST", "1", "2"]
    assert versions[1]["FunctionArn"] == f"arn:aws:lambda:us-east-1:{account}:function:{two}:1"


def test_publishing_other_code_than_expected_is_refused(two: str, lambda_: Any) -> None:
    code, message = error(lambda_.publish_version, FunctionName=two, CodeSha256="x" * 43 + "=")
    assert code == "InvalidParameterValueException"
    assert "is different from current CodeSHA256 in $LATEST" in message


def test_an_alias_points_to_a_version_and_can_be_moved(two: str, lambda_: Any, answer: Any, account: str) -> None:
    made = lambda_.create_alias(FunctionName=two, Name="live", FunctionVersion="1", Description="shop")
    arn = f"arn:aws:lambda:us-east-1:{account}:function:{two}:live"
    assert (made["AliasArn"], made["FunctionVersion"]) == (arn, "1")
    assert answer(two, Qualifier="live") == ["1", "a", arn]
    changed = lambda_.update_alias(FunctionName=two, Name="live", FunctionVersion="2")
    assert changed["Description"] == "shop"
    assert answer(arn) == ["2", "b", arn]
    assert lambda_.get_function(FunctionName=two, Qualifier="live")["Configuration"]["Version"] == "2"
    assert [one["Name"] for one in lambda_.list_aliases(FunctionName=two, FunctionVersion="2")["Aliases"]] == ["live"]
    lambda_.delete_alias(FunctionName=two, Name="live")
    assert error(lambda_.get_alias, FunctionName=two, Name="live") == ("ResourceNotFoundException", f"Cannot find alias arn: {arn}")


def test_a_weighted_alias_shares_its_invocations(two: str, lambda_: Any) -> None:
    weights = {"AdditionalVersionWeights": {"2": 0.5}}
    lambda_.create_alias(FunctionName=two, Name="live", FunctionVersion="1", RoutingConfig=weights)
    counts = Counter(lambda_.invoke(FunctionName=two, Qualifier="live")["ExecutedVersion"] for _ in range(60))
    assert set(counts) == {"1", "2"}
    lambda_.update_alias(FunctionName=two, Name="live", RoutingConfig={})
    assert {lambda_.invoke(FunctionName=two, Qualifier="live")["ExecutedVersion"] for _ in range(10)} == {"1"}


@pytest.mark.parametrize(
    ("version", "weights", "code"),
    [
        ("9", {}, "ResourceNotFoundException"),
        ("$LATEST", {"1": 0.1}, "InvalidParameterValueException"),
        ("1", {"1": 0.1}, "InvalidParameterValueException"),
        ("1", {"$LATEST": 0.1}, "ValidationException|InvalidParameterValueException"),
    ],
)
def test_an_alias_that_cannot_be_is_refused(two: str, lambda_: Any, version: str, weights: dict[str, float], code: str) -> None:
    arguments: dict[str, Any] = {"FunctionName": two, "Name": "live", "FunctionVersion": version}
    if weights:
        arguments["RoutingConfig"] = {"AdditionalVersionWeights": weights}
    assert error(lambda_.create_alias, **arguments)[0] in code.split("|")


def test_a_version_that_an_alias_uses_cannot_be_deleted(two: str, lambda_: Any) -> None:
    lambda_.create_alias(FunctionName=two, Name="live", FunctionVersion="1")
    code, message = error(lambda_.delete_function, FunctionName=two, Qualifier="1")
    assert code == "ResourceConflictException"
    assert message == "Unable to delete version because the following aliases reference it: [live]"
    lambda_.delete_function(FunctionName=two, Qualifier="2")
    assert [one["Version"] for one in lambda_.list_versions_by_function(FunctionName=two)["Versions"]] == ["$LATEST", "1"]


def test_an_alias_exists_once(two: str, lambda_: Any, account: str) -> None:
    lambda_.create_alias(FunctionName=two, Name="live", FunctionVersion="1")
    code, message = error(lambda_.create_alias, FunctionName=two, Name="live", FunctionVersion="2")
    assert (code, message) == ("ResourceConflictException", f"Alias already exists: arn:aws:lambda:us-east-1:{account}:function:{two}:live")
