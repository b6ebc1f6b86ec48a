"""Which revisions go, and in what order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.policy.config_gc import GcConfig, parse_config_gc
from tidegate.policy.errors import BadConfig
from tidegate.policy.revision_gc import Candidate, collect

HOUR = 3600.0
NOW = 1_000 * HOUR


def idle(name: str, *, created_h_ago: float, active_h_ago: float | None = None) -> Candidate:
    """Without traffic since then (None: since it was made)."""
    active_h = created_h_ago if active_h_ago is None else active_h_ago
    return Candidate(name, NOW - created_h_ago * HOUR, NOW - active_h * HOUR, in_use=False)


SERVING = Candidate("serving", 0.0, 0.0, in_use=True)
KEEP_NONE = GcConfig(min_non_active=0)


def names(revisions: list[Candidate], config: GcConfig) -> list[str]:
    return [name for name, _ in collect(revisions, config, now_s=NOW).gone]


def test_what_is_in_use_stays_however_old():
    assert names([SERVING, idle("old", created_h_ago=900)], KEEP_NONE) == ["old"]


def test_both_ages_must_have_passed():
    young = idle("young", created_h_ago=47)
    recent = idle("recent", created_h_ago=900, active_h_ago=14)
    due = idle("due", created_h_ago=49, active_h_ago=16)
    assert names([SERVING, young, recent, due], KEEP_NONE) == ["due"]


def test_a_disabled_age_always_passes_unless_both_are():
    config = GcConfig(retain_since_create_s=None, min_non_active=0)
    assert names([idle("a", created_h_ago=16)], config) == ["a"]
    config = GcConfig(None, None, min_non_active=0)
    assert names([idle("a", created_h_ago=900)], config) == []


def test_stale_ones_go_oldest_first_down_to_the_minimum():
    old = [idle(f"r{age}", created_h_ago=age) for age in (100, 300, 200)]
    config = GcConfig(min_non_active=1)
    assert names([SERVING, *old], config) == ["r300", "r200"]


def test_over_the_maximum_the_oldest_go_whatever_their_age():
    fresh = [idle(f"r{age}", created_h_ago=age) for age in (1, 3, 2)]
    config = GcConfig(min_non_active=0, max_non_active=1)
    assert names([SERVING, *fresh], config) == ["r3", "r2"]


def test_everything_can_go_at_once_when_asked_for():
    config = parse_config_gc(
        {
            "retain-since-create-time": "disabled",
            "retain-since-last-active-time": "disabled",
            "min-non-active-revisions": "0",
            "max-non-active-revisions": "0",
        }
    )
    assert names([SERVING, idle("a", created_h_ago=0)], config) == ["a"]


def test_nothing_goes_when_all_limits_are_disabled():
    config = GcConfig(None, None, min_non_active=0, max_non_active=None)
    assert names([idle("a", created_h_ago=900)], config) == []


def test_the_next_look_is_when_the_next_one_becomes_due():
    young = idle("young", created_h_ago=40)
    again = collect([SERVING, young], KEEP_NONE, now_s=NOW).look_again_s
    assert again == pytest.approx(8 * HOUR)
    assert collect([SERVING], KEEP_NONE, now_s=NOW).look_again_s is None


@given(
    ages=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100), st.booleans()), max_size=12),
    least=st.integers(0, 5),
    more=st.integers(0, 5),
)
def test_never_one_in_use_never_below_the_minimum_never_above_the_maximum(ages, least, more):
    revisions = [
        Candidate(f"r{i}", NOW - created * HOUR, NOW - active * HOUR, in_use)
        for i, (created, active, in_use) in enumerate(ages)
    ]
    config = GcConfig(min_non_active=least, max_non_active=least + more)
    gone = set(names(revisions, config))
    unused = {r.name for r in revisions if not r.in_use}
    assert gone <= unused
    assert len(unused - gone) >= min(least, len(unused))
    assert len(unused - gone) <= max(least + more, 0)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"min-non-active-revisions": "5", "max-non-active-revisions": "2"}, "must be <="),
        ({"min-non-active-revisions": "-1"}, "must be non-negative, was: -1"),
        ({"retain-since-create-time": "-1h"}, "retain-since-create-time must be non-negative"),
        ({"retain-since-last-active-time": "soon"}, "failed to parse"),
    ],
)
def test_a_map_that_makes_no_sense_is_refused(data, why):
    with pytest.raises(BadConfig, match=why):
        parse_config_gc(data)
