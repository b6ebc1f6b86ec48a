"""What a HorizontalPodAutoscaler asks for, as numbers, and the controller's own settings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MetricType(StrEnum):
    RESOURCE = "Resource"
    CONTAINER = "ContainerResource"
    PODS = "Pods"
    OBJECT = "Object"
    EXTERNAL = "External"


class TargetType(StrEnum):
    UTILIZATION = "Utilization"
    VALUE = "Value"
    AVERAGE = "AverageValue"


class PolicyType(StrEnum):
    PODS = "Pods"
    PERCENT = "Percent"


class Select(StrEnum):
    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


@dataclass(frozen=True, slots=True)
class HpaConfig:
    """The controller's settings, with the defaults of kube-controller-manager's flags.

    `configurable_tolerance`: `behavior.*.tolerance` counts. `scale_to_zero`: metrics may say 0.
    """

    tolerance: float = 0.1
    period_s: float = 15.0
    downscale_window_s: float = 300.0
    cpu_initialization_s: float = 300.0
    readiness_delay_s: float = 30.0
    scale_to_zero: bool = False
    configurable_tolerance: bool = True


@dataclass(frozen=True, slots=True)
class Target:
    """`amount`: percent of the request for Utilization, else thousandths of the metric's unit."""

    type: TargetType
    amount: int


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric to follow. `container`: of ContainerResource. `object_kind`, `object_name`: of
    Object. `selector`: of Object and External, as Go prints a LabelSelector; `nil` for none."""

    type: MetricType
    name: str
    target: Target
    container: str = ""
    object_kind: str = ""
    object_name: str = ""
    selector: str = "nil"


@dataclass(frozen=True, slots=True)
class Policy:
    """`value`: pods, or percent of what there was at the period's start."""

    type: PolicyType
    value: int
    period_s: int


@dataclass(frozen=True, slots=True)
class Rules:
    """One direction. `window_s` None: the controller's own downscale window. `tolerance` None: the
    controller's own."""

    policies: tuple[Policy, ...]
    select: Select = Select.MAX
    window_s: int | None = None
    tolerance: float | None = None

    @property
    def longest_period_s(self) -> int:
        return max((policy.period_s for policy in self.policies), default=0)


@dataclass(frozen=True, slots=True)
class Behavior:
    up: Rules
    down: Rules


@dataclass(frozen=True, slots=True)
class HpaSpec:
    """`behavior` None: the way from before there were behaviours, which is not a default one."""

    namespace: str
    target_kind: str
    target_name: str
    max_replicas: int
    metrics: tuple[Metric, ...]
    min_replicas: int = 1
    behavior: Behavior | None = None

    @property
    def reference(self) -> str:
        """The target as errors name it."""
        return f"{self.target_kind}/{self.namespace}/{self.target_name}"

    @property
    def has_outside_metric(self) -> bool:
        """A metric that can be read without pods, so that the way back from zero is open."""
        return any(m.type in (MetricType.OBJECT, MetricType.EXTERNAL) for m in self.metrics)
