"""From zero and back to it, as KEDA goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tidegate.kit.schedule import parse_five_fields
from tidegate.scaling.keda import Bounds, CronTrigger, Fallback, FallbackTo, Seen, step

ZONE = ZoneInfo("Asia/Shanghai")
BOUNDS = Bounds(low=0, high=10, idle=None, cooldown_s=300)


def seen(current: int, active: bool | None, *, quiet_s: float | None = None) -> Seen:
    return Seen(
        now_s=1000.0,
        created_s=0.0,
        current=current,
        active=active,
        last_active_s=None if quiet_s is None else 1000.0 - quiet_s,
    )


@pytest.mark.parametrize(
    ("bounds", "view", "replicas"),
    [
        (BOUNDS, seen(0, True), 1),
        (BOUNDS, seen(4, True), None),
        (BOUNDS, seen(4, False, quiet_s=299), None),
        (BOUNDS, seen(4, False, quiet_s=300), 0),
        (BOUNDS, seen(0, False, quiet_s=900), None),
        (BOUNDS, seen(3, None, quiet_s=900), None),
        (BOUNDS, seen(2, False), 0),
        (Bounds(2, 10, None, 300), seen(1, False), 2),
        (Bounds(2, 10, None, 300), seen(5, False, quiet_s=900), None),
        (Bounds(2, 10, 0, 300), seen(5, False, quiet_s=900), 0),
        (Bounds(2, 10, 0, 300), seen(0, True), 2),
        (Bounds(0, 10, None, 300, initial_cooldown_s=2000), seen(1, False), None),
        (replace(BOUNDS, hold_in=True), seen(4, False, quiet_s=900), None),
        (replace(BOUNDS, hold_in=True), seen(0, True), 1),
        (replace(BOUNDS, hold_out=True), seen(0, True), None),
        (replace(BOUNDS, hold_out=True), seen(4, False, quiet_s=900), 0),
    ],
)
def test_only_an_hpa_changes_what_is_awake(bounds, view, replicas):
    assert step(bounds, view).replicas == replicas


@pytest.mark.parametrize(
    ("to", "sizes"),
    [
        (FallbackTo.STATIC, [6, 6]),
        (FallbackTo.CURRENT, [2, 9]),
        (FallbackTo.CURRENT_IF_HIGHER, [6, 9]),
        (FallbackTo.CURRENT_IF_LOWER, [2, 6]),
    ],
)
def test_a_fallback_is_a_size_or_the_one_there_is(to, sizes):
    rule = Fallback(threshold=3, replicas=6, to=to)
    assert [rule.size(current) for current in (2, 9)] == sizes
    assert [rule.holds(failures) for failures in (3, 4)] == [False, True]


def test_a_cron_trigger_wants_its_replicas_between_start_and_end():
    day = CronTrigger(
        parse_five_fields("0 8 * * *", ZONE), parse_five_fields("0 20 * * *", ZONE), replicas=5
    )

    def at(hour: int) -> float:
        return datetime(2026, 1, 1, hour, 30, tzinfo=ZONE).timestamp()

    assert [day.active(at(h)) for h in (7, 8, 19, 20)] == [False, True, True, False]
    assert [day.value(at(h)) for h in (7, 8)] == [1, 5]
