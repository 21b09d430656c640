"""Metric data queries: what GetMetricData asks and what an alarm on metric math watches, answered from the buckets.

A query is a metric with a statistic, or an expression over the other queries by their ids. Each is answered once, when it is first needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from groundcloud.base.errors import not_implemented
from groundcloud.services.cloudwatch import errors, metrics, statistics
from groundcloud.services.cloudwatch.expressions import ExpressionError, Scope, Series, evaluate, parse
from groundcloud.services.cloudwatch.expressions.syntax import Expression, names_all, references
from groundcloud.services.cloudwatch.expressions.values import Value
from groundcloud.store import Transaction

QUERIES_MAX = 500  # AWS: GetMetricData
SHORT_PERIODS_S = (1, 5, 10, 20, 30)
PERIOD_DEFAULT_S = 60

_ID = re.compile(r"[a-z][a-zA-Z0-9_]*")

Request = dict[str, Any]


class Query(NamedTuple):
    """`expression` is None where the query is of a metric; then `metric` is the request's MetricStat."""

    query_id: str
    label: str
    metric: Request
    expression: Expression | None
    period_s: int
    returned: bool


class Window(NamedTuple):
    """What times are asked for. `begin(period_s)` is where the first period begins."""

    begin: Callable[[int], int]
    end_s: int
    now_s: int

    def times(self, period_s: int) -> list[int]:
        return list(range(self.begin(period_s), self.end_s, period_s))


def checked(given: list[Request], account: str, *, of_alarm: bool = False) -> list[Query]:
    """Raises ValidationError, in the order of AWS's checks: ids, then what each query asks."""
    if not given:
        raise errors.validation("The parameter MetricDataQueries is required.")
    if len(given) > QUERIES_MAX:
        raise errors.validation(
            f"The collection MetricDataQueries must not have a size greater than {QUERIES_MAX}.",
        )
    found: dict[str, Query] = {}
    for place, one in enumerate(given, 1):
        query_id = one["Id"]
        if not _ID.fullmatch(query_id):
            raise errors.validation(
                f"The value {query_id} for parameter MetricDataQueries.member.{place}.Id is not matching the expected pattern [a-z][a-zA-Z0-9_]*."
            )
        if query_id in found:
            raise errors.validation(f"The values for parameter Id in MetricDataQueries are not unique: {query_id} is repeated.")
        if one.get("AccountId") not in (None, account):
            raise not_implemented("metrics of other accounts (AccountId)")
        found[query_id] = _query(one, place)
    for query in found.values():
        _check_references(query, found)
    if of_alarm and sum(query.returned for query in found.values()) != 1:
        raise errors.validation("Exactly one element of the metrics list should return data.")
    return list(found.values())


def _query(one: Request, place: int) -> Query:
    stat, text = one.get("MetricStat"), one.get("Expression")
    if (stat is None) == (text is None):
        raise errors.validation(f"Exactly one of MetricStat and Expression must be specified in MetricDataQueries.member.{place}.")
    returned = one.get("ReturnData", True)
    if stat is not None:
        check_period(stat["Period"])
        if statistics.named(stat["Stat"]) is None:
            raise errors.validation(
                f"The value {stat['Stat']} for parameter MetricDataQueries.member.{place}.MetricStat.Stat is not supported."
            )
        return Query(one["Id"], one.get("Label", ""), stat, None, stat["Period"], returned)
    if str(text).lstrip()[:6].upper() == "SELECT":
        raise not_implemented("Metrics Insights queries (SELECT)")
    try:
        expression = parse(str(text))
    except ExpressionError as error:
        raise errors.validation(f"Error in expression '{one['Id']}': {error}") from None
    return Query(one["Id"], one.get("Label", ""), {}, expression, one.get("Period", 0), returned)


def check_period(period_s: int) -> None:
    if period_s not in SHORT_PERIODS_S and (period_s < 60 or period_s % 60):
        raise errors.validation("The parameter Period must be 1, 5, 10, 20, 30, or a multiple of 60.")


