"""CronJobs: defaults and what a spec must say.

Source: kubernetes pkg/apis/batch/v1/defaults.go (`SetDefaults_CronJob`),
pkg/apis/batch/validation/validation.go (`validateCronJobSpec`).
"""

from __future__ import annotations

import re
from datetime import UTC
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec.structs import replace

from tidegate.kit.schedule import BadSchedule, parse_five_fields
from tidegate.model.admission.jobs import check_job_spec
from tidegate.model.admission.metadata import check_template_metadata, selector_shown
from tidegate.model.admission.pod_defaults import default_template
from tidegate.model.admission.problems import (
    Problems,
    invalid,
    not_negative,
    not_supported,
    required,
)
from tidegate.model.jobs import ALLOW, FORBID, REPLACE, CronJob, JobTemplateSpec

#: A Job's name is this one and eleven characters more, and has to fit into a label.
_NAME_LONGEST = 52
_SUCCESSFUL_KEPT, _FAILED_KEPT = 3, 1
_ZONE_PART = re.compile(r"[A-Za-z.\-_0-9+]{1,14}")


def default_cron_job(cron: CronJob, old: CronJob | None) -> CronJob:
    """The Job's own fields stay as they are: each Job is given its defaults when it is made."""
    spec = cron.spec
    kept, failed = spec.successful_jobs_history_limit, spec.failed_jobs_history_limit
    inner = spec.job_template.spec
    template = replace(
        spec.job_template, spec=replace(inner, template=default_template(inner.template))
    )
    return replace(
        cron,
        spec=replace(
            spec,
            concurrency_policy=spec.concurrency_policy or ALLOW,
            suspend=bool(spec.suspend),
            successful_jobs_history_limit=_SUCCESSFUL_KEPT if kept is None else kept,
            failed_jobs_history_limit=_FAILED_KEPT if failed is None else failed,
            job_template=template,
        ),
    )


def check_cron_job(cron: CronJob) -> Problems:
    spec = cron.spec
    found = _check_schedule(spec.schedule, "spec.schedule")
    found += not_negative("spec.startingDeadlineSeconds", spec.starting_deadline_seconds)
    found += _check_zone(spec.time_zone, "spec.timeZone")
    policies = (ALLOW, FORBID, REPLACE)
    if spec.concurrency_policy not in policies:
        found.append(
            not_supported("spec.concurrencyPolicy", spec.concurrency_policy or "", policies)
        )
    found += _check_template(spec.job_template, "spec.jobTemplate")
    for field, value in (
        ("successfulJobsHistoryLimit", spec.successful_jobs_history_limit),
        ("failedJobsHistoryLimit", spec.failed_jobs_history_limit),
    ):
        found += not_negative(f"spec.{field}", value)
    if len(cron.metadata.name) > _NAME_LONGEST:
        detail = f"must be no more than {_NAME_LONGEST} characters"
        found.append(invalid("metadata.name", cron.metadata.name, detail))
    return found


def _check_schedule(schedule: str, path: str) -> Problems:
    if not schedule:
        return [required(path)]
    if "TZ" in schedule:
        detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        return [invalid(path, schedule, detail)]
    try:
        parse_five_fields(schedule, UTC)
    except BadSchedule as why:
        return [invalid(path, schedule, str(why))]
    return []


def _check_zone(zone: str | None, path: str) -> Problems:
    if zone is None:
        return []
    if not zone:
        return [invalid(path, zone, "timeZone must be nil or non-empty string")]
    if any(
        part in (".", "..") or part.startswith("-") or not _ZONE_PART.fullmatch(part)
        for part in zone.split("/")
    ):
        return [invalid(path, zone, f"unknown time zone {zone}")]
    if zone.lower() == "local":
        detail = (
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        )
        return [invalid(path, zone, detail)]
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return [invalid(path, zone, f"unknown time zone {zone}")]
    return []


def _check_template(template: JobTemplateSpec, path: str) -> Problems:
    found = check_template_metadata(template.metadata, f"{path}.metadata")
    found += check_job_spec(template.spec, f"{path}.spec")
    if template.spec.selector is not None:
        shown = selector_shown(template.spec.selector)
        found.append(invalid(f"{path}.spec.selector", shown, "`selector` will be auto-generated"))
    if template.spec.manual_selector:
        found.append(not_supported(f"{path}.spec.manualSelector", True, ("nil", "false")))
    return found
