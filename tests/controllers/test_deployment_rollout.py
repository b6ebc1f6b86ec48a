"""Rollouts as numbers: never under what was promised, never over the surge, and always to an end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tidegate.controllers.deployment.rollout import (
    Scale,
    Sized,
    Wish,
    first_size,
    is_scaling,
    plan_recreate,
    plan_rolling,
    plan_scaling,
)


def sized(name: str, replicas: int, available: int | None = None, *, at: int = 0, **noted) -> Sized:
    """All of it available unless said otherwise; `at` orders sets."""
    have = replicas if available is None else available
    return Sized(name, replicas, have, created=(f"{at:03}", name), **noted)


def sizes(plan: tuple[Scale, ...]) -> dict[str, int]:
    return {scale.name: scale.replicas for scale in plan}


# --- rolling


def test_the_new_set_grows_into_the_surge_first():
    wish = Wish(10, surge=3, unavailable=2)
    assert sizes(plan_rolling(wish, sized("new", 0), [sized("old", 10)])) == {"new": 3}


def test_then_old_ones_make_room_but_count_what_is_not_yet_available_as_missing():
    wish = Wish(10, surge=3, unavailable=2)
    plan = plan_rolling(wish, sized("new", 3, 0), [sized("old", 10)])
    assert sizes(plan) == {"old": 8}


def test_old_pods_that_nobody_can_use_go_first():
    wish = Wish(10, surge=0, unavailable=2)
    old = [sized("older", 4, 4, at=1), sized("broken", 6, 4, at=2)]
    assert sizes(plan_rolling(wish, sized("new", 0), old)) == {"broken": 4}


def test_the_oldest_set_shrinks_first():
    wish = Wish(4, surge=0, unavailable=1)
    old = [sized("second", 2, at=2), sized("first", 2, at=1)]
    assert sizes(plan_rolling(wish, sized("new", 0), old)) == {"first": 1}


def test_a_first_rollout_gets_all_at_once_and_a_later_one_the_surge():
    wish = Wish(4, surge=1)
    assert first_size(wish, []) == 4
    assert first_size(wish, [sized("old", 4)]) == 1


def test_what_is_too_large_is_cut_at_once():
    assert sizes(plan_rolling(Wish(2, surge=1), sized("new", 5), [])) == {"new": 2}


@given(
    replicas=st.integers(0, 30),
    surge=st.integers(0, 10),
    unavailable=st.integers(0, 10),
    old=st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), min_size=1, max_size=4),
    pace=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), max_size=40),
)
def test_a_rollout_keeps_its_promises_and_ends(replicas, surge, unavailable, old, pace):
    """Each round some new pods become available, and some of them fail again."""
    assume(surge or unavailable)
    wish = Wish(replicas, surge=surge, unavailable=min(unavailable, replicas))
    sets = {f"old{i}": sized(f"old{i}", n, min(n, ready), at=i) for i, (n, ready) in enumerate(old)}
    sets["new"] = sized("new", 0, at=99)
    most = max(wish.most, sum(s.replicas for s in sets.values()))
    least = replicas - wish.unavailable
    for become, fail in [*pace, *[(3, 0)] * 120]:
        before = sum(s.available for s in sets.values())
        for scale in _step(wish, sets):
            was = sets[scale.name]
            # the kubelet's view: what isn't available goes first
            sets[scale.name] = replace(
                was, replicas=scale.replicas, available=min(was.available, scale.replicas)
            )
        assert sum(s.replicas for s in sets.values()) <= most
        assert sum(s.available for s in sets.values()) >= min(before, least)
        new = sets["new"]
        available = max(0, min(new.replicas, new.available + become) - fail)
        sets["new"] = replace(new, available=available)
    assert {name: s.replicas for name, s in sets.items() if s.replicas} == (
        {"new": replicas} if replicas else {}
    )


def _step(wish: Wish, sets: dict[str, Sized]) -> tuple[Scale, ...]:
    return plan_rolling(wish, sets["new"], [s for name, s in sets.items() if name != "new"])


# --- recreate


def test_recreate_waits_until_every_old_pod_is_gone():
    wish = Wish(3, recreate=True)
    new = sized("new", 0)
    assert sizes(plan_recreate(wish, new, [sized("old", 3)], old_pods_left=True)) == {"old": 0}
    assert plan_recreate(wish, new, [sized("old", 0)], old_pods_left=True) == ()
    assert sizes(plan_recreate(wish, new, [sized("old", 0)], old_pods_left=False)) == {"new": 3}
    assert plan_recreate(wish, sized("new", 3), [], old_pods_left=False) == ()


# --- a changed count


def test_a_change_is_noticed_by_what_was_noted_on_sets_with_pods():
    noted = sized("a", 3, noted_wanted=3)
    assert not is_scaling(Wish(3), [noted])
    assert is_scaling(Wish(5), [noted])
    assert not is_scaling(Wish(5), [sized("a", 0, noted_wanted=0), sized("b", 3)])


def test_a_lone_set_just_follows_the_count():
    assert sizes(plan_scaling(Wish(5), sized("new", 2), [sized("old", 0)])) == {"new": 5}
    assert sizes(plan_scaling(Wish(5), None, [sized("a", 0, at=1), sized("b", 0, at=2)])) == {
        "b": 5
    }


def test_in_the_middle_of_a_rollout_every_set_gets_its_share():
    """Kubernetes' own example: 10 replicas, surge 3; scaled to 15 while 8 old and 5 new are there."""
    wish = Wish(15, surge=3)
    old = sized("old", 8, at=1, noted_wanted=10, noted_most=13)
    new = sized("new", 5, at=2, noted_wanted=10, noted_most=13)
    assert sizes(plan_scaling(wish, new, [old])) == {"old": 11, "new": 7}


