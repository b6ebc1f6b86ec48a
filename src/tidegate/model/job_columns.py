"""The columns of Jobs and CronJobs.

Source: kubernetes pkg/printers/internalversion/printers.go (`printJob`, `printCronJob`).
"""

from __future__ import annotations

from tidegate.model.ages import age_of, human_age
from tidegate.model.column import AGE, NAME, NONE, Column, number, text, wide
from tidegate.model.conditions import is_true, seconds_of
from tidegate.model.core_columns import selector_text
from tidegate.model.jobs import (
    COMPLETE,
    FAILED,
    FAILURE_TARGET,
    SUSPENDED,
    CronJob,
    Job,
    JobSpec,
    JobStatus,
)
from tidegate.model.meta import LabelSelector


def _status(job: Job, now_s: float) -> str:
    conditions = job.status.conditions if job.status else ()
    for type_ in (COMPLETE, FAILED):
        if is_true(conditions, type_):
            return type_
    if job.metadata.deletion_timestamp:
        return "Terminating"
    for type_ in (SUSPENDED, FAILURE_TARGET):
        if is_true(conditions, type_):
            return type_
    return "Running"


def _completions(job: Job, now_s: float) -> str:
    done = (job.status.succeeded if job.status else None) or 0
    if job.spec.completions is not None:
        return f"{done}/{job.spec.completions}"
    parallelism = job.spec.parallelism or 0
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def _duration(job: Job, now_s: float) -> str:
    status = job.status or JobStatus()
    if status.start_time is None:
        return ""
    until_s = seconds_of(status.completion_time) if status.completion_time else now_s
    return human_age(until_s - seconds_of(status.start_time))


def _last_schedule(cron: CronJob, now_s: float) -> str:
    last = cron.status.last_schedule_time if cron.status else None
    return age_of(last, now_s) if last else NONE


def _suspend(cron: CronJob, now_s: float) -> str:
    return {None: "<unset>", True: "True", False: "False"}[cron.spec.suspend]


def _containers(spec: JobSpec) -> str:
    return ",".join(c.name for c in spec.template.spec.containers)


def _images(spec: JobSpec) -> str:
    return ",".join(c.image or "" for c in spec.template.spec.containers)


def _selector(spec: JobSpec) -> str:
    return selector_text(spec.selector or LabelSelector())


JOB: tuple[Column, ...] = (
    NAME,
    text("Status", _status),
    text("Completions", _completions),
    text("Duration", _duration),
    AGE,
    wide("Containers", lambda job, now_s: _containers(job.spec)),
    wide("Images", lambda job, now_s: _images(job.spec)),
    wide("Selector", lambda job, now_s: _selector(job.spec)),
)

CRON_JOB: tuple[Column, ...] = (
    NAME,
    text("Schedule", lambda cron, now_s: cron.spec.schedule),
    text("Timezone", lambda cron, now_s: cron.spec.time_zone or NONE),
    text("Suspend", _suspend),
    number("Active", lambda cron, now_s: len(cron.status.active) if cron.status else 0),
    text("Last Schedule", _last_schedule),
    AGE,
    wide("Containers", lambda cron, now_s: _containers(cron.spec.job_template.spec)),
    wide("Images", lambda cron, now_s: _images(cron.spec.job_template.spec)),
    wide("Selector", lambda cron, now_s: _selector(cron.spec.job_template.spec)),
)
