"""Layers: numbered, shared, found by functions at /opt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.services.lambda_.conftest import zipped

LIBRARY = "def words(): return {!r}"


def error(call: Callable[..., Any], **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    found = refused.value.response["Error"]
    return found["Code"], found["Message"]


def publish(lambda_: Any, words: str, **options: Any) -> str:
    content = {"ZipFile": zipped({"python/library.py": LIBRARY.format(words), "data.txt": words})}
    return str(lambda_.publish_layer_version(LayerName="library", Content=content, **options)["LayerVersionArn"])


def test_a_function_imports_from_its_layers_and_reads_them(lambda_: Any, function: Callable[..., str], answer: Any, account: str) -> None:
    arn = publish(lambda_, "first")
    assert arn == f"arn:aws:lambda:us-east-1:{account}:layer:library:1"
    name = function("import library\ndef handler(e, c): return [library.words(), open('/opt/data.txt').read()]", Layers=[arn])
    assert answer(name) == ["first", "first"]
    shown = lambda_.get_function_configuration(FunctionName=name)["Layers"]
    assert [layer["Arn"] for layer in shown] == [arn]
    lambda_.update_function_configuration(FunctionName=name, Layers=[publish(lambda_, "second")])
    assert answer(name) == ["second", "second"]
    lambda_.delete_layer_version(LayerName="library", VersionNumber=2)
    lambda_.update_function_configuration(FunctionName=name, Timeout=5)
    assert answer(name) == ["second", "second"]


def test_a_later_layer_covers_an_earlier_one(lambda_: Any, function: Callable[..., str], answer: Any) -> None:
    low = publish(lambda_, "low")
    content = {"ZipFile": zipped({"data.txt": "high"})}
    high = lambda_.publish_layer_version(LayerName="other", Content=content)["LayerVersionArn"]
    name = function("import library\ndef handler(e, c): return [library.words(), open('/opt/data.txt').read()]", Layers=[low, high])
    assert answer(name) == ["low", "high"]


def test_versions_are_listed_newest_first_and_their_numbers_are_not_used_again(lambda_: Any, account: str) -> None:
    publish(lambda_, "a", CompatibleRuntimes=["python3.11"])
    publish(lambda_, "b")
    lambda_.delete_layer_version(LayerName="library", VersionNumber=2)
    publish(lambda_, "c", CompatibleRuntimes=["python3.12"], Description="third", LicenseInfo="MIT")
    assert [one["Version"] for one in lambda_.list_layer_versions(LayerName="library")["LayerVersions"]] == [3, 1]
    (layer,) = lambda_.list_layers(CompatibleRuntime="python3.11")["Layers"]
    assert layer["LatestMatchingVersion"]["Version"] == 1
    shown = lambda_.get_layer_version_by_arn(Arn=f"arn:aws:lambda:us-east-1:{account}:layer:library:3")
    assert (shown["Description"], shown["LicenseInfo"]) == ("third", "MIT")
    assert error(lambda_.get_layer_version, LayerName="library", VersionNumber=2)[0] == "ResourceNotFoundException"


def test_another_account_may_use_a_layer_once_its_policy_says_so(lambda_: Any, client: Callable[..., Any], role: str) -> None:
    arn = publish(lambda_, "shared")
    other = client("lambda", account="999999999999")
    assert error(other.get_layer_version_by_arn, Arn=arn)[0] == "AccessDeniedException"
    lambda_.add_layer_version_permission(
        LayerName="library", VersionNumber=1, StatementId="s", Action="lambda:GetLayerVersion", Principal="999999999999"
    )
    assert other.get_layer_version_by_arn(Arn=arn)["Version"] == 1
    lambda_.remove_layer_version_permission(LayerName="library", VersionNumber=1, StatementId="s")
    assert error(lambda_.get_layer_version_policy, LayerName="library", VersionNumber=1)[0] == "ResourceNotFoundException"


def test_layers_that_cannot_be_are_refused(lambda_: Any, function: Callable[..., str], account: str) -> None:
    first, second = publish(lambda_, "1"), publish(lambda_, "2")
    with pytest.raises(ClientError, match="Two different versions of the same layer are not allowed"):
        function("def handler(e, c): pass", Layers=[first, second])
    with pytest.raises(ClientError, match="layer:library:9 does not exist"):
        function("def handler(e, c): pass", Layers=[first[:-1] + "9"])
