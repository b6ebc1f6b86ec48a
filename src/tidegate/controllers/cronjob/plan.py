"""What a CronJob does next: a Job to start, Jobs to delete, its status. Pure.

Source: kubernetes pkg/controller/cronjob/cronjob_controllerv2.go (`syncCronJob`,
`cleanupFinishedJobs`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from tidegate.controllers.cronjob.times import times
from tidegate.kit.schedule import Schedule, parse_five_fields
from tidegate.model.conditions import seconds_of, timestamp
from tidegate.model.jobs import (
    COMPLETE,
    FAILED,
    FORBID,
    REPLACE,
    SCHEDULED_AT,
    CronJob,
    CronJobStatus,
    Job,
    ended_as,
)
from tidegate.model.meta import ObjectMeta, ObjectReference, owner_reference

#: Clocks of one machine may differ by a little: a start is looked for just after its time.
_AFTER_S = 0.1
_LOOK_AGAIN_S = 3600.0  # the wall clock may be set, a zone's rules are long: never sleep for days

Said = tuple[str, str, str]  # type, reason, message
_NORMAL, _WARNING = "Normal", "Warning"


@dataclass(frozen=True, slots=True)
class CronPlan:
    """Carried out in this order: `replaced` are deleted, `start` is made (None: nothing), `status` is
    written with it, `old` are deleted. `due_s` is the time that `start` is for."""

    status: CronJobStatus
    said: tuple[Said, ...] = ()
    replaced: tuple[Job, ...] = ()
    start: Job | None = None
    due_s: float | None = None
    old: tuple[Job, ...] = ()
    again_s: float | None = None


def plan_cron_job(cron: CronJob, jobs: Sequence[Job], *, zone: tzinfo, now_s: float) -> CronPlan:
    """The next step. `jobs` are those it controls; `zone`: where it names none."""
    status, said = _followed(cron, jobs)
    old = _too_old(cron, jobs)
    if cron.metadata.deletion_timestamp or cron.spec.suspend:
        return CronPlan(status, said, old=old)
    where = ZoneInfo(cron.spec.time_zone) if cron.spec.time_zone else zone
    schedule = parse_five_fields(cron.spec.schedule, where)
    due_s, more, again_s = _due(cron, status, schedule, now_s)
    said = (*said, *more)
    if due_s is None or _is_made(cron, status, due_s):
        return CronPlan(status, said, old=old, again_s=again_s)
    active = {ref.uid for ref in status.active}
    running = tuple(job for job in jobs if job.metadata.uid in active)
    if cron.spec.concurrency_policy == FORBID and status.active:
        why = "Not starting job because prior execution is running and concurrency policy is Forbid"
        said = (*said, (_NORMAL, "JobAlreadyActive", why))
        return CronPlan(status, said, old=old, again_s=again_s)
    return CronPlan(
        status,
        said,
        replaced=running if cron.spec.concurrency_policy == REPLACE else (),
        start=job_for(cron, due_s, where),
        due_s=due_s,
        old=old,
        again_s=again_s,
    )


def started(status: CronJobStatus, job: Job, due_s: float) -> CronJobStatus:
    """The status once the Job for that time is there."""
    ref = reference(job)
    active = (*(r for r in status.active if r.uid != ref.uid), ref)
    return replace(status, active=active, last_schedule_time=timestamp(due_s))


def without(status: CronJobStatus, job: Job) -> CronJobStatus:
    """The status once the Job is deleted."""
    return replace(status, active=tuple(r for r in status.active if r.uid != job.metadata.uid))


def reference(job: Job) -> ObjectReference:
    return ObjectReference(
        kind="Job",
        namespace=job.metadata.namespace,
        name=job.metadata.name,
        uid=job.metadata.uid,
        api_version="batch/v1",
        resource_version=job.metadata.resource_version,
    )


def job_for(cron: CronJob, due_s: float, zone: tzinfo) -> Job:
    """The Job of that time. Its name is made of the time, so that there can't be two."""
    template = cron.spec.job_template
    given = template.metadata or ObjectMeta()
    at = datetime.fromtimestamp(due_s, zone).isoformat().replace("+00:00", "Z")
    return Job(
        metadata=ObjectMeta(
            name=job_name(cron, due_s),
            namespace=cron.metadata.namespace,
            labels=given.labels,
            annotations={**given.annotations, SCHEDULED_AT: at},
            owner_references=(owner_reference("CronJob", "batch/v1", cron.metadata),),
        ),
        spec=template.spec,
    )


def job_name(cron: CronJob, due_s: float) -> str:
    return f"{cron.metadata.name}-{int(due_s) // 60}"


def _due(
    cron: CronJob, status: CronJobStatus, schedule: Schedule, now_s: float
) -> tuple[float | None, tuple[Said, ...], float]:
    """The start that is due (None: none), what to say, and when to look again."""
    spec = cron.spec
    born = cron.metadata.creation_timestamp
    since_s = seconds_of(status.last_schedule_time or born or timestamp(now_s))
    found = times(schedule, since_s=since_s, deadline_s=spec.starting_deadline_seconds, now_s=now_s)
    said: tuple[Said, ...] = ()
    if found.many:
        why = (
            "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check "
            "clock skew"
        )
        said = ((_WARNING, "TooManyMissedTimes", why),)
    again_s = _LOOK_AGAIN_S
    if found.next_s is not None:
        again_s = min(again_s, max(0.0, found.next_s - now_s) + _AFTER_S)
    return found.due_s, said, again_s


def _is_made(cron: CronJob, status: CronJobStatus, due_s: float) -> bool:
    name = job_name(cron, due_s)
    return any(ref.name == name for ref in status.active) or (
        status.last_schedule_time == timestamp(due_s)
    )


def _followed(cron: CronJob, jobs: Sequence[Job]) -> tuple[CronJobStatus, tuple[Said, ...]]:
    """The status after what happened to its Jobs, and what to say of it."""
    status = cron.status or CronJobStatus()
    said: list[Said] = []
    by_uid = {job.metadata.uid: job for job in jobs}
    active = []
    for ref in status.active:
        job = by_uid.get(ref.uid)
        if job is None:
            said.append((_NORMAL, "MissingJob", f"Active job went missing: {ref.name}"))
        elif (how := ended_as(job)) is not None:
            said.append(
                (_NORMAL, "SawCompletedJob", f"Saw completed job: {ref.name}, condition: {how}")
            )
        else:
            active.append(ref)
    ends = [
        job.status.completion_time
        for job in jobs
        if ended_as(job) == COMPLETE and job.status is not None and job.status.completion_time
    ]
    last = max(filter(None, (*ends, status.last_successful_time)), key=seconds_of, default=None)
    return replace(status, active=tuple(active), last_successful_time=last), tuple(said)


def _too_old(cron: CronJob, jobs: Sequence[Job]) -> tuple[Job, ...]:
    """Jobs that have ended, beyond what is to be kept of those that ended so; oldest first."""
    out: list[Job] = []
    for how, kept in (
        (COMPLETE, cron.spec.successful_jobs_history_limit),
        (FAILED, cron.spec.failed_jobs_history_limit),
    ):
        ended = sorted((job for job in jobs if ended_as(job) == how), key=_begun)
        if kept is not None:
            out += ended[: max(0, len(ended) - kept)]
    return tuple(job for job in out if job.metadata.deletion_timestamp is None)


def _begun(job: Job) -> tuple[bool, float, str]:
    """Those that never began come last."""
    began = job.status.start_time if job.status else None
    return began is None, seconds_of(began) if began else 0.0, job.metadata.name
