"""The HorizontalPodAutoscaler that a ScaledObject gets. Pure.

Source: keda controllers/keda/hpa.go.
"""

from __future__ import annotations

from msgspec.structs import replace

from tidegate.model import autoscaling as hpa
from tidegate.model.admission.autoscalers import default_autoscaler
from tidegate.model.keda import ScaledObject
from tidegate.model.meta import LabelSelector, ObjectMeta, owner_reference
from tidegate.policy.keda import (
    LABEL,
    KafkaTrigger,
    PrometheusTrigger,
    ResourceTrigger,
    Trigger,
    metric_name,
)
from tidegate.policy.keda_orders import Orders

_API = "keda.sh/v1alpha1"
_MOST = 100


def hpa_name(scaled: ScaledObject) -> str:
    """Its own, or `keda-hpa-<name>`."""
    advanced = scaled.spec.advanced
    config = advanced.horizontal_pod_autoscaler_config if advanced else None
    return (config.name if config else None) or f"keda-hpa-{scaled.metadata.name}"


def target_of(scaled: ScaledObject) -> hpa.CrossVersionObjectReference:
    ref = scaled.spec.scale_target_ref
    return hpa.CrossVersionObjectReference(
        api_version=ref.api_version or "apps/v1", kind=ref.kind or "Deployment", name=ref.name
    )


def desired_hpa(
    scaled: ScaledObject, triggers: tuple[Trigger, ...], orders: Orders
) -> hpa.HorizontalPodAutoscaler:
    """One metric a trigger, in their order. At least one replica: zero is the ScaledObject's own."""
    spec, meta = scaled.spec, scaled.metadata
    advanced = spec.advanced.horizontal_pod_autoscaler_config if spec.advanced else None
    return hpa.HorizontalPodAutoscaler(
        metadata=ObjectMeta(
            name=hpa_name(scaled),
            namespace=meta.namespace,
            labels={
                **meta.labels,
                LABEL: meta.name,
                "app.kubernetes.io/managed-by": "keda-operator",
                "app.kubernetes.io/part-of": meta.name,
            },
            owner_references=(owner_reference("ScaledObject", _API, meta),),
        ),
        spec=hpa.HorizontalPodAutoscalerSpec(
            scale_target_ref=target_of(scaled),
            min_replicas=max(1, spec.min_replica_count or 0),
            max_replicas=_MOST if spec.max_replica_count is None else spec.max_replica_count,
            metrics=tuple(
                _metric(scaled, index, trigger) for index, trigger in enumerate(triggers)
            ),
            behavior=_held(advanced.behavior if advanced else None, orders),
        ),
    )


def _held(
    said: hpa.HorizontalPodAutoscalerBehavior | None, orders: Orders
) -> hpa.HorizontalPodAutoscalerBehavior | None:
    """With the directions disabled that an annotation pauses."""
    if not (orders.hold_in or orders.hold_out):
        return said
    behavior = said or hpa.HorizontalPodAutoscalerBehavior()
    for wanted, field in ((orders.hold_out, "scale_up"), (orders.hold_in, "scale_down")):
        if wanted:
            rules = getattr(behavior, field) or hpa.HPAScalingRules()
            behavior = replace(behavior, **{field: replace(rules, select_policy="Disabled")})
    return behavior


def _metric(scaled: ScaledObject, index: int, trigger: Trigger) -> hpa.MetricSpec:
    if isinstance(trigger, ResourceTrigger):
        return _resource(trigger)
    if isinstance(trigger, PrometheusTrigger):
        kind, wanted = trigger.kind, str(trigger.threshold)
    elif isinstance(trigger, KafkaTrigger):
        kind, wanted = trigger.kind, str(trigger.rule.threshold)
    else:
        kind, wanted = "AverageValue", "1"
    target = hpa.MetricTarget(
        type=kind,
        average_value=wanted if kind == "AverageValue" else None,
        value=wanted if kind == "Value" else None,
    )
    identifier = hpa.MetricIdentifier(
        name=metric_name(index, scaled.spec.triggers[index]),
        selector=LabelSelector(match_labels={LABEL: scaled.metadata.name}),
    )
    source = hpa.ExternalMetricSource(metric=identifier, target=target)
    return hpa.MetricSpec(type="External", external=source)


def _resource(trigger: ResourceTrigger) -> hpa.MetricSpec:
    by_percent = trigger.kind == "Utilization"
    target = hpa.MetricTarget(
        type=trigger.kind,
        average_utilization=int(trigger.target) if by_percent else None,
        average_value=None if by_percent else trigger.target,
    )
    if trigger.container is None:
        source = hpa.ResourceMetricSource(name=trigger.resource, target=target)
        return hpa.MetricSpec(type="Resource", resource=source)
    of_container = hpa.ContainerResourceMetricSource(
        name=trigger.resource, container=trigger.container, target=target
    )
    return hpa.MetricSpec(type="ContainerResource", container_resource=of_container)


def carry_hpa(
    existing: hpa.HorizontalPodAutoscaler, desired: hpa.HorizontalPodAutoscaler
) -> hpa.HorizontalPodAutoscaler:
    meta = replace(
        existing.metadata, labels={**existing.metadata.labels, **desired.metadata.labels}
    )
    meta = replace(meta, owner_references=desired.metadata.owner_references)
    wanted = default_autoscaler(replace(existing, metadata=meta, spec=desired.spec), existing)
    return existing if wanted == existing else wanted
