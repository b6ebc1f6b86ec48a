"""A document's numbers as Kubernetes makes them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tidegate.model.autoscaling import HorizontalPodAutoscaler
from tidegate.model.meta import LabelSelector, LabelSelectorRequirement
from tidegate.model.wire import read, to_raw
from tidegate.policy.config_hpa import parse_config_hpa
from tidegate.policy.errors import BadConfig
from tidegate.policy.hpa import approximate, go_selector, hpa_spec, hpa_status, wire_status
from tidegate.scaling.hpa import (
    Condition,
    Current,
    HpaConfig,
    HpaStatus,
    Metric,
    MetricType,
    Target,
    TargetType,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0.0),
        ("0.05", 0.05),
        ("50m", 50 * 1e-3),
        ("69m", 69 * 1e-3),
        ("2", 2.0),
        ("100u", 100 * 1e-6),
    ],
)
def test_a_tolerance_is_its_digits_times_a_power_of_a_thousand(text, value):
    assert approximate(text) == value


def test_a_selector_is_printed_as_go_prints_it():
    assert go_selector(None) == "nil"
    terms = (LabelSelectorRequirement(key="tier", operator="In", values=("a", "b")),)
    selector = LabelSelector(match_labels={"z": "1", "queue": "a"}, match_expressions=terms)
    assert go_selector(selector) == (
        "&LabelSelector{MatchLabels:map[string]string{queue: a,z: 1,},MatchExpressions:"
        "[]LabelSelectorRequirement{LabelSelectorRequirement{Key:tier,Operator:In,Values:[a b],},},}"
    )


def test_settings_are_the_controllers_flags():
    found = parse_config_hpa(
        {
            "sync-period": "5s",
            "tolerance": "0.2",
            "downscale-stabilization": "1m30s",
            "_example": "x",
        }
    )
    assert (found.period_s, found.tolerance, found.downscale_window_s) == (5.0, 0.2, 90.0)
    assert parse_config_hpa({}) == HpaConfig()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"sync-period": "0s"}, "sync-period must be at least 1s"),
        ({"sync-period": "soon"}, "sync-period"),
        ({"tolerance": "-1"}, "tolerance must be non-negative"),
        ({"initial-readiness-delay": "-1s"}, "initial-readiness-delay must be non-negative"),
    ],
)
def test_settings_that_say_nothing_are_refused_by_name(data, why):
    with pytest.raises(BadConfig, match=why):
        parse_config_hpa(data)


LAG = {"name": "lag", "selector": {"matchLabels": {"topic": "a"}}}
WEB = {"apiVersion": "v1", "kind": "Service", "name": "web"}
SELECTOR = "&LabelSelector{MatchLabels:map[string]string{topic: a,},MatchExpressions:[]LabelSelectorRequirement{},}"


def autoscaler(*metrics: dict[str, Any]) -> HorizontalPodAutoscaler:
    raw = {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": "web"},
            "maxReplicas": 3,
            "metrics": list(metrics),
        },
    }
    found, reading = read(raw, HorizontalPodAutoscaler)
    assert not reading.unknown
    return found


def metric(type_: str, source: str, **said: Any) -> Metric:
    (one,) = hpa_spec(autoscaler({"type": type_, source: said})).metrics
    return one


@pytest.mark.parametrize(
    ("target", "means"),
    [
        ({"type": "Utilization", "averageUtilization": 50}, Target(TargetType.UTILIZATION, 50)),
        ({"type": "AverageValue", "averageValue": "200m"}, Target(TargetType.AVERAGE, 200)),
    ],
)
def test_a_resource_is_meant_as_a_share_or_as_an_average(target, means):
    cpu = metric("Resource", "resource", name="cpu", target=target)
    assert cpu == Metric(MetricType.RESOURCE, "cpu", means)
    inside = metric(
        "ContainerResource", "containerResource", name="cpu", container="main", target=target
    )
    assert inside == Metric(MetricType.CONTAINER, "cpu", means, container="main")


def test_a_metric_of_pods_is_an_average():
    target = {"type": "AverageValue", "averageValue": "1500m"}
    found = metric("Pods", "pods", metric={"name": "depth"}, target=target)
    assert found == Metric(MetricType.PODS, "depth", Target(TargetType.AVERAGE, 1500))


VALUE, AVERAGE = Target(TargetType.VALUE, 2000), Target(TargetType.AVERAGE, 5000)


@pytest.mark.parametrize(
    ("target", "of_object", "outside"),
    [
        pytest.param({"type": "Value", "value": 2}, VALUE, VALUE, id="a value"),
        pytest.param(
            {"type": "AverageValue", "averageValue": 5}, AVERAGE, AVERAGE, id="an average"
        ),
        pytest.param(
            {"type": "Value", "value": 2, "averageValue": 5},
            VALUE,
            AVERAGE,
            id="both, of type Value: objects go by the type, External by what is set",
        ),
        pytest.param(
            {"type": "AverageValue", "value": 2, "averageValue": 5}, AVERAGE, AVERAGE, id="both"
        ),
        pytest.param(
            {"type": "Utilization", "averageValue": 5}, AVERAGE, AVERAGE, id="as Arena writes it"
        ),
    ],
)
def test_objects_and_outside_metrics_are_meant_as_values_or_averages(target, of_object, outside):
    about = metric("Object", "object", describedObject=WEB, metric={"name": "n"}, target=target)
    assert (about.target, about.object_kind, about.object_name) == (of_object, "Service", "web")
    found = metric("External", "external", metric=LAG, target=target)
    assert (found.name, found.target) == ("lag", outside)
    assert found.selector == SELECTOR


def test_each_metric_is_shown_in_its_place_as_kubernetes_writes_it():
    share = {"type": "Utilization", "averageUtilization": 50}
    average = {"type": "AverageValue", "averageValue": 5}
    inside = {"name": "cpu", "container": "main", "target": share}
    about = {"metric": {"name": "n"}, "describedObject": WEB, "target": average}
    hpa = autoscaler(
        {"type": "Resource", "resource": {"name": "memory", "target": share}},
        {"type": "ContainerResource", "containerResource": inside},
        {"type": "Pods", "pods": {"metric": {"name": "depth"}, "target": average}},
        {"type": "Object", "object": about},
        {"type": "External", "external": {"metric": LAG, "target": average}},
        {"type": "Pods", "pods": {"metric": {"name": "away"}, "target": average}},
    )
    now = (
        Current(average=3 * 2**20 * 1000, utilization=30),
        Current(average=250, utilization=25),
        Current(average=1500),
        Current(value=7000),
        Current(average=2500),
        None,
    )
    shown = to_raw(wire_status(hpa, HpaStatus(metrics=now), None))["currentMetrics"]
    assert [one["type"] for one in shown] == [
        *("Resource", "ContainerResource", "Pods", "Object", "External"),
        "",  # could not be had
    ]
    assert shown[0]["resource"] == {
        "name": "memory",
        "current": {"averageValue": "3Mi", "averageUtilization": 30},
    }
    assert shown[1]["containerResource"]["container"] == "main"
    assert shown[1]["containerResource"]["current"]["averageValue"] == "250m"
    assert shown[2]["pods"] == {"metric": {"name": "depth"}, "current": {"averageValue": "1500m"}}
    assert shown[3]["object"]["current"] == {"value": "7"}
    assert shown[3]["object"]["describedObject"] == WEB
    assert shown[4]["external"]["current"] == {"averageValue": "2500m"}


def test_a_status_is_read_as_it_was_written():
    status = HpaStatus(
        current=2,
        desired=3,
        last_scale_s=1_700_000_000,
        conditions=(
            Condition("ScalingActive", True, "ValidMetricFound", "it could be had", 1_700_000_001),
            Condition("AbleToScale", False, "FailedGetScale", "it was gone", 1_700_000_002),
        ),
    )
    hpa = autoscaler()
    assert hpa_status(hpa) == HpaStatus()
    written = msgspec.structs.replace(hpa, status=wire_status(hpa, status, None))
    assert hpa_status(written) == status
