"""autoscaling/v2beta1: the target is a part of the source, and behaviours are kept in an annotation.

Source: kubernetes pkg/apis/autoscaling/v2beta1/conversion.go.
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
from tidegate.model.autoscaling_versions.annotations import BEHAVIOR, noted, plain, read, text
from tidegate.model.meta import Condition, LabelSelector, Object
from tidegate.model.wire import QuantityText, Wire, always


class V2beta1Object(Wire, frozen=True, kw_only=True):
    target: CrossVersionObjectReference = CrossVersionObjectReference()
    metric_name: str = ""
    target_value: QuantityText | None = None
    selector: LabelSelector | None = None
    average_value: QuantityText | None = None


class V2beta1Pods(Wire, frozen=True, kw_only=True):
    metric_name: str = ""
    target_average_value: QuantityText | None = None
    selector: LabelSelector | None = None


class V2beta1Resource(Wire, frozen=True, kw_only=True):
    name: str = ""
    target_average_utilization: int | None = None
    target_average_value: QuantityText | None = None


class V2beta1ContainerResource(Wire, frozen=True, kw_only=True):
    name: str = ""
    target_average_utilization: int | None = None
    target_average_value: QuantityText | None = None
    container: str = ""


class V2beta1External(Wire, frozen=True, kw_only=True):
    metric_name: str = ""
    metric_selector: LabelSelector | None = None
    target_value: QuantityText | None = None
    target_average_value: QuantityText | None = None


class V2beta1Metric(Wire, frozen=True, kw_only=True):
    type: str = ""
    object: V2beta1Object | None = None
    pods: V2beta1Pods | None = None
    resource: V2beta1Resource | None = None
    container_resource: V2beta1ContainerResource | None = None
    external: V2beta1External | None = None


class V2beta1Spec(Wire, frozen=True, kw_only=True):
    scale_target_ref: CrossVersionObjectReference = CrossVersionObjectReference()
    min_replicas: int | None = None
    max_replicas: int = 0
    metrics: tuple[V2beta1Metric, ...] = ()


class V2beta1Status(Wire, frozen=True, kw_only=True):
    """`current_metrics` in v2beta1's words, as plain values."""

    observed_generation: int | None = None
    last_scale_time: str | None = None
    current_replicas: int = always(0)
    desired_replicas: int = always(0)
    current_metrics: tuple[dict[str, Any], ...] = ()
    conditions: tuple[Condition, ...] = ()
    tidegate: v2.AutoscalerMemory | None = None


class V2beta1Autoscaler(Object, frozen=True, kw_only=True):
    spec: V2beta1Spec = V2beta1Spec()
    status: V2beta1Status | None = None


def metric_down(metric: v2.MetricSpec) -> V2beta1Metric:
    out = V2beta1Metric(type=metric.type)
    if (resource := metric.resource) is not None:
        made = V2beta1Resource(
            name=resource.name,
            target_average_utilization=resource.target.average_utilization,
            target_average_value=resource.target.average_value,
        )
        out = msgspec.structs.replace(out, resource=made)
    if (inside := metric.container_resource) is not None:
        contained = V2beta1ContainerResource(
            name=inside.name,
            target_average_utilization=inside.target.average_utilization,
            target_average_value=inside.target.average_value,
            container=inside.container,
        )
        out = msgspec.structs.replace(out, container_resource=contained)
    if (pods := metric.pods) is not None:
        per_pod = V2beta1Pods(
            metric_name=pods.metric.name,
            target_average_value=pods.target.average_value,
            selector=pods.metric.selector,
        )
        out = msgspec.structs.replace(out, pods=per_pod)
    if (about := metric.object) is not None:
        described = V2beta1Object(
            target=about.described_object,
            metric_name=about.metric.name,
            target_value=about.target.value,
            selector=about.metric.selector,
            average_value=about.target.average_value,
        )
        out = msgspec.structs.replace(out, object=described)
    if (outside := metric.external) is not None:
        external = V2beta1External(
            metric_name=outside.metric.name,
            metric_selector=outside.metric.selector,
            target_value=outside.target.value,
            target_average_value=outside.target.average_value,
        )
        out = msgspec.structs.replace(out, external=external)
    return out


def metric_up(metric: V2beta1Metric) -> v2.MetricSpec:
    out = v2.MetricSpec(type=metric.type)
    if (resource := metric.resource) is not None:
        made = v2.ResourceMetricSource(
            name=resource.name,
            target=share(resource.target_average_utilization, resource.target_average_value),
        )
        out = msgspec.structs.replace(out, resource=made)
    if (inside := metric.container_resource) is not None:
        contained = v2.ContainerResourceMetricSource(
            name=inside.name,
            container=inside.container,
            target=share(inside.target_average_utilization, inside.target_average_value),
        )
        out = msgspec.structs.replace(out, container_resource=contained)
    if (pods := metric.pods) is not None:
        per_pod = v2.PodsMetricSource(
            metric=v2.MetricIdentifier(name=pods.metric_name, selector=pods.selector),
            target=_amount(None, pods.target_average_value),
        )
        out = msgspec.structs.replace(out, pods=per_pod)
    if (about := metric.object) is not None:
        described = v2.ObjectMetricSource(
            described_object=about.target,
            metric=v2.MetricIdentifier(name=about.metric_name, selector=about.selector),
            target=_amount(about.target_value, about.average_value),
        )
        out = msgspec.structs.replace(out, object=described)
    if (outside := metric.external) is not None:
        external = v2.ExternalMetricSource(
            metric=v2.MetricIdentifier(name=outside.metric_name, selector=outside.metric_selector),
            target=_amount(outside.target_value, outside.target_average_value),
        )
        out = msgspec.structs.replace(out, external=external)
    return out


