"""Objects whose owner went without them find the next one."""

from __future__ import annotations

import pytest

from tidegate.model.apps import Deployment, DeploymentSpec, ReplicaSet
from tidegate.model.containers import Container
from tidegate.model.meta import LabelSelector, ObjectMeta
from tidegate.model.pods import Pod, PodSpec, PodTemplateSpec
from tidegate.testing.world import World, world

pytestmark = pytest.mark.looptime


def web() -> Deployment:
    labels = {"app": "web"}
    container = Container(name="c", image="python:3", command=("sleep", "9"))
    return Deployment(
        metadata=ObjectMeta(name="web", namespace="default"),
        spec=DeploymentSpec(
            replicas=2,
            selector=LabelSelector(match_labels=labels),
            template=PodTemplateSpec(
                metadata=ObjectMeta(labels=labels), spec=PodSpec(containers=(container,))
            ),
        ),
    )


async def orphaned(world: World, type_: type[Deployment | ReplicaSet]) -> None:
    for obj in world.api.list(type_):
        await world.api.delete(type_, *obj.key, propagation="Orphan")
    await world.settle()


async def test_a_deployment_made_again_takes_over_the_replica_set_it_left_behind():
    async with world() as it:
        await it.given(web())
        before = it.names(Pod)
        await orphaned(it, Deployment)
        assert it.names(Pod) == before
        await it.given(web())
        assert it.names(Pod) == before
        status = it.the(Deployment, "web").status
        assert status is not None
        assert status.ready_replicas == 2
        await it.api.delete(Deployment, "default", "web")
        await it.settle(40)
        assert it.names(Pod) == []


async def test_pods_left_behind_count_for_the_next_replica_set():
    async with world() as it:
        await it.given(web())
        before = it.names(Pod)
        await orphaned(it, Deployment)
        await orphaned(it, ReplicaSet)
        assert it.names(Pod) == before
        await it.given(web())
        assert it.names(Pod) == before
