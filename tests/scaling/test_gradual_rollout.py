"""Traffic moves to a new revision in steps; nothing is lost or made on the way."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tidegate.scaling.gradual_rollout import (
    Rollout,
    Share,
    Target,
    advance,
    observe_ready,
    steady,
)


def shares(rollout: Rollout) -> dict[str, int]:
    (target,) = rollout
    return {share.revision: share.percent for share in target.revisions}


def begun(
    *, percent: int = 100, at_s: float = 1000.0, ready_after_s: float, duration_s: float
) -> Rollout:
    """A rollout from r1 to r2 whose first percent the gateway served after so long."""
    was, _ = advance((steady("", "c", "r1", percent),), (), now_s=at_s - 100)
    now, _ = advance((steady("", "c", "r2", percent),), was, now_s=at_s)
    return observe_ready(now, now_s=at_s + ready_after_s, duration_s=duration_s)


def table(rollout: Rollout, goal: Rollout) -> list[tuple[float, int]]:
    """When the newest gets how much, until nothing moves any more."""
    seen = []
    while rollout[0].next_s is not None:
        now_s = rollout[0].next_s
        rollout, _ = advance(goal, rollout, now_s=now_s)
        seen.append((now_s, rollout[0].revisions[-1].percent))
    return seen


def test_the_first_revision_gets_everything_at_once():
    assert advance((steady("", "c", "r1", 100),), (), now_s=0.0) == (
        (steady("", "c", "r1", 100),),
        None,
    )


def test_a_new_revision_begins_with_one_percent_and_waits_for_the_gateway():
    was = (steady("", "c", "r1", 100),)
    now, due = advance((steady("", "c", "r2", 100),), was, now_s=7.0)
    assert (shares(now), due) == ({"r1": 99, "r2": 1}, None)
    later, due = advance((steady("", "c", "r2", 100),), now, now_s=500.0)
    assert (later, due) == (now, None)


def test_two_minutes_with_a_second_for_the_first_percent():
    """119 s are left, which is more than the 99 steps of one percent that there are."""
    rollout = begun(ready_after_s=0.2, duration_s=120)
    (target,) = rollout
    assert (target.step_percent, target.step_s) == (1, pytest.approx(119 / 99))
    steps = table(rollout, (steady("", "c", "r2", 100),))
    assert [percent for _, percent in steps] == list(range(2, 101))
    assert steps[-1][0] == pytest.approx(1000.2 + 119)


def test_one_minute_takes_steps_of_two_percent():
    rollout = begun(ready_after_s=1, duration_s=60)
    (target,) = rollout
    assert (target.step_percent, target.step_s) == (2, pytest.approx(1.0))
    assert [p for _, p in table(rollout, (steady("", "c", "r2", 100),))] == [*range(3, 100, 2), 100]


def test_a_slow_gateway_makes_few_large_steps():
    """Ten seconds for the first percent leave 30 of 40: three steps of a third each."""
    rollout = begun(ready_after_s=9.5, duration_s=40)
    goal = (steady("", "c", "r2", 100),)
    assert table(rollout, goal) == [(1019.5, 34), (1029.5, 67), (1039.5, 100)]


def test_a_gateway_slower_than_the_whole_rollout_leaves_one_step():
    rollout = begun(ready_after_s=100, duration_s=30)
    assert table(rollout, (steady("", "c", "r2", 100),)) == [(1101.0, 100)]


def test_a_small_share_moves_in_steps_of_its_own():
    rollout = begun(percent=5, ready_after_s=1, duration_s=9)
    goal = (steady("", "c", "r2", 5),)
    assert table(rollout, goal) == [(1003.0, 2), (1005.0, 3), (1007.0, 4), (1009.0, 5)]


@pytest.mark.parametrize("percent", [0, 1])
def test_nothing_or_one_percent_switches_directly(percent):
    was = (steady("", "c", "r1", percent),)
    now, due = advance((steady("", "c", "r2", percent),), was, now_s=0.0)
    assert due is None
    assert [t.revisions for t in now] == [(Share("r2", 1),)] * percent


def test_another_revision_in_the_middle_begins_anew_and_takes_from_the_newest():
    goal = (steady("", "c", "r2", 100),)
    rollout = begun(ready_after_s=9.5, duration_s=40)
    rollout, _ = advance(goal, rollout, now_s=1019.5)
    now, due = advance((steady("", "c", "r3", 100),), rollout, now_s=1020.0)
    assert (shares(now), due) == ({"r1": 66, "r2": 33, "r3": 1}, None)
    now = observe_ready(now, now_s=1030.0, duration_s=40)
    now, _ = advance((steady("", "c", "r3", 100),), now, now_s=1040.0)
    assert shares(now) == {"r1": 66, "r3": 34}, "the newest of the older ones gives first"


def test_a_larger_total_goes_to_the_newest_and_a_smaller_one_is_taken_from_the_oldest():
    rollout = begun(percent=50, ready_after_s=1, duration_s=600)
    more, _ = advance((steady("", "c", "r2", 70),), rollout, now_s=1001.5)
    assert shares(more) == {"r1": 49, "r2": 21}
    less, _ = advance((steady("", "c", "r2", 30),), rollout, now_s=1001.5)
    assert shares(less) == {"r1": 29, "r2": 1}


def test_each_tag_and_configuration_moves_for_itself_and_a_new_one_takes_its_share_at_once():
    was = (steady("", "a", "a1", 50), steady("next", "a", "a1", 100))
    goal = (steady("", "a", "a2", 50), steady("", "b", "b1", 50), steady("next", "a", "a2", 100))
    now, _ = advance(goal, was, now_s=0.0)
    assert [(t.tag, t.configuration, len(t.revisions)) for t in now] == [
        ("", "a", 2),
        ("", "b", 1),
        ("next", "a", 2),
    ]


def test_a_state_that_makes_no_sense_is_forgotten():
    wrong = (Target("", "c", 100, (Share("r1", 70), Share("r2", 70))),)
    now, _ = advance((steady("", "c", "r3", 100),), wrong, now_s=0.0)
    assert shares(now) == {"r3": 100}


@given(
    totals=st.lists(st.integers(0, 100), min_size=1, max_size=8),
    moves=st.lists(
        st.tuples(st.sampled_from(["time", "revision", "total", "ready"]), st.integers(0, 100)),
        max_size=40,
    ),
)
@example(
    totals=[4],
    moves=[("revision", 0), ("total", 34), ("time", 30), ("ready", 0), ("total", 32)],
)
def test_shares_always_add_up_and_the_newest_only_grows_while_the_goal_stays(totals, moves):
    now_s, revision, total = 0.0, 1, totals[0]
    rollout, _ = advance((steady("", "c", "r1", total),), (), now_s=now_s)
    for what, amount in moves:
        before = rollout
        if what == "time":
            now_s += amount
        elif what == "revision":
            revision += 1
        elif what == "total":
            total = amount
        else:
            rollout = observe_ready(rollout, now_s=now_s, duration_s=60)
        rollout, due = advance((steady("", "c", f"r{revision}", total),), rollout, now_s=now_s)
        for target in rollout:
            assert target.is_sound
            assert target.percent == total
            assert target.revisions[-1].revision == f"r{revision}"
            assert all(share.percent > 0 for share in target.revisions)
        assert due is None or due > now_s
        if what == "time" and before and rollout:
            assert rollout[0].revisions[-1].percent >= before[0].revisions[-1].percent
