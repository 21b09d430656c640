"""AWS's own metrics (`AWS/Lambda`, `AWS/ApiGateway`, ...) from the stream of calls: every call leaves one record, and this is its reader.

A batch of records is sorted into groups that are alike in everything but their durations, each group becomes a few distributions, and all are written in one short
transaction for each account and region. So a call costs little more than its place in a list.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from groundcloud.auth.principals import Principal
from groundcloud.kernel.telemetry import CallRecord
from groundcloud.services.cloudwatch import alarms, metrics
from groundcloud.services.cloudwatch.distributions import Distribution
from groundcloud.services.cloudwatch.state import Dimensions
from groundcloud.services.cloudwatch.workers import keep_rolling

if TYPE_CHECKING:
    from groundcloud.kernel.ground import Ground

Measured = metrics.Measured
MONITORING = Principal("service", "monitoring.amazonaws.com")

COUNT, MILLISECONDS, BYTES = "Count", "Milliseconds", "Bytes"
THROTTLED = {"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"}


def reader(ground: Ground) -> Callable[[list[CallRecord]], None]:
    """What `Telemetry` calls with each batch."""

    def read(records: list[CallRecord]) -> None:
        now_ms = ground.clock.now_ms()
        for (account, region), measured in measure(records).items():
            call = ground.background_call("cloudwatch", "Measure", account, region, MONITORING)
            with call.transaction() as tx:
                metrics.record(tx, measured, now_ms)
                alarms.written(call, (measured,))
                keep_rolling(call)

    return read


def measure(records: list[CallRecord]) -> dict[tuple[str, str], Measured]:
    """What a batch means, by account and region."""
    groups: dict[tuple[str, str, str, str, str, int, int, str], list[CallRecord]] = {}
    for record in records:
        if record.service in MEASURES:
            key = (
                record.service,
                record.account,
                record.region,
                record.resource,
                record.operation,
                record.at_ms // 60_000,
                record.status,
                record.error,
            )
            alike = groups.get(key)
            if alike is None:
                groups[key] = [record]
            else:
                alike.append(record)
    places: dict[tuple[str, str], Measured] = {}
    for (service, account, region, *_, minute, _, _), alike in groups.items():
        if account:
            MEASURES[service](alike, minute * 60, places.setdefault((account, region), {}))
    return {place: measured for place, measured in places.items() if measured}


def _at(into: Measured, namespace: str, name: str, dimensions: Dimensions, unit: str, start_s: int) -> Distribution:
    key = (namespace, name, dimensions, unit, start_s)
    found = into.get(key)
    if found is None:
        found = into[key] = Distribution()
    return found


def _lambda(records: list[CallRecord], start_s: int, into: Measured) -> None:
    """AWS: "Types of metrics for Lambda functions". An invocation that was refused is no invocation; one that was throttled is a throttle.

    Without dimensions: of all functions of the account and region.
    """
    first = records[0]
    if first.operation == "Measure":
        for record in records:
            for name, value in record.units.items():
                unit = MILLISECONDS if name.endswith("Age") else COUNT
                _at(into, "AWS/Lambda", name, tuple(sorted(record.dimensions.items())), unit, start_s).add(value)
        return
    if first.operation == "DeliveryLost":
        of: Dimensions = (("FunctionName", first.resource.split(":")[6]),)
        for record in records:  # a dead letter carries the request's id
            name = "DeadLetterErrors" if "RequestID" in record.dimensions else "DestinationDeliveryFailures"
            for dimensions in ((), of):
                _at(into, "AWS/Lambda", name, dimensions, COUNT, start_s).add(1.0)
        return
    function_name = first.dimensions.get("FunctionName")
    if first.operation != "Invoke" or function_name is None:
        return
    sets: list[Dimensions] = [(), (("FunctionName", function_name),)]
    if resource := first.dimensions.get("Resource"):
        sets.append((("FunctionName", function_name), ("Resource", resource)))
    throttled = first.error == "TooManyRequestsException"
    units = [record.units for record in records if "errors" in record.units]
    for dimensions in sets:
        if throttled:
            _at(into, "AWS/Lambda", "Throttles", dimensions, COUNT, start_s).add(1.0, len(records))
        if not units:
            continue
        errors, durations, concurrent = (
            _at(into, "AWS/Lambda", name, dimensions, unit, start_s)
            for name, unit in (("Errors", COUNT), ("Duration", MILLISECONDS), ("ConcurrentExecutions", COUNT))
        )
        for each in units:
            errors.add(each["errors"])
            durations.add(each["duration_ms"] if "duration_ms" in each else each.get("billed_ms", 0.0))
            concurrent.add(each.get("concurrent" if dimensions else "concurrent_account", 1.0))
            if not dimensions and "concurrent_unreserved" in each:
                unreserved = _at(into, "AWS/Lambda", "UnreservedConcurrentExecutions", (), COUNT, start_s)
                unreserved.add(each["concurrent_unreserved"])
            if "provisioned" in each and dimensions:
                _provisioned(each, dimensions, start_s, into)
        _at(into, "AWS/Lambda", "Invocations", dimensions, COUNT, start_s).add(1.0, len(units))
        _at(into, "AWS/Lambda", "Throttles", dimensions, COUNT, start_s).add(0.0, len(units))


def _provisioned(units: dict[str, float], dimensions: Dimensions, start_s: int, into: Measured) -> None:
    """Of an invocation of a version with provisioned concurrency: on it, or beyond it."""
    kind = "SpilloverInvocations" if "provisioned_spilled" in units else "Invocations"
    _at(into, "AWS/Lambda", f"ProvisionedConcurrency{kind}", dimensions, COUNT, start_s).add(1.0)
    _at(into, "AWS/Lambda", "ProvisionedConcurrentExecutions", dimensions, COUNT, start_s).add(units["provisioned_used"])
    utilization = units["provisioned_used"] / units["provisioned"]
    _at(into, "AWS/Lambda", "ProvisionedConcurrencyUtilization", dimensions, COUNT, start_s).add(utilization)


def _api(records: list[CallRecord], start_s: int, into: Measured) -> None:
    """AWS: "Amazon API Gateway dimensions and metrics"; REST APIs are named by ApiName, HTTP APIs by ApiId."""
    first = records[0]
    kind = "ApiName" if "ApiName" in first.dimensions else "ApiId"
    if kind not in first.dimensions:
        return
    client, server = ("4XXError", "5XXError") if kind == "ApiName" else ("4xx", "5xx")
    count, status = float(len(records)), first.status
    api, stage = (kind, first.dimensions[kind]), ("Stage", first.dimensions.get("Stage", ""))
    for dimensions in ((api,), (api, stage)):
        _at(into, "AWS/ApiGateway", "Count", dimensions, COUNT, start_s).add(1.0, count)
        _at(into, "AWS/ApiGateway", client, dimensions, COUNT, start_s).add(1.0 if 400 <= status < 500 else 0.0, count)
        _at(into, "AWS/ApiGateway", server, dimensions, COUNT, start_s).add(1.0 if status >= 500 else 0.0, count)
        latency = _at(into, "AWS/ApiGateway", "Latency", dimensions, MILLISECONDS, start_s)
        for record in records:
            latency.add(record.duration_us // 1000)
        for name, unit in (("IntegrationLatency", MILLISECONDS), ("DataProcessed", BYTES)):
            values = [record.units[name] for record in records if name in record.units]
            if values:
                found = _at(into, "AWS/ApiGateway", name, dimensions, unit, start_s)
                for value in values:
                    found.add(value)


_OF_QUEUES = {
    "NumberOfMessagesSent": COUNT,
    "NumberOfMessagesReceived": COUNT,
    "NumberOfMessagesDeleted": COUNT,
    "NumberOfEmptyReceives": COUNT,
    "SentMessageSize": BYTES,
}
_OF_ONE = {"SendMessage": "NumberOfMessagesSent", "DeleteMessage": "NumberOfMessagesDeleted"}
"""Operations on a single message, which need no units to be counted."""


def _sqs(records: list[CallRecord], start_s: int, into: Measured) -> None:
    """AWS: "Available CloudWatch metrics for Amazon SQS". The room counts messages in `units`, by the metrics' names."""
    first = records[0]
    if first.error or not first.resource.startswith("arn:"):
        return
    dimensions: Dimensions = (("QueueName", first.resource.rsplit(":", 1)[-1]),)
    uncounted = 0
    for record in records:
        if not record.units:
            uncounted += 1
        for name, value in record.units.items():
            if name in _OF_QUEUES:
                _at(into, "AWS/SQS", name, dimensions, _OF_QUEUES[name], start_s).add(value)
    if uncounted and (name := _OF_ONE.get(first.operation, "")):
        _at(into, "AWS/SQS", name, dimensions, COUNT, start_s).add(1.0, uncounted)


