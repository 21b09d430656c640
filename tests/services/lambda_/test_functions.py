"""Functions: what is created, shown, changed and refused."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import threading
import time
import urllib.request
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.services.lambda_.conftest import RUNTIME, TRUST, make_function, make_role, zipped

from groundcloud.services.lambda_ import code_storage

ECHO = "def handler(event, context): return event"


def error(call: Callable[..., Any], **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    found = refused.value.response["Error"]
    return found["Code"], found["Message"]


def test_a_new_function_is_pending_in_the_answer_and_active_at_once(lambda_: Any, role: str, account: str) -> None:
    package = zipped(ECHO)
    made = lambda_.create_function(
        FunctionName="orders",
        Role=role,
        Runtime="python3.12",
        Handler="app.handler",
        Code={"ZipFile": package},
        Description="takes orders",
        Environment={"Variables": {"STAGE": "test"}},
        Tags={"team": "shop"},
    )
    assert (made["State"], made["StateReasonCode"]) == ("Pending", "Creating")
    lambda_.get_waiter("function_active_v2").wait(FunctionName="orders")
    shown = lambda_.get_function(FunctionName="orders")
    config = shown["Configuration"]
    assert config["FunctionArn"] == f"arn:aws:lambda:us-east-1:{account}:function:orders"
    assert (config["State"], config["LastUpdateStatus"]) == ("Active", "Successful")
    assert config["CodeSha256"] == base64.b64encode(hashlib.sha256(package).digest()).decode()
    assert config["CodeSize"] == len(package)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", config["LastModified"])
    assert (config["MemorySize"], config["Timeout"], config["Version"], config["PackageType"]) == (128, 3, "$LATEST", "Zip")
    assert config["Environment"] == {"Variables": {"STAGE": "test"}}
    assert config["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/aws/lambda/orders"}
    assert shown["Tags"] == {"team": "shop"}


def test_the_address_of_the_code_gives_the_package(function: Callable[..., str], lambda_: Any) -> None:
    location = lambda_.get_function(FunctionName=function(ECHO))["Code"]["Location"]
    assert urllib.request.urlopen(location).read() == zipped(ECHO)


def test_an_address_of_code_that_was_changed_is_refused(function: Callable[..., str], lambda_: Any) -> None:
    location = lambda_.get_function(FunctionName=function(ECHO))["Code"]["Location"]
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(location[:-8] + "AAAAAAA=")


@pytest.mark.parametrize(
    "form", ["{name}", "{account}:function:{name}", "arn:aws:lambda:us-east-1:{account}:function:{name}", "{name}:$LATEST"]
)
def test_a_function_is_found_by_name_partial_arn_and_arn(function: Callable[..., str], lambda_: Any, account: str, form: str) -> None:
    name = function(ECHO)
    assert lambda_.get_function_configuration(FunctionName=form.format(name=name, account=account))["FunctionName"] == name


def test_a_function_of_another_region_is_not_reachable(lambda_: Any, account: str) -> None:
    code, message = error(lambda_.get_function, FunctionName=f"arn:aws:lambda:eu-west-1:{account}:function:f")
    assert (code, message) == ("ResourceNotFoundException", "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')")


def test_two_qualifiers_that_differ_are_refused(function: Callable[..., str], lambda_: Any) -> None:
    code, message = error(lambda_.get_function, FunctionName=f"{function(ECHO)}:1", Qualifier="2")
    assert code == "InvalidParameterValueException"
    assert message == "The derived qualifier from the function name does not match the specified qualifier."


def test_a_function_that_is_not_there_is_named_by_its_arn(lambda_: Any, account: str) -> None:
    arn = f"arn:aws:lambda:us-east-1:{account}:function:nobody"
    for call in (lambda_.get_function, lambda_.get_function_configuration, lambda_.delete_function, lambda_.invoke):
        assert error(call, FunctionName="nobody") == ("ResourceNotFoundException", f"Function not found: {arn}")


def test_a_second_function_of_the_same_name_is_a_conflict(function: Callable[..., str], lambda_: Any, role: str) -> None:
    name = function(ECHO)
    with pytest.raises(ClientError) as refused:
        make_function(lambda_, role, ECHO, FunctionName=name)
    assert refused.value.response["Error"]["Code"] == "ResourceConflictException"
    assert refused.value.response["Error"]["Message"] == f"Function already exist: {name}"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409


def _variables(count: int) -> dict[str, Any]:
    return {"Environment": {"Variables": {"LONG": "x" * count}}}


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        ({"Timeout": 901}, "ValidationException", "less than or equal to 900"),
        ({"MemorySize": 10241}, "ValidationException", "less than or equal to 10240"),
        ({"MemorySize": 64}, "ValidationException", "greater than or equal to 128"),
        (_variables(4096), "InvalidParameterValueException", "exceeded the 4KB limit"),
        ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "InvalidParameterValueException", "Reserved keys used in this request: AWS_REGION"),
        ({"Runtime": "cobol"}, "InvalidParameterValueException", "'runtime' failed to satisfy constraint"),
        ({"Runtime": "java21"}, "InvalidParameterValueException", "java21"),
        ({"Role": "arn:aws:iam::123456789012:role/nobody"}, "AccessDeniedException|InvalidParameterValueException", "role"),
        ({"FileSystemConfigs": [{"Arn": "arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-0123456789abcdef0", "LocalMountPath": "/mnt/a"}]},
         "InvalidParameterValueException", "file systems"),
        ({"PackageType": "Image"}, "InvalidParameterValueException", "Handler or Runtime or Layer"),
        ({"LoggingConfig": {"LogFormat": "Text", "ApplicationLogLevel": "INFO"}}, "InvalidParameterValueException", "LogFormat is set to Text"),
    ],
)  # fmt: skip
def test_a_configuration_that_cannot_be_is_refused(function: Callable[..., str], options: dict[str, Any], code: str, sentence: str) -> None:
    with pytest.raises(ClientError) as refused:
        function(ECHO, **options)
    assert re.fullmatch(code, refused.value.response["Error"]["Code"])
    assert sentence in refused.value.response["Error"]["Message"]


def test_a_role_that_does_not_trust_lambda_is_refused(lambda_: Any, client: Callable[..., Any]) -> None:
    trust = json.loads(json.dumps(TRUST).replace("lambda.amazonaws.com", "ec2.amazonaws.com"))
    with pytest.raises(ClientError) as refused:
        make_function(lambda_, make_role(client("iam"), "strange", trust=trust), ECHO)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
    assert refused.value.response["Error"]["Message"] == "The role defined for the function cannot be assumed by Lambda."


def test_creating_needs_the_permission_to_pass_the_role(client: Callable[..., Any], ground: Any, role: str) -> None:
    iam = client("iam")
    iam.create_user(UserName="dev")
    allowed = {"Effect": "Allow", "Action": "lambda:*", "Resource": "*"}
    iam.put_user_policy(UserName="dev", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    key = iam.create_access_key(UserName="dev")["AccessKey"]
    dev = client("lambda", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    with pytest.raises(ClientError, match="not authorized to perform: iam:PassRole on resource"):
        make_function(dev, role, ECHO)


@pytest.mark.parametrize(
    ("package", "sentence"),
    [
        (b"this is no zip file", "Could not unzip uploaded file. Please check your file, then try to upload again."),
        (zipped({"../outside.py": "x"}), "Could not unzip uploaded file. Please check your file, then try to upload again."),
        (zipped(ECHO)[:-10], "Could not unzip uploaded file. Please check your file, then try to upload again."),
    ],
)
def test_a_package_that_cannot_be_unpacked_is_refused(lambda_: Any, role: str, package: bytes, sentence: str) -> None:
    arguments = {"FunctionName": "f", "Role": role, "Runtime": "python3.11", "Handler": "app.handler", "Code": {"ZipFile": package}}
    assert error(lambda_.create_function, **arguments) == ("InvalidParameterValueException", sentence)


def test_a_zip_bomb_is_refused(lambda_: Any, role: str) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(300_000_000))
    arguments = {
        "FunctionName": "f",
        "Role": role,
        "Runtime": "python3.11",
        "Handler": "app.handler",
        "Code": {"ZipFile": packed.getvalue()},
    }
    code, message = error(lambda_.create_function, **arguments)
    assert (code, message) == ("InvalidParameterValueException", "Unzipped size must be smaller than 262144000 bytes")


def test_code_comes_from_a_bucket(lambda_: Any, role: str, client: Callable[..., Any], answer: Any, account: str) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket=f"code-{account}")
    s3.put_object(Bucket=f"code-{account}", Key="app.zip", Body=zipped(ECHO))
    arguments = {"FunctionName": "f", "Role": role, "Runtime": "python3.11", "Handler": "app.handler"}
    lambda_.create_function(**arguments, Code={"S3Bucket": f"code-{account}", "S3Key": "app.zip"})
    assert answer("f", 5) == 5
    code, message = error(lambda_.update_function_code, FunctionName="f", S3Bucket=f"code-{account}", S3Key="other.zip")
    assert code == "InvalidParameterValueException"
    assert message == "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist."


def test_replaced_code_is_what_the_next_invocation_runs(function: Callable[..., str], lambda_: Any, answer: Any) -> None:
    name = function("def handler(event, context): return 'old'")
    before = lambda_.get_function_configuration(FunctionName=name)
    assert answer(name) == "old"
    updated = lambda_.update_function_code(FunctionName=name, ZipFile=zipped("def handler(event, context): return 'new'"))
    assert updated["LastUpdateStatus"] == "InProgress"
    assert updated["RevisionId"] != before["RevisionId"]
    assert answer(name) == "new"
    after = lambda_.get_function_configuration(FunctionName=name)
    for member in ("Handler", "Timeout", "MemorySize", "Role", "Runtime"):
        assert after[member] == before[member]


def test_a_changed_configuration_is_what_the_next_invocation_finds(function: Callable[..., str], lambda_: Any, answer: Any) -> None:
    name = function("import os\ndef handler(event, context): return [os.environ.get('STAGE'), context.memory_limit_in_mb]")
    assert answer(name) == [None, "128"]
    lambda_.update_function_configuration(FunctionName=name, Environment={"Variables": {"STAGE": "b"}}, MemorySize=256)
    assert answer(name) == ["b", "256"]
    lambda_.update_function_configuration(FunctionName=name, Description="only this")
    assert answer(name) == ["b", "256"]


def test_a_dry_run_changes_nothing(function: Callable[..., str], lambda_: Any, answer: Any) -> None:
    name = function(ECHO)
    lambda_.update_function_code(FunctionName=name, ZipFile=zipped("def handler(event, context): return 'new'"), DryRun=True)
    assert answer(name, "same") == "same"


def test_nothing_is_left_of_packages_that_nothing_names(function: Callable[..., str], lambda_: Any, ground: Any, account: str) -> None:
    name = function("def handler(event, context): return 'only here' # " + "x" * 70_000)
    lambda_.update_function_code(FunctionName=name, ZipFile=zipped("# never used"), DryRun=True)
    lambda_.invoke(FunctionName=name)
    directory = ground.ground.settings.data_dir / "functions"
    digests = {
        base64.b64decode(lambda_.get_function(FunctionName=name)["Configuration"]["CodeSha256"]).hex(),
        hashlib.sha256(zipped("# never used")).hexdigest(),
    }
    lambda_.delete_function(FunctionName=name)
    give_up = time.monotonic() + 10
    while left := [digest for digest in digests if (directory / digest).exists()]:
        assert time.monotonic() < give_up, left
        threading.Event().wait(0.05)  # the server looks once a second of its machine's time


def test_a_revision_that_is_not_the_latest_is_refused(function: Callable[..., str], lambda_: Any) -> None:
    name = function(ECHO)
    revision = lambda_.get_function_configuration(FunctionName=name)["RevisionId"]
    lambda_.update_function_configuration(FunctionName=name, Timeout=5, RevisionId=revision)
    code, _ = error(lambda_.update_function_configuration, FunctionName=name, Timeout=6, RevisionId=revision)
    assert code == "PreconditionFailedException"
    code, _ = error(lambda_.update_function_code, FunctionName=name, ZipFile=zipped(ECHO), RevisionId=revision)
    assert code == "PreconditionFailedException"


def test_functions_are_listed_in_pages(function: Callable[..., str], lambda_: Any) -> None:
    made = sorted(function(ECHO) for _ in range(5))
    pages = list(lambda_.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["Functions"]) for page in pages] == [2, 2, 1]
    assert [one["FunctionName"] for page in pages for one in page["Functions"]] == made


def test_a_deleted_function_is_gone_with_its_aliases_policies_and_versions(function: Callable[..., str], lambda_: Any) -> None:
    name = function(ECHO)
    lambda_.publish_version(FunctionName=name)
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    lambda_.add_permission(FunctionName=name, StatementId="s", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com")
    lambda_.delete_function(FunctionName=name)
    assert lambda_.list_functions()["Functions"] == []
    function(ECHO, FunctionName=name)
    assert lambda_.list_aliases(FunctionName=name)["Aliases"] == []
    assert [one["Version"] for one in lambda_.list_versions_by_function(FunctionName=name)["Versions"]] == ["$LATEST"]
    assert error(lambda_.get_policy, FunctionName=name)[0] == "ResourceNotFoundException"


def test_tags_are_added_listed_and_removed(function: Callable[..., str], lambda_: Any, account: str) -> None:
    arn = f"arn:aws:lambda:us-east-1:{account}:function:{function(ECHO, Tags={'a': '1'})}"
    lambda_.tag_resource(Resource=arn, Tags={"b": "2", "a": "3"})
    assert lambda_.list_tags(Resource=arn)["Tags"] == {"a": "3", "b": "2"}
    lambda_.untag_resource(Resource=arn, TagKeys=["a"])
    assert lambda_.list_tags(Resource=arn)["Tags"] == {"b": "2"}
    assert error(lambda_.list_tags, Resource=arn + "x")[1] == f"Function not found: {arn}x"


def test_the_account_says_what_it_may_use_and_uses(function: Callable[..., str], lambda_: Any) -> None:
    lambda_.put_function_concurrency(FunctionName=function(ECHO), ReservedConcurrentExecutions=30)
    settings = lambda_.get_account_settings()
    assert settings["AccountLimit"]["ConcurrentExecutions"] == 1000
    assert settings["AccountLimit"]["UnreservedConcurrentExecutions"] == 970
    assert settings["AccountUsage"] == {"TotalCodeSize": len(zipped(ECHO)), "FunctionCount": 1}


def test_code_has_its_room_and_layers_count(function: Callable[..., str], lambda_: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    package, exceeded = zipped(ECHO), ("CodeStorageExceededException", "Code storage limit exceeded.")
    monkeypatch.setattr(code_storage, "CODE_STORAGE_BYTES_MAX", 3 * len(package))
    name = function(ECHO)
    lambda_.publish_layer_version(LayerName="layer", Content={"ZipFile": package})
    lambda_.publish_version(FunctionName=name)
    assert lambda_.get_account_settings()["AccountUsage"]["TotalCodeSize"] == 3 * len(package)
    assert error(lambda_.publish_layer_version, LayerName="layer", Content={"ZipFile": package}) == exceeded
    role = lambda_.get_function_configuration(FunctionName=name)["Role"]
    arguments = {"Role": role, "Runtime": RUNTIME, "Handler": "app.handler"}
    assert error(lambda_.create_function, FunctionName="other", Code={"ZipFile": package}, **arguments) == exceeded
    lambda_.update_function_code(FunctionName=name, ZipFile=package)
    assert error(lambda_.update_function_code, FunctionName=name, ZipFile=zipped(ECHO + " # longer" * 9)) == exceeded
    lambda_.update_function_configuration(FunctionName=name, Description="changed")
    assert error(lambda_.publish_version, FunctionName=name) == exceeded
    lambda_.delete_layer_version(LayerName="layer", VersionNumber=1)
    assert lambda_.publish_version(FunctionName=name)["Version"] == "2"
