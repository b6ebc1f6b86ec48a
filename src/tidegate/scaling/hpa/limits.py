"""How far one visit may go: rates, then the least and the most that the spec allows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import ceil

from tidegate.scaling.hpa.spec import Behavior, PolicyType, Rules, Select
from tidegate.scaling.hpa.state import HpaState, ScaleEvent

_WITHIN = ("DesiredWithinRange", "the desired count is within the acceptable range")
_TOO_FEW = (
    "TooFewReplicas",
    "the desired replica count is less than the minimum replica count",
)
_TOO_MANY = (
    "TooManyReplicas",
    "the desired replica count is more than the maximum replica count",
)
_UP = (
    "ScaleUpLimit",
    "the desired replica count is increasing faster than the maximum scale rate",
)
_DOWN = (
    "ScaleDownLimit",
    "the desired replica count is decreasing faster than the maximum scale rate",
)


@dataclass(frozen=True, slots=True)
class Limited:
    replicas: int
    reason: str
    message: str


def limited(wanted: int, *, current: int, least: int, most: int) -> Limited:
    """Without a behaviour: at most twice as many, or four."""
    fast = max(2 * current, 4)
    upper, why = (fast, _UP) if most > fast else (most, _TOO_MANY)
    if wanted < least:
        return Limited(least, *_TOO_FEW)
    if wanted > upper:
        return Limited(upper, *why)
    return Limited(wanted, *_WITHIN)


def limited_by(
    behavior: Behavior, state: HpaState, wanted: int, *, current: int, least: int, most: int,
    now_s: float,
) -> Limited:  # fmt: skip
    """With one: its policies for the direction that `wanted` goes. Staying is never limited."""
    if wanted > current:
        limit = max(current, _limit(behavior.up, state, current, now_s, sign=1))
        upper, why = (limit, _UP) if limit < most else (most, _TOO_MANY)
        if wanted > upper:
            return Limited(upper, *why)
    elif wanted < current:
        limit = min(current, _limit(behavior.down, state, current, now_s, sign=-1))
        lower, why = (limit, _DOWN) if limit > least else (least, _TOO_FEW)
        if wanted < lower:
            return Limited(lower, *why)
    return Limited(wanted, *_WITHIN)


def _limit(rules: Rules, state: HpaState, current: int, now_s: float, *, sign: int) -> int:
    """Where the policies end, before it is held against `current`. Both directions' changes count:
    a policy goes by what there was when its period began."""
    if rules.select is Select.DISABLED:
        return current
    ends = []
    for policy in rules.policies:
        added = _changed(state.ups, policy.period_s, now_s)
        removed = _changed(state.downs, policy.period_s, now_s)
        start = current - added + removed
        if policy.type is PolicyType.PODS:
            ends.append(start + sign * policy.value)
        else:
            end = float(start) * (1 + sign * float(policy.value) / 100)
            ends.append(ceil(end) if sign > 0 else int(end))
    largest_change = (rules.select is Select.MAX) == (sign > 0)
    return max(ends) if largest_change else min(ends)


def _changed(events: Iterable[ScaleEvent], period_s: float, now_s: float) -> int:
    return sum(event.change for event in events if event.at_s > now_s - period_s)


def recorded(
    state: HpaState, behavior: Behavior | None, *, old: int, new: int, now_s: float
) -> HpaState:
    """With a change that was made; only a behaviour's policies ask for it."""
    if behavior is None or new == old:
        return state
    if new > old:
        period_s = behavior.up.longest_period_s
        return replace(state, ups=_added(state.ups, new - old, period_s, now_s))
    period_s = behavior.down.longest_period_s
    return replace(state, downs=_added(state.downs, old - new, period_s, now_s))


def _added(
    events: tuple[ScaleEvent, ...], change: int, period_s: float, now_s: float
) -> tuple[ScaleEvent, ...]:
    marked = tuple(
        replace(event, stale=True) if event.at_s < now_s - period_s else event for event in events
    )
    stale = [place for place, event in enumerate(marked) if event.stale]
    new = ScaleEvent(change, now_s)
    if not stale:
        return (*marked, new)
    return (*marked[: stale[-1]], new, *marked[stale[-1] + 1 :])
