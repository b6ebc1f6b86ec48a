"""Stabilisation: a proposal against those of the last minutes, so that the count doesn't flap."""

from __future__ import annotations

from collections.abc import Callable

from tidegate.scaling.hpa.spec import Behavior, HpaConfig
from tidegate.scaling.hpa.state import Recommendation

History = tuple[Recommendation, ...]


def held(history: History, proposed: int, *, window_s: float, now_s: float) -> tuple[int, History]:
    """Without a behaviour: the greatest proposal of the window, its very start included."""
    begin_s = now_s - window_s
    most = max([proposed, *(r.replicas for r in history if not r.at_s < begin_s)])
    return most, _remembered(history, Recommendation(proposed, now_s), lambda r: r.at_s < begin_s)


def held_both_ways(
    history: History,
    proposed: int,
    *,
    current: int,
    behavior: Behavior,
    config: HpaConfig,
    now_s: float,
) -> tuple[int, History]:
    """With one: not above the least of the upward window, not below the greatest of the downward one.
    The windows' very start is outside, and a window of 0 holds nothing."""
    up_s = now_s - (behavior.up.window_s or 0)
    down_window_s = behavior.down.window_s
    down_s = now_s - (config.downscale_window_s if down_window_s is None else down_window_s)
    least = min([proposed, *(r.replicas for r in history if r.at_s > up_s)])
    most = max([proposed, *(r.replicas for r in history if r.at_s > down_s)])
    result = min(max(current, least), most)
    new = Recommendation(proposed, now_s)
    return result, _remembered(history, new, lambda r: r.at_s < up_s and r.at_s < down_s)


def _remembered(
    history: History, new: Recommendation, is_old: Callable[[Recommendation], bool]
) -> History:
    """The newest takes the place of the last one that is too old."""
    old = [place for place, recommendation in enumerate(history) if is_old(recommendation)]
    if not old:
        return (*history, new)
    return (*history[: old[-1]], new, *history[old[-1] + 1 :])
