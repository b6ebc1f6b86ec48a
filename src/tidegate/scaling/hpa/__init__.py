"""The horizontal pod autoscaler as Kubernetes decides, to the replica. Numbers in, a visit out.

One visit reads in this order: `visit` (the cases, the whole of it), `proposals` (several metrics),
`pods` (which pods count), `requests` (what they asked for), `usage` (a metric to a proposal),
`history` (stabilisation), `limits` (rates and bounds). `spec` and `seen` are what goes in, `status`
and `state` what comes out and goes in again.

Source: kubernetes pkg/controller/podautoscaler v1.36 (horizontal.go, replica_calculator.go).
"""

from tidegate.scaling.hpa.seen import (
    ContainerRequest,
    ExternalReading,
    ObjectReading,
    PodRequests,
    PodSeen,
    PodsReading,
    PodUsage,
    PodValue,
    ReadFailed,
    Readiness,
    Reading,
    ResourceReading,
    Scale,
    Seen,
)
from tidegate.scaling.hpa.spec import (
    Behavior,
    HpaConfig,
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
from tidegate.scaling.hpa.state import HpaState, Recommendation, ScaleEvent
from tidegate.scaling.hpa.status import Condition, Current, Event, HpaStatus
from tidegate.scaling.hpa.visit import Rescale, Visit, finish, reads_metrics, visit

__all__ = [
    "Behavior",
    "Condition",
    "ContainerRequest",
    "Current",
    "Event",
    "ExternalReading",
    "HpaConfig",
    "HpaSpec",
    "HpaState",
    "HpaStatus",
    "Metric",
    "MetricType",
    "ObjectReading",
    "PodRequests",
    "PodSeen",
    "PodUsage",
    "PodValue",
    "PodsReading",
    "Policy",
    "PolicyType",
    "ReadFailed",
    "Readiness",
    "Reading",
    "Recommendation",
    "Rescale",
    "ResourceReading",
    "Rules",
    "Scale",
    "ScaleEvent",
    "Seen",
    "Select",
    "Target",
    "TargetType",
    "Visit",
    "finish",
    "reads_metrics",
    "visit",
]
