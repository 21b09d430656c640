"""Alarms' verdicts: the tables of the user guide, "Configuring how CloudWatch alarms treat missing data"; reasons as AWS words them."""

import pytest

from groundcloud.services.cloudwatch import evaluation

STATES = {"A": "ALARM", "O": "OK", "I": "INSUFFICIENT_DATA", "=": None}


def points(text):
    """`0 - X`: a good value, none, a breaching one."""
    return [(60 * place, {"0": 0.0, "-": None, "X": 1.0}[character]) for place, character in enumerate(text.split())]


@pytest.mark.parametrize(
    ("datapoints", "to_alarm", "missing", "ignore", "breaching", "not_breaching"),
    [
        ("0 - X - X", 3, "O", "O", "O", "O"),
        ("- - - - 0", 3, "O", "O", "O", "O"),
        ("- - - - -", 3, "I", "=", "A", "O"),
        ("0 X X - X", 3, "A", "A", "A", "A"),
        ("- - X - -", 3, "A", "=", "A", "O"),
        ("- - - - X", 3, "=", "=", "A", "O"),
        ("0 - X - X", 2, "A", "A", "A", "A"),
        ("0 0 X 0 X", 2, "A", "A", "A", "A"),
        ("0 - X - -", 2, "O", "O", "A", "O"),
        ("- - - - 0", 2, "O", "O", "A", "O"),
        ("- - - X -", 2, "A", "=", "A", "O"),
        ("X X 0 0 0", 2, "O", "O", "O", "O"),
    ],
)
def test_three_periods_by_treatment(datapoints, to_alarm, missing, ignore, breaching, not_breaching):
    found = {
        treatment: evaluation.judge(points(datapoints), 3, to_alarm, lambda value: value > 0.5, treatment).state
        for treatment in ("missing", "ignore", "breaching", "notBreaching")
    }
    assert found == {
        "missing": STATES[missing],
        "ignore": STATES[ignore],
        "breaching": STATES[breaching],
        "notBreaching": STATES[not_breaching],
    }


def reason(text, periods, to_alarm, comparison, threshold, treatment, before):
    test, _ = evaluation.COMPARISONS[comparison]
    verdict = evaluation.judge(points(text), periods, to_alarm, lambda value: test(value, threshold), treatment)
    return evaluation.reason(verdict, before, periods, to_alarm, comparison, threshold, treatment)


def test_reasons_are_aws_sentences():
    assert reason("- - X", 1, 1, "GreaterThanOrEqualToThreshold", 1.0, "missing", "OK") == (
        "Threshold Crossed: 1 out of the last 1 datapoints [1.0 (01/01/70 00:02:00)] was greater than or equal to the threshold (1.0) "
        "(minimum 1 datapoint for OK -> ALARM transition)."
    )
    assert reason("X X 0 X X", 3, 2, "GreaterThanThreshold", 0.5, "missing", "OK") == (
        "Threshold Crossed: 2 out of the last 3 datapoints [1.0 (01/01/70 00:04:00), 1.0 (01/01/70 00:03:00)] were greater than the threshold (0.5) "
        "(minimum 2 datapoints for OK -> ALARM transition)."
    )
    assert reason("- - 0", 1, 1, "GreaterThanThreshold", 0.5, "missing", "ALARM") == (
        "Threshold Crossed: 1 out of the last 1 datapoints [0.0 (01/01/70 00:02:00)] was not greater than the threshold (0.5) "
        "(minimum 1 datapoint for ALARM -> OK transition)."
    )
    assert reason("- - -", 1, 1, "GreaterThanThreshold", 0.5, "notBreaching", "ALARM") == (
        "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as [NonBreaching]."
    )
    assert reason("- - - -", 2, 2, "GreaterThanThreshold", 0.5, "missing", "OK") == "Insufficient Data: 2 datapoints were unknown."
