"""autoscaling/v2: HorizontalPodAutoscaler, in the version that is stored.

Source: k8s.io/api autoscaling/v2/types.go. The other versions are in `autoscaling_versions`.
"""

from __future__ import annotations

from tidegate.model.meta import Condition, LabelSelector, Object
from tidegate.model.wire import QuantityText, Wire, always


class CrossVersionObjectReference(Wire, frozen=True, kw_only=True):
    """`api_version` absent: the core group."""

    kind: str = ""
    name: str = ""
    api_version: str | None = None


class MetricIdentifier(Wire, frozen=True, kw_only=True):
    name: str = ""
    selector: LabelSelector | None = None


class MetricTarget(Wire, frozen=True, kw_only=True):
    """`average_utilization`: percent of the pods' requests."""

    type: str = ""
    value: QuantityText | None = None
    average_value: QuantityText | None = None
    average_utilization: int | None = None


class ResourceMetricSource(Wire, frozen=True, kw_only=True):
    name: str = ""
    target: MetricTarget = MetricTarget()


class ContainerResourceMetricSource(Wire, frozen=True, kw_only=True):
    name: str = ""
    container: str = ""
    target: MetricTarget = MetricTarget()


class PodsMetricSource(Wire, frozen=True, kw_only=True):
    metric: MetricIdentifier = MetricIdentifier()
    target: MetricTarget = MetricTarget()


class ObjectMetricSource(Wire, frozen=True, kw_only=True):
    described_object: CrossVersionObjectReference = CrossVersionObjectReference()
    target: MetricTarget = MetricTarget()
    metric: MetricIdentifier = MetricIdentifier()


class ExternalMetricSource(Wire, frozen=True, kw_only=True):
    metric: MetricIdentifier = MetricIdentifier()
    target: MetricTarget = MetricTarget()


class MetricSpec(Wire, frozen=True, kw_only=True):
    """Exactly the source that `type` names is set."""

    type: str = ""
    object: ObjectMetricSource | None = None
    pods: PodsMetricSource | None = None
    resource: ResourceMetricSource | None = None
    container_resource: ContainerResourceMetricSource | None = None
    external: ExternalMetricSource | None = None


class HPAScalingPolicy(Wire, frozen=True, kw_only=True):
    type: str = ""
    value: int = 0
    period_seconds: int = 0


class HPAScalingRules(Wire, frozen=True, kw_only=True):
    """`policies` absent: the defaults; empty: refused."""

    stabilization_window_seconds: int | None = None
    select_policy: str | None = None
    policies: tuple[HPAScalingPolicy, ...] | None = None
    tolerance: QuantityText | None = None


class HorizontalPodAutoscalerBehavior(Wire, frozen=True, kw_only=True):
    scale_up: HPAScalingRules | None = None
    scale_down: HPAScalingRules | None = None


class HorizontalPodAutoscalerSpec(Wire, frozen=True, kw_only=True):
    """`behavior` absent is not the same as a default one: another algorithm decides."""

    scale_target_ref: CrossVersionObjectReference = CrossVersionObjectReference()
    min_replicas: int | None = None
    max_replicas: int = 0
    metrics: tuple[MetricSpec, ...] = ()
    behavior: HorizontalPodAutoscalerBehavior | None = None


class MetricValueStatus(Wire, frozen=True, kw_only=True):
    value: QuantityText | None = None
    average_value: QuantityText | None = None
    average_utilization: int | None = None


class ResourceMetricStatus(Wire, frozen=True, kw_only=True):
    name: str = ""
    current: MetricValueStatus = always(MetricValueStatus())


class ContainerResourceMetricStatus(Wire, frozen=True, kw_only=True):
    name: str = ""
    current: MetricValueStatus = always(MetricValueStatus())
    container: str = ""


class PodsMetricStatus(Wire, frozen=True, kw_only=True):
    metric: MetricIdentifier = MetricIdentifier()
    current: MetricValueStatus = always(MetricValueStatus())


class ObjectMetricStatus(Wire, frozen=True, kw_only=True):
    metric: MetricIdentifier = MetricIdentifier()
    current: MetricValueStatus = always(MetricValueStatus())
    described_object: CrossVersionObjectReference = CrossVersionObjectReference()


class ExternalMetricStatus(Wire, frozen=True, kw_only=True):
    metric: MetricIdentifier = MetricIdentifier()
    current: MetricValueStatus = always(MetricValueStatus())


class MetricStatus(Wire, frozen=True, kw_only=True):
    """`type` empty: the metric at this place could not be had."""

    type: str = always("")
    object: ObjectMetricStatus | None = None
    pods: PodsMetricStatus | None = None
    resource: ResourceMetricStatus | None = None
    container_resource: ContainerResourceMetricStatus | None = None
    external: ExternalMetricStatus | None = None


class SavedRecommendation(Wire, frozen=True, kw_only=True):
    replicas: int = always(0)
    at_s: float = 0.0


class SavedScaleEvent(Wire, frozen=True, kw_only=True):
    change: int = always(0)
    at_s: float = 0.0
    stale: bool = False


class AutoscalerMemory(Wire, frozen=True, kw_only=True):
    """What a restarted control plane must know to decide as if it never was away. Times are seconds
    since the epoch. `simulated`: metrics that are worked out here, not measured."""

    visited_at_s: float = 0.0
    recommendations: tuple[SavedRecommendation, ...] = ()
    ups: tuple[SavedScaleEvent, ...] = ()
    downs: tuple[SavedScaleEvent, ...] = ()
    simulated: tuple[str, ...] = ()


class HorizontalPodAutoscalerStatus(Wire, frozen=True, kw_only=True):
    observed_generation: int | None = None
    last_scale_time: str | None = None
    current_replicas: int = always(0)
    desired_replicas: int = always(0)
    current_metrics: tuple[MetricStatus, ...] = ()
    conditions: tuple[Condition, ...] = ()
    tidegate: AutoscalerMemory | None = None


class HorizontalPodAutoscaler(Object, frozen=True, kw_only=True):
    spec: HorizontalPodAutoscalerSpec = HorizontalPodAutoscalerSpec()
    status: HorizontalPodAutoscalerStatus | None = None
