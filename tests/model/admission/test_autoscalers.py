"""What an autoscaler's document may say, in Kubernetes' words."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.model.admission.autoscalers import check_autoscaler, default_autoscaler
from tidegate.model.autoscaling import HorizontalPodAutoscaler
from tidegate.model.wire import read, to_raw

Row = dict[str, Any]
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}


def autoscaler(**spec: Any) -> HorizontalPodAutoscaler:
    whole = {"scaleTargetRef": TARGET, "maxReplicas": 3, **spec}
    value, reading = read({"metadata": {"name": "web"}, "spec": whole}, HorizontalPodAutoscaler)
    assert reading.unknown == ()
    return default_autoscaler(value, None)


def problems(**spec: Any) -> list[tuple[str, str]]:
    return [(cause.field, cause.message) for cause in check_autoscaler(autoscaler(**spec))]


def metric(type_: str, field: str, /, **source: Any) -> Row:
    return {"type": type_, field: source}


def test_what_is_not_said_is_filled_in():
    spec: Row = to_raw(autoscaler().spec)
    assert spec["minReplicas"] == 1
    assert [m["resource"]["target"] for m in spec["metrics"]] == [
        {"type": "Utilization", "averageUtilization": 80}
    ]
    assert "behavior" not in spec


def test_an_empty_behaviour_is_filled_in_but_for_the_controllers_own_window():
    behavior = to_raw(autoscaler(behavior={}).spec)["behavior"]
    assert behavior["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert [p["type"] for p in behavior["scaleUp"]["policies"]] == ["Pods", "Percent"]
    assert "stabilizationWindowSeconds" not in behavior["scaleDown"]
    assert [p["value"] for p in behavior["scaleDown"]["policies"]] == [100]


def test_given_policies_replace_the_whole_default_list():
    given = {"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}}
    behavior = to_raw(autoscaler(behavior=given).spec)["behavior"]
    assert [p["value"] for p in behavior["scaleUp"]["policies"]] == [1]


def test_a_pods_metric_of_type_utilization_with_an_average_value_is_taken():
    """Arena writes them so."""
    target = {"type": "Utilization", "averageValue": 50}
    pods = metric("Pods", "pods", metric={"name": "DCGM_CUSTOM_PROCESS_SM_UTIL"}, target=target)
    assert problems(metrics=[pods]) == []


AVERAGE = {"type": "AverageValue", "averageValue": "1"}


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        ({"minReplicas": 0}, "spec.minReplicas", "must be greater than or equal to 1"),
        ({"minReplicas": 4}, "spec.maxReplicas", "must be greater than or equal to `minReplicas`"),
        ({"maxReplicas": 0}, "spec.maxReplicas", "must be greater than 0"),
        (
            {"scaleTargetRef": {"kind": "Deployment", "name": "web"}},
            "spec.scaleTargetRef.apiVersion",
            "apiVersion must specify API group",
        ),
        ({"scaleTargetRef": {**TARGET, "name": ""}}, "spec.scaleTargetRef.name", "Required value"),
        ({"metrics": [{"type": "Nonsense"}]}, "spec.metrics[0].type", "Unsupported value"),
        (
            {"metrics": [{"type": "Pods"}]},
            "spec.metrics[0].pods",
            "must populate information for the given metric source",
        ),
        (
            {
                "metrics": [
                    metric(
                        "Pods", "pods", metric={"name": "q"}, target={"type": "Value", "value": "1"}
                    )
                ]
            },
            "spec.metrics[0].pods.target.averageValue",
            "must specify a positive target averageValue",
        ),
        (
            {"metrics": [metric("Pods", "pods", metric={}, target=AVERAGE)]},
            "spec.metrics[0].pods.metric.name",
            "must specify a metric name",
        ),
        (
            {
                "metrics": [
                    metric("Resource", "resource", name="cpu", target={"type": "Utilization"})
                ]
            },
            "spec.metrics[0].resource.target.averageUtilization",
            "must set either a target raw value or a target utilization",
        ),
        (
            {
                "metrics": [
                    metric(
                        "Resource",
                        "resource",
                        name="cpu",
                        target={"type": "Utilization", "averageUtilization": 0},
                    )
                ]
            },
            "spec.metrics[0].resource.target.averageUtilization",
            "must be greater than 0",
        ),
        (
            {
                "metrics": [
                    metric("ContainerResource", "containerResource", name="cpu", target=AVERAGE)
                ]
            },
            "spec.metrics[0].containerResource.container",
            "must specify a container",
        ),
        (
            {
                "metrics": [
                    metric(
                        "External",
                        "external",
                        metric={"name": "q"},
                        target={"type": "Value", "value": "1", "averageValue": "1"},
                    )
                ]
            },
            "spec.metrics[0].external.target.value",
            "may not set both a target value for metric and a per-pod target",
        ),
        (
            {
                "metrics": [
                    metric("Pods", "pods", metric={"name": "q"}, target=AVERAGE)
                    | {"resource": {"name": "cpu", "target": AVERAGE}}
                ]
            },
            "spec.metrics[0].resource",
            "must populate the given metric source only",
        ),
        (
            {
                "metrics": [
                    metric(
                        "Pods",
                        "pods",
                        metric={"name": "q"},
                        target={**AVERAGE, "averageValue": "-1"},
                    )
                ]
            },
            "spec.metrics[0].pods.target.averageValue",
            "must be positive",
        ),
        (
            {
                "metrics": [
                    metric(
                        "Pods",
                        "pods",
                        metric={"name": "q"},
                        target={**AVERAGE, "averageValue": "lots"},
                    )
                ]
            },
            "spec.metrics[0].pods.target.averageValue",
            "is not a quantity",
        ),
        (
            {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 3601}}},
            "spec.behavior.scaleDown.stabilizationWindowSeconds",
            "must be less than or equal to 3600",
        ),
        (
            {"behavior": {"scaleUp": {"policies": []}}},
            "spec.behavior.scaleUp.policies",
            "must specify at least one Policy",
        ),
        (
            {
                "behavior": {
                    "scaleUp": {"policies": [{"type": "Some", "value": 1, "periodSeconds": 15}]}
                }
            },
            "spec.behavior.scaleUp.policies[0].type",
            "Unsupported value",
        ),
        (
            {
                "behavior": {
                    "scaleUp": {"policies": [{"type": "Pods", "value": 0, "periodSeconds": 15}]}
                }
            },
            "spec.behavior.scaleUp.policies[0].value",
            "must be greater than zero",
        ),
        (
            {
                "behavior": {
                    "scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 1801}]}
                }
            },
            "spec.behavior.scaleUp.policies[0].periodSeconds",
            "must be less than or equal to 1800",
        ),
        (
            {"behavior": {"scaleUp": {"selectPolicy": "Median"}}},
            "spec.behavior.scaleUp.selectPolicy",
            "Unsupported value",
        ),
        (
            {"behavior": {"scaleUp": {"tolerance": "-0.1"}}},
            "spec.behavior.scaleUp.tolerance",
            "must be greater than or equal to 0",
        ),
    ],
)
def test_what_is_wrong_is_named(spec, field, words):
    assert any(at == field and words in said for at, said in problems(**spec))
