"""Cluster-wide settings that change while revisions run: in force at the next evaluation."""

from __future__ import annotations

import msgspec
import pytest

from tidegate.model.apps import Deployment
from tidegate.model.serving import PodAutoscaler, Revision, Service
from tidegate.policy.cluster_config import ClusterConfig
from tidegate.testing.builders import config_map, service
from tidegate.testing.world import World, world

pytestmark = pytest.mark.looptime


def replicas(it: World, revision: str = "hello-00001") -> int | None:
    return it.the(Deployment, f"{revision}-deployment").spec.replicas


async def set_autoscaler(it: World, **data: str) -> None:
    keys = {key.replace("_", "-"): value for key, value in data.items()}
    await it.given(config_map("config-autoscaler", keys))


@pytest.mark.parametrize(
    ("scaling", "before", "data", "after"),
    [
        pytest.param({}, 1, {"container_concurrency_target_default": "10"}, 2, id="target"),
        pytest.param({}, 1, {"container_concurrency_target_percentage": "5"}, 3, id="percentage"),
        pytest.param(
            {"metric": "rps"}, 1, {"requests_per_second_target_default": "20"}, 3, id="rps"
        ),
        pytest.param({"target": "2"}, 10, {"max_scale": "4"}, 4, id="max-scale"),
        pytest.param({}, 1, {"min_scale": "3"}, 3, id="min-scale"),
    ],
)
async def test_a_changed_key_changes_the_count_of_a_running_revision(scaling, before, data, after):
    async with world() as it:
        await it.given(service("hello", scaling={"window": "6s", **scaling}))
        it.load("hello-00001", in_flight=14, arrivals=42)
        await it.settle(20)
        assert replicas(it) == before
        await set_autoscaler(it, **data)
        await it.settle(20)
        assert replicas(it) == after


async def test_annotations_go_before_the_cluster_s_settings():
    async with world() as it:
        await it.given(service("hello", scaling={"window": "6s", "target": "10"}))
        it.load("hello-00001", in_flight=14)
        await set_autoscaler(it, container_concurrency_target_default="1")
        await it.settle(20)
        assert replicas(it) == 2


async def test_a_longer_window_has_the_gateway_keep_samples_for_as_long():
    async with world() as it:
        await it.given(service("hello"))
        assert it.gateway.revisions["default/hello-00001"].keep_samples_s == 120
        await set_autoscaler(it, stable_window="10m")
        assert it.gateway.revisions["default/hello-00001"].keep_samples_s == 660


async def test_the_first_size_of_a_new_revision_is_the_setting_of_its_time():
    async with world() as it:
        await set_autoscaler(it, initial_scale="0", allow_zero_initial_scale="true")
        await it.given(service("lazy"))
        await it.settle(5)
        assert it.pods("lazy-00001") == []
        assert it.condition(it.the(Service, "lazy"), "Ready").status == "True"
        await set_autoscaler(it, initial_scale="2")
        await it.api.create(service("eager"))
        await it.settle(0.5)
        assert len(it.pods("eager-00001")) == 2


async def test_another_default_class_leaves_the_revisions_that_run_alone():
    async with world() as it:
        await it.given(service("old", scaling={"min-scale": "1"}))
        await set_autoscaler(it, pod_autoscaler_class="hpa.autoscaling.knative.dev")
        await it.given(service("new", scaling={"min-scale": "1"}))
        classes = {
            scaler.metadata.name: scaler.metadata.annotations["autoscaling.knative.dev/class"]
            for scaler in it.api.list(PodAutoscaler)
        }
        assert classes == {
            "new-00001": "hpa.autoscaling.knative.dev",
            "old-00001": "kpa.autoscaling.knative.dev",
        }


async def test_a_changed_annotation_of_a_revision_that_runs_counts():
    async with world() as it:
        await it.given(service("hello", scaling={"window": "6s"}))
        revision = it.the(Revision, "hello-00001")
        more = {**revision.metadata.annotations, "autoscaling.knative.dev/minScale": "3"}
        meta = msgspec.structs.replace(revision.metadata, annotations=more)
        await it.api.update(msgspec.structs.replace(revision, metadata=meta))
        await it.settle(5)
        assert replicas(it) == 3


async def test_the_grace_period_and_the_retention_of_the_last_pod_change_at_run_time():
    async with world() as it:
        await set_autoscaler(it, scale_to_zero_pod_retention_period="1h")
        await it.given(service("hello", scaling={"window": "6s"}))
        await it.settle(120)
        assert len(it.pods("hello-00001")) == 1
        rule = it.the(PodAutoscaler, "hello-00001").status
        assert rule is not None
        assert rule.decisions[-1].rule == "pod-retention"
        await set_autoscaler(it, scale_to_zero_grace_period="1s")
        await it.settle(10)
        assert it.pods("hello-00001") == []


async def test_a_revision_is_given_up_after_its_own_progress_deadline_else_the_cluster_s():
    hurried = service("hurried", cpu="2")
    template = hurried.spec.template.metadata
    assert template is not None
    template.annotations["serving.knative.dev/progress-deadline"] = "20s"
    async with world(cpu="1") as it:
        await it.given(config_map("config-deployment", {"progress-deadline": "100s"}))
        await it.given(hurried, service("patient", cpu="2"))
        deadlines = [d.spec.progress_deadline_seconds for d in it.api.list(Deployment)]
        assert deadlines == [20, 100]
        await it.settle(110)  # 20 s, and the 30 s that Knative gives on top, looked at twice
        assert (replicas(it, "hurried-00001"), replicas(it, "patient-00001")) == (0, 1)
        await it.settle(170)
        assert replicas(it, "patient-00001") == 0


def test_a_map_that_cannot_be_read_leaves_the_last_good_settings_in_force():
    maps = {"config-autoscaler": {"stable-window": "30s"}}
    config = ClusterConfig(lambda name: maps.get(name, {}))
    assert config.autoscaler().stable_window_s == 30
    maps["config-autoscaler"] = {"stable-window": "1s", "min-scale": "7"}
    assert config.autoscaler().stable_window_s == 30
    assert config.autoscaler().min_scale == 0
    maps["config-autoscaler"] = {"min-scale": "7"}
    assert (config.autoscaler().stable_window_s, config.autoscaler().min_scale) == (60, 7)
