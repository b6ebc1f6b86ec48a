"""Models of scheduled scale-ups are fetched ahead, in a whole control plane."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from tidegate.model.apps import Deployment, DeploymentSpec
from tidegate.model.autoscaling import CrossVersionObjectReference
from tidegate.model.containers import Container, VolumeMount
from tidegate.model.core import Event
from tidegate.model.cron_hpa import (
    CronHorizontalPodAutoscaler,
    CronHorizontalPodAutoscalerSpec,
    CronJobSpec,
)
from tidegate.model.keda import KedaTargetRef, KedaTrigger, ScaledObject, ScaledObjectSpec
from tidegate.model.meta import LabelSelector, ObjectMeta
from tidegate.model.pods import PodSpec, PodTemplateSpec
from tidegate.model.volumes import EmptyDirVolumeSource, Volume
from tidegate.testing.builders import service
from tidegate.testing.fake_caches import FakeCaches
from tidegate.testing.world import World
from tidegate.testing.world import world as make_world

pytestmark = pytest.mark.looptime

URI = "s3://models/qwen"
SPEC = PodSpec(
    containers=(Container(name="c", image="app:1"),),
    init_containers=(
        Container(
            name="storage-initializer",
            image="kserve/storage-initializer:latest",
            args=(URI, "/mnt/models"),
            volume_mounts=(VolumeMount(name="m", mount_path="/mnt/models"),),
        ),
    ),
    volumes=(Volume(name="m", empty_dir=EmptyDirVolumeSource()),),
)


@pytest.fixture
def caches() -> FakeCaches:
    return FakeCaches()


@pytest.fixture
async def world(caches: FakeCaches) -> AsyncIterator[World]:
    async with make_world(caches=caches) as it:
        template = PodTemplateSpec(metadata=ObjectMeta(labels={"app": "qwen"}), spec=SPEC)
        selector = LabelSelector(match_labels={"app": "qwen"})
        spec = DeploymentSpec(replicas=0, selector=selector, template=template)
        await it.api.create(Deployment(metadata=meta("qwen"), spec=spec))
        yield it


def meta(name: str) -> ObjectMeta:
    return ObjectMeta(name=name, namespace="default")


def in_minutes(world: World, minutes: int) -> datetime:
    return datetime.fromtimestamp(world.clock.now() + 60 * minutes, UTC)


def cron(at: datetime, size: int = 2) -> CronHorizontalPodAutoscaler:
    job = CronJobSpec(
        name="up", schedule=f"{at.second} {at.minute} {at.hour} * * *", target_size=size
    )
    ref = CrossVersionObjectReference(api_version="apps/v1", kind="Deployment", name="qwen")
    spec = CronHorizontalPodAutoscalerSpec(scale_target_ref=ref, jobs=(job,))
    return CronHorizontalPodAutoscaler(metadata=meta("cron"), spec=spec)


def events(world: World, reason: str) -> list[str]:
    return [e.message or "" for e in world.api.list(Event) if e.reason == reason]


async def until(world: World, holds: Callable[[], object], limit_s: float = 60) -> None:
    until_s = world.clock.now() + limit_s
    while not holds():
        assert world.clock.now() < until_s, "did not come to hold"
        await world.settle(0.5)


async def test_a_cron_jobs_models_are_fetched_so_long_before_and_no_earlier(world, caches):
    await world.given(cron(in_minutes(world, 6)))
    await world.settle(30)
    assert caches.warmed == []
    await until(world, lambda: caches.warmed, limit_s=120)
    assert caches.warmed[0][1] == URI
    await until(world, lambda: events(world, "Prefetched"))
    assert "for job up (2 replicas) at " in events(world, "Prefetched")[0]


async def test_a_scale_down_to_nothing_needs_nothing(world, caches):
    await world.given(cron(in_minutes(world, 3), size=0))
    await world.settle(20)
    assert caches.warmed == []


async def test_a_failed_prefetch_is_told_once_and_tried_again(world, caches):
    caches.wrong[URI] = "s3://models: nobody answers"
    await world.given(cron(in_minutes(world, 3)))
    await until(world, lambda: events(world, "PrefetchFailed"))
    caches.wrong.clear()
    await until(world, lambda: events(world, "Prefetched"))
    assert events(world, "PrefetchFailed") == ["s3://models: nobody answers"]


async def test_no_look_ahead_no_prefetch(world, caches):
    caches.look_ahead_s = 0.0
    await world.given(cron(in_minutes(world, 3)))
    await world.settle(20)
    assert caches.warmed == []


async def test_a_keda_cron_triggers_start_is_looked_ahead_of_as_well(world, caches):
    start, end = in_minutes(world, 4), in_minutes(world, 60)
    metadata = {
        "timezone": "UTC",
        "start": f"{start.minute} {start.hour} * * *",
        "end": f"{end.minute} {end.hour} * * *",
        "desiredReplicas": "3",
    }
    spec = ScaledObjectSpec(
        scale_target_ref=KedaTargetRef(name="qwen"),
        triggers=(KedaTrigger(type="cron", metadata=metadata),),
        min_replica_count=0,
    )
    await world.given(ScaledObject(metadata=meta("scaled"), spec=spec))
    await until(world, lambda: caches.warmed)
    assert caches.warmed[0][1] == URI


async def test_a_service_that_asks_for_it_has_its_models_fetched_when_it_is_applied(world, caches):
    given = service("lazy")
    template = given.spec.template
    annotations = {
        "tidegate.dev/prefetch": "true",
        "autoscaling.knative.dev/min-scale": "0",
    }
    changed = replace(
        template,
        metadata=ObjectMeta(annotations=annotations),
        spec=replace(template.spec, init_containers=SPEC.init_containers, volumes=SPEC.volumes),
    )
    await world.given(replace(given, spec=replace(given.spec, template=changed)))
    await until(world, lambda: ("prefetch/Revision/default/lazy-00001", URI) in caches.warmed)
    await until(
        world, lambda: f"{URI} is here for its first replica" in events(world, "Prefetched")
    )


def lazy_deployment() -> Deployment:
    labels = {"app": "lazy"}
    asks = ObjectMeta(labels=labels, annotations={"tidegate.dev/prefetch": "true"})
    spec = DeploymentSpec(
        replicas=0,
        selector=LabelSelector(match_labels=labels),
        template=PodTemplateSpec(metadata=asks, spec=SPEC),
    )
    return Deployment(metadata=meta("lazy"), spec=spec)


async def test_a_deployment_that_asks_for_it_too_without_a_replica(world, caches):
    await world.given(lazy_deployment())
    await until(world, lambda: ("prefetch/Deployment/default/lazy", URI) in caches.warmed)


async def test_one_that_goes_before_its_models_came_is_forgotten_with_what_it_was_told(
    world, caches
):
    caches.wrong[URI] = "s3://models: nobody answers"
    await world.given(lazy_deployment())
    await until(world, lambda: events(world, "PrefetchFailed"))
    await world.api.delete(Deployment, "default", "lazy")
    await until(world, lambda: "prefetch/Deployment/default/lazy" in caches.forgotten)
