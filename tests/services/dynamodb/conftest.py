"""A client and tables."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_TYPES = {"pk": "S", "sk": "S", "n": "N", "b": "B", "g": "S", "h": "N"}


@pytest.fixture
def dynamodb(client: Callable[..., Any]) -> Any:
    return client("dynamodb", parameter_validation=False)


@pytest.fixture
def make_table(dynamodb: Any) -> Callable[..., str]:
    """`make_table("name", "pk", "sk")`: an on-demand table with these key attributes; further arguments go to CreateTable."""

    def make(name: str, *key: str, **options: Any) -> str:
        used = set(key)
        for index in (*options.get("GlobalSecondaryIndexes", ()), *options.get("LocalSecondaryIndexes", ())):
            used |= {element["AttributeName"] for element in index["KeySchema"]}
        dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": attribute, "KeyType": kind} for attribute, kind in zip(key, ("HASH", "RANGE"), strict=False)],
            AttributeDefinitions=[{"AttributeName": attribute, "AttributeType": _TYPES[attribute]} for attribute in sorted(used)],
            BillingMode="PAY_PER_REQUEST",
            **options,
        )
        return name

    return make


@pytest.fixture
def send(ground: Any, account: str) -> Callable[..., tuple[int, str, str]]:
    """`send("PutItem", body)` -> (status, type of the error, message): JSON as it is, past everything that an SDK would look at."""
    signer = SigV4Auth(Credentials(account, "test"), "dynamodb", "us-east-1")

    def call(operation: str, body: Any, target: str = "DynamoDB_20120810") -> tuple[int, str, str]:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"X-Amz-Target": f"{target}.{operation}", "Content-Type": "application/x-amz-json-1.0"}
        signed = AWSRequest("POST", ground.endpoint + "/", data=content, headers=headers)
        signer.add_auth(signed)
        request = urllib.request.Request(ground.endpoint + "/", data=content, headers=dict(signed.headers.items()), method="POST")
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, "", answer.read().decode()
        except urllib.error.HTTPError as error:
            found = json.loads(error.read())
            return error.code, found["__type"].partition("#")[2], found.get("message", found.get("Message", ""))

    return call
