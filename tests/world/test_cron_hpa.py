"""Sizes at set times, on the whole control plane."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from tidegate.model.apps import Deployment
from tidegate.model.autoscaling import HorizontalPodAutoscaler
from tidegate.model.core import Event
from tidegate.model.cron_hpa import CronHorizontalPodAutoscaler, CronJobCondition
from tidegate.model.errors import Invalid
from tidegate.model.kserve import InferenceService
from tidegate.model.wire import read
from tidegate.testing.world import World, world

pytestmark = pytest.mark.looptime


def deployment(replicas: int = 1) -> Deployment:
    labels = {"app": "qwen"}
    raw = {
        "metadata": {"name": "qwen", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "c", "image": "python:3"}]},
            },
        },
    }
    return read(raw, Deployment)[0]


def cron(*jobs: dict[str, Any], kind: str = "Deployment", **spec: Any) -> Any:
    versions = {"Deployment": "apps/v1", "HorizontalPodAutoscaler": "autoscaling/v2"}
    ref = {"apiVersion": versions.get(kind, "apps/v1"), "kind": kind, "name": "qwen"}
    raw = {
        "metadata": {"name": "qwen-cronhpa", "namespace": "default"},
        "spec": {"scaleTargetRef": ref, "jobs": list(jobs), **spec},
    }
    return read(raw, CronHorizontalPodAutoscaler)[0]


def job(name: str, schedule: str, size: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "schedule": schedule, "targetSize": size, **more}


def row(it: World, name: str) -> CronJobCondition:
    status = it.the(CronHorizontalPodAutoscaler, "qwen-cronhpa").status
    assert status is not None
    return next(r for r in status.conditions if r.name == name)


def size(it: World) -> int | None:
    return it.the(Deployment, "qwen").spec.replicas


def in_s(it: World, seconds: float) -> str:
    """A schedule for one time of today."""
    when = datetime.fromtimestamp(it.clock.now() + seconds, UTC)
    return f"{when.second} {when.minute} {when.hour} * * *"


async def test_jobs_set_sizes_at_their_times():
    async with world() as it:
        up, down = job("up", in_s(it, 60), 2), job("down", in_s(it, 120), 1)
        await it.given(deployment(), cron(up, down))
        assert row(it, "up").state == "Submitted"
        assert size(it) == 1
        await it.settle(65)
        assert size(it) == 2
        assert row(it, "up").state == "Succeed"
        assert row(it, "up").message == (
            "cron hpa job up executed successfully. current replicas:1, desired replicas:2."
        )
        assert row(it, "down").state == "Submitted"
        await it.settle(60)
        assert size(it) == 1
        assert row(it, "down").state == "Succeed"


async def test_each_time_runs_once_whatever_restarts():
    async with world() as it:
        await it.given(deployment(), cron(job("up", in_s(it, 30), 2)))
        await it.settle(31)
        assert size(it) == 2
        await it.api.update(replace(it.the(Deployment, "qwen"), spec=deployment(5).spec))
        await it.kill_plane()
        await it.start_plane()
        await it.settle(30)
        assert size(it) == 5


async def test_a_time_missed_by_seconds_runs_late_and_by_minutes_not_at_all():
    async with world() as it:
        await it.given(
            deployment(), cron(job("up", in_s(it, 20), 2), job("more", in_s(it, 200), 7))
        )
        await it.kill_plane()
        await it.clock.sleep(40)
        await it.start_plane()
        await it.settle(5)
        assert size(it) == 2
        await it.kill_plane()
        await it.clock.sleep(400)
        await it.start_plane()
        await it.settle(5)
        assert size(it) == 2
        assert "not caught up" in (row(it, "more").message or "")
        assert "Missed" in [event.reason for event in it.api.list(Event)]


async def test_a_job_that_runs_once_is_done():
    async with world() as it:
        await it.given(deployment(), cron(job("once", "*/10 * * * * *", 3, runOnce=True)))
        await it.settle(15)
        assert size(it) == 3
        await it.api.update(replace(it.the(Deployment, "qwen"), spec=deployment(1).spec))
        await it.settle(60)
        assert size(it) == 1


async def test_an_excluded_day_is_skipped_and_says_so():
    async with world() as it:
        every_day = "* * * * * *"
        await it.given(deployment(), cron(job("up", in_s(it, 10), 2), excludeDates=[every_day]))
        await it.settle(15)
        assert size(it) == 1
        assert row(it, "up").state == "Succeed"
        assert row(it, "up").message == (
            f"skip scaling activity,because of excludeDate ({every_day})."
        )


async def test_a_missing_target_fails_after_its_tries():
    async with world() as it:
        await it.given(cron(job("up", in_s(it, 10), 2)))
        await it.settle(15)
        assert row(it, "up").state == "Submitted"
        await it.settle(15)
        assert row(it, "up").state == "Failed"
        assert "not found" in (row(it, "up").message or "")


async def test_beside_an_autoscaler_its_bounds_move():
    async with world() as it:
        raw = {
            "metadata": {"name": "qwen", "namespace": "default"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "qwen"},
                "minReplicas": 1,
                "maxReplicas": 3,
            },
        }
        hpa, _ = read(raw, HorizontalPodAutoscaler)
        up = job("up", in_s(it, 10), 5)
        await it.given(deployment(), hpa, cron(up, kind="HorizontalPodAutoscaler"))
        await it.settle(20)
        spec = it.the(HorizontalPodAutoscaler, "qwen").spec
        assert (spec.min_replicas, spec.max_replicas) == (5, 5)
        assert size(it) == 5


async def test_bounds_that_an_inference_service_keeps_are_not_moved_and_the_way_out_is_told():
    raw = {
        "metadata": {"name": "qwen", "namespace": "default"},
        "spec": {"predictor": {"maxReplicas": 3, "containers": [{"image": "python:3"}]}},
    }
    async with world() as it:
        beside = cron(job("up", in_s(it, 10), 5), kind="HorizontalPodAutoscaler")
        ref = replace(beside.spec.scale_target_ref, name="qwen-predictor")
        await it.given(
            read(raw, InferenceService)[0],
            replace(beside, spec=replace(beside.spec, scale_target_ref=ref)),
        )
        await it.settle(40)
        assert row(it, "up").state == "Failed"
        assert 'kept by InferenceService "qwen"' in (row(it, "up").message or "")
        assert it.the(HorizontalPodAutoscaler, "qwen-predictor").spec.max_replicas == 3
        assert it.the(Deployment, "qwen-predictor").spec.replicas == 1


async def test_a_changed_job_is_registered_anew():
    async with world() as it:
        await it.given(deployment(), cron(job("up", in_s(it, 10), 2)))
        await it.settle(15)
        before = row(it, "up")
        await it.given(cron(job("up", in_s(it, 20), 4)))
        assert row(it, "up").state == "Submitted"
        assert row(it, "up").job_id != before.job_id
        await it.settle(30)
        assert size(it) == 4


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        (cron(job("a", "30 8 * * *", 1)), r"spec.jobs\[0\].schedule"),
        (cron(job("a", "0 61 * * * *", 1)), "bad minute"),
        (cron(job("a", "@hourly", 1), job("a", "@daily", 1)), r"spec.jobs\[1\].name"),
        (cron(job("a", "@hourly", -1)), r"spec.jobs\[0\].targetSize"),
        (cron(), "spec.jobs"),
        (cron(job("a", "@hourly", 1), excludeDates=["never"]), r"spec.excludeDates\[0\]"),
    ],
)
async def test_what_is_wrong_is_refused_by_field(wrong, path):
    async with world() as it:
        with pytest.raises(Invalid, match=path):
            await it.api.create(wrong)
