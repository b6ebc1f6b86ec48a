"""A document's numbers as Kubernetes makes them."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.model.autoscaling import HorizontalPodAutoscaler
from tidegate.model.meta import LabelSelector, LabelSelectorRequirement
from tidegate.model.wire import read
from tidegate.policy.config_hpa import parse_config_hpa
from tidegate.policy.errors import BadConfig
from tidegate.policy.hpa import approximate, go_selector, hpa_spec
from tidegate.scaling.hpa import HpaConfig, Metric, MetricType, Target, TargetType


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


def metric(type_: str, source: str, **said: Any) -> Metric:
    raw = {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": "web"},
            "maxReplicas": 3,
            "metrics": [{"type": type_, source: said}],
        },
    }
    found, reading = read(raw, HorizontalPodAutoscaler)
    assert not reading.unknown
    (one,) = hpa_spec(found).metrics
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
