"""Latencies are kept in buckets narrow enough to judge by, and add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.routing.latency import GROWTH, bucket_of_s, edges_ms, merged, percentile_ms


@given(st.floats(0.000_2, 3600))
def test_a_request_is_in_the_bucket_whose_edges_are_around_it(took_s):
    low, high = edges_ms(bucket_of_s(took_s))
    assert low * (1 - 1e-9) <= took_s * 1000 <= high * (1 + 1e-9)


def test_buckets_are_five_percent_wide_and_leave_no_gap():
    for bucket in range(1, 330):
        low, high = edges_ms(bucket)
        assert high / low == pytest.approx(GROWTH)
        assert edges_ms(bucket + 1)[0] == pytest.approx(high)
    assert edges_ms(0)[0] == 0.0
    assert edges_ms(330)[0] > 600_000  # ten minutes


@pytest.mark.parametrize("took_s", [0.0, -0.001, 1e-9, 0.0001])
def test_what_is_faster_than_we_can_tell_is_in_the_first_bucket(took_s):
    assert bucket_of_s(took_s) == 0


@given(
    st.lists(st.floats(0.001, 60), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99, 1.0])
)
def test_a_percentile_is_within_three_percent_of_the_true_one(took_s, share):
    histogram = merged({bucket_of_s(one): 1} for one in took_s)
    ordered = sorted(took_s)
    at = next(i for i in range(len(ordered)) if i + 1 >= share * len(ordered) - 1e-9)
    assert percentile_ms(histogram, share) == pytest.approx(ordered[at] * 1000, rel=0.03)


def test_nothing_has_no_percentile():
    assert percentile_ms({}, 0.99) is None
