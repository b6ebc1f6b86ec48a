"""What scales a component in Standard mode: a HorizontalPodAutoscaler or a ScaledObject. Pure.

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
from tidegate.model.keda import (
    KedaAdvanced,
    KedaHpaConfig,
    KedaTargetRef,
    KedaTrigger,
    ScaledObject,
    ScaledObjectSpec,
)
from tidegate.model.kserve import Component, InferenceService, ScaleMetric, ScaleTarget
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


# --- KEDA


def desired_scaled_object(isvc: InferenceService, component: Component, name: str) -> ScaledObject:
    """With class keda: one trigger a metric of `autoScaling`, CPU at 80 % when there is none."""
    child = names.child(isvc.metadata.name, name)
    low = 1 if component.min_replicas is None else component.min_replicas
    behavior = component.auto_scaling.behavior if component.auto_scaling else None
    config = KedaHpaConfig(
        behavior=read(behavior, HorizontalPodAutoscalerBehavior)[0] if behavior else None
    )
    metrics = component.auto_scaling.metrics if component.auto_scaling else ()
    labels = {
        **isvc.metadata.labels,
        names.INFERENCE_SERVICE: isvc.metadata.name,
        names.COMPONENT: name,
    }
    return ScaledObject(
        metadata=child_meta(isvc, child, labels),
        spec=ScaledObjectSpec(
            scale_target_ref=KedaTargetRef(name=child),
            triggers=tuple(map(_trigger, metrics)) or (_CPU,),
            min_replica_count=low,
            max_replica_count=max(low, component.max_replicas or 0),
            advanced=KedaAdvanced(horizontal_pod_autoscaler_config=config),
        ),
    )


_CPU = KedaTrigger(type="cpu", metric_type="Utilization", metadata={"value": str(_CPU_TARGET)})


def _trigger(metric: ScaleMetric) -> KedaTrigger:
    if metric.resource is not None:
        kind = (metric.resource.target.type if metric.resource.target else None) or "Utilization"
        return KedaTrigger(
            type=metric.resource.name or "cpu",
            metric_type=kind,
            metadata={"value": _value(metric.resource.target)},
        )
    assert metric.external is not None  # admission has seen to it
    asked = metric.external.metric
    assert asked is not None
    return KedaTrigger(
        type="prometheus",
        metric_type=(metric.external.target.type if metric.external.target else None)
        or "AverageValue",
        metadata={
            "serverAddress": asked.server_address or "",
            "query": asked.query or "",
            "threshold": _value(metric.external.target),
        },
    )


def _value(target: ScaleTarget | None) -> str:
    if target is None:
        return str(_CPU_TARGET)
    for value in (target.average_utilization, target.average_value, target.value):
        if value is not None:
            return str(value)
    return str(_CPU_TARGET)


def carry_scaled_object(existing: ScaledObject, desired: ScaledObject) -> ScaledObject:
    return replace(existing, spec=desired.spec)
