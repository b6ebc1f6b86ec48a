"""Horizontal pod autoscalers on the whole control plane, on virtual time."""

from __future__ import annotations

import msgspec
import pytest

from tidegate.model.apps import Deployment, DeploymentSpec, ReplicaSet
from tidegate.model.autoscaling import (
    CrossVersionObjectReference,
    ExternalMetricSource,
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerBehavior,
    HorizontalPodAutoscalerSpec,
    HPAScalingPolicy,
    HPAScalingRules,
    MetricIdentifier,
    MetricSpec,
    MetricTarget,
    PodsMetricSource,
    ResourceMetricSource,
)
from tidegate.model.conditions import find
from tidegate.model.containers import Container, ContainerPort, ResourceRequirements
from tidegate.model.core import Event
from tidegate.model.errors import BadRequest, Invalid
from tidegate.model.meta import LabelSelector, ObjectMeta
from tidegate.model.pods import PodSpec, PodTemplateSpec
from tidegate.testing.builders import config_map, service
from tidegate.testing.world import World, world

pytestmark = pytest.mark.looptime


def deployment(name: str = "web", *, replicas: int = 1, app: str = "web") -> Deployment:
    container = Container(
        name="main",
        image="python:3",
        command=("python",),
        ports=(ContainerPort(container_port=8080),),
        resources=ResourceRequirements(requests={"cpu": "1", "memory": "64Mi"}),
    )
    return Deployment(
        metadata=ObjectMeta(name=name, namespace="default"),
        spec=DeploymentSpec(
            replicas=replicas,
            selector=LabelSelector(match_labels={"app": app}),
            template=PodTemplateSpec(
                metadata=ObjectMeta(labels={"app": app}), spec=PodSpec(containers=(container,))
            ),
        ),
    )


def cpu(percent: int) -> MetricSpec:
    target = MetricTarget(type="Utilization", average_utilization=percent)
    return MetricSpec(type="Resource", resource=ResourceMetricSource(name="cpu", target=target))


def pods_metric(name: str, average: str) -> MetricSpec:
    target = MetricTarget(type="AverageValue", average_value=average)
    source = PodsMetricSource(metric=MetricIdentifier(name=name), target=target)
    return MetricSpec(type="Pods", pods=source)


def quick() -> HorizontalPodAutoscalerBehavior:
    """Down at once."""
    return HorizontalPodAutoscalerBehavior(
        scale_down=HPAScalingRules(
            stabilization_window_seconds=0,
            policies=(HPAScalingPolicy(type="Percent", value=100, period_seconds=15),),
        )
    )


def hpa(
    *metrics: MetricSpec,
    name: str = "web",
    target: str = "web",
    least: int = 1,
    most: int = 10,
    behavior: HorizontalPodAutoscalerBehavior | None = None,
) -> HorizontalPodAutoscaler:
    return HorizontalPodAutoscaler(
        metadata=ObjectMeta(name=name, namespace="default"),
        spec=HorizontalPodAutoscalerSpec(
            scale_target_ref=CrossVersionObjectReference(
                api_version="apps/v1", kind="Deployment", name=target
            ),
            min_replicas=least,
            max_replicas=most,
            metrics=metrics or (cpu(50),),
            behavior=behavior,
        ),
    )


def size(it: World, name: str = "web") -> int | None:
    return it.the(Deployment, name).spec.replicas


def reason(it: World, type_: str, name: str = "web") -> str | None:
    status = it.the(HorizontalPodAutoscaler, name).status
    found = find(status.conditions, type_) if status else None
    return found.reason if found else None


def events(it: World, reason: str, name: str = "web") -> list[str]:
    return [
        event.message or ""
        for event in it.api.list(Event)
        if event.reason == reason and event.involved_object.name == name
    ]


async def test_more_cpu_than_the_target_makes_more_replicas_and_less_fewer():
    async with world() as it:
        it.usage.cpu_milli["web"] = 2000
        await it.given(deployment(), hpa(behavior=quick()))
        await it.settle(40)
        assert size(it) == 4  # two cores at half a core each
        it.usage.cpu_milli["web"] = 100
        await it.settle(40)
        assert size(it) == 1
        above = "New size: 4; reason: cpu resource utilization (percentage of request) above target"
        below = "New size: 1; reason: All metrics below target"
        assert sorted(events(it, "SuccessfulRescale")) == [below, above]


