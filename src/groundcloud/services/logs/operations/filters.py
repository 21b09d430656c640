"""Metric filters and subscription filters of groups."""

from __future__ import annotations

from typing import Any

from groundcloud.base import arn as arns
from groundcloud.base.errors import AwsError, not_implemented
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.logs import errors, patterns
from groundcloud.services.logs.names import every_group, group_arn, parts_of_token, resource_of_group, token
from groundcloud.services.logs.patterns.expression import number_of
from groundcloud.services.logs.pipeline import PRINCIPAL, pack
from groundcloud.services.logs.state import (
    GROUPS,
    HIGHEST,
    METRIC_FILTERS,
    SUBSCRIPTIONS,
    Group,
    MetricFilter,
    Subscription,
    load_group,
)

DESCRIBED_MAX = 50
METRIC_FILTERS_MAX = 100  # AWS: CloudWatch Logs quotas
SUBSCRIPTIONS_MAX = 2
DIMENSIONS_MAX = 3
CONTROL_MESSAGE = "CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."

Request = dict[str, Any]


@operation(resource=resource_of_group)
def put_metric_filter(call: Call, request: Request) -> Request:
    tx = call.tx
    group = load_group(tx, request["logGroupName"])
    _refuse_options(request, "emitSystemFieldDimensions")
    pattern = patterns.compiled(request["filterPattern"])
    for transformation in request["metricTransformations"]:
        _check(transformation, pattern)
    name = request["filterName"]
    before = METRIC_FILTERS.get(tx, group.group_number, name)
    if before is None:
        if group.metric_filters >= METRIC_FILTERS_MAX:
            raise errors.limit_exceeded()
        GROUPS.put(tx, group.replace(metric_filters=group.metric_filters + 1))
    found = MetricFilter(
        group_number=group.group_number,
        filter_name=name,
        pattern=request["filterPattern"],
        transformations=request["metricTransformations"],
        created_ms=before.created_ms if before is not None else call.now_ms,
    )
    METRIC_FILTERS.put(tx, found)
    return {}


def _check(transformation: Request, pattern: patterns.Pattern) -> None:
    value = transformation["metricValue"]
    if not value.startswith("$") and number_of(value) is None:
        raise errors.invalid_metric_value(value)
    if value.startswith("$") and pattern.value is None:
        raise errors.invalid_metric_value(value)
    if dimensions := transformation.get("dimensions"):
        if transformation.get("defaultValue") is not None:
            raise errors.dimensions_and_default_value()
        if pattern.value is None:
            raise errors.no_dimensions_for_pattern()
        if len(dimensions) > DIMENSIONS_MAX:
            raise errors.too_many_dimensions()


def _refuse_options(request: Request, system_fields: str) -> None:
    for member in ("applyOnTransformedLogs", "fieldSelectionCriteria", system_fields):
        if request.get(member):
            raise not_implemented(f"filters with {member}")


@operation(resource=every_group)
def describe_metric_filters(call: Call, request: Request) -> Request:
    """Of one group, or of every group; ordered by group and name."""
    tx = call.tx
    name, namespace = request.get("metricName"), request.get("metricNamespace")
    if (name is None) != (namespace is None):
        raise errors.invalid_parameter("metricName and metricNamespace must be specified together.")
    prefix, limit = request.get("filterNamePrefix", ""), request.get("limit", DESCRIBED_MAX)
    after = parts_of_token(request["nextToken"], str, str) if "nextToken" in request else None
    groups = [load_group(tx, request["logGroupName"])] if "logGroupName" in request else GROUPS.scan(tx, start=after[0] if after else None)
    found: list[tuple[Group, MetricFilter]] = []
    for group in groups:
        if not group.metric_filters:
            continue
        last = after[1] if after is not None and after[0] == group.group_name else None
        for one in METRIC_FILTERS.scan(tx, group.group_number, start=prefix, stop=prefix + HIGHEST, after=last):
            if name is None or any(each["metricName"] == name and each["metricNamespace"] == namespace for each in one.transformations):
                found.append((group, one))
                if len(found) > limit:
                    break
        if len(found) > limit:
            break
    answer: Request = {"metricFilters": [_metric_filter(group, one) for group, one in found[:limit]]}
    if len(found) > limit:
        group, one = found[limit - 1]
        answer["nextToken"] = token(group.group_name, one.filter_name)
    return answer


def _metric_filter(group: Group, one: MetricFilter) -> Request:
    return {
        "filterName": one.filter_name,
        "filterPattern": one.pattern,
        "metricTransformations": one.transformations,
        "creationTime": one.created_ms,
        "logGroupName": group.group_name,
        "applyOnTransformedLogs": False,
    }


@operation(resource=resource_of_group)
def delete_metric_filter(call: Call, request: Request) -> Request:
    tx = call.tx
    group = load_group(tx, request["logGroupName"])
    if not METRIC_FILTERS.has(tx, group.group_number, request["filterName"]):
        raise errors.metric_filter_does_not_exist()
    METRIC_FILTERS.delete(tx, group.group_number, request["filterName"])
    GROUPS.put(tx, group.replace(metric_filters=group.metric_filters - 1))
    return {}


