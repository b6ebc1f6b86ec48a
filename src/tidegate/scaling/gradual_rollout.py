"""Moving traffic to a new revision step by step, by time alone.

A target is what a tag (or the route itself) sends to one Configuration: some percent of the route,
served by that Configuration's revisions, oldest to newest. A new revision begins with 1 percent;
once the gateway serves that, the rest follows in equal steps over the asked duration.

Source: Knative, serving pkg/reconciler/route/traffic/rollout.go. Deliberate difference: a percentage
lowered in the middle of a rollout so far that old revisions drop out is just a shorter list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor


@dataclass(frozen=True, slots=True)
class Share:
    """What one revision gets, in percent of the whole route."""

    revision: str
    percent: int


@dataclass(frozen=True, slots=True)
class Target:
    """`revisions` oldest to newest; their percents add up to `percent`. Times in seconds; None: not
    known. `start_s`: the new revision got its first percent. `next_s`: the next step is due.
    `tag` empty: the route itself."""

    tag: str
    configuration: str
    percent: int
    revisions: tuple[Share, ...] = ()
    start_s: float | None = None
    next_s: float | None = None
    step_s: float | None = None
    step_percent: int = 0

    @property
    def moving(self) -> bool:
        return len(self.revisions) > 1

    @property
    def is_sound(self) -> bool:
        """Whether it makes sense: what is read back from where anybody can write may not."""
        return (
            0 <= self.percent <= 100
            and 0 <= self.step_percent <= self.percent
            and all(share.percent >= 0 for share in self.revisions)
            and sum(share.percent for share in self.revisions) == self.percent
        )


Rollout = tuple[Target, ...]


def steady(tag: str, configuration: str, revision: str, percent: int) -> Target:
    """All of it on one revision: where traffic shall end up."""
    return Target(tag, configuration, percent, (Share(revision, percent),))


def observe_ready(rollout: Rollout, *, now_s: float, duration_s: float) -> Rollout:
    """The gateway serves the new revisions' first percent now: plan their further steps.

    As long as that took is the least time between two steps; `duration_s` counts from the start.
    """
    return tuple(
        _planned(target, now_s, duration_s)
        if target.start_s is not None and target.step_s is None
        else target
        for target in rollout
    )


def advance(goal: Rollout, was: Rollout, *, now_s: float) -> tuple[Rollout, float | None]:
    """The shares now, and when to look again (None: nothing is moving by time).

    `goal` has each target on its latest ready revision; `was` is the last answer, empty at first.
    """
    before = {(target.tag, target.configuration): target for target in was}
    now = tuple(
        sorted(
            (
                _advance_one(target, before.get((target.tag, target.configuration)), now_s)
                for target in goal
                if target.percent > 0
            ),
            key=lambda target: (target.tag, target.configuration),
        )
    )
    due = [target.next_s for target in now if target.next_s is not None]
    return now, min(due, default=None)


def _planned(target: Target, now_s: float, duration_s: float) -> Target:
    assert target.start_s is not None
    least_s = max(1.0, float(ceil(now_s - target.start_s)))
    left_s = max(1.0, duration_s - least_s)
    rest = target.percent - 1  # the first percent is there already
    steps = min(max(1.0, left_s / least_s), float(rest))
    step_s = left_s / steps
    return replace(
        target,
        step_percent=floor(rest / steps + 0.5),
        step_s=step_s,
        next_s=now_s + step_s,
    )


def _advance_one(goal: Target, was: Target | None, now_s: float) -> Target:
    if was is None or not was.revisions or not was.is_sound or goal.percent <= 1:
        return goal  # nothing to move away from, or nothing worth moving slowly
    shares = _resized(was.revisions, goal.percent - was.percent)
    newest = goal.revisions[-1].revision
    if newest == shares[-1].revision:
        if len(shares) < 2:
            return goal
        step_percent = min(was.step_percent, goal.percent)  # it was planned for another total
        resized = replace(was, percent=goal.percent, revisions=shares, step_percent=step_percent)
        return _stepped(resized, now_s)
    return replace(goal, revisions=_begun(shares, newest), start_s=now_s)


def _resized(shares: Sequence[Share], more: int) -> tuple[Share, ...]:
    """A larger total goes to the newest; a smaller one is taken from the oldest."""
    if more >= 0:
        newest = shares[-1]
        return (*shares[:-1], replace(newest, percent=newest.percent + more))
    left, out = -more, list(shares)
    while left and out[0].percent <= left and len(out) > 1:
        left -= out.pop(0).percent
    out[0] = replace(out[0], percent=out[0].percent - left)
    return tuple(out)


def _begun(shares: Sequence[Share], newest: str) -> tuple[Share, ...]:
    """One percent for the newest, from the newest before it that has any."""
    out = list(shares)
    giver = max(i for i, share in enumerate(out) if share.percent > 0)
    out[giver] = replace(out[giver], percent=out[giver].percent - 1)
    return (*(share for share in out if share.percent > 0), Share(newest, 1))


def _stepped(target: Target, now_s: float) -> Target:
    """One step further if it is due: the newest takes from the next older ones first."""
    if target.next_s is None or target.step_s is None or now_s < target.next_s:
        return target
    *older, newest = target.revisions
    wanted = min(newest.percent + target.step_percent, target.percent)
    missing = target.step_percent
    while older and missing:
        giver = older[-1]
        if giver.percent > missing:
            older[-1] = replace(giver, percent=giver.percent - missing)
            break
        missing -= giver.percent
        older.pop()
    if not older:
        return steady(target.tag, target.configuration, newest.revision, target.percent)
    revisions = (*older, replace(newest, percent=wanted))
    return replace(target, revisions=revisions, next_s=now_s + target.step_s)
