"""What scales a component in Standard mode: a HorizontalPodAutoscaler or a ScaledObject. Pure.

Source: kserve pkg/controller/v1beta1/inferenceservice/reconcilers/hpa/hpa_reconciler.go.
"""

from __future__ import annotations

from msgspec.structs import replace

from tidegate.controllers.kserve.standard import child_meta
from tidegate.model import kserve_names as names
from tidegate.model.admission.autoscalers import default_autoscaler
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
from tidegate.model.kserve import (
    Component,
    InferenceService,
    ResourceScale,
    ScaleMetric,
    ScaleTarget,
)
from tidegate.model.wire import read

_CPU_TARGET = 80


def desired_hpa(isvc: InferenceService, component: Component, name: str) -> HorizontalPodAutoscaler:
    """At least one replica: an HPA can't bring one back from zero."""
    child = names.child(isvc.metadata.name, name)
    low = max(1, 1 if component.min_replicas is None else component.min_replicas)
    high = max(low, component.max_replicas or 0)
    return HorizontalPodAutoscaler(
        metadata=child_meta(isvc, child, _labels(isvc, component, name)),
        spec=HorizontalPodAutoscalerSpec(
            scale_target_ref=CrossVersionObjectReference(
                api_version="apps/v1", kind="Deployment", name=child
            ),
            min_replicas=low,
            max_replicas=high,
            metrics=_metrics(isvc, component),
            # KServe's is never without: an empty one means the default rates, four pods or twice as
            # many in 15 s, and not the older rules of an autoscaler that has none.
            behavior=_behavior(component) or HorizontalPodAutoscalerBehavior(),
        ),
    )


def _behavior(component: Component) -> HorizontalPodAutoscalerBehavior | None:
    said = component.auto_scaling.behavior if component.auto_scaling else None
    return read(said, HorizontalPodAutoscalerBehavior)[0] if said else None


def _metrics(isvc: InferenceService, component: Component) -> tuple[MetricSpec, ...]:
    scaling = component.auto_scaling
    if scaling is not None and scaling.metrics:
        return tuple(_resource_metric(metric.resource) for metric in scaling.metrics)
    name = scale_metric(isvc, component) or "cpu"
    percent = scale_target(isvc, component)
    if name == "memory" and percent is None:
        return ()
    if component.scale_metric_type == "AverageValue" and component.scale_target is not None:
        target = MetricTarget(type="AverageValue", average_value=str(component.scale_target))
    else:
        target = _percent(percent)
    return (_of_resource(name, target),)


def _resource_metric(resource: ResourceScale | None) -> MetricSpec:
    """Of `autoScaling`; CPU without a figure is at KServe's own."""
    assert resource is not None  # admission has seen to it
    target = resource.target or ScaleTarget()
    if target.type == "AverageValue":
        wanted = MetricTarget(type="AverageValue", average_value=target.average_value)
    else:
        wanted = _percent(target.average_utilization)
    return _of_resource(resource.name or "cpu", wanted)


def _percent(percent: int | None) -> MetricTarget:
    return MetricTarget(
        type="Utilization", average_utilization=_CPU_TARGET if percent is None else percent
    )


def _of_resource(name: str, target: MetricTarget) -> MetricSpec:
    return MetricSpec(type="Resource", resource=ResourceMetricSource(name=name, target=target))


def scale_metric(isvc: InferenceService, component: Component) -> str | None:
    """The field's, else the annotation's that KServe had before there was a field."""
    return component.scale_metric or isvc.metadata.annotations.get(names.METRIC)


def scale_target(isvc: InferenceService, component: Component) -> int | None:
    """Likewise. Admission has seen to it that the annotation is a number."""
    said = isvc.metadata.annotations.get(names.TARGET_UTILIZATION)
    if component.scale_target is None and said is not None:
        return int(said)
    return component.scale_target


def carry_hpa(
    existing: HorizontalPodAutoscaler, desired: HorizontalPodAutoscaler
) -> HorizontalPodAutoscaler:
    meta = replace(
        existing.metadata, labels={**existing.metadata.labels, **desired.metadata.labels}
    )
    wanted = default_autoscaler(replace(existing, metadata=meta, spec=desired.spec), existing)
    return existing if wanted == existing else wanted


# --- KEDA


def desired_scaled_object(isvc: InferenceService, component: Component, name: str) -> ScaledObject:
    """With class keda: one trigger a metric of `autoScaling`; without any, CPU at `scaleTarget`.

    KEDA's own annotations (to pause it) are handed on.
    """
    child = names.child(isvc.metadata.name, name)
    low = 1 if component.min_replicas is None else component.min_replicas
    metrics = component.auto_scaling.metrics if component.auto_scaling else ()
    annotations = {**isvc.metadata.annotations, **component.annotations}
    ours = {key: value for key, value in annotations.items() if names.is_kedas(key)}
    if ours:
        ours[names.HANDED_ON] = ",".join(sorted(ours))
    percent = scale_target(isvc, component)
    cpu = _resource_trigger("cpu", "Utilization", str(_CPU_TARGET if percent is None else percent))
    return ScaledObject(
        metadata=child_meta(isvc, child, _labels(isvc, component, name), ours),
        spec=ScaledObjectSpec(
            scale_target_ref=KedaTargetRef(name=child),
            triggers=tuple(map(_trigger, metrics)) or (cpu,),
            min_replica_count=low,
            max_replica_count=max(low, component.max_replicas or 0),
            advanced=KedaAdvanced(
                horizontal_pod_autoscaler_config=KedaHpaConfig(behavior=_behavior(component))
            ),
        ),
    )


def _labels(isvc: InferenceService, component: Component, name: str) -> dict[str, str]:
    return {
        **isvc.metadata.labels,
        **component.labels,
        names.INFERENCE_SERVICE: isvc.metadata.name,
        names.COMPONENT: name,
    }


def _trigger(metric: ScaleMetric) -> KedaTrigger:
    """A Prometheus value is shared by the replicas whatever type the target says: KServe doesn't
    tell KEDA the type, and AverageValue is KEDA's own."""
    if metric.resource is not None:
        target = metric.resource.target or ScaleTarget()
        return _resource_trigger(
            metric.resource.name or "cpu", target.type or "Utilization", _value(target)
        )
    assert metric.external is not None  # admission has seen to it
    asked, wanted = metric.external.metric, metric.external.target
    assert asked is not None
    assert wanted is not None
    return KedaTrigger(
        type="prometheus",
        metadata={
            "serverAddress": asked.server_address or "",
            "query": asked.query or "",
            "threshold": _value(wanted),
        },
    )


def _resource_trigger(name: str, kind: str, value: str) -> KedaTrigger:
    return KedaTrigger(type=name, metric_type=kind, metadata={"value": value})


def _value(target: ScaleTarget) -> str:
    for value in (target.average_utilization, target.average_value, target.value):
        if value is not None:
            return str(value)
    return str(_CPU_TARGET)


def carry_scaled_object(existing: ScaledObject, desired: ScaledObject) -> ScaledObject:
    """What was handed on goes when the InferenceService doesn't say it any more; what somebody wrote
    here, to pause this one, stays."""
    was, wanted = existing.metadata, desired.metadata
    handed_on = {*was.annotations.get(names.HANDED_ON, "").split(","), names.HANDED_ON}
    others = {key: value for key, value in was.annotations.items() if key not in handed_on}
    meta = replace(
        was,
        labels={**was.labels, **wanted.labels},
        annotations={**others, **wanted.annotations},
    )
    return replace(existing, metadata=meta, spec=desired.spec)
