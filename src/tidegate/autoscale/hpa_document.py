"""The HorizontalPodAutoscaler that a revision of class hpa gets.

Source: Knative, serving pkg/reconciler/autoscaling/hpa/resources/hpa.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import msgspec

from tidegate.model import autoscaling as hpa
from tidegate.model.meta import ObjectMeta, owner_reference
from tidegate.model.serving import PodAutoscaler
from tidegate.policy import annotation_keys as keys
from tidegate.policy.config_autoscaler import AutoscalerConfig
from tidegate.policy.go_values import parse_float, parse_seconds
from tidegate.policy.kpa import scale_bounds
from tidegate.scaling import Reachability

_API = "autoscaling.internal.knative.dev/v1alpha1"
_UNLIMITED = 2**31 - 1


def desired_hpa(autoscaler: PodAutoscaler, config: AutoscalerConfig) -> hpa.HorizontalPodAutoscaler:
    """The HorizontalPodAutoscaler of a revision. Without a target it has no metric, which
    Kubernetes takes for 80 % of the requested CPU."""
    meta, ref = autoscaler.metadata, autoscaler.spec.scale_target_ref
    reachability = Reachability(autoscaler.spec.reachability or "")
    bounds = scale_bounds(meta.annotations, config, reachability)
    return hpa.HorizontalPodAutoscaler(
        metadata=ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            labels=meta.labels,
            annotations=meta.annotations,
            owner_references=(owner_reference("PodAutoscaler", _API, meta),),
        ),
        spec=hpa.HorizontalPodAutoscalerSpec(
            scale_target_ref=hpa.CrossVersionObjectReference(
                api_version=ref.api_version, kind=ref.kind or "", name=ref.name or ""
            ),
            min_replicas=bounds.min_scale or None,
            max_replicas=bounds.max_scale or _UNLIMITED,
            metrics=_metrics(meta.annotations),
            behavior=_behavior(meta.annotations),
        ),
    )


def _metrics(annotations: Mapping[str, str]) -> tuple[hpa.MetricSpec, ...]:
    target = keys.TARGET.read(annotations, parse_float)
    if target is None:
        return ()
    found = keys.METRIC.find(annotations)
    name = found[1] if found else "cpu"
    if name == "cpu":
        of_request = hpa.MetricTarget(type="Utilization", average_utilization=ceil(target))
        return (_resource("cpu", of_request),)
    if name == "memory":
        size = hpa.MetricTarget(type="AverageValue", average_value=_mebibytes(int(target)))
        return (_resource("memory", size),)
    each = hpa.MetricTarget(type="AverageValue", average_value=str(int(target)))
    pods = hpa.PodsMetricSource(metric=hpa.MetricIdentifier(name=name), target=each)
    return (hpa.MetricSpec(type="Pods", pods=pods),)


def _resource(name: str, target: hpa.MetricTarget) -> hpa.MetricSpec:
    source = hpa.ResourceMetricSource(name=name, target=target)
    return hpa.MetricSpec(type="Resource", resource=source)


def _behavior(annotations: Mapping[str, str]) -> hpa.HorizontalPodAutoscalerBehavior | None:
    window_s = keys.WINDOW.read(annotations, parse_seconds)
    if window_s is None:
        return None
    rules = hpa.HPAScalingRules(stabilization_window_seconds=int(window_s))
    return hpa.HorizontalPodAutoscalerBehavior(scale_up=rules, scale_down=rules)


def _mebibytes(count: int) -> str:
    for suffix, size in (("Ti", 1024 * 1024), ("Gi", 1024)):
        if count and count % size == 0:
            return f"{count // size}{suffix}"
    return f"{count}Mi"


def carry_hpa(
    existing: hpa.HorizontalPodAutoscaler, desired: hpa.HorizontalPodAutoscaler
) -> hpa.HorizontalPodAutoscaler:
    """Defaults that admission filled in are not differences."""
    meta = msgspec.structs.replace(
        existing.metadata, labels=desired.metadata.labels, annotations=desired.metadata.annotations
    )
    spec, given = desired.spec, existing.spec
    kept = msgspec.structs.replace(
        spec,
        min_replicas=given.min_replicas
        if spec.min_replicas is None and given.min_replicas == 1
        else spec.min_replicas,
        metrics=spec.metrics or given.metrics,
        behavior=given.behavior
        if _window_of(given.behavior) == _window_of(spec.behavior)
        else spec.behavior,
    )
    return msgspec.structs.replace(existing, metadata=meta, spec=kept)


def _window_of(behavior: hpa.HorizontalPodAutoscalerBehavior | None) -> int | None:
    up = behavior.scale_up if behavior is not None else None
    return up.stabilization_window_seconds if up is not None else None
