"""The lag of a consumer group, as KEDA counts it."""

from __future__ import annotations

import pytest

from tidegate.scaling.kafka_lag import Lag, LagRule, Offsets, total_lag


def at(committed: int | None, end: int, partition: int = 0) -> Offsets:
    return Offsets("orders", partition, committed, end)


def lag(rule: LagRule, *seen: Offsets) -> Lag:
    return total_lag(rule, seen, {})[0]


def test_the_lag_is_what_lies_behind_the_commit_over_all_partitions():
    assert lag(LagRule(threshold=100), at(5, 20), at(7, 7, 1)) == Lag(15, 15)


def test_no_more_consumers_are_asked_for_than_there_are_partitions():
    assert lag(LagRule(threshold=10), at(0, 500), at(0, 500, 1)) == Lag(20, 1000)


def test_idle_consumers_may_be_allowed():
    assert lag(LagRule(threshold=10, allow_idle=True), at(0, 500)) == Lag(500, 500)


def test_only_partitions_with_lag_may_be_counted():
    rule = LagRule(threshold=10, only_with_lag=True)
    assert lag(rule, at(0, 500), at(9, 9, 1)) == Lag(10, 500)


@pytest.mark.parametrize(("behind", "consumers"), [(0, 1), (11, 2), (21, 3), (41, 6), (990, 6)])
def test_partitions_may_be_shared_evenly(behind, consumers):
    topic = [at(0, behind), *(at(0, 0, n) for n in range(1, 6))]
    assert lag(LagRule(threshold=10, even=True), *topic) == Lag(10 * consumers, behind)


@pytest.mark.parametrize(
    ("rule", "events"),
    [
        pytest.param(LagRule(), 1, id="one event, so that somebody comes and commits"),
        pytest.param(LagRule(zero_on_invalid=True), 0, id="none, where that is wished"),
        pytest.param(
            LagRule(threshold=100, earliest=True), 42, id="all, if it begins at the start"
        ),
        pytest.param(
            LagRule(earliest=True, zero_on_invalid=True), 0, id="none there too, where it is wished"
        ),
    ],
)
def test_a_group_that_committed_nothing_counts(rule, events):
    assert lag(rule, at(None, 42)) == Lag(events, events)


def test_a_commit_that_stands_still_counts_for_nothing_but_to_wake_the_first():
    rule = LagRule(threshold=100, exclude_persistent=True)
    first, seen = total_lag(rule, [at(5, 20), at(1, 4, 1)], {})
    second, _ = total_lag(rule, [at(5, 30), at(3, 4, 1)], seen)
    assert first == Lag(18, 18)
    assert second == Lag(1, 26)


def test_a_topic_made_anew_behind_the_commit_has_no_lag():
    assert lag(LagRule(), at(50, 3)) == Lag(0, 0)
