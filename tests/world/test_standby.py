"""Standby on the whole control plane: kept at zero, woken first, gone with its revision."""

from __future__ import annotations

import pytest

from tidegate.model.apps import ReplicaSet
from tidegate.model.pods import Pod
from tidegate.model.serving import PodAutoscaler, Service
from tidegate.testing.builders import service
from tidegate.testing.world import World, world

pytestmark = pytest.mark.looptime

FAST = {"window": "6s", "target": "1", "target-utilization-percentage": "100"}
FROZEN = {"tidegate.dev/standby": "frozen"}


def resting(it: World, revision: str) -> list[Pod]:
    return [p for p in it.pods(revision) if "tidegate.dev/standby" in p.metadata.labels]


async def test_a_revision_at_zero_keeps_one_pod_at_rest_that_no_status_counts():
    async with world() as it:
        await it.given(service("hello", scaling=FAST, annotations=FROZEN))
        (replica,) = it.pods("hello-00001")
        await it.settle(120)
        (pod,) = it.pods("hello-00001")
        assert pod.metadata.uid == replica.metadata.uid  # what it loaded need not be loaded again
        assert [pod] == resting(it, "hello-00001")
        (replica_set,) = it.api.list(ReplicaSet)
        assert replica_set.status.replicas in (None, 0)
        assert it.the(PodAutoscaler, "hello-00001").status.actual_scale in (None, 0)


async def test_a_request_wakes_it_long_before_a_new_pod_could_start():
    async with world() as it:
        await it.given(service("hello", scaling=FAST, annotations=FROZEN))
        await it.settle(160)
        it.node.start_s = 30.0
        (pod,) = resting(it, "hello-00001")
        it.load("hello-00001", in_flight=1)
        await it.settle(3)
        (woken,) = it.pods("hello-00001")
        assert woken.metadata.uid == pod.metadata.uid
        assert resting(it, "hello-00001") == []
        start = it.the(PodAutoscaler, "hello-00001").status.cold_starts[-1]
        assert start.pod == pod.metadata.name
        assert start.woken_s < 2.5
        await it.settle(120)  # the load goes on
        assert [p.metadata.uid for p in it.pods("hello-00001")] == [pod.metadata.uid]


async def test_kept_always_there_is_one_beside_every_size():
    always = {**FROZEN, "tidegate.dev/standby-when": "always"}
    async with world() as it:
        await it.given(service("hello", scaling=FAST, annotations=always))
        it.load("hello-00001", in_flight=3)
        await it.settle(20)
        assert len(it.pods("hello-00001")) == 4
        assert len(resting(it, "hello-00001")) == 1


async def test_a_revision_that_no_route_leads_to_keeps_none():
    async with world() as it:
        await it.given(service("hello", scaling=FAST, annotations=FROZEN))
        await it.settle(120)
        await it.given(service("hello", image="python:3.12", scaling=FAST, annotations=FROZEN))
        await it.settle(180)
        assert it.pods("hello-00001") == []
        assert len(resting(it, "hello-00002")) == 1


async def test_a_control_plane_that_was_killed_keeps_and_wakes_the_same_one():
    async with world() as it:
        await it.given(service("hello", scaling=FAST, annotations=FROZEN))
        await it.settle(120)
        (pod,) = resting(it, "hello-00001")
        await it.kill_plane()
        it.load("hello-00001", in_flight=1)
        await it.settle(5)
        await it.start_plane()
        await it.settle(5)
        assert [p.metadata.uid for p in it.pods("hello-00001")] == [pod.metadata.uid]


async def test_it_goes_with_its_service():
    async with world() as it:
        await it.given(service("hello", scaling=FAST, annotations=FROZEN))
        await it.settle(120)
        await it.api.delete(Service, "default", "hello")
        await it.settle(30)
        assert it.api.list(Pod) == []
