"""The rows of a CronHPA's status: one for each job, kept while nothing about it changes."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tidegate.autoscale.cron.rows import rows_of
from tidegate.model.cron_hpa import (
    CronHorizontalPodAutoscaler,
    CronHorizontalPodAutoscalerStatus,
    CronJobCondition,
)
from tidegate.model.wire import read

UP = {"name": "up", "schedule": "0 0 8 * * *", "targetSize": 5}
DOWN = {"name": "down", "schedule": "0 0 20 * * *", "targetSize": 1}


def cron(*jobs: dict[str, Any], target: str = "web", **spec: Any) -> CronHorizontalPodAutoscaler:
    aim = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
    raw = {
        "metadata": {"name": "day", "namespace": "default", "uid": "u"},
        "spec": {"scaleTargetRef": aim, "jobs": list(jobs), **spec},
    }
    found, reading = read(raw, CronHorizontalPodAutoscaler)
    assert not reading.unknown
    return found


def after(
    was: CronHorizontalPodAutoscaler, now: CronHorizontalPodAutoscaler
) -> tuple[CronJobCondition, ...]:
    """The rows of `now`, whose status `was` left, each of whose jobs had run."""
    ran = tuple(replace(row, state="Succeed") for row in rows_of(was, 1000.0))
    status = CronHorizontalPodAutoscalerStatus(
        scale_target_ref=was.spec.scale_target_ref,
        exclude_dates=was.spec.exclude_dates,
        conditions=ran,
    )
    return rows_of(replace(now, status=status), 2000.0)


def states(rows: tuple[CronJobCondition, ...]) -> dict[str, str]:
    return {row.name: row.state for row in rows}


def test_each_job_has_a_row_in_their_order_with_an_id_of_its_own():
    first, second = rows_of(cron(UP, DOWN), 0.0)
    assert (first.name, first.state, first.target_size) == ("up", "Submitted", 5)
    assert (second.name, second.schedule) == ("down", "0 0 20 * * *")
    assert first.job_id != second.job_id


def test_rows_stay_while_nothing_changes():
    assert states(after(cron(UP, DOWN), cron(UP, DOWN))) == {"up": "Succeed", "down": "Succeed"}


def test_only_a_job_that_changed_is_registered_anew():
    for changed in ({"targetSize": 6}, {"schedule": "0 0 9 * * *"}, {"runOnce": True}):
        rows = after(cron(UP, DOWN), cron(UP | changed, DOWN))
        assert states(rows) == {"up": "Submitted", "down": "Succeed"}


def test_a_new_target_and_other_excluded_days_make_all_rows_new():
    anew = {"up": "Submitted", "down": "Submitted"}
    assert states(after(cron(UP, DOWN), cron(UP, DOWN, target="other"))) == anew
    assert states(after(cron(UP, DOWN), cron(UP, DOWN, excludeDates=["* * * 1 5 *"]))) == anew


def test_a_job_that_is_gone_has_no_row():
    assert states(after(cron(UP, DOWN), cron(DOWN))) == {"down": "Succeed"}
