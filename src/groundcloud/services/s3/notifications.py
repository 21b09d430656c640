"""Event notifications: which configuration an event meets, the record that is sent, and what is checked when a configuration is put.

AWS: "Amazon S3 Event Notifications", "Event message structure", "Configuring event notifications using object key name filtering".
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any
from urllib.parse import quote_plus

import msgspec

from groundcloud.auth.principals import Principal
from groundcloud.base import arn as arns
from groundcloud.kernel.call import Call
from groundcloud.services.s3 import bridge, errors
from groundcloud.services.s3.state import CONFIGURATIONS, Bucket, Version, canonical_id
from groundcloud.store import Transaction
from groundcloud.wire.timestamps import iso8601_milliseconds

PRINCIPAL = "s3.amazonaws.com"
CONFIGURATIONS_MAX = 100

_KINDS = {
    "QueueConfigurations": ("QueueArn", "sqs", "sqs:SendMessage"),
    "LambdaFunctionConfigurations": ("LambdaFunctionArn", "lambda", "lambda:InvokeFunction"),
    "TopicConfigurations": ("TopicArn", "sns", "sns:Publish"),
}
"""Member of the document -> member with the target's ARN, the target's service, the permission needed there."""

_MARKER_ETAG = "d41d8cd98f00b204e9800998ecf8427e"  # AWS gives delete markers the MD5 of nothing
BY_S3 = {"userIdentity": {"principalId": PRINCIPAL}, "requestParameters": {"sourceIPAddress": PRINCIPAL}}
"""What a record says beside the usual where S3 itself did it."""
_EVENT_VERSIONS = {"ObjectCreated": "2.1", "ObjectRemoved": "2.1", "ObjectRestore": "2.1", "Replication": "2.2"}
_encode = msgspec.json.Encoder().encode


def emit(
    call: Call, tx: Transaction, bucket: Bucket, event: str, key: str, version: Version | None, more: dict[str, Any] | None = None
) -> None:
    """Writes the deliveries of `event` ("ObjectCreated:Put") about `version` of `key`, in the transaction that did it.

    `more`: what the record says beside the usual (`replicationEventData`).
    """
    document = CONFIGURATIONS.get(tx, bucket.bucket_name, "notification", "")
    if document is None:
        return
    if "EventBridgeConfiguration" in document:
        bridge.tell(call, tx, bucket, event, key, version, more)
    trace = call.http.headers.get("x-amzn-trace-id") if call.http is not None else None
    for configuration, target_arn in _meeting(document, event, key):
        record = record_of(call, bucket, event, key, version, configuration["Id"])
        if more is not None:
            record.update(more)
        call.deliver(
            target_arn,
            _encode({"Records": [record]}),
            principal=PRINCIPAL,
            source_arn=f"arn:aws:s3:::{bucket.bucket_name}",
            attributes={"AWSTraceHeader": trace} if trace else None,  # Lambda finds recursive loops by its lineage
            tx=tx,
        )


def _meeting(document: dict[str, Any], event: str, key: str) -> Iterator[tuple[dict[str, Any], str]]:
    for member, (arn_member, _, _) in _KINDS.items():
        for configuration in document.get(member, ()):
            if any(_event_meets(wanted, event) for wanted in configuration["Events"]) and _key_meets(configuration, key):
                yield configuration, configuration[arn_member]


def _event_meets(wanted: str, event: str) -> bool:
    name = wanted.removeprefix("s3:")
    return name == event or (name.endswith(":*") and event.startswith(name[:-1]))


def _key_meets(configuration: dict[str, Any], key: str) -> bool:
    for rule in _rules(configuration):
        value = rule.get("Value", "")
        if rule["Name"].lower() == "prefix":
            if not key.startswith(value):
                return False
        elif not key.endswith(value):
            return False
    return True


def _rules(configuration: dict[str, Any]) -> list[dict[str, str]]:
    rules: list[dict[str, str]] = ((configuration.get("Filter") or {}).get("Key") or {}).get("FilterRules") or []
    return rules


def record_of(call: Call, bucket: Bucket, event: str, key: str, version: Version | None, configuration_id: str) -> dict[str, Any]:
    """One record, as AWS writes it."""
    about: dict[str, Any] = {"key": quote_plus(key, safe="/*-._~", errors="surrogatepass")}
    if version is not None and event.startswith("ObjectRemoved:"):
        if version.marker:
            about["eTag"] = _MARKER_ETAG
    elif version is not None:
        about["size"] = version.size_bytes
        about["eTag"] = version.etag
    if version is not None and bucket.versioning == "Enabled":
        about["versionId"] = version.version_id
    order = version.order if version is not None else call.clock.now_ns() // 1000
    about["sequencer"] = f"{order:016X}"
    principal = call.principal
    return {
        "eventVersion": _EVENT_VERSIONS.get(event.partition(":")[0], "2.3"),
        "eventSource": "aws:s3",
        "awsRegion": bucket.region,
        "eventTime": iso8601_milliseconds(call.clock.now_ms() / 1000),
        "eventName": event,
        "userIdentity": {"principalId": f"AWS:{principal.unique_id or principal.account or principal.arn or 'anonymous'}"},
        "requestParameters": {"sourceIPAddress": call.http.source_ip if call.http is not None else PRINCIPAL},
        "responseElements": {"x-amz-request-id": call.request_id.replace("-", "")[:16].upper(), "x-amz-id-2": call.request_id},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration_id,
            "bucket": {
                "name": bucket.bucket_name,
                "ownerIdentity": {"principalId": canonical_id(bucket.account)[:14].upper()},
                "arn": f"arn:aws:s3:::{bucket.bucket_name}",
            },
            "object": about,
        },
    }


def test_event(call: Call, bucket: Bucket) -> bytes:
    """What a queue or topic receives when it is made a destination."""
    return _encode(
        {
            "Service": "Amazon S3",
            "Event": "s3:TestEvent",
            "Time": iso8601_milliseconds(call.now_ms / 1000),
            "Bucket": bucket.bucket_name,
            "RequestId": call.request_id.replace("-", "")[:16].upper(),
            "HostId": call.request_id,
        }
    )


async def absent_targets(call: Call, document: dict[str, Any]) -> set[str]:
    """The ARNs of queues, topics and functions that the caller finds not to exist."""
    found: set[str] = set()
    for member, (arn_member, service, _) in _KINDS.items():
        for configuration in document.get(member) or ():
            target_arn = configuration.get(arn_member) or ""
            if not arns.is_arn(target_arn) or service not in call.ground.rooms:
                continue
            target = arns.parse(target_arn)
            if target.service != service or target.account != call.account:
                continue
            operation, params = {
                "sqs": ("GetQueueUrl", {"QueueName": target.resource}),
                "lambda": ("GetFunctionConfiguration", {"FunctionName": target_arn}),
                "sns": ("GetTopicAttributes", {"TopicArn": target_arn}),
            }[service]
            try:
                await call.request(service, operation, params, region=target.region)
            except errors.AwsError as error:
                if error.code in _ABSENT:
                    found.add(target_arn)
    return found


_ABSENT = frozenset(
    ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "ResourceNotFoundException", "NotFound", "NotFoundException")
)
_NOT_THERE = {
    "sqs": "The destination queue does not exist",
    "lambda": "The destination Lambda does not exist",
    "sns": "The destination topic does not exist",
}
_FIFO = {"sqs": "SQS queues", "sns": "SNS topics"}
_NOT_PERMITTED = {
    "sqs": "Permissions on the destination queue do not allow S3 to publish notifications from this bucket",
    "lambda": "Not authorized to invoke function [{arn}]",
    "sns": "Permissions on the destination topic do not allow S3 to publish notifications from this bucket",
}


def _not_valid(target_arn: str, why: str) -> errors.S3Error:
    return errors.invalid_argument("Unable to validate the following destination configurations", target_arn, why)


def checked(
    call: Call, bucket: Bucket, document: dict[str, Any], *, skip_destinations: bool, absent: Collection[str] = ()
) -> tuple[dict[str, Any], list[str]]:
    """The configuration as it is kept (with ids), and the ARNs of its queues and topics, which are to be tested. Raises InvalidArgument, and refuses destinations without a room by name."""
    kept: dict[str, Any] = {"EventBridgeConfiguration": {}} if "EventBridgeConfiguration" in document else {}
    listeners: list[str] = []
    seen: list[tuple[set[str], str, str]] = []
    ids: set[str] = set()
    for member, (arn_member, service, action) in _KINDS.items():
        for configuration in document.get(member) or ():
            configuration = dict(configuration)
            configuration.setdefault("Id", call.new_id())
            if configuration["Id"] in ids:
                raise errors.invalid_argument("Same ID used for multiple configurations. IDs must be unique", "Configurations", None)
            ids.add(configuration["Id"])
            _check_rules(configuration)
            _check_overlap(configuration, seen)
            target_arn = configuration.get(arn_member)
            if not configuration.get("Events") or not target_arn:
                raise errors.malformed_xml()
            if not arns.is_arn(target_arn) or arns.parse(target_arn).service != service:
                raise errors.invalid_argument("The ARN is not well formed", arn_member, target_arn)
            if service not in call.ground.rooms:
                raise errors.refused(f"S3 notifications to {service}")
            if arns.parse(target_arn).region != bucket.region:
                sentence = "The notification destination service region is not valid for the bucket location constraint"
                raise errors.invalid_argument(sentence, arn_member, target_arn)
            if service in _FIFO and target_arn.endswith(".fifo"):
                raise errors.invalid_argument(f"FIFO {_FIFO[service]} are not supported.", arn_member, target_arn)
            if target_arn in absent:
                raise _not_valid(target_arn, _NOT_THERE[service])
            if not skip_destinations and not _may_send(call, bucket, service, action, target_arn):
                raise _not_valid(target_arn, _NOT_PERMITTED[service].format(arn=target_arn))
            if service != "lambda":
                listeners.append(target_arn)
            kept.setdefault(member, []).append(configuration)
    if sum(len(found) for member, found in kept.items() if member in _KINDS) > CONFIGURATIONS_MAX:
        raise errors.S3Error("InvalidRequest", "The notification configuration has too many configurations", 400)
    return kept, listeners


def _check_rules(configuration: dict[str, Any]) -> None:
    names = []
    for rule in _rules(configuration):
        name = rule.get("Name", "").lower()
        if name not in ("prefix", "suffix"):
            raise errors.invalid_argument("filter rule name must be either prefix or suffix", "FilterRule.Name", rule.get("Name"))
        if name in names:
            raise errors.invalid_argument(
                f"Cannot specify more than one {name} rule in a filter.", f"FilterRule.Name:{name.capitalize()}", rule.get("Value")
            )
        if len(rule.get("Value", "").encode("utf-8", "surrogatepass")) > 1024:
            raise errors.invalid_argument(
                "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation", "FilterRule.Value", rule["Value"]
            )
        names.append(name)


def _check_overlap(configuration: dict[str, Any], seen: list[tuple[set[str], str, str]]) -> None:
    """Two configurations may not want the same event of the same key."""
    rules = {rule["Name"].lower(): rule.get("Value", "") for rule in _rules(configuration)}
    prefix, suffix = rules.get("prefix", ""), rules.get("suffix", "")
    events = set(configuration.get("Events") or ())
    for others, other_prefix, other_suffix in seen:
        shared = any(
            _event_meets(one, two.removeprefix("s3:")) or _event_meets(two, one.removeprefix("s3:")) for one in events for two in others
        )
        prefixes = prefix.startswith(other_prefix) or other_prefix.startswith(prefix)
        suffixes = suffix.endswith(other_suffix) or other_suffix.endswith(suffix)
        if shared and prefixes and suffixes:
            sentence = "Configurations overlap. Configurations on the same bucket cannot share a common event type."
            if rules or other_prefix or other_suffix:
                sentence = (
                    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same "
                    "event type."
                )
            raise errors.invalid_argument(sentence, "Configurations", None)
    seen.append((events, prefix, suffix))


def _may_send(call: Call, bucket: Bucket, service: str, action: str, target_arn: str) -> bool:
    """Whether the target's own policy lets S3 in for this bucket."""
    target = arns.parse(target_arn)
    sender = call.as_principal(
        Principal("service", PRINCIPAL),
        account=target.account or call.account,
        region=target.region or call.region,
        room=call.ground.rooms.get(service),
    )
    sender.source_arn = f"arn:aws:s3:::{bucket.bucket_name}"
    try:
        return sender.allowed(action, target_arn)
    except errors.AwsError:
        return False
