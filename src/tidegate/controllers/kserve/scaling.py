"""The HorizontalPodAutoscaler of a component in Standard mode. Pure.

Source: kserve pkg/controller/v1beta1/inferenceservice/reconcilers/hpa/hpa_reconciler.go.
"""

from __future__ import annotations

from msgspec.structs import replace

from tidegate.controllers.kserve.standard import child_meta
from tidegate.model import kserve_names as names
from tidegate.model.autoscaling import (
    CrossVersionObjectReference,
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerBehavior,
    HorizontalPodAutoscalerSpec,
    MetricSpec,
    MetricTarget,
    ResourceMetricSource,
)
from tidegate.model.kserve import Component, InferenceService
from tidegate.model.wire import read

_CPU_TARGET = 80


def desired_hpa(isvc: InferenceService, component: Component, name: str) -> HorizontalPodAutoscaler:
    """At least one replica: an HPA can't bring one back from zero."""
    child = names.child(isvc.metadata.name, name)
    low = max(1, 1 if component.min_replicas is None else component.min_replicas)
    high = max(low, component.max_replicas or 0)
    labels = {
        **isvc.metadata.labels,
        **component.labels,
        names.INFERENCE_SERVICE: isvc.metadata.name,
        names.COMPONENT: name,
    }
    behavior = component.auto_scaling.behavior if component.auto_scaling else None
    return HorizontalPodAutoscaler(
        metadata=child_meta(isvc, child, labels),
        spec=HorizontalPodAutoscalerSpec(
            scale_target_ref=CrossVersionObjectReference(
                api_version="apps/v1", kind="Deployment", name=child
            ),
            min_replicas=low,
            max_replicas=high,
            metrics=_metrics(component),
            behavior=read(behavior, HorizontalPodAutoscalerBehavior)[0] if behavior else None,
        ),
    )


def _metrics(component: Component) -> tuple[MetricSpec, ...]:
    scaling = component.auto_scaling
    if scaling is not None and scaling.metrics:
        found = []
        for metric in scaling.metrics:
            resource = metric.resource
            assert resource is not None  # admission has seen to it
            target = resource.target
            found.append(
                MetricSpec(
                    type="Resource",
                    resource=ResourceMetricSource(
                        name=resource.name or "cpu",
                        target=MetricTarget(
                            type=(target.type if target else None) or "Utilization",
                            average_utilization=target.average_utilization
                            if target
                            else _CPU_TARGET,
                            average_value=target.average_value if target else None,
                        ),
                    ),
                )
            )
        return tuple(found)
    metric_name = component.scale_metric or "cpu"
    if metric_name == "memory" and component.scale_target is None:
        return ()
    return (_resource(metric_name, component),)


def _resource(name: str, component: Component) -> MetricSpec:
    target = component.scale_target
    if component.scale_metric_type == "AverageValue" and target is not None:
        wanted = MetricTarget(type="AverageValue", average_value=str(target))
    else:
        percent = _CPU_TARGET if target is None else target
        wanted = MetricTarget(type="Utilization", average_utilization=percent)
    return MetricSpec(type="Resource", resource=ResourceMetricSource(name=name, target=wanted))


def carry_hpa(
    existing: HorizontalPodAutoscaler, desired: HorizontalPodAutoscaler
) -> HorizontalPodAutoscaler:
    meta = replace(
        existing.metadata, labels={**existing.metadata.labels, **desired.metadata.labels}
    )
    return replace(existing, metadata=meta, spec=desired.spec)
