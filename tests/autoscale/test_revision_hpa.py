"""The HorizontalPodAutoscaler of a revision of class hpa, as Knative makes it."""

from __future__ import annotations

import msgspec
import pytest

from tidegate.autoscale.hpa_document import desired_hpa
from tidegate.autoscale.revision_hpa import plan_status
from tidegate.model.autoscaling import (
    HorizontalPodAutoscalerStatus,
    MetricStatus,
    MetricValueStatus,
    ResourceMetricStatus,
)
from tidegate.model.meta import Condition, ObjectMeta, ObjectReference
from tidegate.model.serving import PodAutoscaler, PodAutoscalerSpec
from tidegate.model.wire import to_raw
from tidegate.policy import AutoscalerConfig

A = "autoscaling.knative.dev/"


def autoscaler(**annotations: str) -> PodAutoscaler:
    given = {A + key.replace("_", "-"): value for key, value in annotations.items()}
    target = ObjectReference(api_version="apps/v1", kind="Deployment", name="a-00001-deployment")
    return PodAutoscaler(
        metadata=ObjectMeta(name="a-00001", namespace="default", uid="u1", annotations=given),
        spec=PodAutoscalerSpec(scale_target_ref=target, reachability="Reachable"),
    )


def spec(config: AutoscalerConfig | None = None, **annotations: str):
    made = desired_hpa(autoscaler(**annotations), config or AutoscalerConfig())
    return to_raw(made.spec)


def test_bounds_and_target_come_from_the_annotations():
    assert spec(min_scale="2", max_scale="5") == {
        "scaleTargetRef": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": "a-00001-deployment",
        },
        "minReplicas": 2,
        "maxReplicas": 5,
    }


def test_without_bounds_there_are_none_but_the_cluster_s():
    assert spec()["maxReplicas"] == 2**31 - 1
    assert "minReplicas" not in spec()
    assert spec(AutoscalerConfig(max_scale=7))["maxReplicas"] == 7


@pytest.mark.parametrize(
    ("metric", "target", "made"),
    [
        pytest.param(
            "cpu",
            "70.2",
            {
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 71},
                },
            },
            id="cpu in percent, rounded up",
        ),
        pytest.param(
            "memory",
            "2048.9",
            {
                "type": "Resource",
                "resource": {
                    "name": "memory",
                    "target": {"type": "AverageValue", "averageValue": "2Gi"},
                },
            },
            id="memory in MiB, cut",
        ),
        pytest.param(
            "queue_length",
            "5.9",
            {
                "type": "Pods",
                "pods": {
                    "metric": {"name": "queue_length"},
                    "target": {"type": "AverageValue", "averageValue": "5"},
                },
            },
            id="any other metric of the pods",
        ),
    ],
)
def test_a_target_becomes_a_metric(metric, target, made):
    assert spec(metric=metric, target=target)["metrics"] == (made,)


def test_a_window_is_the_stabilization_both_ways():
    rules = {"stabilizationWindowSeconds": 90}
    assert spec(window="90s")["behavior"] == {"scaleUp": rules, "scaleDown": rules}


def test_it_is_initialized_when_a_replica_was_ready_once_and_stays_so():
    given = autoscaler()
    made = desired_hpa(given, AutoscalerConfig())
    assert made.metadata.owner_references[0].kind == "PodAutoscaler"
    truths = [
        {c.type: c.status for c in plan_status(given, made, ready, now_s=1.0).conditions}
        for ready in (0, 1)
    ]
    assert truths[0] == {
        "Active": "True",
        "Ready": "Unknown",
        "SKSReady": "Unknown",
        "ScaleTargetInitialized": "Unknown",
    }
    assert set(truths[1].values()) == {"True"}


def seen(replicas: int, percent: int) -> HorizontalPodAutoscalerStatus:
    current = MetricValueStatus(average_utilization=percent)
    return HorizontalPodAutoscalerStatus(
        current_replicas=1,
        desired_replicas=replicas,
        current_metrics=(
            MetricStatus(
                type="Resource", resource=ResourceMetricStatus(name="cpu", current=current)
            ),
        ),
        conditions=(
            Condition(
                type="ScalingActive", status="True", reason="ValidMetricFound", message="Counted"
            ),
        ),
    )


def test_what_it_decides_is_told_once_for_each_change_of_mind():
    given = autoscaler(target="50")
    made = desired_hpa(given, AutoscalerConfig())
    for replicas, percent in ((3, 150), (3, 140), (2, 90)):
        now = msgspec.structs.replace(made, status=seen(replicas, percent))
        status = plan_status(given, now, 1, now_s=1.0)
        given = msgspec.structs.replace(given, status=status)
    assert status.decision == status.decisions[-1].message
    assert [(d.was, d.replicas, d.rule, d.message) for d in status.decisions] == [
        (1, 3, "ValidMetricFound", "cpu at 150% of 50%; Counted."),
        (3, 2, "ValidMetricFound", "cpu at 90% of 50%; Counted."),
    ]