@operation()
def test_metric_filter(call: Call, request: Request) -> Request:
    pattern = patterns.compiled(request["filterPattern"])
    return {
        "matches": [
            {"eventNumber": number, "eventMessage": message, "extractedValues": pattern.extract(message)}
            for number, message in enumerate(request["logEventMessages"], 1)
            if pattern.matches(message)
        ]
    }


@operation(resource=resource_of_group)
async def put_subscription_filter(call: Call, request: Request) -> Request:
    """AWS asks the destination, with a call that only checks or a record that says so, before it keeps the filter."""
    _refuse_options(request, "emitSystemFields")
    patterns.compiled(request["filterPattern"])
    destination, name = request["destinationArn"], request["filterName"]
    if not arns.is_arn(destination):
        raise errors.invalid_destination(destination)
    service = arns.parse(destination).service
    load_group(call.reading(), request["logGroupName"])
    if service == "lambda":
        await _check_function(call, request)
    elif service == "kinesis":
        await _check_stream(call, request)
    else:
        raise not_implemented(f"subscription filters to {service} ({destination})")
    with call.transaction() as tx:
        group = load_group(tx, request["logGroupName"])
        before = SUBSCRIPTIONS.get(tx, group.group_number, name)
        if before is None:
            if group.subscriptions >= SUBSCRIPTIONS_MAX:
                raise errors.limit_exceeded()
            GROUPS.put(tx, group.replace(subscriptions=group.subscriptions + 1))
        subscription = Subscription(
            group_number=group.group_number,
            filter_name=name,
            pattern=request["filterPattern"],
            destination_arn=destination,
            role_arn=request.get("roleArn", ""),
            distribution=request.get("distribution", "ByLogStream"),
            created_ms=before.created_ms if before is not None else call.now_ms,
        )
        SUBSCRIPTIONS.put(tx, subscription)
    return {}


async def _check_function(call: Call, request: Request) -> None:
    """Raises AwsError unless the function lets CloudWatch Logs call it."""
    destination = request["destinationArn"]
    if request.get("roleArn"):
        raise errors.invalid_parameter("destinationArn for vendor lambda cannot be used with roleArn")
    arn = arns.parse(destination)
    try:
        await call.request(
            "lambda",
            "Invoke",
            {"FunctionName": destination, "InvocationType": "DryRun"},
            as_=PRINCIPAL,
            source_arn=group_arn(call, request["logGroupName"]) + ":*",
            account=arn.account,
            region=arn.region,
        )
    except AwsError as error:
        if error.code == "NotImplementedException":
            raise
        raise errors.cannot_execute_function() from error


async def _check_stream(call: Call, request: Request) -> None:
    """Puts a control message into the stream as the role. Raises AwsError where that is not possible."""
    destination, role_arn = request["destinationArn"], request.get("roleArn")
    if not role_arn:
        raise errors.invalid_parameter("destinationArn for vendor kinesis cannot be used without roleArn")
    call.authorize("iam:PassRole", role_arn, {"iam:PassedToService": PRINCIPAL})
    message = {"id": "", "timestamp": call.now_ms, "message": CONTROL_MESSAGE}
    batch = {
        "messageType": "CONTROL_MESSAGE",
        "owner": "CloudwatchLogs",
        "logGroup": "",
        "logStream": "",
        "subscriptionFilters": [],
        "logEvents": [message],
    }
    params = {"StreamARN": destination, "Data": pack(batch), "PartitionKey": call.new_id()}
    arn = arns.parse(destination)
    try:
        call.ground.assume(call.reading(), role_arn, "CloudWatchLogs", PRINCIPAL, group_arn(call, request["logGroupName"]) + ":*")
        await call.request("kinesis", "PutRecord", params, as_=role_arn, account=arn.account, region=arn.region)
    except AwsError as error:
        raise errors.cannot_deliver_to_stream() from error


@operation(resource=resource_of_group)
def describe_subscription_filters(call: Call, request: Request) -> Request:
    group = load_group(call.tx, request["logGroupName"])
    prefix, limit = request.get("filterNamePrefix", ""), request.get("limit", DESCRIBED_MAX)
    last = parts_of_token(request["nextToken"], str)[0] if "nextToken" in request else None
    found = list(SUBSCRIPTIONS.scan(call.tx, group.group_number, start=prefix, stop=prefix + HIGHEST, after=last, limit=limit + 1))
    answer: Request = {
        "subscriptionFilters": [
            {
                "filterName": one.filter_name,
                "logGroupName": group.group_name,
                "filterPattern": one.pattern,
                "destinationArn": one.destination_arn,
                "roleArn": one.role_arn or None,
                "distribution": one.distribution,
                "creationTime": one.created_ms,
                "applyOnTransformedLogs": False,
            }
            for one in found[:limit]
        ]
    }
    if len(found) > limit:
        answer["nextToken"] = token(found[limit - 1].filter_name)
    return answer


@operation(resource=resource_of_group)
def delete_subscription_filter(call: Call, request: Request) -> Request:
    tx = call.tx
    group = load_group(tx, request["logGroupName"])
    if not SUBSCRIPTIONS.has(tx, group.group_number, request["filterName"]):
        raise errors.subscription_filter_does_not_exist()
    SUBSCRIPTIONS.delete(tx, group.group_number, request["filterName"])
    GROUPS.put(tx, group.replace(subscriptions=group.subscriptions - 1))
    return {}
