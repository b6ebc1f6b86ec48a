"""Which start of a CronJob is due, and when the next one is. Pure.

Source: kubernetes pkg/controller/cronjob/utils.go (`mostRecentScheduleTime`). Left out on purpose: its
estimate of the latest missed start from the distance of two, which finds none where a schedule has
gaps (`*/5 9-10 * * *`, looked at in the next morning).
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.kit.schedule import Schedule

#: More missed starts than these are told as an event.
MANY = 100
_YEARS_S = 8 * 366 * 86400.0  # a 29 February may be that far away


@dataclass(frozen=True, slots=True)
class Times:
    """`due_s`: the latest start that has come and was not made, None: none has. `many`: there were more
    than `MANY`. `next_s`: the one after now, None: there is none."""

    due_s: float | None
    many: bool
    next_s: float | None


def times(schedule: Schedule, *, since_s: float, deadline_s: int | None, now_s: float) -> Times:
    """`since_s`: the last start that was made, else the CronJob's birth. `deadline_s`: starts that are
    later than this are given up; None: never."""
    latest = _latest(schedule, since_s, now_s)
    next_s = schedule.after(since_s if latest is None else latest)
    floor_s = since_s if deadline_s is None else max(since_s, now_s - deadline_s)
    if latest is None or latest <= floor_s:
        return Times(None, many=False, next_s=next_s)
    return Times(latest, many=_are_many(schedule, floor_s, now_s), next_s=next_s)


def _latest(schedule: Schedule, since_s: float, now_s: float) -> float | None:
    """The last due time after `since_s` that is not after `now_s`."""
    first = schedule.after(since_s)
    if first is None or first > now_s:
        return None
    if schedule.every_s is not None:  # counted from the last start, whatever the clock says
        return since_s + (now_s - since_s) // schedule.every_s * schedule.every_s
    step_s = 60.0
    while not _has_one(schedule, now_s - step_s, now_s) and now_s - step_s > since_s:
        step_s = min(2 * step_s, _YEARS_S)
    low, high = max(since_s, now_s - step_s), now_s  # the last one is after low, none after high
    while high - low > 1:
        middle = float(round((low + high) / 2))
        low, high = (middle, high) if _has_one(schedule, middle, now_s) else (low, middle)
    latest = schedule.after(low)
    return latest if latest is not None and latest <= now_s else first


def _has_one(schedule: Schedule, after_s: float, until_s: float) -> bool:
    due_s = schedule.after(after_s)
    return due_s is not None and due_s <= until_s


def _are_many(schedule: Schedule, floor_s: float, now_s: float) -> bool:
    """By the distance of the first two, as upstream."""
    first = schedule.after(floor_s)
    second = None if first is None else schedule.after(first)
    if first is None or second is None or second > now_s:
        return False
    return (now_s - first) // (second - first) + 1 > MANY
