"""Weighted splits are exact, smooth and deterministic."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.routing import BadWeights, Split

WEIGHTS = st.lists(st.integers(0, 100) | st.integers(0, 100_000), min_size=1, max_size=6).filter(
    any
)


@given(WEIGHTS)
def test_ten_thousand_requests_keep_each_share_within_one_percent(weights):
    split = Split((f"r{i}", weight) for i, weight in enumerate(weights))
    seen = Counter(split.choose() for _ in range(10_000))
    for i, weight in enumerate(weights):
        assert abs(seen[f"r{i}"] - 10_000 * weight / sum(weights)) <= 100


@given(WEIGHTS, st.integers(1, 300))
def test_no_target_is_ever_further_than_the_number_of_targets_from_its_share(weights, turns):
    split = Split((f"r{i}", weight) for i, weight in enumerate(weights))
    seen = Counter(split.choose() for _ in range(turns))
    for i, weight in enumerate(weights):
        assert abs(seen[f"r{i}"] - turns * weight / sum(weights)) <= len(weights)


def test_a_small_share_is_spread_out_and_not_sent_in_a_burst():
    split = Split([("stable", 90), ("canary", 10)])
    at = [i for i in range(1_000) if split.choose() == "canary"]
    assert {later - sooner for sooner, later in pairwise(at)} == {10}


def test_a_target_without_weight_gets_nothing():
    split = Split([("a", 0), ("b", 100)])
    assert {split.choose() for _ in range(100)} == {"b"}


def test_the_same_target_twice_gets_the_sum():
    split = Split([("a", 30), ("b", 50), ("a", 20)])
    assert split.weights == {"a": 50, "b": 50}


@pytest.mark.parametrize("weights", [[], [("a", 0)], [("a", -1), ("b", 2)]])
def test_weights_that_share_out_nothing_are_refused(weights):
    with pytest.raises(BadWeights, match="share out nothing"):
        Split(weights)
