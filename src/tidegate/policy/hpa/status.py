"""The status of an autoscaler, there and back."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tidegate.kit.quantity import milli_text
from tidegate.model import autoscaling as v2
from tidegate.model.autoscaling import (
    AutoscalerMemory,
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerStatus,
    MetricSpec,
    MetricStatus,
    MetricValueStatus,
)
from tidegate.model.conditions import timestamp
from tidegate.model.meta import Condition as WireCondition
from tidegate.scaling.hpa import Condition, Current, HpaStatus


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


def seconds(text: str | None) -> float:
    """A time of an object as seconds since the epoch; 0 for none."""
    return datetime.fromisoformat(text).timestamp() if text else 0.0
