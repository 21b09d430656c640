"""Metric math computed. Points of two series meet by their time; a time that one of them lacks is left out, but for IF and the aggregates."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import NamedTuple

from groundcloud.base.errors import not_implemented
from groundcloud.services.cloudwatch.expressions import calendar
from groundcloud.services.cloudwatch.expressions.syntax import Applied, Expression, ExpressionError, Listed, Number, Reference, Text
from groundcloud.services.cloudwatch.expressions.values import Series, Value

REFUSED = {
    "SEARCH",
    "ANOMALY_DETECTION_BAND",
    "INSIGHT_RULE_METRIC",
    "SERVICE_QUOTA",
    "DB_PERF_INSIGHTS",
    "LAMBDA",
    "RUN_QUERY",
    "METRIC_HISTORY",
}

KEYWORDS = {"REPEAT", "LINEAR", "ASC", "DESC", "AVG", "SUM", "MIN", "MAX", "STDDEV"}
"""Words that stand as arguments; ids begin with a small letter."""


class Scope(NamedTuple):
    """What an expression is computed in: the value of an id, the metrics of the request, and the periods in question."""

    resolve: Callable[[str], Value]
    metrics: Callable[[], list[Series]]
    period_s: int
    times: list[int]
    """Where every period begins, in order."""


def evaluate(expression: Expression, scope: Scope) -> Value:
    """Raises ExpressionError, and AwsError for a function that is not implemented."""
    if isinstance(expression, Number):
        return expression.value
    if isinstance(expression, Text):
        return expression.value
    if isinstance(expression, Reference):
        return expression.name if expression.name in KEYWORDS else scope.resolve(expression.name)
    if isinstance(expression, Listed):
        return _flattened([evaluate(item, scope) for item in expression.items])
    return _applied(expression, scope)


def _applied(expression: Applied, scope: Scope) -> Value:
    name = expression.name
    if name in REFUSED:
        raise not_implemented(f"the metric math function {name}")
    if name in _OPERATORS:
        left, right = (evaluate(argument, scope) for argument in expression.arguments)
        return _combined(left, right, _OPERATORS[name])
    arguments = [evaluate(argument, scope) for argument in expression.arguments]
    if name == "negative":
        return _mapped(arguments[0], operator.neg)
    if name in _OF_NUMBERS:
        _arity(name, arguments, 1, 1)
        return _mapped(arguments[0], _OF_NUMBERS[name])
    if name in _AGGREGATES:
        _arity(name, arguments, 1, 1)
        return _aggregated(arguments[0], _AGGREGATES[name])
    if name in _OF_SERIES:
        _arity(name, arguments, 1, 1)
        return _each(arguments[0], _OF_SERIES[name])
    if name in calendar.PARTS:
        part = calendar.PARTS[name]
        _arity(name, arguments, 1, 1)
        return _each(arguments[0], lambda series: {at_s: part(at_s) for at_s in series.points})
    found = _SPECIAL.get(name)
    if found is None:
        raise ExpressionError(f"Unknown function '{name}'")
    return found(arguments, scope)


# Numbers and points


def _divided(left: float, right: float) -> float:
    return math.nan if right == 0 else left / right


def _power(left: float, right: float) -> float:
    try:
        found = left**right
    except (OverflowError, ZeroDivisionError):
        return math.nan
    return math.nan if isinstance(found, complex) else found


def _truth(test: Callable[[float, float], bool]) -> Callable[[float, float], float]:
    return lambda left, right: 1.0 if test(left, right) else 0.0


_OPERATORS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divided,
    "^": _power,
    "==": _truth(operator.eq),
    "!=": _truth(operator.ne),
    "<": _truth(operator.lt),
    "<=": _truth(operator.le),
    ">": _truth(operator.gt),
    ">=": _truth(operator.ge),
    "&&": _truth(lambda left, right: left != 0 and right != 0),
    "||": _truth(lambda left, right: left != 0 or right != 0),
}


def _logarithm(of: Callable[[float], float]) -> Callable[[float], float]:
    return lambda value: of(value) if value > 0 else math.nan


_OF_NUMBERS: dict[str, Callable[[float], float]] = {
    "ABS": abs,
    "CEIL": lambda value: float(math.ceil(value)),
    "FLOOR": lambda value: float(math.floor(value)),
    "LOG": _logarithm(math.log),
    "LOG10": _logarithm(math.log10),
}


def _deviation(values: list[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))


_AGGREGATES: dict[str, Callable[[list[float]], float]] = {
    "SUM": math.fsum,
    "AVG": lambda values: math.fsum(values) / len(values),
    "MIN": min,
    "MAX": max,
    "STDDEV": _deviation,
    "DATAPOINT_COUNT": lambda values: float(len(values)),
}
"""Of an array: a series, across its series. Of one series: a number, across its time."""


def _combined(left: Value, right: Value, of: Callable[[float, float], float]) -> Value:
    if isinstance(left, str) or isinstance(right, str):
        raise ExpressionError("An operator cannot be applied to a string")
    if isinstance(left, list):
        if isinstance(right, list):
            raise ExpressionError("An operator cannot be applied to two arrays of time series")
        return [_only_series(_combined(item, right, of)) for item in left]
    if isinstance(right, list):
        return [_only_series(_combined(left, item, of)) for item in right]
    if isinstance(left, Series) and isinstance(right, Series):
        other = right.points
        return _finite(left, {at_s: of(value, other[at_s]) for at_s, value in left.points.items() if at_s in other})
    if isinstance(left, Series):
        return _finite(left, {at_s: of(value, _number(right)) for at_s, value in left.points.items()})
    if isinstance(right, Series):
        return _finite(right, {at_s: of(_number(left), value) for at_s, value in right.points.items()})
    return of(left, right)


def _mapped(value: Value, of: Callable[[float], float]) -> Value:
    if isinstance(value, Series):
        return _finite(value, {at_s: of(number) for at_s, number in value.points.items()})
    if isinstance(value, list):
        return [_only_series(_mapped(item, of)) for item in value]
    return of(_number(value))


def _finite(series: Series, points: dict[int, float]) -> Series:
    """A division by zero leaves no point."""
    return series.with_points({at_s: value for at_s, value in points.items() if math.isfinite(value)})


def _aggregated(value: Value, of: Callable[[list[float]], float]) -> Value:
    if isinstance(value, Series):
        return of(list(value.points.values())) if value.points else math.nan
    if not isinstance(value, list):
        raise ExpressionError("An aggregate needs a time series or an array of time series")
    columns: dict[int, list[float]] = {}
    for series in value:
        for at_s, number in series.points.items():
            columns.setdefault(at_s, []).append(number)
    period_s = value[0].period_s if value else 60
    return Series({at_s: of(numbers) for at_s, numbers in sorted(columns.items())}, period_s)


def _each(value: Value, of: Callable[[Series], dict[int, float]]) -> Value:
    if isinstance(value, list):
        return [series.with_points(of(series)) for series in value]
    series = _only_series(value)
    return series.with_points(of(series))


def _differences(series: Series) -> dict[int, float]:
    items = sorted(series.points.items())
    return {at_s: value - before for (_, before), (at_s, value) in pairwise(items)}


def _difference_times(series: Series) -> dict[int, float]:
    times = sorted(series.points)
    return {at_s: float(at_s - before) for before, at_s in pairwise(times)}


def _rates(series: Series) -> dict[int, float]:
    times = _difference_times(series)
    return {at_s: value / times[at_s] for at_s, value in _differences(series).items()}


def _running_sums(series: Series) -> dict[int, float]:
    total = 0.0
    found = {}
    for at_s, value in sorted(series.points.items()):
        total += value
        found[at_s] = total
    return found


_OF_SERIES: dict[str, Callable[[Series], dict[int, float]]] = {
    "DIFF": _differences,
    "DIFF_TIME": _difference_times,
    "RATE": _rates,
    "RUNNING_SUM": _running_sums,
}


# Functions with rules of their own


def _fill(arguments: list[Value], scope: Scope) -> Value:
    """FILL(series or array, number | REPEAT | LINEAR | another series)."""
    _arity("FILL", arguments, 2, 2)
    into, by = arguments
    if isinstance(into, list):
        return [_filled(series, by, scope.times) for series in into]
    return _filled(_only_series(into), by, scope.times)


def _filled(series: Series, by: Value, times: list[int]) -> Series:
    points = series.points
    if isinstance(by, Series):
        other = by.points
        return series.with_points(
            {at_s: points[at_s] if at_s in points else other[at_s] for at_s in times if at_s in points or at_s in other}
        )
    if by == "REPEAT":
        found: dict[int, float] = {}
        last: float | None = None
        for at_s in times:
            last = points.get(at_s, last)
            if last is not None:
                found[at_s] = last
        return series.with_points(found)
    if by == "LINEAR":
        return series.with_points(_interpolated(points, times))
    number = _number(by)
    return series.with_points({at_s: points.get(at_s, number) for at_s in times})


def _interpolated(points: dict[int, float], times: list[int]) -> dict[int, float]:
    known = sorted(points)
    found = {}
    following = 0
    for at_s in times:
        while following < len(known) and known[following] < at_s:
            following += 1
        if at_s in points:
            found[at_s] = points[at_s]
        elif 0 < following < len(known):
            before, after = known[following - 1], known[following]
            found[at_s] = points[before] + (points[after] - points[before]) * (at_s - before) / (after - before)
    return found


def _if(arguments: list[Value], scope: Scope) -> Value:
    """IF(condition, then, otherwise): without the last, points where the condition is false are left out."""
    _arity("IF", arguments, 2, 3)
    condition, then = arguments[0], arguments[1]
    otherwise = arguments[2] if len(arguments) == 3 else None
    if isinstance(condition, (str, list)):
        raise ExpressionError("The condition of IF must be a time series or a number")
    if isinstance(condition, float) and not isinstance(then, Series) and not isinstance(otherwise, Series):
        chosen = then if condition != 0 else otherwise
        if chosen is None:
            raise ExpressionError("IF has no value")
        return chosen
    like = next(value for value in (condition, then, otherwise) if isinstance(value, Series))
    found = {}
    for at_s in scope.times:
        test = _point(condition, at_s)
        if test is None:
            continue
        value = _point(then if test != 0 else otherwise, at_s)
        if value is not None:
            found[at_s] = value
    return like.with_points(found)


def _point(value: Value | None, at_s: int) -> float | None:
    if isinstance(value, Series):
        return value.points.get(at_s)
    return None if value is None else _number(value)


def _metrics(arguments: list[Value], scope: Scope) -> Value:
    """METRICS() or METRICS("part of an id")."""
    _arity("METRICS", arguments, 0, 1)
    found = scope.metrics()
    if arguments:
        part = arguments[0]
        if not isinstance(part, str):
            raise ExpressionError("METRICS takes a string")
        return [series for series in found if part in series.name]
    return found


def _metric_count(arguments: list[Value], scope: Scope) -> Value:
    _arity("METRIC_COUNT", arguments, 1, 1)
    return float(len(arguments[0])) if isinstance(arguments[0], list) else 1.0


def _period(arguments: list[Value], scope: Scope) -> Value:
    _arity("PERIOD", arguments, 1, 1)
    return float(_only_series(arguments[0]).period_s)


def _first(arguments: list[Value], scope: Scope) -> Value:
    return _array("FIRST", arguments)[0]


def _last(arguments: list[Value], scope: Scope) -> Value:
    return _array("LAST", arguments)[-1]


def _remove_empty(arguments: list[Value], scope: Scope) -> Value:
    return [series for series in _array("REMOVE_EMPTY", arguments, empty=True) if series.points]


def _slice(arguments: list[Value], scope: Scope) -> Value:
    """SLICE(array, from) gives one series, SLICE(array, from, to) those up to and without `to`."""
    _arity("SLICE", arguments, 2, 3)
    array = _array("SLICE", arguments[:1], empty=True)
    begin = int(_number(arguments[1]))
    if len(arguments) == 3:
        return array[begin : int(_number(arguments[2]))]
    if not 0 <= begin < len(array):
        raise ExpressionError("SLICE is beyond the end of the array")
    return array[begin]


def _sort(arguments: list[Value], scope: Scope) -> Value:
    """SORT(array, AVG | SUM | MIN | MAX | STDDEV, ASC | DESC, how many)."""
    _arity("SORT", arguments, 3, 4)
    array = _array("SORT", arguments[:1], empty=True)
    by, order = arguments[1], arguments[2]
    if by not in ("AVG", "SUM", "MIN", "MAX", "STDDEV") or order not in ("ASC", "DESC"):
        raise ExpressionError("SORT takes AVG, MIN, MAX, SUM or STDDEV, and ASC or DESC")
    of = _AGGREGATES[by]
    found = sorted(array, key=lambda series: of(list(series.points.values())) if series.points else -math.inf, reverse=order == "DESC")
    return found[: int(_number(arguments[3]))] if len(arguments) == 4 else found


def _time_series(arguments: list[Value], scope: Scope) -> Value:
    _arity("TIME_SERIES", arguments, 1, 1)
    number = _number(arguments[0])
    return Series(dict.fromkeys(scope.times, number) if math.isfinite(number) else {}, scope.period_s)


_SPECIAL: dict[str, Callable[[list[Value], Scope], Value]] = {
    "FILL": _fill,
    "FIRST": _first,
    "IF": _if,
    "LAST": _last,
    "METRICS": _metrics,
    "METRIC_COUNT": _metric_count,
    "PERIOD": _period,
    "REMOVE_EMPTY": _remove_empty,
    "SLICE": _slice,
    "SORT": _sort,
    "TIME_SERIES": _time_series,
}


def _arity(name: str, arguments: list[Value], low: int, high: int) -> None:
    if not low <= len(arguments) <= high:
        raise ExpressionError(f"{name} takes {low if low == high else f'{low} to {high}'} arguments")


def _array(name: str, arguments: list[Value], empty: bool = False) -> list[Series]:
    _arity(name, arguments, 1, 1)
    found = arguments[0]
    if isinstance(found, Series):
        return [found]
    if not isinstance(found, list) or not (found or empty):
        raise ExpressionError(f"{name} takes an array of time series")
    return found


def _only_series(value: Value) -> Series:
    if not isinstance(value, Series):
        raise ExpressionError("A time series is expected")
    return value


def _number(value: Value) -> float:
    if not isinstance(value, float):
        raise ExpressionError("A number is expected")
    return value


def _flattened(values: Iterable[Value]) -> list[Series]:
    found: list[Series] = []
    for value in values:
        if isinstance(value, list):
            found += value
        else:
            found.append(_only_series(value))
    return found
