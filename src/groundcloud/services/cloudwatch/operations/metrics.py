"""Metrics: put, get, list."""

from __future__ import annotations

import math
from typing import Any

from groundcloud.base.errors import not_implemented
from groundcloud.kernel.call import Call
from groundcloud.kernel.service import operation
from groundcloud.services.cloudwatch import alarms, errors, labels, metrics, queries, statistics, tokens
from groundcloud.services.cloudwatch.distributions import Distribution
from groundcloud.services.cloudwatch.metrics import Measured
from groundcloud.services.cloudwatch.state import Metric
from groundcloud.services.cloudwatch.workers import keep_rolling

# AWS: PutMetricData
DATA_MAX = 1000
VALUES_MAX = 150
OLDEST_S, NEWEST_S = 14 * 86_400, 2 * 3600
VALUE_MAX = 2.0**360
DIMENSIONS_MAX = 30

DATAPOINTS_MAX = 1440  # AWS: GetMetricStatistics
DATAPOINTS_A_PAGE = 100_800  # AWS: GetMetricData
LISTED_MAX = 500  # AWS: ListMetrics
RECENT_MS = 3 * 3_600_000
FORGOTTEN_MS = 14 * 86_400_000  # AWS: a metric without values for two weeks is not listed

Request = dict[str, Any]


def _namespace(call: Call, request: Request) -> dict[str, Any]:
    return {"cloudwatch:namespace": request.get("Namespace", "")}


@operation(context=_namespace)
def put_metric_data(call: Call, request: Request) -> Request:
    if request.get("EntityMetricData"):
        raise not_implemented("entities of metrics (EntityMetricData)")
    namespace, data = request["Namespace"], request.get("MetricData")
    if not data:
        raise errors.missing_parameter("MetricData")
    if len(data) > DATA_MAX:
        raise errors.invalid_value(f"The collection MetricData must not have a size greater than {DATA_MAX}.")
    if namespace.startswith("AWS/") and call.http is not None:
        raise errors.invalid_value("The value AWS/ for parameter Namespace is invalid.")
    minutes: Measured = {}
    seconds: Measured = {}
    now_s = call.now_ms / 1000
    for place, datum in enumerate(data, 1):
        at_s = datum.get("Timestamp")
        if at_s is None:
            at_s = now_s
        elif at_s < now_s - OLDEST_S or at_s > now_s + NEWEST_S:
            raise errors.invalid_value(
                f"The parameter MetricData.member.{place}.Timestamp must specify a time no more than two weeks in the past and no more than two hours in the future."
            )
        dimensions = _dimensions(datum, place)
        unit = datum.get("Unit", metrics.NO_UNIT)
        resolution_s = datum.get("StorageResolution", 60)
        if resolution_s not in (1, 60):
            raise errors.invalid_value(f"The parameter MetricData.member.{place}.StorageResolution must be 1 or 60.")
        whole_s = int(at_s)
        found = minutes.setdefault((namespace, datum["MetricName"], dimensions, unit, whole_s - whole_s % 60), Distribution())
        _gather(datum, place, found)
        if resolution_s == 1:
            _gather(datum, place, seconds.setdefault((namespace, datum["MetricName"], dimensions, unit, whole_s), Distribution()))
    metrics.record(call.tx, minutes, call.now_ms)
    if seconds:
        metrics.record(call.tx, seconds, call.now_ms, 1)
    alarms.written(call, (minutes,))
    keep_rolling(call)
    return {}


def _dimensions(datum: Request, place: int) -> tuple[tuple[str, str], ...]:
    given = datum.get("Dimensions")
    if not given:
        return ()
    if len(given) > DIMENSIONS_MAX:
        raise errors.invalid_value(
            f"The collection MetricData.member.{place}.Dimensions must not have a size greater than {DIMENSIONS_MAX}."
        )
    for number, each in enumerate(given, 1):
        for member in ("Name", "Value"):
            text = each[member]
            where = f"MetricData.member.{place}.Dimensions.member.{number}.{member}"
            if not text.strip():
                raise errors.invalid_value(f"The parameter {where} must contain at least one non-whitespace character.")
            if not text.isascii() or (member == "Name" and text.startswith(":")):
                raise errors.invalid_value(f"The parameter {where} has an invalid value.")
    found = tuple(sorted((each["Name"], each["Value"]) for each in given))
    if len({name for name, _ in found}) < len(found):
        raise errors.invalid_value(f"The parameter MetricData.member.{place}.Dimensions must not have duplicate names.")
    return found