_OF_TOPICS = {
    "NumberOfMessagesPublished": COUNT,
    "NumberOfNotificationsDelivered": COUNT,
    "NumberOfNotificationsFailed": COUNT,
    "NumberOfNotificationsFilteredOut": COUNT,
    "PublishSize": BYTES,
}


def _sns(records: list[CallRecord], start_s: int, into: Measured) -> None:
    """AWS: "CloudWatch metrics for Amazon SNS". The room counts in `units`, by the metrics' names."""
    first = records[0]
    if first.error or not first.resource.startswith("arn:"):
        return
    dimensions: Dimensions = (("TopicName", first.resource.rsplit(":", 1)[-1]),)
    for record in records:
        for name, value in record.units.items():
            if name in _OF_TOPICS:
                _at(into, "AWS/SNS", name, dimensions, _OF_TOPICS[name], start_s).add(value)


_CAPACITY = ("ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits")


def _dynamodb(records: list[CallRecord], start_s: int, into: Measured) -> None:
    """AWS: "DynamoDB metrics and dimensions"."""
    first = records[0]
    table = first.resource.partition(":table/")[2].partition("/")[0]
    operation: Dimensions = (("Operation", first.operation), ("TableName", table))
    if first.error:
        if first.error in THROTTLED:
            if table:
                _at(into, "AWS/DynamoDB", "ThrottledRequests", operation, COUNT, start_s).add(1.0, len(records))
        elif 400 <= first.status < 500:
            _at(into, "AWS/DynamoDB", "UserErrors", (), COUNT, start_s).add(1.0, len(records))
        return
    if not table or table == "*":
        return
    latency = _at(into, "AWS/DynamoDB", "SuccessfulRequestLatency", operation, MILLISECONDS, start_s)
    for record in records:
        latency.add(round(record.duration_us / 1000, 2))
        for name in _CAPACITY:
            if name in record.units:
                _at(into, "AWS/DynamoDB", name, (("TableName", table),), COUNT, start_s).add(record.units[name])