def _check_references(query: Query, known: dict[str, Query]) -> None:
    """Raises ValidationError for an id that is none, or a circle of them."""
    if query.expression is None:
        return
    seen: set[str] = set()
    waiting = [query]
    while waiting:
        expression = waiting.pop().expression
        if expression is None:
            continue
        for name in references(expression):
            if not name[0].islower():
                continue
            if name not in known:
                raise errors.validation(f"Error in expression '{query.query_id}': Undefined variable '{name}'")
            if name == query.query_id:
                raise errors.validation(f"Error in expression '{query.query_id}': Circular reference")
            if name not in seen:
                seen.add(name)
                waiting.append(known[name])


class Answers:
    """The answers to a set of checked queries over one window."""

    def __init__(self, tx: Transaction, queries: list[Query], window: Window) -> None:
        self._tx = tx
        self._queries = {query.query_id: query for query in queries}
        self._window = window
        self._known: dict[str, Value] = {}

    def of(self, query_id: str) -> list[Series]:
        """What a query gives: one series, or those of an array. Raises ValidationError."""
        try:
            found = self._resolve(query_id)
        except ExpressionError as error:
            raise errors.validation(f"Error in expression '{query_id}': {error}") from None
        if isinstance(found, Series):
            return [found]
        if isinstance(found, list):
            return found
        raise errors.validation(f"Error in expression '{query_id}': The expression must return a time series or an array of time series")

    def _resolve(self, query_id: str) -> Value:
        if query_id not in self._known:
            query = self._queries.get(query_id)
            if query is None:
                raise ExpressionError(f"Undefined variable '{query_id}'")
            self._known[query_id] = self._metric(query) if query.expression is None else self._computed(query)
        return self._known[query_id]

    def _metric(self, query: Query) -> Series:
        stat = query.metric
        points = read(self._tx, stat["Metric"], stat["Stat"], query.period_s, self._window, stat.get("Unit"))
        return Series(points, query.period_s, query.label or stat["Metric"].get("MetricName", ""), query.query_id)

    def _computed(self, query: Query) -> Value:
        assert query.expression is not None
        period_s = query.period_s or max(
            (self._queries[name].period_s for name in self._metrics_below(query.expression, set())), default=PERIOD_DEFAULT_S
        )
        scope = Scope(self._resolve, self._every_metric, period_s, self._window.times(period_s))
        found = evaluate(query.expression, scope)
        if isinstance(found, Series):
            return Series(found.points, period_s, query.label or query.query_id, query.query_id)
        if isinstance(found, list):
            return [
                Series(one.points, period_s, one.label or f"{query.query_id} {place}", query.query_id) for place, one in enumerate(found)
            ]
        return found

    def _metrics_below(self, expression: Expression, seen: set[str]) -> set[str]:
        """Ids of the metrics that an expression comes to; all where it has METRICS()."""
        if names_all(expression):
            return {query.query_id for query in self._queries.values() if query.expression is None}
        found: set[str] = set()
        for name in references(expression):
            query = self._queries.get(name)
            if query is None or name in seen:
                continue
            seen.add(name)
            found |= {name} if query.expression is None else self._metrics_below(query.expression, seen)
        return found

    def _every_metric(self) -> list[Series]:
        return [self._only(query.query_id) for query in self._queries.values() if query.expression is None]

    def _only(self, query_id: str) -> Series:
        found = self._resolve(query_id)
        assert isinstance(found, Series)
        return found


def read(tx: Transaction, metric: Request, stat: str, period_s: int, window: Window, unit: str | None) -> dict[int, float]:
    """A statistic of a metric for each period in which it has values."""
    known = metrics.find(tx, metric.get("Namespace", ""), metric.get("MetricName", ""), metrics.dimensions_of(metric.get("Dimensions")))
    statistic = statistics.named(stat)
    if known is None or statistic is None:
        return {}
    found = metrics.series(tx, known.metric_number, period_s, window.begin(period_s), window.end_s, unit, window.now_s)
    values = ((at_s, statistic(distribution)) for at_s, distribution in sorted(found.items()))
    return {at_s: value for at_s, value in values if value is not None}
