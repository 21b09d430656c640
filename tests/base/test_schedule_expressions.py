"""Schedule expressions: which are valid, and when they fall due."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundcloud.base.schedule_expressions import InvalidExpression, parse


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def shown(at_ms: int | None) -> str | None:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M") if at_ms is not None else None


@pytest.mark.parametrize(
    ("expression", "after", "due"),
    [
        ("cron(0 12 * * ? *)", "2026-11-21T03:34:44", "2026-11-21T12:00"),
        ("cron(0 12 * * ? *)", "2026-11-21T12:00:00", "2026-11-22T12:00"),
        ("cron(0/15 * * * ? *)", "2026-11-21T03:34:44", "2026-11-21T03:45"),
        ("cron(*/5 * ? * * *)", "2026-12-31T23:56:00", "2027-01-01T00:00"),
        ("cron(15 10 ? * 6L 2026-2027)", "2026-11-21T00:00:00", "2026-11-27T10:15"),
        ("cron(0 18 ? * MON-FRI *)", "2026-11-20T18:00:00", "2026-11-23T18:00"),
        ("cron(0 8 1 * ? *)", "2026-11-21T00:00:00", "2026-12-01T08:00"),
        ("cron(0 0 L * ? *)", "2027-02-01T00:00:00", "2027-02-28T00:00"),
        ("cron(0 0 15W * ? *)", "2026-11-01T00:00:00", "2026-11-16T00:00"),
        ("cron(0 0 1W * ? *)", "2026-07-31T12:00:00", "2026-08-03T00:00"),
        ("cron(0 0 LW * ? *)", "2026-05-01T00:00:00", "2026-05-29T00:00"),
        ("cron(0 9 ? * 2#1 *)", "2026-11-21T00:00:00", "2026-12-07T09:00"),
        ("cron(0 9 ? * 2#5 *)", "2026-11-21T00:00:00", "2026-11-30T09:00"),
        ("cron(0 0 29 2 ? *)", "2026-11-21T00:00:00", "2028-02-29T00:00"),
        ("cron(0 0 1 jan,JUL ? *)", "2026-11-21T00:00:00", "2027-01-01T00:00"),
        ("cron(0 0 ? * FRI-MON *)", "2026-11-17T00:00:00", "2026-11-20T00:00"),
        ("cron(0 0 1 1 ? 2020)", "2026-11-21T00:00:00", None),
        ("cron(0 0 31 2 ? *)", "2026-11-21T00:00:00", None),
        ("rate(5 minutes)", "2026-11-21T03:00:00", "2026-11-21T03:05"),
        ("rate(1 hour)", "2026-11-21T03:59:59", "2026-11-21T04:00"),
        ("rate(1 day)", "2026-11-25T00:00:00", "2026-11-26T00:00"),
    ],
)
def test_the_next_moment(expression: str, after: str, due: str | None) -> None:
    assert shown(parse(expression).next_ms(ms("2026-11-21T00:00:00"), ms(after))) == due


@pytest.mark.parametrize(
    "expression",
    ["", "rate(5)", "rate(1 minutes)", "rate(5 minute)", "rate(0 minutes)", "rate(-1 minutes)", "rate(5 seconds)", "rate(5 weeks)", "rate (5 minutes)",
     "rate(1.5 hours)", "cron(* * * * * *)", "cron(0 12 ? * ? *)", "cron(0 12 * * *)", "cron(0 12 * * ? * *)", "cron(60 12 * * ? *)", "cron(0 24 * * ? *)",
     "cron(0 0 32 * ? *)", "cron(0 0 0 * ? *)", "cron(0 0 ? * 8 *)", "cron(0 0 ? * 2#6 *)", "cron(0 0 1 13 ? *)", "cron(0 0 1 1 ? 1969)", "cron(a 0 1 1 ? *)",
     "cron(0/0 * * * ? *)", "at(2026-11-21T00:00:00)", "every minute"],
)  # fmt: skip
def test_what_is_no_schedule_is_refused(expression: str) -> None:
    with pytest.raises(InvalidExpression):
        parse(expression)


@given(st.lists(st.text("0123456789*?/,-LW#MON", min_size=1, max_size=6), min_size=6, max_size=6), st.integers(0, 4_000_000_000_000))
def test_no_cron_expression_breaks_the_walk(fields: list[str], after_ms: int) -> None:
    try:
        due_ms = parse(f"cron({' '.join(fields)})").next_ms(0, after_ms)
    except InvalidExpression:
        return
    assert due_ms is None or (due_ms > after_ms and due_ms % 60_000 == 0)
