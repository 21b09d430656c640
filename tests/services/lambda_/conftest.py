"""A role, and functions written as text."""

from __future__ import annotations

import io
import itertools
import json
import sys
import textwrap
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
"""Of the interpreter that runs the tests: it is on every machine that runs them."""

_numbers = itertools.count()

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
LOGS = {
    "Effect": "Allow",
    "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
    "Resource": "*",
}


def zipped(files: dict[str, str] | str) -> bytes:
    """A package: `app.py` from a text, or files by name."""
    if isinstance(files, str):
        files = {"app.py": files}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), textwrap.dedent(text))
    return packed.getvalue()


STREAMING = """#!/bin/sh
while true; do
  H=$(mktemp)
  curl -sS -o /dev/null -D $H "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next"
  R=$(grep -i Lambda-Runtime-Aws-Request-Id $H | tr -d '\\r' | cut -d' ' -f2)
  (printf '%b' "$FIRST"; sleep 0.2; printf two) | curl -sS -X POST -H 'Lambda-Runtime-Function-Response-Mode: streaming' -T - \\
    -H 'Transfer-Encoding: chunked' -H "Content-Type: $TYPE" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$R/response"
done
"""


def streaming_package() -> bytes:
    """A `bootstrap` in shell that streams $FIRST, and after a while "two"."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        archive.writestr(entry, STREAMING)
    return packed.getvalue()


def make_role(iam: Any, name: str, *statements: dict[str, Any], trust: Any = None) -> str:
    role_arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust or TRUST))["Role"]["Arn"]
    document = {"Version": "2012-10-17", "Statement": [LOGS, *statements]}
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(document))
    return role_arn


def make_function(lambda_: Any, role_arn: str, source: dict[str, str] | str, **options: Any) -> str:
    """Its name."""
    name = options.pop("FunctionName", f"function{next(_numbers)}")
    arguments: dict[str, Any] = {"Runtime": RUNTIME, "Handler": "app.handler", "Timeout": 10, **options}
    lambda_.create_function(FunctionName=name, Role=role_arn, Code={"ZipFile": zipped(source)}, **arguments)
    return str(name)


@pytest.fixture
def lambda_(client: Callable[..., Any]) -> Any:
    return client("lambda", parameter_validation=False)


@pytest.fixture
def role(client: Callable[..., Any]) -> str:
    return make_role(client("iam"), "function-role")


@pytest.fixture
def function(lambda_: Any, role: str) -> Callable[..., str]:
    """`function("def handler(event, context): ...", MemorySize=256)` -> its name."""

    def make(source: dict[str, str] | str, **options: Any) -> str:
        return make_function(lambda_, options.pop("Role", role), source, **options)

    return make


@pytest.fixture
def answer(lambda_: Any) -> Callable[..., Any]:
    """`answer(name, event)`: the decoded result of a synchronous invocation that succeeded."""

    def invoke(name: str, event: Any = None, **options: Any) -> Any:
        response = lambda_.invoke(FunctionName=name, Payload=json.dumps(event).encode(), **options)
        payload = response["Payload"].read()
        assert "FunctionError" not in response, payload
        return json.loads(payload)

    return invoke
