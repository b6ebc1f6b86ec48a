"""autoscaling/v1: one metric, the CPU's share; everything else is kept in annotations.

Their JSON is written as v2beta1 writes it. Reading such an object and writing it back loses nothing,
but a CPU metric comes first then.

Source: kubernetes pkg/apis/autoscaling/v1/conversion.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tidegate.model import autoscaling as v2
from tidegate.model.autoscaling import (
    CrossVersionObjectReference,
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerBehavior,
    HorizontalPodAutoscalerSpec,
    HorizontalPodAutoscalerStatus,
)
from tidegate.model.autoscaling_versions.annotations import (
    BEHAVIOR,
    CONDITIONS,
    CURRENT,
    METRICS,
    noted,
    plain,
    read,
    text,
)
from tidegate.model.autoscaling_versions.v2beta1 import (
    V2beta1Metric,
    current_down,
    current_up,
    metric_down,
    metric_up,
    share,
)
from tidegate.model.meta import Condition, Object
from tidegate.model.wire import Wire, always


class V1Spec(Wire, frozen=True, kw_only=True):
    """`target_cpu` absent: the metrics of the annotation, or the default."""

    scale_target_ref: CrossVersionObjectReference = CrossVersionObjectReference()
    min_replicas: int | None = None
    max_replicas: int = 0
    target_cpu: int | None = msgspec.field(default=None, name="targetCPUUtilizationPercentage")


class V1Status(Wire, frozen=True, kw_only=True):
    observed_generation: int | None = None
    last_scale_time: str | None = None
    current_replicas: int = always(0)
    desired_replicas: int = always(0)
    current_cpu: int | None = msgspec.field(default=None, name="currentCPUUtilizationPercentage")
    tidegate: v2.AutoscalerMemory | None = None


class V1Autoscaler(Object, frozen=True, kw_only=True):
    spec: V1Spec = V1Spec()
    status: V1Status | None = None


def v1_down(hpa: HorizontalPodAutoscaler) -> V1Autoscaler:
    spec, status = hpa.spec, hpa.status
    shares = [
        m.resource.target.average_utilization
        for m in spec.metrics
        if _is_cpu_share(m) and m.resource
    ]
    others = [metric_down(m) for m in spec.metrics if not _is_cpu_share(m)]
    notes = {METRICS: text(others)} if others else {}
    if spec.behavior is not None:
        notes[BEHAVIOR] = text(spec.behavior)
    if status is not None:
        if status.current_metrics:
            notes[CURRENT] = text([current_down(m) for m in status.current_metrics])
        if status.conditions:
            notes[CONDITIONS] = text(status.conditions)
    return V1Autoscaler(
        metadata=noted(hpa, notes),
        spec=V1Spec(
            scale_target_ref=spec.scale_target_ref,
            min_replicas=spec.min_replicas,
            max_replicas=spec.max_replicas,
            target_cpu=shares[0] if shares else None,
        ),
        status=None if status is None else _v1_status(status),
    )


def _v1_status(status: HorizontalPodAutoscalerStatus) -> V1Status:
    cpu = [
        metric.resource.current.average_utilization
        for metric in status.current_metrics
        if metric.resource is not None and metric.resource.name == "cpu"
    ]
    return V1Status(
        observed_generation=status.observed_generation,
        last_scale_time=status.last_scale_time,
        current_replicas=status.current_replicas,
        desired_replicas=status.desired_replicas,
        current_cpu=cpu[0] if cpu else None,
        tidegate=status.tidegate,
    )


def _is_cpu_share(metric: v2.MetricSpec) -> bool:
    resource = metric.resource
    return (
        metric.type == "Resource"
        and resource is not None
        and resource.name == "cpu"
        and resource.target.average_utilization is not None
    )


def v1_up(document: V1Autoscaler) -> HorizontalPodAutoscaler:
    spec, status, notes = document.spec, document.status, document.metadata.annotations
    others = read(notes, METRICS, tuple[V2beta1Metric, ...]) or ()
    metrics = tuple(map(metric_up, others))
    if spec.target_cpu is not None:
        source = v2.ResourceMetricSource(name="cpu", target=share(spec.target_cpu, None))
        metrics = (v2.MetricSpec(type="Resource", resource=source), *metrics)
    return HorizontalPodAutoscaler(
        metadata=plain(document),
        spec=HorizontalPodAutoscalerSpec(
            scale_target_ref=spec.scale_target_ref,
            min_replicas=spec.min_replicas,
            max_replicas=spec.max_replicas,
            metrics=metrics,
            behavior=read(notes, BEHAVIOR, HorizontalPodAutoscalerBehavior),
        ),
        status=None if status is None else _v2_status(status, notes),
    )


def _v2_status(status: V1Status, notes: Mapping[str, str]) -> HorizontalPodAutoscalerStatus:
    current = read(notes, CURRENT, tuple[dict[str, Any], ...]) or ()
    return HorizontalPodAutoscalerStatus(
        observed_generation=status.observed_generation,
        last_scale_time=status.last_scale_time,
        current_replicas=status.current_replicas,
        desired_replicas=status.desired_replicas,
        current_metrics=tuple(map(current_up, current)),
        conditions=read(notes, CONDITIONS, tuple[Condition, ...]) or (),
        tidegate=status.tidegate,
    )