async def test_without_a_behaviour_what_was_wanted_in_the_last_five_minutes_is_kept():
    async with world() as it:
        it.usage.cpu_milli["web"] = 2000
        await it.given(deployment(), hpa())
        await it.settle(60)
        it.usage.cpu_milli["web"] = 100
        await it.settle(240)
        assert (size(it), reason(it, "AbleToScale")) == (4, "ScaleDownStabilized")
        await it.settle(90)
        assert size(it) == 1


async def test_the_first_visit_is_one_period_after_the_beginning():
    async with world() as it:
        it.usage.cpu_milli["web"] = 2000
        await it.given(deployment())
        await it.settle(30)
        await it.given(hpa())
        await it.settle(10)
        assert (size(it), reason(it, "AbleToScale")) == (1, None)
        await it.settle(5)
        assert size(it) == 4


async def test_a_control_plane_that_was_away_goes_on_as_if_it_had_not_been():
    async with world() as it:
        it.usage.cpu_milli["web"] = 2000
        await it.given(deployment(), hpa())
        await it.settle(60)
        await it.kill_plane()
        it.usage.cpu_milli["web"] = 100
        await it.settle(100)
        await it.start_plane()
        await it.settle(120)
        assert (size(it), reason(it, "AbleToScale")) == (4, "ScaleDownStabilized")
        await it.settle(120)
        assert size(it) == 1


async def test_a_missing_target_is_said_and_found_when_it_comes():
    async with world() as it:
        await it.given(hpa())
        await it.settle(20)
        assert reason(it, "AbleToScale") == "FailedGetScale"
        assert events(it, "FailedGetScale") == ['deployments.apps "web" not found']
        it.usage.cpu_milli["web"] = 2000
        await it.given(deployment())
        await it.settle(40)
        assert size(it) == 4


async def test_a_target_without_replicas_is_said():
    async with world() as it:
        wrong = hpa()
        ref = CrossVersionObjectReference(api_version="apps/v1", kind="StatefulSet", name="web")
        spec = msgspec.structs.replace(wrong.spec, scale_target_ref=ref)
        await it.given(msgspec.structs.replace(wrong, spec=spec))
        await it.settle(20)
        (said,) = events(it, "FailedGetScale")
        assert 'no matches for kind "StatefulSet" in group "apps"' in said


async def test_metrics_that_never_come_hold_the_count_and_are_named():
    async with world() as it:
        await it.given(deployment(replicas=3), hpa(pods_metric("queue_depth", "10")))
        await it.settle(60)
        assert (size(it), reason(it, "ScalingActive")) == (3, "FailedGetPodsMetric")
        status = it.the(HorizontalPodAutoscaler, "web").status
        assert status is not None
        assert [metric.type for metric in status.current_metrics] == [""]
        assert "queue_depth" in events(it, "FailedGetPodsMetric")[0]


async def test_the_bounds_are_kept_whatever_the_metrics_say():
    async with world() as it:
        await it.given(deployment(replicas=7), hpa(most=5))
        await it.settle(20)
        assert size(it) == 5
        words = "New size: 5; reason: Current number of replicas above Spec.MaxReplicas"
        assert events(it, "SuccessfulRescale") == [words]


async def test_a_least_over_the_most_is_refused_by_name():
    async with world() as it:
        with pytest.raises(Invalid, match="must be greater than or equal to `minReplicas`"):
            await it.given(hpa(least=4, most=2))


async def test_two_autoscalers_of_one_target_both_say_so_and_neither_acts():
    async with world() as it:
        it.usage.cpu_milli["web"] = 2000
        await it.given(deployment(replicas=2), hpa(name="one"), hpa(name="two"))
        await it.settle(60)
        assert size(it) == 2
        assert [reason(it, "ScalingActive", name) for name in ("one", "two")] == [
            "AmbiguousSelector",
            "AmbiguousSelector",
        ]
        await it.api.delete(HorizontalPodAutoscaler, "default", "two")
        await it.settle(40)
        assert size(it) == 4


