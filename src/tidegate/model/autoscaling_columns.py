"""What `kubectl get hpa` prints.

Source: kubernetes pkg/printers/internalversion/printers.go (printHorizontalPodAutoscaler,
formatHPAMetrics). Only the first two metrics are shown.
"""

from __future__ import annotations

from typing import Any

from tidegate.model.autoscaling import HorizontalPodAutoscaler, MetricSpec, MetricStatus
from tidegate.model.column import AGE, NAME, NONE, number, text
from tidegate.model.wire import QuantityText

_UNKNOWN = "<unknown>"
_MOST_SHOWN = 2


def targets_text(hpa: HorizontalPodAutoscaler) -> str:
    """`cpu: 35%/50%, 7/10 (avg) + 1 more...`"""
    metrics = hpa.spec.metrics
    if not metrics:
        return NONE
    statuses = hpa.status.current_metrics if hpa.status else ()
    shown = [
        _one(metric, statuses[place] if place < len(statuses) else MetricStatus())
        for place, metric in enumerate(metrics[:_MOST_SHOWN])
    ]
    more = len(metrics) - len(shown)
    return ", ".join(shown) + (f" + {more} more..." if more else "")


def _one(metric: MetricSpec, status: MetricStatus) -> str:
    match metric.type:
        case "Resource" | "ContainerResource":
            return _resource(metric, status)
        case "Pods" if metric.pods is not None:
            current = status.pods.current.average_value if status.pods else None
            return f"{_figure(current)}/{_figure(metric.pods.target.average_value)}"
        case "Object" if metric.object is not None:
            return _total(metric.object, status.object)
        case "External" if metric.external is not None:
            return _total(metric.external, status.external)
        case _:
            return "<unknown type>"


def _resource(metric: MetricSpec, status: MetricStatus) -> str:
    source: Any = metric.resource or metric.container_resource
    found: Any = status.resource or status.container_resource
    if found is not None and status.type != metric.type:
        found = None
    if source.target.average_value is not None:
        current = _figure(found.current.average_value if found else None)
        return f"{source.name}: {current}/{_figure(source.target.average_value)}"
    percent = found.current.average_utilization if found else None
    current = _UNKNOWN if percent is None else f"{percent}%"
    share = source.target.average_utilization
    return f"{source.name}: {current}/{'<auto>' if share is None else f'{share}%'}"


def _total(source: Any, found: Any) -> str:
    if source.target.average_value is not None:
        current = found.current.average_value if found else None
        return f"{_figure(current)}/{_figure(source.target.average_value)} (avg)"
    current = found.current.value if found else None
    return f"{_figure(current)}/{_figure(source.target.value)}"


def _figure(quantity: QuantityText | None) -> str:
    return _UNKNOWN if quantity is None else str(quantity)


def _reference(hpa: HorizontalPodAutoscaler, now_s: float) -> str:
    ref = hpa.spec.scale_target_ref
    return f"{ref.kind}/{ref.name}"


def _least(hpa: HorizontalPodAutoscaler, now_s: float) -> str:
    return "<unset>" if hpa.spec.min_replicas is None else str(hpa.spec.min_replicas)


AUTOSCALER = (
    NAME,
    text("Reference", _reference),
    text("Targets", lambda obj, now_s: targets_text(obj)),
    text("MinPods", _least),
    number("MaxPods", lambda obj, now_s: obj.spec.max_replicas),
    number("Replicas", lambda obj, now_s: obj.status.current_replicas if obj.status else 0),
    AGE,
)
