"""Tags, through the stream's operations and the resource's, and resource policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcloud.auth import documents
from groundcloud.kernel.service import operation
from groundcloud.services.kinesis import errors, names, state, tags
from groundcloud.services.kinesis.policies import POLICIES
from groundcloud.services.kinesis.state import CONSUMERS, stream_arn

if TYPE_CHECKING:
    from groundcloud.kernel.call import Call
    from groundcloud.store import Transaction

POLICY_BYTES_MAX = 20 * 1024

Request = dict[str, Any]


@operation(resource=names.arn_of_stream, context=tags.of_request)
def add_tags_to_stream(call: Call, request: Request) -> Request:
    tx, stream = names.load(call, request)
    arn = stream_arn(tx, stream.stream_name)
    tags.add(call, tx, arn, request["Tags"])
    tags.switch_throttling(tx, arn)
    return {}


@operation(resource=names.arn_of_stream, context=tags.of_request)
def remove_tags_from_stream(call: Call, request: Request) -> Request:
    tx, stream = names.load(call, request)
    arn = stream_arn(tx, stream.stream_name)
    tags.remove(tx, arn, request["TagKeys"])
    tags.switch_throttling(tx, arn)
    return {}


@operation(resource=names.arn_of_stream)
def list_tags_for_stream(call: Call, request: Request) -> Request:
    tx, stream = names.load(call, request)
    after = request.get("ExclusiveStartTagKey", "")
    found = [{"Key": key, "Value": value} for key, value in sorted(tags.of(tx, stream_arn(tx, stream.stream_name)).items()) if key > after]
    limit = request.get("Limit", tags.TAGS_MAX)
    return {"Tags": found[:limit], "HasMoreTags": len(found) > limit}


@operation(resource=names.arn_of_resource, context=tags.of_request)
def tag_resource(call: Call, request: Request) -> Request:
    tx, arn = _resource(call, request)
    tags.add(call, tx, arn, request["Tags"])
    tags.switch_throttling(tx, arn)
    return {}


@operation(resource=names.arn_of_resource, context=tags.of_request)
def untag_resource(call: Call, request: Request) -> Request:
    tx, arn = _resource(call, request)
    tags.remove(tx, arn, request["TagKeys"])
    tags.switch_throttling(tx, arn)
    return {}


@operation(resource=names.arn_of_resource)
def list_tags_for_resource(call: Call, request: Request) -> Request:
    tx, arn = _resource(call, request)
    return {"Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.of(tx, arn).items())]}


@operation(resource=names.arn_of_resource)
def put_resource_policy(call: Call, request: Request) -> Request:
    tx, arn = _resource(call, request)
    document = request["Policy"]
    if len(document.encode()) > POLICY_BYTES_MAX:
        raise errors.limit_exceeded("The resource policy is larger than the limit of 20 KB.")
    try:
        documents.parse(document, "resource", arn)
    except documents.MalformedPolicy as problem:
        raise errors.invalid_argument(f"The policy is malformed: {problem}") from None
    POLICIES.put(tx, arn, document)
    return {}


@operation(resource=names.arn_of_resource)
def get_resource_policy(call: Call, request: Request) -> Request:
    tx, arn = _resource(call, request)
    return {"Policy": POLICIES.get(tx, arn) or "{}"}


@operation(resource=names.arn_of_resource)
def delete_resource_policy(call: Call, request: Request) -> Request:
    tx, arn = _resource(call, request)
    if POLICIES.get(tx, arn) is None:
        raise errors.not_found(f"No resource policy found for resource ARN {arn}")
    POLICIES.delete(tx, arn)
    return {}


def _resource(call: Call, request: Request) -> tuple[Transaction, str]:
    """The place of a stream or a consumer named by ARN, and the ARN. Raises ResourceNotFoundException."""
    arn = request["ResourceARN"]
    account, region, stream_name, rest = names.parse(arn)
    tx = call.reading().at(account, region)
    stream = state.find_stream(tx, stream_name)
    if stream is None:
        raise errors.no_stream(tx, stream_name)
    if rest:
        consumer_name = rest.removeprefix("consumer/").rpartition(":")[0]
        consumer = CONSUMERS.get(tx, stream.stream_number, consumer_name)
        if consumer is None or consumer.consumer_arn != arn:
            raise errors.no_consumer(tx, consumer_name)
    return tx, arn