async def test_two_whose_bounds_differ_do_not_press_them_either():
    async with world() as it:
        await it.given(
            deployment(replicas=2), hpa(name="one", least=3, most=5), hpa(name="two", most=1)
        )
        await it.settle(60)
        assert size(it) == 2
        for name in ("one", "two"):
            assert reason(it, "ScalingActive", name) == "AmbiguousSelector"
            assert events(it, "SuccessfulRescale", name) == []


async def test_a_stopped_target_is_left_alone():
    async with world() as it:
        it.usage.cpu_milli["web"] = 2000
        await it.given(deployment(replicas=0), hpa())
        await it.settle(40)
        assert (size(it), reason(it, "ScalingActive")) == (0, "ScalingDisabled")


async def test_a_revisions_replicas_are_the_knative_autoscalers():
    async with world() as it:
        await it.given(service("hello", scaling={"min-scale": "1"}))
        await it.settle(10)
        (target,) = it.names(Deployment)
        await it.given(hpa(name="mine", target=target))
        await it.settle(20)
        (said,) = events(it, "FailedGetScale", "mine")
        assert "whose replicas Knative's autoscaler sets" in said


async def test_one_pod_too_busy_with_requests_counts_as_a_busy_simulated_gpu():
    async with world() as it:
        await it.given(service("hello", scaling={"min-scale": "1", "max-scale": "1"}))
        it.load("hello-00001", in_flight=1.0)
        await it.settle(40)
        pods = it.pods("hello-00001")
        found = await it.plane.metrics.of_pods(
            "DCGM_CUSTOM_PROCESS_SM_UTIL", {}, namespace="default", pods=pods
        )
        assert found.simulated
        assert [item.milli for item in found.reading.items] == [100_000]


async def test_the_other_of_two_may_come_later_and_both_stop_then():
    async with world() as it:
        it.usage.cpu_milli["web"] = 2000
        await it.given(deployment(replicas=2), hpa(name="one"))
        await it.settle(40)
        assert size(it) == 4
        it.usage.cpu_milli["web"] = 3000
        await it.given(hpa(name="two"))
        await it.settle(40)
        assert (size(it), reason(it, "ScalingActive", "one")) == (4, "AmbiguousSelector")


async def test_a_deployments_replica_set_is_the_deployments():
    async with world() as it:
        await it.given(deployment())
        await it.settle(5)
        (replica_set,) = it.names(ReplicaSet)
        wrong = hpa(name="mine")
        ref = CrossVersionObjectReference(
            api_version="apps/v1", kind="ReplicaSet", name=replica_set
        )
        spec = msgspec.structs.replace(wrong.spec, scale_target_ref=ref)
        await it.given(msgspec.structs.replace(wrong, spec=spec))
        await it.settle(20)
        (said,) = events(it, "FailedGetScale", "mine")
        assert 'belongs to Deployment "web", which sets its replicas' in said


async def test_settings_change_the_rhythm_without_a_restart():
    async with world() as it:
        it.usage.cpu_milli["web"], it.usage.window_s = 2000, 5.0
        await it.given(deployment(), config_map("config-hpa", {"sync-period": "5s"}))
        await it.settle(5)
        await it.given(hpa())
        await it.settle(3)
        assert size(it) == 4


async def test_settings_that_say_nothing_are_refused():
    async with world() as it:
        with pytest.raises(BadRequest, match="sync-period must be at least 1s"):
            await it.given(config_map("config-hpa", {"sync-period": "0s"}))
        with pytest.raises(BadRequest, match=r"lag\.external has no server"):
            await it.given(config_map("config-metrics", {"lag.external": "max(lag)"}))


async def test_a_control_plane_that_comes_back_waits_for_the_gateway_before_it_judges():
    async with world() as it:
        lag = MetricSpec(
            type="External",
            external=ExternalMetricSource(
                metric=MetricIdentifier(name="tidegate_queue"),
                target=MetricTarget(type="AverageValue", average_value="10"),
            ),
        )
        await it.given(deployment(), service("hello", scaling={"min-scale": "1"}), hpa(lag))
        await it.settle(60)
        await it.kill_plane()
        await it.settle(60)
        await it.start_plane()
        await it.settle(30)
        assert reason(it, "ScalingActive") == "ValidMetricFound"
        assert events(it, "FailedGetExternalMetric") == []
