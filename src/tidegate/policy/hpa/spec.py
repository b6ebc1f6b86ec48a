"""What an autoscaler's document asks for, as numbers."""

from __future__ import annotations

from tidegate.kit.quantity import milli, parse_quantity
from tidegate.model.autoscaling import (
    HorizontalPodAutoscaler,
    HPAScalingRules,
    MetricSpec,
    MetricTarget,
)
from tidegate.model.meta import LabelSelector
from tidegate.model.wire import QuantityText
from tidegate.scaling.hpa import (
    Behavior,
    HpaSpec,
    Metric,
    MetricType,
    Policy,
    PolicyType,
    Rules,
    Select,
    Target,
    TargetType,
)


def hpa_spec(hpa: HorizontalPodAutoscaler) -> HpaSpec:
    """What a (defaulted, checked) autoscaler asks for."""
    spec = hpa.spec
    behavior = spec.behavior
    return HpaSpec(
        namespace=hpa.metadata.namespace or "",
        target_kind=spec.scale_target_ref.kind,
        target_name=spec.scale_target_ref.name,
        max_replicas=spec.max_replicas,
        metrics=tuple(map(_metric, spec.metrics)),
        min_replicas=1 if spec.min_replicas is None else spec.min_replicas,
        behavior=None
        if behavior is None
        else Behavior(_rules(behavior.scale_up), _rules(behavior.scale_down)),
    )


def _metric(spec: MetricSpec) -> Metric:
    match MetricType(spec.type):
        case MetricType.RESOURCE:
            assert spec.resource is not None
            target = _share_or_average(spec.resource.target)
            return Metric(MetricType.RESOURCE, spec.resource.name, target)
        case MetricType.CONTAINER:
            inside = spec.container_resource
            assert inside is not None
            target = _share_or_average(inside.target)
            return Metric(MetricType.CONTAINER, inside.name, target, container=inside.container)
        case MetricType.PODS:
            assert spec.pods is not None
            average = spec.pods.target.average_value
            assert average is not None
            target = Target(TargetType.AVERAGE, milli(average))
            return Metric(MetricType.PODS, spec.pods.metric.name, target)
        case MetricType.OBJECT:
            about = spec.object
            assert about is not None
            return Metric(
                MetricType.OBJECT,
                about.metric.name,
                _value_or_average(about.target, value_first=True),
                object_kind=about.described_object.kind,
                object_name=about.described_object.name,
                selector=go_selector(about.metric.selector),
            )
        case MetricType.EXTERNAL:
            outside = spec.external
            assert outside is not None
            return Metric(
                MetricType.EXTERNAL,
                outside.metric.name,
                _value_or_average(outside.target, value_first=False),
                selector=go_selector(outside.metric.selector),
            )


def _share_or_average(target: MetricTarget) -> Target:
    if target.average_value is not None:
        return Target(TargetType.AVERAGE, milli(target.average_value))
    return Target(TargetType.UTILIZATION, target.average_utilization or 0)


def _value_or_average(target: MetricTarget, *, value_first: bool) -> Target:
    """An Object metric goes by its type, an External one by what is set."""
    is_value = target.type == "Value" if value_first else target.average_value is None
    if (is_value and target.value is not None) or target.average_value is None:
        assert target.value is not None
        return Target(TargetType.VALUE, milli(target.value))
    return Target(TargetType.AVERAGE, milli(target.average_value))


def _rules(rules: HPAScalingRules | None) -> Rules:
    assert rules is not None, "defaulted"
    tolerance = rules.tolerance
    return Rules(
        policies=tuple(
            Policy(PolicyType(p.type), p.value, p.period_seconds) for p in rules.policies or ()
        ),
        select=Select(rules.select_policy or "Max"),
        window_s=rules.stabilization_window_seconds,
        tolerance=None if tolerance is None else approximate(tolerance),
    )


def approximate(quantity: QuantityText) -> float:
    """A quantity as the double that Kubernetes makes of it: its digits times a power of a thousand,
    which may be one bit off the nearest double. Source: resource.Quantity.AsApproximateFloat64."""
    value = parse_quantity(quantity)
    for scale in (0, -3, -6, -9):
        digits = value.scaleb(-scale)
        if digits == int(digits):
            return float(int(digits)) * float(f"1e{scale}")
    return float(value)


def go_selector(selector: LabelSelector | None) -> str:
    """A LabelSelector as Go prints one, which metric names carry; `nil` for none."""
    if selector is None:
        return "nil"
    labels = "".join(f"{k}: {v}," for k, v in sorted(selector.match_labels.items()))
    terms = "".join(
        f"LabelSelectorRequirement{{Key:{t.key},Operator:{t.operator},Values:[{' '.join(t.values)}],}},"
        for t in selector.match_expressions
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{terms}}},}}"
    )
