"""Token buckets and quota periods."""

from datetime import UTC, datetime

import pytest

from groundcloud.services.apigateway.gateway.keys import days_of
from groundcloud.services.apigateway.gateway.throttles import Throttles


def test_a_bucket_gives_its_burst_then_its_rate():
    throttles = Throttles()
    taken = [throttles.take(("a",), 10, 3, 0) for _ in range(4)]
    assert taken == [True, True, True, False]
    assert not throttles.take(("a",), 10, 3, 99)
    assert throttles.take(("a",), 10, 3, 100)
    assert not throttles.take(("a",), 10, 3, 100)


def test_a_bucket_never_holds_more_than_its_burst():
    throttles = Throttles()
    throttles.take(("a",), 10, 2, 0)
    assert [throttles.take(("a",), 10, 2, 1_000_000) for _ in range(3)] == [True, True, False]


def test_buckets_are_apart():
    throttles = Throttles()
    assert throttles.take(("a",), 1, 1, 0) and throttles.take(("b",), 1, 1, 0)


def test_a_rate_of_nothing_lets_nobody_in():
    assert not Throttles().take(("a",), 0, 0, 0)


@pytest.mark.parametrize(
    ("period", "offset", "today", "first"),
    [
        ("DAY", 0, "2026-11-21", "2026-11-21"),
        ("WEEK", 0, "2026-11-21", "2026-11-15"),  # a Saturday; the week began on Sunday
        ("WEEK", 0, "2026-11-22", "2026-11-22"),
        ("WEEK", 1, "2026-11-22", "2026-11-16"),
        ("MONTH", 0, "2026-11-21", "2026-11-01"),
        ("MONTH", 5, "2026-11-21", "2026-11-06"),
        ("MONTH", 5, "2026-11-03", "2026-10-06"),
    ],
)
def test_the_days_of_a_quota(period, offset, today, first):
    now_s = int(datetime.fromisoformat(today).replace(tzinfo=UTC).timestamp()) + 3600
    days = days_of({"period": period, "offset": offset}, now_s)
    assert (days[0], days[-1]) == (first, today)
