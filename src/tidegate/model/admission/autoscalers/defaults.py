"""What an autoscaler's document leaves out.

Source: kubernetes pkg/apis/autoscaling/v2/defaults.go.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tidegate.kit.quantity import BadQuantity, canonical_quantity
from tidegate.model.autoscaling import (
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerBehavior,
    HPAScalingPolicy,
    HPAScalingRules,
    MetricSpec,
    MetricTarget,
    ResourceMetricSource,
)
from tidegate.model.wire import QuantityText

_DEFAULT_CPU_PERCENT = 80

#: Field and wire name of each source, by the type that names it.
SOURCES = {
    "Object": ("object", "object"),
    "Pods": ("pods", "pods"),
    "Resource": ("resource", "resource"),
    "ContainerResource": ("container_resource", "containerResource"),
    "External": ("external", "external"),
}

_UP = HPAScalingRules(
    stabilization_window_seconds=0,
    select_policy="Max",
    policies=(
        HPAScalingPolicy(type="Pods", value=4, period_seconds=15),
        HPAScalingPolicy(type="Percent", value=100, period_seconds=15),
    ),
)
#: No window: the controller's own is used, which is not stored.
_DOWN = HPAScalingRules(
    select_policy="Max",
    policies=(HPAScalingPolicy(type="Percent", value=100, period_seconds=15),),
)


def default_autoscaler(
    hpa: HorizontalPodAutoscaler, old: HorizontalPodAutoscaler | None
) -> HorizontalPodAutoscaler:
    spec = hpa.spec
    cpu = MetricTarget(type="Utilization", average_utilization=_DEFAULT_CPU_PERCENT)
    by_cpu = MetricSpec(type="Resource", resource=ResourceMetricSource(name="cpu", target=cpu))
    behavior = spec.behavior
    if behavior is not None:
        behavior = HorizontalPodAutoscalerBehavior(
            scale_up=_filled(behavior.scale_up, _UP),
            scale_down=_filled(behavior.scale_down, _DOWN),
        )
    filled = msgspec.structs.replace(
        spec,
        min_replicas=1 if spec.min_replicas is None else spec.min_replicas,
        metrics=tuple(map(_canonical_metric, spec.metrics)) or (by_cpu,),
        behavior=behavior,
    )
    return hpa if filled == spec else msgspec.structs.replace(hpa, spec=filled)


def _filled(given: HPAScalingRules | None, default: HPAScalingRules) -> HPAScalingRules:
    if given is None:
        return default
    window_s = given.stabilization_window_seconds
    return HPAScalingRules(
        stabilization_window_seconds=default.stabilization_window_seconds
        if window_s is None
        else window_s,
        select_policy=given.select_policy or default.select_policy,
        policies=default.policies if given.policies is None else given.policies,
        tolerance=_canonical(given.tolerance),
    )


def _canonical_metric(metric: MetricSpec) -> MetricSpec:
    """Quantities as Kubernetes writes them back: `1000m` is `1`."""
    changes: dict[str, Any] = {}
    for field, _ in SOURCES.values():
        source = getattr(metric, field)
        if source is not None:
            target = msgspec.structs.replace(
                source.target,
                value=_canonical(source.target.value),
                average_value=_canonical(source.target.average_value),
            )
            if target != source.target:
                changes[field] = msgspec.structs.replace(source, target=target)
    return msgspec.structs.replace(metric, **changes) if changes else metric


def _canonical(text: QuantityText | None) -> QuantityText | None:
    """What is no quantity stays, for the check to name it."""
    if text is None:
        return None
    try:
        return canonical_quantity(text)
    except BadQuantity:
        return text
