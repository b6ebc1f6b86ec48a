"""What an autoscaler's document may not say.

Source: kubernetes pkg/apis/autoscaling/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tidegate.kit.quantity import BadQuantity, parse_quantity
from tidegate.model.admission.autoscalers.defaults import SOURCES
from tidegate.model.admission.problems import (
    Problems,
    forbidden,
    invalid,
    not_supported,
    required,
)
from tidegate.model.autoscaling import (
    CrossVersionObjectReference,
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerSpec,
    HPAScalingRules,
    MetricIdentifier,
    MetricSpec,
    MetricTarget,
)
from tidegate.model.labels import path_segment
from tidegate.model.wire import QuantityText

_WINDOW_MOST_S, _PERIOD_MOST_S = 3600, 1800
_SUPPORTED_TYPES = sorted(SOURCES)


def check_autoscaler(hpa: HorizontalPodAutoscaler) -> Problems:
    return _check_spec(hpa.spec)


def _check_spec(spec: HorizontalPodAutoscalerSpec) -> Problems:
    found: Problems = []
    least, most = spec.min_replicas, spec.max_replicas
    if least is not None and least < 1:
        found.append(invalid("spec.minReplicas", least, "must be greater than or equal to 1"))
    if most < 1:
        found.append(invalid("spec.maxReplicas", most, "must be greater than 0"))
    if least is not None and most < least:
        detail = "must be greater than or equal to `minReplicas`"
        found.append(invalid("spec.maxReplicas", most, detail))
    found += _check_reference(spec.scale_target_ref, "spec.scaleTargetRef")
    for i, metric in enumerate(spec.metrics):
        found += _check_metric(metric, f"spec.metrics[{i}]")
    if spec.behavior is not None:
        found += _check_rules(spec.behavior.scale_up, "spec.behavior.scaleUp")
        found += _check_rules(spec.behavior.scale_down, "spec.behavior.scaleDown")
    return found


def _check_reference(ref: CrossVersionObjectReference, path: str) -> Problems:
    found: Problems = []
    for name, text in (("kind", ref.kind), ("name", ref.name)):
        if not text:
            found.append(required(f"{path}.{name}"))
        else:
            found += [invalid(f"{path}.{name}", text, why) for why in path_segment(text)]
    group, slash, version = (ref.api_version or "").rpartition("/")
    if "/" in group or (slash and not (group and version)):
        why = f"unexpected GroupVersion string: {ref.api_version}"
        found.append(invalid(f"{path}.apiVersion", ref.api_version, why))
    elif not group and path.endswith("scaleTargetRef") and ref.kind != "ReplicationController":
        why = "apiVersion must specify API group"
        found.append(invalid(f"{path}.apiVersion", ref.api_version or "", why))
    return found


def _check_rules(rules: HPAScalingRules | None, path: str) -> Problems:
    if rules is None:
        return []
    found: Problems = []
    window_s = rules.stabilization_window_seconds
    if window_s is not None:
        at = f"{path}.stabilizationWindowSeconds"
        found += _between(at, window_s, 0, _WINDOW_MOST_S, "greater than or equal to zero")
    if rules.select_policy not in ("Max", "Min", "Disabled"):
        choices = ("Disabled", "Max", "Min")
        found.append(not_supported(f"{path}.selectPolicy", rules.select_policy, choices))
    if not rules.policies:
        found.append(required(f"{path}.policies", "must specify at least one Policy"))
    for i, policy in enumerate(rules.policies or ()):
        at = f"{path}.policies[{i}]"
        if policy.type not in ("Pods", "Percent"):
            found.append(not_supported(f"{at}.type", policy.type, ("Percent", "Pods")))
        if policy.value <= 0:
            found.append(invalid(f"{at}.value", policy.value, "must be greater than zero"))
        found += _between(
            f"{at}.periodSeconds", policy.period_seconds, 1, _PERIOD_MOST_S, "greater than zero"
        )
    found += _at_least_zero(f"{path}.tolerance", rules.tolerance)
    return found


def _between(path: str, value: int, least: int, most: int, words: str) -> Problems:
    if value < least:
        return [invalid(path, value, f"must be {words}")]
    return [invalid(path, value, f"must be less than or equal to {most}")] if value > most else []


def _at_least_zero(path: str, text: QuantityText | None) -> Problems:
    if text is None:
        return []
    try:
        fine = parse_quantity(text) >= 0
    except BadQuantity as why:
        return [invalid(path, text, str(why))]
    return [] if fine else [invalid(path, text, "must be greater than or equal to 0")]


def _check_metric(metric: MetricSpec, path: str) -> Problems:
    found: Problems = []
    if not metric.type:
        found.append(required(f"{path}.type", "must specify a metric source type"))
    elif metric.type not in SOURCES:
        found.append(not_supported(f"{path}.type", metric.type, _SUPPORTED_TYPES))
    present = [
        (name, getattr(metric, field))
        for field, name in SOURCES.values()
        if getattr(metric, field) is not None
    ]
    if present:
        name, source = present[0]
        found += _CHECKS[name](source, f"{path}.{name}")
    if metric.type in SOURCES:
        expected = SOURCES[metric.type][1]
        if expected not in [name for name, _ in present]:
            why = "must populate information for the given metric source"
            found.append(required(f"{path}.{expected}", why))
        why = "must populate the given metric source only"
        found += [forbidden(f"{path}.{name}", why) for name, _ in present if name != expected]
    return found


def _check_object(source: Any, path: str) -> Problems:
    target: MetricTarget = source.target
    found = _check_reference(source.described_object, f"{path}.describedObject")
    found += _check_identifier(source.metric, f"{path}.metric")
    found += _check_target(target, f"{path}.target")
    return found + _either_value(target, f"{path}.target")


def _check_external(source: Any, path: str) -> Problems:
    target: MetricTarget = source.target
    found = _check_identifier(source.metric, f"{path}.metric")
    found += _check_target(target, f"{path}.target")
    found += _either_value(target, f"{path}.target")
    if target.value is not None and target.average_value is not None:
        why = "may not set both a target value for metric and a per-pod target"
        found.append(forbidden(f"{path}.target.value", why))
    return found


def _check_pods(source: Any, path: str) -> Problems:
    """The type is not looked at, as in Kubernetes: the one figure that counts is averageValue."""
    target: MetricTarget = source.target
    found = _check_identifier(source.metric, f"{path}.metric")
    found += _check_target(target, f"{path}.target")
    if target.average_value is None:
        why = "must specify a positive target averageValue"
        found.append(required(f"{path}.target.averageValue", why))
    return found


def _check_resource(source: Any, path: str) -> Problems:
    found = [] if source.name else [required(f"{path}.name", "must specify a resource name")]
    target: MetricTarget = source.target
    found += _check_target(target, f"{path}.target")
    has_value, has_share = target.average_value is not None, target.average_utilization is not None
    if not has_value and not has_share:
        why = "must set either a target raw value or a target utilization"
        found.append(required(f"{path}.target.averageUtilization", why))
    if has_value and has_share:
        why = "may not set both a target raw value and a target utilization"
        found.append(forbidden(f"{path}.target.averageValue", why))
    return found


def _check_container_resource(source: Any, path: str) -> Problems:
    found = _check_resource(source, path)
    if not source.container:
        found.insert(0, required(f"{path}.container", "must specify a container"))
    return found


_CHECKS = {
    "object": _check_object,
    "external": _check_external,
    "pods": _check_pods,
    "resource": _check_resource,
    "containerResource": _check_container_resource,
}


def _check_identifier(metric: MetricIdentifier, path: str) -> Problems:
    if not metric.name:
        return [required(f"{path}.name", "must specify a metric name")]
    return [invalid(f"{path}.name", metric.name, why) for why in path_segment(metric.name)]


def _check_target(target: MetricTarget, path: str) -> Problems:
    found: Problems = []
    if not target.type:
        found.append(required(f"{path}.type", "must specify a metric target type"))
    elif target.type not in ("Utilization", "Value", "AverageValue"):
        why = "must be either Utilization, Value, or AverageValue"
        found.append(invalid(f"{path}.type", target.type, why))
    found += _positive(
        (f"{path}.value", target.value), (f"{path}.averageValue", target.average_value)
    )
    share = target.average_utilization
    if share is not None and share < 1:
        found.append(invalid(f"{path}.averageUtilization", share, "must be greater than 0"))
    return found


def _positive(*fields: tuple[str, QuantityText | None]) -> Iterable[Any]:
    for path, text in fields:
        if text is None:
            continue
        try:
            fine = parse_quantity(text) > 0
        except BadQuantity as why:
            yield invalid(path, text, str(why))
            continue
        if not fine:
            yield invalid(path, text, "must be positive")


def _either_value(target: MetricTarget, path: str) -> Problems:
    if target.value is not None or target.average_value is not None:
        return []
    why = "must set either a target value for metric or a per-pod target"
    return [required(f"{path}.averageValue", why)]
