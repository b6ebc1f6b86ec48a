"""Scaling on the whole control plane: bounds, first sizes, settings changed at run time, lost pods."""

from __future__ import annotations

import pytest

from tidegate.model.pods import Pod
from tidegate.model.serving import PodAutoscaler, Revision, Service
from tidegate.testing.builders import config_map, service
from tidegate.testing.world import world

pytestmark = pytest.mark.looptime

FAST = {"window": "6s", "target": "1", "target-utilization-percentage": "100"}


async def test_the_minimum_is_kept_without_any_traffic():
    async with world() as it:
        await it.given(service("hello", scaling={**FAST, "min-scale": "2"}))
        await it.settle(120)
        assert len(it.pods("hello-00001")) == 2


async def test_a_revision_is_ready_only_when_its_initial_scale_is_reached():
    async with world(cpu="2") as it:
        await it.given(service("hello", cpu="1", scaling={**FAST, "initial-scale": "3"}))
        await it.settle(5)
        ready = it.condition(it.the(Service, "hello"), "Ready")
        assert ready.status != "True"
        assert len(it.pods("hello-00001")) == 3


async def test_a_changed_config_map_counts_without_a_restart():
    async with world() as it:
        await it.given(service("hello", scaling={"window": "6s", "target": "1"}))
        await it.given(config_map("config-autoscaler", {"enable-scale-to-zero": "false"}))
        await it.settle(120)
        assert len(it.pods("hello-00001")) == 1
        await it.given(config_map("config-autoscaler", {"enable-scale-to-zero": "true"}))
        await it.settle(60)
        assert it.pods("hello-00001") == []


async def test_a_pod_that_is_deleted_is_replaced_and_drained_first():
    async with world() as it:
        await it.given(service("hello", scaling={**FAST, "min-scale": "1"}))
        (pod,) = it.pods("hello-00001")
        await it.api.delete(Pod, "default", pod.metadata.name)
        await it.settle(5)
        (other,) = it.pods("hello-00001")
        assert other.metadata.uid != pod.metadata.uid
        assert [p.metadata.uid for p in it.api.list(Pod)] == [other.metadata.uid]


async def test_the_last_decision_is_told_in_words():
    async with world() as it:
        await it.given(service("hello", scaling=FAST))
        it.load("hello-00001", in_flight=4)
        await it.settle(10)
        status = it.the(PodAutoscaler, "hello-00001").status
        assert status is not None
        assert (status.decision or "").startswith("4 replicas, because")
        revision = it.the(Revision, "hello-00001").status
        assert revision is not None
        assert (revision.actual_replicas, revision.desired_replicas) == (4, 4)


async def test_a_request_that_waits_at_zero_is_served_although_the_control_plane_is_killed():
    async with world() as it:
        await it.given(service("hello", scaling=FAST))
        await it.settle(90)
        assert it.pods("hello-00001") == []
        await it.kill_plane()
        it.load("hello-00001", in_flight=1)
        await it.settle(5)
        await it.start_plane()
        await it.settle(5)
        assert len(it.pods("hello-00001")) == 1


async def test_a_revision_that_failed_is_given_up_in_spite_of_its_minimum():
    async with world() as it:
        it.node.broken.add("missing:1")
        scaling = {**FAST, "min-scale": "2"}
        broken = service("hello", image="missing:1", scaling=scaling)
        template = broken.spec.template.metadata
        assert template is not None
        template.annotations["serving.knative.dev/progress-deadline"] = "30s"
        await it.given(broken)
        await it.settle(10)
        assert len(it.pods("hello-00001")) == 2
        await it.settle(150)
        assert it.pods("hello-00001") == []


async def test_the_first_request_starts_as_many_as_the_activation_scale_says():
    async with world() as it:
        await it.given(service("hello", scaling={**FAST, "activation-scale": "3"}))
        await it.settle(90)
        assert it.pods("hello-00001") == []
        it.load("hello-00001", in_flight=1)
        await it.settle(5)
        assert len(it.pods("hello-00001")) == 3


async def test_fewer_replicas_come_only_after_the_delay():
    async with world() as it:
        scaling = {**FAST, "scaleDownDelay": "20s", "minScale": "1"}
        await it.given(service("hello", scaling=scaling))
        it.load("hello-00001", in_flight=4)
        await it.settle(20)
        assert len(it.pods("hello-00001")) == 4
        it.load("hello-00001", in_flight=1)
        await it.settle(18)
        assert len(it.pods("hello-00001")) == 4
        await it.settle(30)
        assert len(it.pods("hello-00001")) == 1


async def test_the_last_pod_is_kept_for_the_revision_s_own_retention():
    async with world() as it:
        kept = {**FAST, "scaleToZeroPodRetentionPeriod": "3m"}
        await it.given(service("hello", scaling=kept), service("other", scaling=FAST))
        await it.settle(120)
        assert (len(it.pods("hello-00001")), len(it.pods("other-00001"))) == (1, 0)
        await it.settle(120)
        assert it.pods("hello-00001") == []
