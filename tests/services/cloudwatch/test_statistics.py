"""Statistics of distributions, against plain computations over the same samples."""

import math
import statistics as reference

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundcloud.services.cloudwatch import statistics
from groundcloud.services.cloudwatch.distributions import VALUES_MAX, Distribution, binned


def distribution(values):
    found = Distribution()
    for value in values:
        found.add(float(value))
    return found


def percentile(values, share):
    """Between the neighbours in proportion (numpy's `linear`)."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


few = st.lists(st.integers(-1000, 1000), min_size=1, max_size=200)


@given(few, st.sampled_from(["p50", "p90", "p99", "p99.9", "p0", "p100"]))
def test_percentiles_of_few_values_are_exact(values, name):
    assert statistics.named(name)(distribution(values)) == pytest.approx(percentile(values, float(name[1:]) / 100))


@given(few)
def test_simple_statistics(values):
    found = distribution(values)
    assert statistics.named("Sum")(found) == sum(values)
    assert statistics.named("Average")(found) == pytest.approx(reference.fmean(values))
    assert (statistics.named("Minimum")(found), statistics.named("Maximum")(found)) == (min(values), max(values))
    assert statistics.named("SampleCount")(found) == len(values)


def test_percentiles_of_many_values_are_within_a_hundredth():
    values = [1.5 ** (number / 500) for number in range(20_000)]
    found = distribution(values)
    assert len(found.values) <= VALUES_MAX
    for share in (0.01, 0.5, 0.9, 0.99, 0.999):
        assert statistics.named(f"p{share * 100:g}")(found) == pytest.approx(percentile(values, share), rel=2 * found.step)
    assert statistics.named("p100")(found) == max(values)


@given(st.lists(few, min_size=1, max_size=5))
def test_merged_buckets_are_the_distribution_of_all(parts):
    merged = Distribution()
    for part in parts:
        merged.merge(distribution(part).bucket(1, 60, 0, "None"))
    whole = distribution([value for part in parts for value in part])
    assert merged.count == whole.count
    if whole.step == 0 and merged.step == 0:
        assert merged.values == whole.values


@given(st.floats(1e-9, 1e12), st.sampled_from([0.01, 0.02, 0.04]))
def test_a_bin_stays_where_it_is_and_is_near(value, step):
    middle = binned(value, step)
    assert binned(middle, step) == middle
    assert middle == pytest.approx(value, rel=step)
    assert binned(-value, step) == -middle


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tm90", 45.5),
        ("TM(:90%)", 45.5),
        ("TM(10%:90%)", 50.5),
        ("TM(:50)", 25.5),
        ("TM(50:)", 75.5),
        ("tc90", 90.0),
        ("TC(10%:20%)", 10.0),
        ("TC(10:20)", 10.0),
        ("ts50", 1275.0),
        ("TS(:2)", 3.0),
        ("PR(:25)", 25.0),
        ("PR(25:75)", 50.0),
        ("IQM", 50.5),
        ("wm90", 49.95),
        ("WM(10:90)", (10 * 10 + sum(range(11, 91)) + 10 * 90) / 100),
    ],
)
def test_trimmed_statistics_of_one_to_a_hundred(name, value):
    assert statistics.named(name)(distribution(range(1, 101))) == pytest.approx(value)


@pytest.mark.parametrize("name", ["p101", "p", "tm", "median", "TM(90%:10%)", "TM(10%:20)", "TM(:)", "PR(10%:20%)", "sum"])
def test_what_is_no_statistic(name):
    assert statistics.named(name) is None


def test_statistic_sets_have_no_percentiles_unless_they_stand_for_one_value():
    found = Distribution()
    found.add_statistics(3, 30, 10, 10)
    assert statistics.named("p50")(found) == 10
    found.add_statistics(2, 30, 10, 20)
    assert statistics.named("p50")(found) is None
    assert statistics.named("Average")(found) == 12
