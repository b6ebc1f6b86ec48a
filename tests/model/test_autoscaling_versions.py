"""One stored autoscaler, read and written in four versions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tidegate.model.admission.autoscalers import default_autoscaler
from tidegate.model.autoscaling import HorizontalPodAutoscaler
from tidegate.model.columns import columns_of
from tidegate.model.kinds import BY_GVK, BY_TYPE, encode
from tidegate.model.wire import read, to_raw

Row = dict[str, Any]
CPU = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
}
QUEUE = {
    "type": "External",
    "external": {
        "metric": {"name": "lag", "selector": {"matchLabels": {"topic": "a"}}},
        "target": {"type": "AverageValue", "averageValue": "10"},
    },
}
HITS = {
    "type": "Pods",
    "pods": {"metric": {"name": "hits"}, "target": {"type": "AverageValue", "averageValue": "5"}},
}
FRONT = {
    "type": "Object",
    "object": {
        "metric": {"name": "rps"},
        "describedObject": {"kind": "Service", "name": "web", "apiVersion": "v1"},
        "target": {"type": "Value", "value": "3500m"},
    },
}
INSIDE = {
    "type": "ContainerResource",
    "containerResource": {
        "name": "memory",
        "container": "main",
        "target": {"type": "AverageValue", "averageValue": "64Mi"},
    },
}


def document(*metrics: Row, behavior: Row | None = None, status: Row | None = None) -> Row:
    spec: Row = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "minReplicas": 1,
        "maxReplicas": 4,
        "metrics": list(metrics),
    }
    if behavior is not None:
        spec["behavior"] = behavior
    found: Row = {"metadata": {"name": "web", "annotations": {"mine": "kept"}}, "spec": spec}
    return found | ({"status": status} if status else {})


def stored(raw: Row) -> HorizontalPodAutoscaler:
    return default_autoscaler(read(raw, HorizontalPodAutoscaler)[0], None)


def written(hpa: HorizontalPodAutoscaler, version: str) -> Row:
    kind = BY_GVK[f"autoscaling/{version}", "HorizontalPodAutoscaler"]
    out: Row = json.loads(encode(hpa, kind))
    return out


def read_back(raw: Row) -> HorizontalPodAutoscaler:
    kind = BY_GVK[raw.pop("apiVersion"), raw.pop("kind")]
    value, reading = read(raw, kind.wire_type)
    assert reading.unknown == ()
    lifted = kind.lifted(value)
    assert isinstance(lifted, HorizontalPodAutoscaler)
    return lifted


STATUS = {
    "currentReplicas": 2,
    "desiredReplicas": 3,
    "lastScaleTime": "2026-01-01T00:00:00Z",
    "currentMetrics": [
        {
            "type": "Resource",
            "resource": {
                "name": "cpu",
                "current": {"averageUtilization": 75, "averageValue": "750m"},
            },
        },
        {
            "type": "External",
            "external": {
                "metric": {"name": "lag", "selector": {"matchLabels": {"topic": "a"}}},
                "current": {"averageValue": "7"},
            },
        },
        {"type": ""},
        {
            "type": "Object",
            "object": {
                "metric": {"name": "rps"},
                "current": {"value": "12"},
                "describedObject": {"kind": "Service", "name": "web"},
            },
        },
        {
            "type": "ContainerResource",
            "containerResource": {
                "name": "memory",
                "container": "main",
                "current": {"averageValue": "1Mi"},
            },
        },
    ],
    "conditions": [{"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale"}],
}


@pytest.mark.parametrize("version", ["v1", "v2", "v2beta1", "v2beta2"])
def test_writing_an_autoscaler_and_reading_it_back_loses_nothing(version):
    whole = stored(document(CPU, QUEUE, HITS, FRONT, INSIDE, behavior={}, status=STATUS))
    assert read_back(written(whole, version)) == whole


def test_v1_has_one_metric_and_keeps_the_others_in_annotations():
    raw = written(stored(document(QUEUE, CPU, status=STATUS)), "v1")
    assert raw["spec"]["targetCPUUtilizationPercentage"] == 50
    assert raw["status"]["currentCPUUtilizationPercentage"] == 75
    notes = raw["metadata"]["annotations"]
    assert notes["mine"] == "kept"
    assert json.loads(notes["autoscaling.alpha.kubernetes.io/metrics"]) == [
        {
            "type": "External",
            "external": {
                "metricName": "lag",
                "metricSelector": {"matchLabels": {"topic": "a"}},
                "targetAverageValue": "10",
            },
        }
    ]


def test_a_v1_document_without_a_target_gets_the_default_metric():
    hpa = read_back(
        {
            "apiVersion": "autoscaling/v1",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web"},
            "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 3},
        }
    )
    (metric,) = default_autoscaler(hpa, None).spec.metrics
    assert metric.resource is not None
    assert metric.resource.target.average_utilization == 80


def test_an_annotation_that_nobody_can_read_counts_as_absent():
    raw = written(stored(document(CPU)), "v1")
    raw["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"] = "{not json"
    assert len(read_back(raw).spec.metrics) == 1


def test_v2beta1_says_the_target_in_the_source():
    (metric,) = written(stored(document(FRONT)), "v2beta1")["spec"]["metrics"]
    assert metric == {
        "type": "Object",
        "object": {
            "target": {"kind": "Service", "name": "web", "apiVersion": "v1"},
            "metricName": "rps",
            "targetValue": "3500m",
        },
    }


def targets(raw: Row) -> str:
    hpa = stored(raw)
    column = next(c for c in columns_of(BY_TYPE[type(hpa)]) if c.name == "Targets")
    return str(column.cell(hpa, 0.0))


def test_targets_are_told_as_kubectl_prints_them():
    assert targets(document(CPU)) == "cpu: <unknown>/50%"
    assert targets(document(QUEUE)) == "<unknown>/10 (avg)"
    assert (
        targets(document(CPU, QUEUE, HITS, status=STATUS)) == "cpu: 75%/50%, 7/10 (avg) + 1 more..."
    )
    assert targets(document(FRONT)) == "<unknown>/3500m"
    assert targets(document(INSIDE)) == "memory: <unknown>/64Mi"


def test_a_row_names_the_target_and_the_bounds():
    hpa = stored(document(CPU, status=STATUS))
    row = {c.name: c.cell(hpa, 0.0) for c in columns_of(BY_TYPE[type(hpa)])}
    assert (row["Reference"], row["MinPods"], row["MaxPods"], row["Replicas"]) == (
        "Deployment/web",
        "1",
        4,
        2,
    )


def test_quantities_are_written_back_as_kubernetes_writes_them():
    raw = document(
        {
            **HITS,
            "pods": {**HITS["pods"], "target": {"type": "AverageValue", "averageValue": "1000m"}},
        }
    )
    (metric,) = to_raw(stored(raw))["spec"]["metrics"]
    assert metric["pods"]["target"]["averageValue"] == "1"