@pytest.mark.parametrize(
    ("was", "now", "sets", "expected"),
    [
        pytest.param((5, 0), (10, 0), (3, 2), (6, 4), id="5 to 10"),
        pytest.param((5, 0), (3, 0), (3, 2), (2, 1), id="5 to 3"),
        pytest.param((9, 0), (4, 0), (1, 8), (0, 4), id="9 to 4"),
        pytest.param((7, 0), (10, 0), (2, 3, 2), (3, 4, 3), id="7 to 10"),
        pytest.param((13, 0), (8, 0), (3, 8, 2), (2, 5, 1), id="13 to 8"),
        pytest.param(
            (3, 0), (4, 0), (1, 1, 1), (1, 1, 2), id="what is left over goes to the newest"
        ),
        pytest.param((3, 0), (2, 0), (1, 1, 1), (0, 1, 1), id="or comes from the oldest"),
        pytest.param((6, 0), (0, 0), (1, 2, 3), (0, 0, 0), id="6 to nothing"),
        pytest.param((10, 2), (20, 2), (6, 6), (11, 11), id="with surge"),
        pytest.param((10, 3), (50, 6), (8, 5), (34, 22), id="surge and size both change"),
    ],
)
def test_a_changed_count_is_spread_as_upstreams_own_examples_have_it(was, now, sets, expected):
    """`was` and `now` are (replicas, surge), `sets` from the oldest to the newest."""
    noted = {"noted_wanted": was[0], "noted_most": sum(was)}
    *old, new = [sized(f"v{i}", n, at=i, **noted) for i, n in enumerate(sets)]
    after = sizes(plan_scaling(Wish(now[0], surge=now[1]), new, old))
    assert tuple(after[f"v{i}"] for i in range(len(sets))) == expected


def test_while_there_is_no_set_of_the_new_template_the_newest_old_one_grows_first():
    noted = {"noted_wanted": 4, "noted_most": 4}
    old = [sized("v1", 2, at=1, **noted), sized("v2", 2, at=2, **noted)]
    assert sizes(plan_scaling(Wish(5), None, old)) == {"v1": 2, "v2": 3}


def test_a_spread_that_was_cut_short_goes_on_where_it_was():
    """One of three sets had not been written when something failed."""
    new = sized("v3", 2, at=3, noted_wanted=5, noted_most=5)
    old = [
        sized("v1", 1, at=1, noted_wanted=5, noted_most=5),
        sized("v2", 1, at=2, noted_wanted=3, noted_most=3),
    ]
    assert sizes(plan_scaling(Wish(5), new, old)) == {"v1": 1, "v2": 2, "v3": 2}


def test_a_new_set_that_is_full_but_broken_takes_nothing_from_old_ones():
    new = sized("v2", 2, 0, at=2, noted_wanted=2, noted_most=3)
    old = [sized("v1", 1, at=1, noted_wanted=2, noted_most=3)]
    assert sizes(plan_scaling(Wish(2, surge=1, unavailable=1), new, old)) == {"v1": 1, "v2": 2}


def test_down_to_nothing_ends_all():
    old = sized("old", 8, at=1, noted_wanted=10, noted_most=13)
    new = sized("new", 5, at=2, noted_wanted=10, noted_most=13)
    assert sizes(plan_scaling(Wish(0, surge=0), new, [old])) == {"old": 0, "new": 0}


def test_when_the_new_set_has_all_it_needs_old_ones_end():
    new = sized("new", 3, noted_wanted=3, at=2)
    assert sizes(plan_scaling(Wish(3, surge=1), new, [sized("old", 1, at=1)])) == {"old": 0}


@given(
    replicas=st.integers(0, 40),
    surge=st.integers(0, 10),
    noted=st.integers(1, 40),
    counts=st.lists(st.integers(1, 20), min_size=2, max_size=5),
)
def test_a_changed_count_is_spread_without_going_over(replicas, surge, noted, counts):
    wish = Wish(replicas, surge=surge)
    sets = [
        sized(f"s{i}", n, at=i, noted_wanted=noted, noted_most=sum(counts))
        for i, n in enumerate(counts)
    ]
    assume(not (sets[-1].replicas == replicas == noted))
    after = sizes(plan_scaling(wish, sets[-1], sets[:-1]))
    assert all(size >= 0 for size in after.values())
    assert sum(after.values()) == (wish.most if replicas else 0)


@pytest.mark.parametrize("count", [1, 4, 9])
def test_what_is_as_wished_is_left_alone(count):
    new = sized("new", count, noted_wanted=count)
    assert plan_rolling(Wish(count, surge=1), new, [sized("old", 0)]) == ()
