"""A revision of class hpa on the whole control plane: who scales it, and that it becomes ready."""

from __future__ import annotations

import pytest

from tidegate.model.apps import Deployment
from tidegate.model.autoscaling import HorizontalPodAutoscaler
from tidegate.model.meta import controller_of
from tidegate.model.serving import PodAutoscaler, Service
from tidegate.testing.builders import config_map, service
from tidegate.testing.world import world

pytestmark = pytest.mark.looptime

BY_CPU = {"class": "hpa.autoscaling.knative.dev", "metric": "cpu", "target": "70"}


async def test_a_service_of_class_hpa_gets_a_horizontal_pod_autoscaler_and_is_ready():
    async with world() as it:
        await it.given(service("hello", scaling={**BY_CPU, "min-scale": "1", "max-scale": "4"}))
        assert it.condition(it.the(Service, "hello"), "Ready").status == "True"
        made = it.the(HorizontalPodAutoscaler, "hello-00001")
        owner = controller_of(made.metadata)
        assert owner is not None
        assert (owner.kind, owner.uid) == (
            "PodAutoscaler",
            it.the(PodAutoscaler, "hello-00001").metadata.uid,
        )
        assert (made.spec.min_replicas, made.spec.max_replicas) == (1, 4)


async def test_knative_s_own_autoscaler_leaves_it_alone():
    async with world() as it:
        await it.given(service("hello", scaling={**BY_CPU, "window": "6s"}))
        await it.settle(120)  # nobody asks: the KPA would be at zero
        assert it.the(Deployment, "hello-00001-deployment").spec.replicas == 1
        it.load("hello-00001", in_flight=500)
        await it.settle(20)
        assert it.the(Deployment, "hello-00001-deployment").spec.replicas == 1


async def test_writing_it_settles_and_a_changed_cluster_bound_reaches_it():
    async with world() as it:
        await it.given(service("hello", scaling=BY_CPU))
        before = it.the(HorizontalPodAutoscaler, "hello-00001").metadata.generation
        await it.settle(10)
        assert it.the(HorizontalPodAutoscaler, "hello-00001").metadata.generation == before
        await it.given(config_map("config-autoscaler", {"max-scale": "3"}))
        assert it.the(HorizontalPodAutoscaler, "hello-00001").spec.max_replicas == 3