def _gather(datum: Request, place: int, into: Distribution) -> None:
    """One datum's value, values with counts, or statistics. Raises AWS's errors."""
    where = f"MetricData.member.{place}"
    value, values, statistic = datum.get("Value"), datum.get("Values"), datum.get("StatisticValues")
    if value is not None:
        if statistic is not None:
            raise errors.invalid_combination(
                f"The parameters {where}.Value and {where}.StatisticValues are mutually exclusive and you have specified both."
            )
        if values:
            raise errors.invalid_combination(
                f"The parameters {where}.Value and {where}.Values are mutually exclusive and you have specified both."
            )
        into.add(_number(value, f"{where}.Value"))
        return
    if values:
        if statistic is not None:
            raise errors.invalid_combination(
                f"The parameters {where}.Values and {where}.StatisticValues are mutually exclusive and you have specified both."
            )
        if len(values) > VALUES_MAX:
            raise errors.invalid_value(f"The collection {where}.Values must not have a size greater than {VALUES_MAX}.")
        counts = datum.get("Counts") or [1.0] * len(values)
        if len(counts) != len(values):
            raise errors.invalid_value(f"The parameters {where}.Values and {where}.Counts must be of the same size.")
        for each, count in zip(values, counts, strict=True):
            if not count >= 0 or math.isinf(count):
                raise errors.invalid_value(f"The value {count} for parameter {where}.Counts is invalid.")
            if count:
                into.add(_number(each, f"{where}.Values"), float(count))
        return
    if statistic is None:
        raise errors.missing_parameter(f"{where}.Value")
    count, total, low, high = (
        _number(statistic[member], f"{where}.StatisticValues.{member}") for member in ("SampleCount", "Sum", "Minimum", "Maximum")
    )
    if count <= 0:
        raise errors.invalid_value(f"The parameter {where}.StatisticValues.SampleCount must be greater than 0.")
    if low > high:
        raise errors.invalid_value(
            f"The parameter {where}.StatisticValues.Minimum must be less than or equal to {where}.StatisticValues.Maximum."
        )
    into.add_statistics(count, total, low, high)


def _number(value: Any, where: str) -> float:
    number = float(value)
    if not math.isfinite(number) or abs(number) > VALUE_MAX:
        raise errors.invalid_value(f"The value {value} for parameter {where} is invalid.")
    return number


