"""CronHorizontalPodAutoscaler: what is wrong with one.

The upstream controller finds out when it runs; here a wrong line is refused when it is written.
"""

from __future__ import annotations

from datetime import UTC, date

from tidegate.kit.schedule import BadSchedule, on_day, parse_six_fields
from tidegate.model.admission.problems import (
    Problems,
    duplicate,
    invalid,
    not_negative,
    required,
)
from tidegate.model.cron_hpa import CronHorizontalPodAutoscaler


def check_cron_hpa(cron: CronHorizontalPodAutoscaler) -> Problems:
    ref = cron.spec.scale_target_ref
    found: Problems = []
    for field, value in (("kind", ref.kind), ("name", ref.name)):
        if not value:
            found.append(required(f"spec.scaleTargetRef.{field}"))
    if "/" not in (ref.api_version or ""):
        found.append(
            invalid(
                "spec.scaleTargetRef.apiVersion",
                ref.api_version or "",
                "must name a group, such as apps/v1",
            )
        )
    if not cron.spec.jobs:
        found.append(required("spec.jobs", "at least one"))
    seen: set[str] = set()
    for i, job in enumerate(cron.spec.jobs):
        path = f"spec.jobs[{i}]"
        if not job.name:
            found.append(required(f"{path}.name"))
        elif job.name in seen:
            found.append(duplicate(f"{path}.name", job.name))
        seen.add(job.name)
        why = _wrong_schedule(job.schedule) if job.schedule else None
        if not job.schedule:
            found.append(required(f"{path}.schedule"))
        elif why is not None:
            found.append(invalid(f"{path}.schedule", job.schedule, why))
        found += not_negative(f"{path}.targetSize", job.target_size)
    for i, line in enumerate(cron.spec.exclude_dates):
        why = _wrong_day(line)
        if why is not None:
            found.append(invalid(f"spec.excludeDates[{i}]", line, why))
    return found


def _wrong_schedule(line: str) -> str | None:
    try:
        parse_six_fields(line, UTC)
    except BadSchedule as why:
        return str(why)
    return None


def _wrong_day(line: str) -> str | None:
    try:
        on_day(line, date(2000, 1, 1))
    except BadSchedule as why:
        return str(why)
    return None
