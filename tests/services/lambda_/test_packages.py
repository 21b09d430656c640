"""Where a function's code comes from, and what is shown of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.services.lambda_.conftest import RUNTIME, zipped

SOURCE = "def handler(event, context): return {!r}"


@pytest.fixture
def bucket(client: Callable[..., Any], account: str) -> tuple[str, str]:
    """A bucket with versions, and the version of its object `app.zip`."""
    s3, name = client("s3"), f"code-{account}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name, s3.put_object(Bucket=name, Key="app.zip", Body=zipped(SOURCE.format("from a bucket")))["VersionId"]


def test_a_package_that_is_referenced_names_its_object(lambda_: Any, role: str, bucket: tuple[str, str], answer: Any) -> None:
    name, version_id = bucket
    code = {"S3Bucket": name, "S3Key": "app.zip", "S3ObjectStorageMode": "REFERENCE"}
    lambda_.create_function(FunctionName="f", Role=role, Runtime=RUNTIME, Handler="app.handler", Code=code)
    assert answer("f") == "from a bucket"
    expected = {"S3Bucket": name, "S3Key": "app.zip", "S3ObjectVersion": version_id}
    assert lambda_.get_function(FunctionName="f")["Code"]["ResolvedS3Object"] == expected
    layer = lambda_.publish_layer_version(LayerName="l", Content=code)
    assert layer["Content"]["ResolvedS3Object"] == expected
    lambda_.update_function_code(FunctionName="f", S3Bucket=name, S3Key="app.zip")
    assert "ResolvedS3Object" not in lambda_.get_function(FunctionName="f")["Code"]


def test_a_reference_needs_an_object(lambda_: Any, function: Callable[..., str]) -> None:
    with pytest.raises(ClientError, match="REFERENCE is only supported for a deployment package in Amazon S3"):
        lambda_.update_function_code(FunctionName=function(SOURCE), ZipFile=zipped(SOURCE), S3ObjectStorageMode="REFERENCE")


def test_the_key_of_a_package_is_kept_until_another_package_comes(lambda_: Any, function: Callable[..., str], account: str) -> None:
    name, key_arn = function(SOURCE), f"arn:aws:kms:us-east-1:{account}:key/1"
    lambda_.update_function_code(FunctionName=name, ZipFile=zipped(SOURCE), SourceKMSKeyArn=key_arn)
    assert lambda_.get_function(FunctionName=name)["Code"]["SourceKMSKeyArn"] == key_arn
    lambda_.update_function_code(FunctionName=name, ZipFile=zipped(SOURCE))
    assert "SourceKMSKeyArn" not in lambda_.get_function(FunctionName=name)["Code"]


def test_a_digest_tells_whether_configurations_differ(lambda_: Any, function: Callable[..., str]) -> None:
    name = function(SOURCE, Publish=True)

    def digest(**qualifier: str) -> str:
        return str(lambda_.get_function_configuration(FunctionName=name, **qualifier)["ConfigSha256"])

    first = digest()
    assert len(first) == 44 and digest(Qualifier="1") == first
    lambda_.update_function_code(FunctionName=name, ZipFile=zipped(SOURCE + "\n"))
    assert digest() == first
    lambda_.update_function_configuration(FunctionName=name, Timeout=9)
    assert digest() != digest(Qualifier="1") == first


def test_replicas_of_other_regions_are_none(lambda_: Any, function: Callable[..., str]) -> None:
    function(SOURCE)
    assert lambda_.list_functions(MasterRegion="us-west-2", FunctionVersion="ALL")["Functions"] == []
    with pytest.raises(ClientError, match="FunctionVersion must be ALL"):
        lambda_.list_functions(MasterRegion="us-west-2")
