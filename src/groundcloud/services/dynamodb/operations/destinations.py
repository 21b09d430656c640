"""Kinesis destinations of tables: enable, disable, update, describe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.base import arn as arns
from groundcloud.base.errors import AwsError
from groundcloud.kernel.service import operation
from groundcloud.services.dynamodb import access, destinations, errors, shapes, state
from groundcloud.services.dynamodb.destinations import DESTINATIONS, MILLISECOND, SENDER, Destination
from groundcloud.services.dynamodb.operations.tables import check_settled, load

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call
    from groundcloud.services.dynamodb.state import TableDefinition

ROLE = f"role/aws-service-role/{SENDER}/AWSServiceRoleForDynamoDBKinesisDataStreamsReplication"

Request = dict[str, Any]


@operation(raw=True, resource=access.table_of_request)
async def enable_kinesis_streaming_destination(call: Call, request: Request) -> dict[str, Any]:
    """The answer says ENABLING, as on AWS; the destination is ACTIVE at once. The caller must be allowed to write to the stream."""
    shapes.check("EnableKinesisStreamingDestination", request)
    with call.transaction():
        tx, table = load(call, request["TableName"])
        check_settled(table)
        _check_free(tx, table)
    stream_arn = request["StreamArn"]
    await _check_stream(call, stream_arn)
    await _make_role(call)
    precision = (request.get("EnableKinesisStreamingConfiguration") or {}).get("ApproximateCreationDateTimePrecision", MILLISECOND)
    with call.transaction():
        tx, table = load(call, request["TableName"])
        _check_free(tx, table)
        destination = Destination(table.table_number, stream_arn, True, precision, call.token(16))
        DESTINATIONS.put(tx, destination)
        state.put_table(tx, table.replace(kinesis=(destination.generation, precision)))
        destinations.start(call, tx, destination)
    return _answer(table, destination, "ENABLING", "EnableKinesisStreamingConfiguration")


@operation(raw=True, resource=access.table_of_request)
def disable_kinesis_streaming_destination(call: Call, request: Request) -> dict[str, Any]:
    """Changes made before are still sent."""
    shapes.check("DisableKinesisStreamingDestination", request)
    tx, table = load(call, request["TableName"])
    destination = _active(tx, table, request["StreamArn"], "DISABLE")
    changed = destination.replace(active=False)
    DESTINATIONS.put(tx, changed)
    state.put_table(tx, table.replace(kinesis=None))
    return _answer(table, changed, "DISABLING", "EnableKinesisStreamingConfiguration")


@operation(raw=True, resource=access.table_of_request)
def update_kinesis_streaming_destination(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("UpdateKinesisStreamingDestination", request)
    tx, table = load(call, request["TableName"])
    precision = (request.get("UpdateKinesisStreamingConfiguration") or {}).get("ApproximateCreationDateTimePrecision")
    if precision is None:
        raise errors.validation(
            "Streaming destination cannot be updated with given parameters: "
            "UpdateKinesisStreamingConfiguration cannot be null or contain only null values"
        )
    destination = _active(tx, table, request["StreamArn"], "UPDATE")
    if destination.precision == precision:
        raise errors.validation(
            f"Invalid Request: Precision is already set to the desired value of {precision} for tableId: {table.table_id}, "
            f"kcpArn: {destination.stream_arn}"
        )
    changed = destination.replace(precision=precision)
    DESTINATIONS.put(tx, changed)
    state.put_table(tx, table.replace(kinesis=(destination.generation, precision)))
    return _answer(table, changed, "UPDATING", "UpdateKinesisStreamingConfiguration")


@operation(raw=True, resource=access.table_of_request)
def describe_kinesis_streaming_destination(call: Call, request: Request) -> dict[str, Any]:
    shapes.check("DescribeKinesisStreamingDestination", request)
    tx, table = load(call, request["TableName"])
    return {
        "TableName": table.table_name,
        "KinesisDataStreamDestinations": [
            {
                "StreamArn": found.stream_arn,
                "DestinationStatus": "ACTIVE" if found.active else "DISABLED",
                "ApproximateCreationDateTimePrecision": found.precision,
            }
            for found in DESTINATIONS.scan(tx, table.table_number)
        ],
    }


def _check_free(tx: Any, table: TableDefinition) -> None:
    if destinations.active(tx, table) is not None:
        raise errors.validation(
            "Table is not in a valid state to enable Kinesis Streaming Destination: "
            "EnableKinesisStreamingDestination must be DISABLED or ENABLE_FAILED to perform ENABLE operation."
        )


def _active(tx: Any, table: TableDefinition, stream_arn: str, what: str) -> Destination:
    found = DESTINATIONS.get(tx, table.table_number, stream_arn)
    if found is None or not found.active:
        raise errors.validation(
            f"Table is not in a valid state to {what.lower()} Kinesis Streaming Destination: "
            f"KinesisStreamingDestination must be ACTIVE to perform {what} operation."
        )
    return found


async def _check_stream(call: Call, stream_arn: str) -> None:
    """Raises ResourceNotFoundException, or AccessDeniedException where the caller may not write to the stream."""
    try:
        place = arns.parse(stream_arn)
    except ValueError:
        raise errors.validation(f"Invalid StreamArn: {stream_arn}") from None
    if place.service != "kinesis" or (place.account, place.region) != (call.account, call.region):
        # AWS: "The Kinesis data stream must be in the same account and Region as the table".
        raise errors.validation(f"Invalid StreamArn: {stream_arn}")
    try:
        await call.request("kinesis", "DescribeStream", {"StreamARN": stream_arn})
    except AwsError as error:
        if error.code != "ResourceNotFoundException":
            raise
        raise AwsError("ResourceNotFoundException", f"Requested resource not found: Stream: {stream_arn} not found") from error
    for action in ("kinesis:PutRecord", "kinesis:PutRecords"):
        call.authorize(action, stream_arn)


async def _make_role(call: Call) -> None:
    """The service-linked role, where the account has none yet."""
    if call.ground.directory.role(call.reading(), f"arn:aws:iam::{call.account}:{ROLE}") is None:
        await call.request("iam", "CreateServiceLinkedRole", {"AWSServiceName": SENDER})


def _answer(table: TableDefinition, destination: Destination, status: str, member: str) -> dict[str, Any]:
    return {
        "TableName": table.table_name,
        "StreamArn": destination.stream_arn,
        "DestinationStatus": status,
        member: {"ApproximateCreationDateTimePrecision": destination.precision},
    }
