"""Use over windows of equal length."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tidegate.node import steady_usage
from tidegate.node.steady_usage import SteadyUsage
from tidegate.node.usage import Look
from tidegate.testing.clocks import LoopClock

pytestmark = pytest.mark.looptime


@pytest.fixture
def looks(monkeypatch):
    """Pod a burns half a core all the time; the times of the looks that were taken."""
    taken: list[float] = []

    def look(processes: Any, now_s: float) -> Look:
        taken.append(now_s)
        return Look(now_s, {"a/main/0": int(now_s * 5e8)}, {"a/main/0": 1024}, 0, 0)

    monkeypatch.setattr(steady_usage, "look", look)
    return taken


def usage(clock: LoopClock) -> SteadyUsage:
    keeper: Any = SimpleNamespace(processes={})
    return SteadyUsage(keeper, clock, "node")


async def test_whoever_asks_within_ten_seconds_gets_the_same_window(looks):
    clock = LoopClock()
    steady = usage(clock)
    await steady.measure()
    await clock.sleep(15)
    first = await steady.measure()
    await clock.sleep(9)
    again = await steady.measure()
    await clock.sleep(6)
    later = await steady.measure()
    assert first is again
    assert [round(m.window_s) for m in (first, later)] == [15, 15]
    assert later.containers["a", "main"].cpu_nano == pytest.approx(5e8, rel=0.01)


async def test_without_a_look_before_a_second_is_waited_out(looks):
    clock = LoopClock()
    began_s = clock.monotonic()
    found = await usage(clock).measure()
    assert found.window_s == pytest.approx(1.0)
    assert clock.monotonic() - began_s == pytest.approx(1.0, abs=0.1)


async def test_a_look_from_long_ago_begins_no_window(looks):
    clock = LoopClock()
    steady = usage(clock)
    await steady.measure()
    await clock.sleep(300)
    found = await steady.measure()
    assert found.window_s == pytest.approx(1.0)