@operation()
def get_metric_statistics(call: Call, request: Request) -> Request:
    """One datapoint for each period and unit, in no promised order (AWS); here the oldest first."""
    period_s = request["Period"]
    if period_s not in queries.SHORT_PERIODS_S and (period_s < 60 or period_s % 60):
        raise errors.invalid_value("The parameter Period must be 1, 5, 10, 20, 30, or a multiple of 60.")
    start, end = request["StartTime"], request["EndTime"]
    if start >= end:
        raise errors.invalid_value("The parameter StartTime must be less than the parameter EndTime.")
    simple, extended = request.get("Statistics", ()), request.get("ExtendedStatistics", ())
    if not simple and not extended:
        raise errors.missing_parameter("Statistics")
    for name in extended:
        if not statistics.is_extended(name):
            raise errors.invalid_value(f"The value {name} for parameter ExtendedStatistics.member.1 is not supported.")
    start_s, end_s = metrics.aligned(int(start), period_s, call.now_s), math.ceil(end)
    wanted = -(-(end_s - start_s) // period_s)
    if wanted > DATAPOINTS_MAX:
        raise errors.invalid_combination(
            f"You have requested up to {wanted:,} datapoints, which exceeds the limit of {DATAPOINTS_MAX:,}. "
            "You may reduce the datapoints requested by increasing Period, or decreasing the time range."
        )
    answer: Request = {"Label": request["MetricName"], "Datapoints": []}
    metric = metrics.find(call.tx, request["Namespace"], request["MetricName"], metrics.dimensions_of(request.get("Dimensions")))
    if metric is None:
        return answer
    unit = request.get("Unit")
    units = [unit] if unit else metrics.units_of(call.tx, metric.metric_number, period_s, start_s, end_s)
    for each in units:
        found = metrics.series(call.tx, metric.metric_number, period_s, start_s, end_s, each, call.now_s)
        for at_s, distribution in sorted(found.items()):
            point: Request = {"Timestamp": at_s, "Unit": each}
            for name in simple:
                point[name] = statistics.SIMPLE[name](distribution)
            values = {name: statistics.named(name)(distribution) for name in extended}  # type: ignore[misc]
            if extended:
                point["ExtendedStatistics"] = {name: value for name, value in values.items() if value is not None}
            answer["Datapoints"].append(point)
    return answer


@operation()
def get_metric_data(call: Call, request: Request) -> Request:
    """The points of every query that returns data, a page at a time: the token says with which point of which series the next begins."""
    start, end = request["StartTime"], request["EndTime"]
    if start >= end:
        raise errors.validation("The parameter StartTime must be less than the parameter EndTime.")
    timezone = (request.get("LabelOptions") or {}).get("Timezone", "")
    if timezone and not labels.is_timezone(timezone):
        raise errors.validation("The parameter LabelOptions.Timezone must be of the form +HHMM or -HHMM.")
    limit = request.get("MaxDatapoints", DATAPOINTS_A_PAGE)
    if not 1 <= limit <= DATAPOINTS_A_PAGE:
        raise errors.validation(f"The parameter MaxDatapoints must be between 1 and {DATAPOINTS_A_PAGE}.")
    asked = queries.checked(request["MetricDataQueries"], call.account)
    now_s, start_s = call.now_s, int(start)
    window = queries.Window(lambda period_s: metrics.aligned(start_s, period_s, now_s), math.ceil(end), now_s)
    answers = queries.Answers(call.tx, asked, window)
    skipped, offset = tokens.parts(request["NextToken"], int, int) if request.get("NextToken") else (0, 0)
    descending = request.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    place = {"AccountId": call.account, "Region": call.region}
    every = [(query, one) for query in asked if query.returned for one in answers.of(query.query_id)]
    results: list[Request] = []
    left = limit
    answer: Request = {"MetricDataResults": results, "Messages": []}
    for number, (query, one) in enumerate(every):
        if number < skipped:
            continue
        points = sorted(one.points.items(), reverse=descending)[offset if number == skipped else 0 :]
        taken = points[:left]
        left -= len(taken)
        plain = query.metric["Metric"].get("MetricName", "") if query.metric else query.query_id
        results.append(
            {
                "Id": query.query_id,
                "Label": labels.rendered(one.label, plain, one, query.metric, place, timezone),
                "Timestamps": [at_s for at_s, _ in taken],
                "Values": [value for _, value in taken],
                "StatusCode": "Complete" if len(taken) == len(points) else "PartialData",
            }
        )
        if len(taken) < len(points):
            begun = offset if number == skipped else 0
            answer["NextToken"] = tokens.token(number, begun + len(taken))
            break
    return answer


@operation()
def list_metrics(call: Call, request: Request) -> Request:
    if request.get("IncludeLinkedAccounts") or request.get("OwningAccount") not in (None, call.account):
        raise not_implemented("metrics of linked accounts (IncludeLinkedAccounts, OwningAccount)")
    recent = request.get("RecentlyActive")
    if recent not in (None, "PT3H"):
        raise errors.invalid_value("The value for parameter RecentlyActive is invalid. Valid values: PT3H")
    since_ms = call.now_ms - (RECENT_MS if recent else FORGOTTEN_MS) - metrics.ACTIVE_STEP_MS
    namespace, name = request.get("Namespace"), request.get("MetricName")
    wanted = [(each["Name"], each.get("Value")) for each in request.get("Dimensions", ())]
    after = tuple(tokens.parts(request["NextToken"], str, str, str)) if request.get("NextToken") else None
    found: list[Metric] = []
    for metric in metrics.listed(call.tx, namespace, name, after):
        if metric.active_ms < since_ms or (name is not None and metric.metric_name != name) or not _has(metric, wanted):
            continue
        if len(found) == LISTED_MAX:
            last = found[-1]
            return {"Metrics": _listed(found), "NextToken": tokens.token(last.namespace, last.metric_name, last.dimensions_text)}
        found.append(metric)
    return {"Metrics": _listed(found)}


def _has(metric: Metric, wanted: list[tuple[str, str | None]]) -> bool:
    have = dict(metric.dimensions)
    return all(name in have and value in (None, have[name]) for name, value in wanted)


def _listed(found: list[Metric]) -> list[Request]:
    return [
        {
            "Namespace": metric.namespace,
            "MetricName": metric.metric_name,
            "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions],
        }
        for metric in found
    ]
