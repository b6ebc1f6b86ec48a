"""The rows of a CronHPA's status: one a job, replaced and never appended. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, tzinfo

from msgspec.structs import replace

from tidegate.kit.schedule import BadSchedule, Schedule, on_day, parse_six_fields
from tidegate.model.conditions import seconds_of, timestamp
from tidegate.model.cron_hpa import (
    SUBMITTED,
    CronHorizontalPodAutoscaler,
    CronJobCondition,
    CronJobSpec,
)

LATE_MOST_S = 60.0
"""A time that passed while nobody looked is still acted on this long; after that it is missed. Upstream
catches nothing up; a restart of a second must not cost a day's scaling."""


@dataclass(frozen=True, slots=True)
class Due:
    """A job and the time it was due."""

    job: CronJobSpec
    row: CronJobCondition
    due_s: float


def rows_of(cron: CronHorizontalPodAutoscaler, now_s: float) -> tuple[CronJobCondition, ...]:
    """A row for each job, in their order: kept while the job is the same, new where it changed. A new
    target or other excluded days make all of them new."""
    spec, status = cron.spec, cron.status
    known = {row.name: row for row in status.conditions} if status else {}
    if status is not None and (
        status.scale_target_ref != spec.scale_target_ref
        or status.exclude_dates != spec.exclude_dates
    ):
        known = {}
    return tuple(_row(cron, job, known.get(job.name), now_s) for job in spec.jobs)


def _row(
    cron: CronHorizontalPodAutoscaler,
    job: CronJobSpec,
    known: CronJobCondition | None,
    now_s: float,
) -> CronJobCondition:
    same = known is not None and (
        (known.schedule, known.target_size, known.run_once)
        == (job.schedule, job.target_size, bool(job.run_once))
    )
    if same and known is not None:
        return known
    told = f"{cron.metadata.uid}/{job.name}/{job.schedule}/{job.target_size}/{bool(job.run_once)}"
    mark = hashlib.md5(told.encode(), usedforsecurity=False).hexdigest()
    return CronJobCondition(
        name=job.name,
        job_id=f"{mark[:8]}-{mark[8:12]}-{mark[12:16]}-{mark[16:20]}-{mark[20:]}",
        schedule=job.schedule,
        target_size=job.target_size,
        run_once=bool(job.run_once),
        state=SUBMITTED,
        last_probe_time=timestamp(now_s),
    )


def schedule_of(job: CronJobSpec, zone: tzinfo) -> Schedule | None:
    """None: the line can't be read (written before the rules)."""
    try:
        return parse_six_fields(job.schedule, zone)
    except BadSchedule:
        return None


def next_due(job: CronJobSpec, row: CronJobCondition, zone: tzinfo) -> float | None:
    """When the job is due after it last ran (or was registered); None: never again."""
    schedule = schedule_of(job, zone)
    if schedule is None or row.last_probe_time is None:
        return None
    if (row.run_once or schedule.once) and row.state != SUBMITTED:
        return None
    return schedule.after(seconds_of(row.last_probe_time))


def excluded_by(cron: CronHorizontalPodAutoscaler, due_s: float, zone: tzinfo) -> str | None:
    """The line of excludeDates that names the day of this instant."""
    day = datetime.fromtimestamp(due_s, zone).date()
    for line in cron.spec.exclude_dates:
        try:
            if on_day(line, day):
                return line
        except BadSchedule:
            continue
    return None


def ended(row: CronJobCondition, state: str, message: str, at_s: float) -> CronJobCondition:
    """The row after a run."""
    return replace(row, state=state, message=message, last_probe_time=timestamp(at_s))
