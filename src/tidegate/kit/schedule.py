"""When a cron line is due, in a time zone. Pure: instants in, instants out.

The calendar is the library cronsim's. What it leaves open is decided here: a line with fixed hours and
minutes is about the clock on the wall, so a time that a day doesn't have (spring) is due at the instant
the clocks jump, and one that it has twice (autumn) is due the first time only. A line whose minutes or
hours begin with `*` is about time that passes, and follows that through both.

Sources: ack.md's six fields of kubernetes-cronhpa-controller; robfig/cron for `@every` and the names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from cronsim import CronSim, CronSimError

from tidegate.kit.duration import parse_duration

_NAMED = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
_EVERY, _DATE = "@every ", "@date "
_DATE_FORM = "%Y-%m-%d %H:%M:%S"


class BadSchedule(ValueError):
    """A line that says no time. The text names what is wrong in it, without the line."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """One line. Exactly one of `cron`, `every_s` and `at` is set.

    `cron` has six fields, seconds first; `at` is a time on the wall of `zone`.
    """

    text: str
    zone: tzinfo
    cron: str | None = None
    every_s: float | None = None
    at: datetime | None = None

    @property
    def once(self) -> bool:
        """It is due a single time."""
        return self.at is not None

    def after(self, instant_s: float) -> float | None:
        """The first time it is due that is later than this (seconds since the epoch); None: never."""
        if self.every_s is not None:
            return instant_s + self.every_s
        if self.at is not None:
            due_s = self._instant(self.at)
            return due_s if due_s > instant_s else None
        for due_s in self._times(instant_s):
            if due_s > instant_s:
                return due_s
        return None

    def _times(self, instant_s: float) -> Iterator[float]:
        """Due times from about this instant on, in order."""
        assert self.cron is not None
        began = datetime.fromtimestamp(instant_s, self.zone)
        if not _fixed(self.cron):
            for due in CronSim(self.cron, began):
                yield due.timestamp()
            return
        # A day before: a wall time that was skipped is due an hour later than it says.
        wall = began.replace(tzinfo=None) - timedelta(days=1)
        seen_s = float("-inf")
        for due in CronSim(self.cron, wall):
            due_s = self._instant(due)
            if due_s > seen_s:
                seen_s = due_s
                yield due_s

    def _instant(self, wall: datetime) -> float:
        """When the clock on the wall shows this the first time; a skipped time: when it is jumped."""
        there = wall.replace(tzinfo=self.zone, fold=0)
        real = there.astimezone(UTC)
        if real.astimezone(self.zone).replace(tzinfo=None) == wall:
            return real.timestamp()
        before = there.utcoffset() or timedelta(0)
        later = wall.replace(tzinfo=self.zone, fold=1).utcoffset() or timedelta(0)
        # In a gap, fold 0 has the offset from before it and fold 1 the one after.
        gap = abs(later - before)
        low = real - gap - timedelta(seconds=1)
        return _jump(low, real, self.zone)


def _jump(low: datetime, high: datetime, zone: tzinfo) -> float:
    """The instant between the two at which the zone's offset changes."""
    offset = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        if middle.astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return float(round(high.timestamp()))


def _fixed(cron: str) -> bool:
    """Whether minutes and hours are said, so that the wall clock is meant."""
    _, minutes, hours, *_ = cron.split()
    return not minutes.startswith("*") and not hours.startswith("*")


def parse_six_fields(text: str, zone: tzinfo) -> Schedule:
    """A line of a CronHorizontalPodAutoscaler: seconds first, or a descriptor.

    Raises `BadSchedule`; a line of five fields is one: shifted by a field it would mean something else.
    """
    line = text.strip()
    if line.startswith(_EVERY):
        return Schedule(text, zone, every_s=_every(line.removeprefix(_EVERY)))
    if line.startswith(_DATE):
        try:
            at = datetime.strptime(f"{line.removeprefix(_DATE).strip()} +0000", f"{_DATE_FORM} %z")
            at = at.replace(tzinfo=None)
        except ValueError as why:
            raise BadSchedule("write it as @date 2020-10-27 21:54:00") from why
        return Schedule(text, zone, at=at)
    if line.startswith("@"):
        if line not in _NAMED:
            known = ", ".join((*_NAMED, "@every 1h30m", "@date 2020-10-27 21:54:00"))
            raise BadSchedule(f"unrecognized descriptor, known are {known}")
        return Schedule(text, zone, cron=_NAMED[line])
    fields = line.split()
    if len(fields) != 6:
        more = " (five fields: put the seconds in front)" if len(fields) == 5 else ""
        raise BadSchedule(f"expected exactly 6 fields, found {len(fields)}{more}")
    return Schedule(text, zone, cron=_checked(fields))


def parse_five_fields(text: str, zone: tzinfo) -> Schedule:
    """A line of a CronJob or of KEDA's cron trigger. Raises `BadSchedule`."""
    line = text.strip()
    if line.startswith(_EVERY):
        return Schedule(text, zone, every_s=_every(line.removeprefix(_EVERY)))
    if line in _NAMED:
        return Schedule(text, zone, cron=_NAMED[line])
    if line.startswith("@"):
        raise BadSchedule(f"unrecognized descriptor: {line}")
    fields = line.split()
    if len(fields) != 5:
        raise BadSchedule(f"expected exactly 5 fields, found {len(fields)}")
    return Schedule(text, zone, cron=_checked(["0", *fields]))


def _every(text: str) -> float:
    try:
        every_s = parse_duration(text.strip())
    except ValueError as why:
        raise BadSchedule(f"{text!r} is no duration such as 1h30m") from why
    if every_s < 1:
        raise BadSchedule("a second at least")
    return float(int(every_s))


def _checked(fields: list[str]) -> str:
    """The line for the library, `?` meaning any. Raises `BadSchedule` naming the field."""
    cron = " ".join("*" if field == "?" else field for field in fields)
    cron = re.sub(r"(^|[\s,])\?/", r"\1*/", cron)
    try:
        CronSim(cron, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as why:
        raise BadSchedule(f"{str(why)[:1].lower()}{str(why)[1:]}") from why
    return cron


def on_day(text: str, day: date) -> bool:
    """Whether a line of excludeDates names this day; its seconds, minutes and hours don't count.

    Raises `BadSchedule`.
    """
    fields = text.split()
    if len(fields) != 6:
        raise BadSchedule(f"expected exactly 6 fields, found {len(fields)}")
    cron = _checked(["0", "0", "0", *fields[3:]])
    begins = datetime.combine(day, time.min)
    return next(CronSim(cron, begins - timedelta(seconds=1)), None) == begins
