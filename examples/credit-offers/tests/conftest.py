"""Fakes of what lies behind the functions, at its outermost edge: the three AWS clients and the scoring service."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).parents[1]
sys.path[:0] = [str(EXAMPLE / "src"), str(EXAMPLE)]

from botocore.exceptions import ClientError  # noqa: E402
from botocore.response import StreamingBody  # noqa: E402

from credit_offers.scoring import ScoringUnavailable  # noqa: E402
from credit_offers.storage import OffersTable  # noqa: E402

NOW_S = 1_800_000_000


class ConditionalCheckFailed(ClientError):
    def __init__(self, item: dict[str, Any] | None):
        super().__init__({"Error": {"Code": "ConditionalCheckFailedException"}} | ({"Item": item} if item else {}), "PutItem")


class FakeDynamoDB:
    """A table in a dict, with the conditions that the application uses."""

    class exceptions:
        ConditionalCheckFailedException = ConditionalCheckFailed

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}

    def get_item(self, *, TableName: str, Key: Any, ConsistentRead: bool) -> dict[str, Any]:
        item = self.items.get(Key["pk"]["S"])
        return {"Item": item} if item else {}

    def put_item(
        self,
        *,
        TableName: str,
        Item: Any,
        ConditionExpression: str,
        ReturnValuesOnConditionCheckFailure: str,
        ExpressionAttributeValues: Any = None,
    ) -> None:
        stands = self.items.get(Item["pk"]["S"])
        if stands and not (
            ConditionExpression == "attribute_not_exists(pk) OR expires_at <= :now"
            and int(stands["expires_at"]["N"]) <= int(ExpressionAttributeValues[":now"]["N"])
        ):
            raise ConditionalCheckFailed(stands)
        self.items[Item["pk"]["S"]] = Item

    def update_item(self, *, TableName: str, Key: Any, ExpressionAttributeValues: Any, **expressions: Any) -> None:
        item = self.items.get(Key["pk"]["S"])
        if item is None or item["status"] != ExpressionAttributeValues[":received"]:
            raise ConditionalCheckFailed(item)
        changed = {"status": ExpressionAttributeValues[":recorded"], "recorded_at": ExpressionAttributeValues[":now"]}
        self.items[Key["pk"]["S"]] = item | changed


class FakeS3:
    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")
        return {"Body": _body(self.objects[Key])}


class FakeSqs:
    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def send_message(self, *, QueueUrl: str, MessageBody: str, MessageAttributes: Any) -> None:
        self.sent.append({"body": MessageBody, "attributes": MessageAttributes})


class FakeScoring:
    """A score, or None for a service that is down; and how often it was asked."""

    def __init__(self) -> None:
        self.answer: int | None = 780
        self.asked = 0

    def score(self, applicant_id: str) -> int:
        self.asked += 1
        if self.answer is None:
            raise ScoringUnavailable(retry_after_s=10)
        return self.answer


def _body(content: bytes) -> StreamingBody:
    from io import BytesIO

    return StreamingBody(BytesIO(content), len(content))


@pytest.fixture
def dynamodb() -> FakeDynamoDB:
    return FakeDynamoDB()


@pytest.fixture
def offers(dynamodb: FakeDynamoDB) -> OffersTable:
    return OffersTable(dynamodb, "offers")


@pytest.fixture
def s3() -> FakeS3:
    return FakeS3()


@pytest.fixture
def sqs() -> FakeSqs:
    return FakeSqs()


@pytest.fixture
def scoring() -> FakeScoring:
    return FakeScoring()


@pytest.fixture
def now_s() -> int:
    return NOW_S


@pytest.fixture
def event():
    """A sample event of events/ by name; `body=` and `path=` replace parts of it."""

    def load(name: str, *, body: Any = None, path: dict[str, str] | None = None) -> dict[str, Any]:
        loaded = json.loads((EXAMPLE / "events" / f"{name}.json").read_text())
        if body is not None:
            loaded["body"] = body if isinstance(body, str) else json.dumps(body)
        if path is not None:
            loaded["pathParameters"] = path
        return loaded

    return load
