"""From a HorizontalPodAutoscaler to the numbers that decide, and from a decision to its status. Pure.

Source: kubernetes pkg/controller/podautoscaler/horizontal.go.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from tidegate.kit.quantity import milli, milli_text, parse_quantity
from tidegate.model import autoscaling as v2
from tidegate.model.autoscaling import (
    AutoscalerMemory,
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerStatus,
    HPAScalingRules,
    MetricSpec,
    MetricStatus,
    MetricTarget,
    MetricValueStatus,
    SavedRecommendation,
    SavedScaleEvent,
)
from tidegate.model.conditions import timestamp
from tidegate.model.core import Container, Pod
from tidegate.model.meta import Condition as WireCondition
from tidegate.model.meta import LabelSelector
from tidegate.model.wire import QuantityText
from tidegate.scaling.hpa import (
    Behavior,
    Condition,
    ContainerRequest,
    Current,
    HpaSpec,
    HpaState,
    HpaStatus,
    Metric,
    MetricType,
    PodRequests,
    PodSeen,
    Policy,
    PolicyType,
    Readiness,
    Recommendation,
    Rules,
    ScaleEvent,
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


# --- pods


def pod_seen(pod: Pod) -> PodSeen:
    status = pod.status
    ready = None
    for condition in status.conditions if status else ():
        if condition.type == "Ready":
            ready = Readiness(condition.status, seconds(condition.last_transition_time))
    started = status.start_time if status else None
    return PodSeen(
        name=pod.metadata.name,
        phase=(status.phase if status else None) or "Pending",
        deleted=pod.metadata.deletion_timestamp is not None,
        started_at_s=None if started is None else seconds(started),
        ready=ready,
        requests=_requests(pod),
    )


def _requests(pod: Pod) -> PodRequests:
    spec = pod.spec
    whole = spec.resources if isinstance(spec.resources, dict) else {}
    return PodRequests(
        containers=tuple(map(_container, spec.containers)),
        init=tuple(map(_container, spec.init_containers)),
        pod=_amounts(whole.get("requests") or {}),
        overhead=_amounts(spec.overhead if isinstance(spec.overhead, dict) else {}),
    )


def _container(container: Container) -> ContainerRequest:
    asked = container.resources.requests if container.resources else {}
    always = container.restart_policy == "Always"
    return ContainerRequest(container.name, _amounts(asked), always)


def _amounts(quantities: dict[str, Any]) -> dict[str, int]:
    return {name: milli(quantity) for name, quantity in quantities.items()}


def seconds(text: str | None) -> float:
    """A time of an object as seconds since the epoch; 0 for none."""
    return datetime.fromisoformat(text).timestamp() if text else 0.0


# --- the status there and back


def hpa_status(hpa: HorizontalPodAutoscaler) -> HpaStatus:
    """The status of the last visit, but for the metrics: no decision looks back at those."""
    status = hpa.status
    if status is None:
        return HpaStatus()
    last = status.last_scale_time
    return HpaStatus(
        current=status.current_replicas,
        desired=status.desired_replicas,
        last_scale_s=None if last is None else int(seconds(last)),
        conditions=tuple(
            Condition(
                c.type,
                c.status == "True",
                c.reason or "",
                c.message or "",
                int(seconds(c.last_transition_time)),
            )
            for c in status.conditions
        ),
    )


def wire_status(
    hpa: HorizontalPodAutoscaler,
    status: HpaStatus,
    memory: AutoscalerMemory | None,
    *,
    keep_metrics: bool = False,
) -> HorizontalPodAutoscalerStatus:
    """`keep_metrics`: the visit ended before it came to the metrics; what stood there stays."""
    was = hpa.status
    metrics = tuple(map(_metric_status, hpa.spec.metrics, status.metrics))
    last = status.last_scale_s
    return HorizontalPodAutoscalerStatus(
        observed_generation=was.observed_generation if was else None,
        last_scale_time=None if last is None else timestamp(last),
        current_replicas=status.current,
        desired_replicas=status.desired,
        current_metrics=was.current_metrics if keep_metrics and was else metrics,
        conditions=tuple(
            WireCondition(
                type=c.type,
                status="True" if c.status else "False",
                reason=c.reason,
                message=c.message,
                last_transition_time=timestamp(c.since_s),
            )
            for c in status.conditions
        ),
        tidegate=memory,
    )


def _metric_status(spec: MetricSpec, current: Current | None) -> MetricStatus:
    if current is None:
        return MetricStatus()
    in_bytes = (spec.resource or spec.container_resource) is not None and (
        getattr(spec.resource or spec.container_resource, "name", "") == "memory"
    )

    def text(thousandths: int | None) -> str | None:
        return None if thousandths is None else milli_text(thousandths, binary=in_bytes)

    value = MetricValueStatus(
        value=text(current.value),
        average_value=text(current.average),
        average_utilization=current.utilization,
    )
    out = MetricStatus(type=spec.type)
    if spec.resource is not None:
        resource = v2.ResourceMetricStatus(name=spec.resource.name, current=value)
        return msgspec.structs.replace(out, resource=resource)
    if (inside := spec.container_resource) is not None:
        contained = v2.ContainerResourceMetricStatus(
            name=inside.name, current=value, container=inside.container
        )
        return msgspec.structs.replace(out, container_resource=contained)
    if spec.pods is not None:
        pods = v2.PodsMetricStatus(metric=spec.pods.metric, current=value)
        return msgspec.structs.replace(out, pods=pods)
    if (about := spec.object) is not None:
        described = v2.ObjectMetricStatus(
            metric=about.metric, current=value, described_object=about.described_object
        )
        return msgspec.structs.replace(out, object=described)
    assert spec.external is not None
    outside = v2.ExternalMetricStatus(metric=spec.external.metric, current=value)
    return msgspec.structs.replace(out, external=outside)


def memory_of(
    state: HpaState, *, visited_at_s: float, simulated: tuple[str, ...] = ()
) -> AutoscalerMemory:
    """What is to be remembered, as the status carries it."""
    return AutoscalerMemory(
        visited_at_s=visited_at_s,
        recommendations=tuple(
            SavedRecommendation(replicas=r.replicas, at_s=r.at_s) for r in state.recommendations
        ),
        ups=tuple(map(_saved_event, state.ups)),
        downs=tuple(map(_saved_event, state.downs)),
        simulated=simulated,
    )


def state_of(memory: AutoscalerMemory | None) -> HpaState:
    """As `memory_of` wrote it; nothing for None."""
    if memory is None:
        return HpaState()
    return HpaState(
        tuple(Recommendation(r.replicas, r.at_s) for r in memory.recommendations),
        tuple(ScaleEvent(e.change, e.at_s, e.stale) for e in memory.ups),
        tuple(ScaleEvent(e.change, e.at_s, e.stale) for e in memory.downs),
    )


def _saved_event(event: ScaleEvent) -> SavedScaleEvent:
    return SavedScaleEvent(change=event.change, at_s=event.at_s, stale=event.stale)
