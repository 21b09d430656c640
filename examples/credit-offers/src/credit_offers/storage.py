"""The table: one item per prequalification, which expires, and one per application, which stays.

Keys: `prequalification#{id}` and `application#{id}`. Every write is conditional, so that a repetition changes nothing.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any, Self

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from credit_offers.applications import Application
from credit_offers.prequalification import Offer, Prequalification, Refusal

_to_wire = TypeSerializer().serialize
_from_wire = TypeDeserializer().deserialize


class OffersTable:
    def __init__(self, dynamodb: Any, table_name: str):
        self._dynamodb = dynamodb
        self._table_name = table_name

    @classmethod
    def from_environment(cls) -> Self:
        return cls(boto3.client("dynamodb"), os.environ["OFFERS_TABLE"])

    def prequalification(self, prequalification_id: str, now_s: int) -> Prequalification | None:
        """None once it has expired: DynamoDB may take days to remove it."""
        found = self._get(f"prequalification#{prequalification_id}")
        return _prequalification(found) if found and found["expires_at"] > now_s else None

    def keep_prequalification(self, prequalification: Prequalification, now_s: int) -> Prequalification:
        """The one that stands afterwards: this one, or one that another call stored in the meantime."""
        stood_before = self._put(
            f"prequalification#{prequalification.prequalification_id}",
            asdict(prequalification),
            ConditionExpression="attribute_not_exists(pk) OR expires_at <= :now",
            ExpressionAttributeValues={":now": _to_wire(now_s)},
        )
        return _prequalification(stood_before) if stood_before else prequalification

    def application(self, application_id: str) -> Application | None:
        found = self._get(f"application#{application_id}")
        return Application(**found) if found else None

    def keep_application(self, application: Application) -> Application:
        """The one that stands afterwards: this one, or the same one stored before."""
        stood_before = self._put(
            f"application#{application.application_id}",
            asdict(application),
            ConditionExpression="attribute_not_exists(pk)",
        )
        return Application(**stood_before) if stood_before else application

    def record_application(self, application_id: str, now_s: int) -> bool:
        """Whether it was recorded by this call; False if it was before. Raises LookupError for one never received."""
        try:
            self._dynamodb.update_item(
                TableName=self._table_name,
                Key={"pk": _to_wire(f"application#{application_id}")},
                UpdateExpression="SET #status = :recorded, recorded_at = :now",
                ConditionExpression="#status = :received",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={
                    ":received": _to_wire("received"),
                    ":recorded": _to_wire("recorded"),
                    ":now": _to_wire(now_s),
                },
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as failed:
            if "Item" not in failed.response:
                raise LookupError("no such application") from None
            return False
        return True

    def _get(self, pk: str) -> dict[str, Any] | None:
        answer = self._dynamodb.get_item(TableName=self._table_name, Key={"pk": _to_wire(pk)}, ConsistentRead=True)
        return _members(answer["Item"]) if "Item" in answer else None

    def _put(self, pk: str, members: Mapping[str, Any], **condition: Any) -> dict[str, Any] | None:
        """The members that stood in the way, or None if these were stored."""
        item = {"pk": pk} | {name: value for name, value in members.items() if value is not None}
        try:
            self._dynamodb.put_item(
                TableName=self._table_name,
                Item={name: _to_wire(value) for name, value in item.items()},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **condition,
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException as failed:
            return _members(failed.response["Item"])
        return None


def _members(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(_from_wire(value)) for name, value in item.items() if name != "pk"}


def _plain(value: Any) -> Any:
    """DynamoDB's numbers come as Decimal; all of ours are whole."""
    if isinstance(value, Decimal):
        return int(value)
    if isinstance(value, list):
        return [_plain(element) for element in value]
    if isinstance(value, dict):
        return {name: _plain(element) for name, element in value.items()}
    return value


def _prequalification(members: Mapping[str, Any]) -> Prequalification:
    offers = tuple(Offer(**offer) for offer in members["offers"])
    refusals = tuple(Refusal(**refusal) for refusal in members["refusals"])
    return Prequalification(**{**members, "offers": offers, "refusals": refusals})