def share(percent: int | None, average: QuantityText | None) -> v2.MetricTarget:
    type_ = "Utilization" if percent is not None else "AverageValue"
    return v2.MetricTarget(type=type_, average_utilization=percent, average_value=average)


def _amount(value: QuantityText | None, average: QuantityText | None) -> v2.MetricTarget:
    if average is not None:
        shown = None if value in (None, "0", 0) else value
        return v2.MetricTarget(type="AverageValue", value=shown, average_value=average)
    return v2.MetricTarget(type="Value", value=value)


def v2beta1_down(hpa: HorizontalPodAutoscaler) -> V2beta1Autoscaler:
    """As v2beta1 writes it; behaviours are kept in an annotation."""
    spec, status = hpa.spec, hpa.status
    notes = {BEHAVIOR: text(spec.behavior)} if spec.behavior is not None else {}
    return V2beta1Autoscaler(
        metadata=noted(hpa, notes),
        spec=V2beta1Spec(
            scale_target_ref=spec.scale_target_ref,
            min_replicas=spec.min_replicas,
            max_replicas=spec.max_replicas,
            metrics=tuple(map(metric_down, spec.metrics)),
        ),
        status=None
        if status is None
        else V2beta1Status(
            observed_generation=status.observed_generation,
            last_scale_time=status.last_scale_time,
            current_replicas=status.current_replicas,
            desired_replicas=status.desired_replicas,
            current_metrics=tuple(map(current_down, status.current_metrics)),
            conditions=status.conditions,
            tidegate=status.tidegate,
        ),
    )


def v2beta1_up(document: V2beta1Autoscaler) -> HorizontalPodAutoscaler:
    spec, status = document.spec, document.status
    notes = document.metadata.annotations
    return HorizontalPodAutoscaler(
        metadata=plain(document),
        spec=HorizontalPodAutoscalerSpec(
            scale_target_ref=spec.scale_target_ref,
            min_replicas=spec.min_replicas,
            max_replicas=spec.max_replicas,
            metrics=tuple(map(metric_up, spec.metrics)),
            behavior=read(notes, BEHAVIOR, HorizontalPodAutoscalerBehavior),
        ),
        status=None
        if status is None
        else HorizontalPodAutoscalerStatus(
            observed_generation=status.observed_generation,
            last_scale_time=status.last_scale_time,
            current_replicas=status.current_replicas,
            desired_replicas=status.desired_replicas,
            current_metrics=tuple(map(current_up, status.current_metrics)),
            conditions=status.conditions,
            tidegate=status.tidegate,
        ),
    )


# --- what metrics were, as v2beta1 writes it


_CURRENT_NAMES = {
    "averageUtilization": "currentAverageUtilization",
    "averageValue": "currentAverageValue",
    "value": "currentValue",
}


def current_down(status: v2.MetricStatus) -> dict[str, Any]:
    raw: dict[str, Any] = msgspec.to_builtins(status)
    for part in raw.values():
        if isinstance(part, dict):
            figures = part.pop("current", {})
            metric = part.pop("metric", {})
            if "name" in metric:
                part["metricName"] = metric["name"]
            if "selector" in metric:
                part["metricSelector" if "external" in raw else "selector"] = metric["selector"]
            if "describedObject" in part:
                part["target"] = part.pop("describedObject")
            part |= {_CURRENT_NAMES[name]: figure for name, figure in figures.items()}
    if "object" in raw and "currentAverageValue" in raw["object"]:
        raw["object"]["averageValue"] = raw["object"].pop("currentAverageValue")
    return raw


def current_up(raw: Mapping[str, Any]) -> v2.MetricStatus:
    """What can't be read is left out: nobody writes this by hand."""
    out: dict[str, Any] = {"type": raw.get("type", "")}
    names = {old: new for new, old in _CURRENT_NAMES.items()} | {"averageValue": "averageValue"}
    for field, part in raw.items():
        if not isinstance(part, dict):
            continue
        figures = {names[name]: part[name] for name in part if name in names}
        made: dict[str, Any] = {"current": figures}
        if "metricName" in part:
            selector = part.get("metricSelector") or part.get("selector")
            made["metric"] = {"name": part["metricName"]}
            if selector:
                made["metric"]["selector"] = selector
        if "target" in part:
            made["describedObject"] = part["target"]
        out[field] = made | {name: part[name] for name in ("name", "container") if name in part}
    try:
        return msgspec.convert(out, v2.MetricStatus)
    except msgspec.ValidationError:
        return v2.MetricStatus()
