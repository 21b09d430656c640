"""Metric math by tables. Source of many cases: the user guide, "Metric math syntax and functions"."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundcloud.base.errors import AwsError
from groundcloud.services.cloudwatch.expressions import ExpressionError, Scope, Series, evaluate, parse

TIMES = [0, 60, 120, 180, 240]


def series(name, *values):
    return Series({at_s: float(value) for at_s, value in zip(TIMES, values, strict=False) if value is not None}, 60, name, name)


KNOWN = {
    "m1": series("m1", 1, 2, None, 4, 5),
    "m2": series("m2", 10, 0, 30, 40, None),
    "m3": series("m3", 2, 2, 2, 2, 2),
    "empty": series("empty"),
}
SCOPE = Scope(KNOWN.__getitem__, lambda: list(KNOWN.values())[:3], 60, TIMES)


def computed(text):
    found = evaluate(parse(text), SCOPE)
    if isinstance(found, Series):
        return [found.points.get(at_s) for at_s in TIMES]
    if isinstance(found, list):
        return [[one.points.get(at_s) for at_s in TIMES] for one in found]
    return found


_ = None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("2 ^ 3 ^ 2", 512.0),
        ("-2 + 5", 3.0),
        ("10 / 4 - 1.5e0", 1.0),
        ("m1", [1, 2, _, 4, 5]),
        ("m1 + m2", [11, 2, _, 44, _]),
        ("m2 / m1", [10, 0, _, 10, _]),
        ("m1 / m2", [0.1, _, _, 0.1, _]),
        ("100 * m1", [100, 200, _, 400, 500]),
        ("-m1", [-1, -2, _, -4, -5]),
        ("ABS(-m1)", [1, 2, _, 4, 5]),
        ("m1 - [m2, m3]", [[-9, 2, _, -36, _], [-1, 0, _, 2, 3]]),
        ("SUM([m1, m2])", [11, 2, 30, 44, 5]),
        ("SUM(METRICS())", [13, 4, 32, 46, 7]),
        ("AVG([m1, m3])", [1.5, 2, 2, 3, 3.5]),
        ("MIN([m1, m2, m3])", [1, 0, 2, 2, 2]),
        ("MAX(METRICS('m'))", [10, 2, 30, 40, 5]),
        ("SUM(m1)", 12.0),
        ("AVG(m1)", 3.0),
        ("MAX(m1) - MIN(m1)", 4.0),
        ("m1 - AVG(m1)", [-2, -1, _, 1, 2]),
        ("STDDEV(m3)", 0.0),
        ("DATAPOINT_COUNT(m1)", 4.0),
        ("METRIC_COUNT(METRICS())", 3.0),
        ("CEIL(m1 / 2)", [1, 1, _, 2, 3]),
        ("FLOOR(m1 / 2)", [0, 1, _, 2, 2]),
        ("LOG10(m2)", [1, _, math.log10(30), math.log10(40), _]),
        ("LOG(m3 / m3)", [0, 0, 0, 0, 0]),
        ("FILL(m1, 0)", [1, 2, 0, 4, 5]),
        ("FILL(m1, REPEAT)", [1, 2, 2, 4, 5]),
        ("FILL(m1, LINEAR)", [1, 2, 3, 4, 5]),
        ("FILL(m2, LINEAR)", [10, 0, 30, 40, _]),
        ("FILL(m1, m3)", [1, 2, 2, 4, 5]),
        ("FILL(empty, 7)", [7, 7, 7, 7, 7]),
        ("FILL([m1, m2], 0)", [[1, 2, 0, 4, 5], [10, 0, 30, 40, 0]]),
        ("RATE(m1)", [_, 1 / 60, _, 2 / 120, 1 / 60]),
        ("DIFF(m1)", [_, 1, _, 2, 1]),
        ("DIFF_TIME(m1)", [_, 60, _, 120, 60]),
        ("RUNNING_SUM(m1)", [1, 3, _, 7, 12]),
        ("IF(m1 > 2, m1)", [_, _, _, 4, 5]),
        ("IF(m1 > 2, 1, 0)", [0, 0, _, 1, 1]),
        ("IF(m1 > 2, m2, m3)", [2, 2, _, 40, _]),
        ("IF(1, m1)", [1, 2, _, 4, 5]),
        ("m1 > 1 AND m1 < 5", [0, 1, _, 1, 0]),
        ("m1 < 2 || m1 >= 5", [1, 0, _, 0, 1]),
        ("m1 == 2", [0, 1, _, 0, 0]),
        ("m1 != 2", [1, 0, _, 1, 1]),
        ("PERIOD(m1)", 60.0),
        ("m1 / PERIOD(m1) * 60", [1, 2, _, 4, 5]),
        ("FIRST(METRICS())", [1, 2, _, 4, 5]),
        ("LAST([m1, m2])", [10, 0, 30, 40, _]),
        ("SLICE([m1, m2, m3], 1)", [10, 0, 30, 40, _]),
        ("SLICE([m1, m2, m3], 0, 2)", [[1, 2, _, 4, 5], [10, 0, 30, 40, _]]),
        ("SORT([m1, m2, m3], SUM, DESC, 1)", [[10, 0, 30, 40, _]]),
        ("SORT([m1, m2], AVG, ASC)", [[1, 2, _, 4, 5], [10, 0, 30, 40, _]]),
        ("REMOVE_EMPTY([m1, empty])", [[1, 2, _, 4, 5]]),
        ("TIME_SERIES(3)", [3, 3, 3, 3, 3]),
        ("TIME_SERIES(MAX(m1))", [5, 5, 5, 5, 5]),
        ("MINUTE(m3)", [0, 1, 2, 3, 4]),
        ("HOUR(m3) + DAY(m3) * 10 + YEAR(m3) - 1970", [40, 40, 40, 40, 40]),
        ("DATE(m1) + MONTH(m1) + EPOCH(m1)", [2, 62, _, 182, 242]),
    ],
)
def test_expressions(text, value):
    found = computed(text)
    assert found == pytest.approx(value) if not isinstance(value, list) or not isinstance(value[0], list) else found == value


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("m1 +", "The expression ends too early"),
        ("m1 m2", "Invalid syntax at 'm2'"),
        ("NOPE(m1)", "Unknown function 'NOPE'"),
        ("ABS()", "ABS takes 1 arguments"),
        ("SUM(3)", "An aggregate needs a time series or an array of time series"),
        ("[m1] + [m2]", "An operator cannot be applied to two arrays of time series"),
        ("m1 ~ 2", "Invalid syntax at '~ 2'"),
        (" ", "The expression is empty"),
        ("(" * 60 + "m1" + ")" * 60, "The expression is nested too deeply"),
        ("-" * 60 + "m1", "The expression is nested too deeply"),
    ],
)
def test_what_is_no_expression_says_why(text, sentence):
    with pytest.raises(ExpressionError) as caught:
        evaluate(parse(text), SCOPE)
    assert str(caught.value) == sentence


def test_what_is_not_there_is_refused_by_name():
    for text in ("SEARCH('x', 'Sum', 60)", "ANOMALY_DETECTION_BAND(m1)"):
        with pytest.raises(AwsError) as caught:
            evaluate(parse(text), SCOPE)
        assert caught.value.code == "NotImplementedException"
        assert text.split("(")[0] in caught.value.message


@given(st.text(alphabet="m1234 +-*/^()[],<>=&|ABSUMFILFR'\".", max_size=30))
def test_any_text_is_an_expression_or_refused(text):
    try:
        evaluate(parse(text), SCOPE)
    except (ExpressionError, KeyError, AwsError, OverflowError, ValueError):
        return