_OF_STREAMS = {
    "IncomingRecords": COUNT,
    "IncomingBytes": BYTES,
    "PutRecord.Bytes": BYTES,
    "PutRecords.Bytes": BYTES,
    "PutRecords.TotalRecords": COUNT,
    "PutRecords.SuccessfulRecords": COUNT,
    "PutRecords.ThrottledRecords": COUNT,
    "GetRecords.Records": COUNT,
    "GetRecords.Bytes": BYTES,
    "GetRecords.IteratorAgeMilliseconds": MILLISECONDS,
}
_EXCEEDED = {"PutRecord": "Write", "PutRecords": "Write", "GetRecords": "Read"}


def _kinesis(records: list[CallRecord], start_s: int, into: Measured) -> None:
    """AWS: "Monitoring the Amazon Kinesis Data Streams Service with Amazon CloudWatch", stream-level metrics. The room counts in `units`, by the metrics' names."""
    first = records[0]
    direction = _EXCEEDED.get(first.operation)
    stream_name = first.resource.partition(":stream/")[2].partition("/")[0]
    if direction is None or not stream_name:
        return
    of, count = (("StreamName", stream_name),), len(records)
    exceeded = _at(into, "AWS/Kinesis", f"{direction}ProvisionedThroughputExceeded", of, COUNT, start_s)
    if first.error:
        exceeded.add(1.0 if first.error in THROTTLED else 0.0, count)
        _at(into, "AWS/Kinesis", f"{first.operation}.Success", of, COUNT, start_s).add(0.0, count)
        return
    _at(into, "AWS/Kinesis", f"{first.operation}.Success", of, COUNT, start_s).add(1.0, count)
    latency = _at(into, "AWS/Kinesis", f"{first.operation}.Latency", of, MILLISECONDS, start_s)
    for record in records:
        latency.add(round(record.duration_us / 1000, 2))
        exceeded.add(record.units.get("PutRecords.ThrottledRecords", 0.0))
        for name, value in record.units.items():
            if name in _OF_STREAMS:
                _at(into, "AWS/Kinesis", name, of, _OF_STREAMS[name], start_s).add(value)


def _events(records: list[CallRecord], start_s: int, into: Measured) -> None:
    """AWS: "Monitoring Amazon EventBridge". The room counts what rules do, by the metrics' names; of the default bus by RuleName alone."""
    if records[0].operation != "Measure":
        return
    for record in records:
        of = tuple(sorted(record.dimensions.items()))
        for name, value in record.units.items():
            _at(into, "AWS/Events", name, of, COUNT, start_s).add(value)


MEASURES: dict[str, Callable[[list[CallRecord], int, Measured], None]] = {
    "lambda": _lambda,
    "execute-api": _api,
    "sns": _sns,
    "sqs": _sqs,
    "dynamodb": _dynamodb,
    "kinesis": _kinesis,
    "events": _events,
}
"""Service of a record -> what its metrics are: `f(records alike, the minute's beginning, into)`."""
