"""The statistics of judged rollouts: what they call worse, and how seldom they are wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.scaling.judge import (
    Counts,
    buckets_of,
    error_bounds,
    error_chance,
    quantile,
    worse_errors,
    worse_latency,
)


def counts(requests: int, errors: int = 0, latency: dict[int, int] | None = None) -> Counts:
    return Counts(requests, errors, {100: requests} if latency is None else latency)


def test_fishers_exact_test_gives_the_textbook_value() -> None:
    # Fisher's lady tasting tea: 3 of 4 right has the one-sided probability 17/70.
    assert error_chance(counts(4, 1), counts(4, 3)) == pytest.approx(17 / 70)


@pytest.mark.parametrize(
    ("current", "canary", "worse"),
    [
        pytest.param((1000, 0), (500, 0), False, id="none at all"),
        pytest.param((10_000, 10), (500, 2), False, id="two more than expected may be chance"),
        pytest.param((10_000, 10), (500, 25), True, id="5% against 0.1%"),
        pytest.param((10_000, 500), (500, 25), False, id="as bad as before"),
        pytest.param((10_000, 500), (500, 0), False, id="better"),
        pytest.param((0, 0), (500, 100), False, id="nothing to compare with"),
    ],
)
def test_errors_beyond_chance_are_worse(
    current: tuple[int, int], canary: tuple[int, int], worse: bool
) -> None:
    assert worse_errors(counts(*current), counts(*canary)) is worse


@given(st.integers(1, 2000), st.integers(1, 2000), st.data())
def test_the_chance_is_a_probability_and_more_errors_are_less_likely(
    ours: int, theirs: int, data: st.DataObject
) -> None:
    errors = data.draw(st.integers(1, ours))
    current = counts(theirs, data.draw(st.integers(0, theirs)))
    one = error_chance(current, counts(ours, errors - 1))
    more = error_chance(current, counts(ours, errors))
    assert 0 <= more <= 1
    assert 0 <= one <= 1
    if errors - 1 > 0 and current.errors == 0:
        assert more <= one + 1e-9


def test_a_quantile_lies_within_its_bounds_and_they_close_in_with_more_answers() -> None:
    few = quantile(dict.fromkeys(range(300), 1), 0.9)
    many = quantile(dict.fromkeys(range(300), 100), 0.9)
    assert few is not None
    assert many is not None
    assert few.high is not None
    assert many.high is not None
    assert few.low < few.middle < few.high
    assert few.middle == many.middle == 269
    assert many.high - many.low < few.high - few.low


def test_too_few_answers_have_no_upper_bound() -> None:
    found = quantile({1: 50}, 0.99)
    assert found is not None
    assert found.high is None


def test_latency_is_worse_only_beyond_bounds_and_tolerance() -> None:
    current = counts(2000, latency=dict.fromkeys(range(100), 20))
    slower = counts(2000, latency={bucket + 10: 20 for bucket in range(100)})
    assert worse_latency(current, slower, share=0.9, tolerance_buckets=2)
    assert not worse_latency(current, slower, share=0.9, tolerance_buckets=15)
    assert not worse_latency(current, current, share=0.9, tolerance_buckets=0)


def test_what_came_since_is_a_difference_of_counters() -> None:
    before = counts(10, 1, {1: 9, 2: 1})
    after = counts(15, 3, {1: 12, 2: 1, 3: 2})
    assert after.since(before) == counts(5, 2, {1: 3, 3: 2})


def test_the_interval_of_an_error_rate_holds_it_and_is_whole_without_requests() -> None:
    low, high = error_bounds(counts(1000, 20))
    assert low < 0.02 < high
    assert error_bounds(counts(0)) == (0.0, 1.0)
    assert error_bounds(counts(100, 0))[0] == 0.0


def test_a_tolerance_of_ten_percent_is_two_buckets_of_five() -> None:
    assert buckets_of(0.1, 1.05) == pytest.approx(1.95, abs=0.01)
