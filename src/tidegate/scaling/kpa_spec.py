"""What a revision's owner asked of Knative's pod autoscaler, resolved to plain numbers.

`policy.kpa` reads it out of annotations and config maps; `kpa.decide` and `kpa_step.step` act on
it. Field names follow Knative's words; the comments give what the docs leave unsaid.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from tidegate.scaling.errors import BadSpec
from tidegate.scaling.window import Aggregation

UNLIMITED_BURST = -1.0


class Metric(StrEnum):
    CONCURRENCY = "concurrency"
    RPS = "rps"


class Reachability(StrEnum):
    """Whether any route leads to the revision. Unknown counts as reachable."""

    UNKNOWN = ""
    REACHABLE = "Reachable"
    UNREACHABLE = "Unreachable"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Replica counts. `min_scale` is 0 for an unreachable revision whatever was written.

    `max_scale` 0: none. `initial_scale` holds as a lower bound until it was first reached.
    `activation_scale` 0: unset; else the least count whenever there is any demand.
    """

    min_scale: int = 0
    max_scale: int = 0
    initial_scale: int = 1
    activation_scale: int = 0

    def __post_init__(self) -> None:
        for name in ("min_scale", "max_scale", "initial_scale", "activation_scale"):
            value = getattr(self, name)
            if value < 0:
                raise BadSpec(name, value, "must be 0 or more")

    def clamp(self, count: int) -> int:
        """`count` within the bounds; where they contradict, the minimum wins."""
        if count < self.min_scale:
            return self.min_scale
        if self.max_scale and count > self.max_scale:
            return self.max_scale
        return count


@dataclass(frozen=True, slots=True)
class ScaleToZero:
    """When the last replica may go.

    `grace_s`: the activator must have been in the path for that long. `retention_s`: the last pod
    stays that long after the revision turned inactive (0: no such rule). `activation_timeout_s`:
    a revision that never became ready in this time is given up.
    """

    enabled: bool = True
    grace_s: float = 30.0
    retention_s: float = 0.0
    activation_timeout_s: float = 630.0  # config-deployment's progress-deadline, and 30 s


@dataclass(frozen=True, slots=True)
class KpaSpec:
    """Raises `BadSpec` when made with a number no decision could be based on.

    `target`: metric per replica aimed for. `total`: metric per replica before the utilization
    share was taken off; capacity is counted in it. `panic_threshold`: ratio of wanted to ready
    replicas (2 is 200 %); 0 or less panics always, which a config map may say. `target_burst_capacity`: spare capacity below which the activator stays
    in the path; 0 never, -1 always. `activator_capacity`: requests in flight per activator.
    """

    target: float = 70.0
    total: float = 100.0
    metric: Metric = Metric.CONCURRENCY
    aggregation: Aggregation = Aggregation.LINEAR
    stable_window_s: int = 60
    panic_window_s: int = 6
    panic_threshold: float = 2.0
    max_up_rate: float = 1000.0
    max_down_rate: float = 2.0
    target_burst_capacity: float = 211.0
    activator_capacity: float = 100.0
    scale_down_delay_s: float = 0.0
    reachability: Reachability = Reachability.UNKNOWN
    bounds: Bounds = field(default_factory=Bounds)
    to_zero: ScaleToZero = field(default_factory=ScaleToZero)

    def __post_init__(self) -> None:
        for name in ("target", "total", "activator_capacity"):
            if not getattr(self, name) > 0:
                raise BadSpec(name, getattr(self, name), "must be greater than 0")
        for name in ("max_up_rate", "max_down_rate"):
            if not getattr(self, name) > 1:
                raise BadSpec(name, getattr(self, name), "must be greater than 1")
        for name in ("stable_window_s", "panic_window_s"):
            if getattr(self, name) < 1:
                raise BadSpec(name, getattr(self, name), "must be 1 second or more")
        burst = self.target_burst_capacity
        if not (burst >= 0 or burst == UNLIMITED_BURST):
            raise BadSpec("target_burst_capacity", burst, "must be 0 or more, or -1")
        if not self.scale_down_delay_s >= 0:
            raise BadSpec("scale_down_delay_s", self.scale_down_delay_s, "must be 0 or more")

    @property
    def reachable(self) -> bool:
        return self.reachability is not Reachability.UNREACHABLE

    @property
    def always_buffered(self) -> bool:
        """The activator never leaves the path, so it alone sees all traffic."""
        return self.target_burst_capacity == UNLIMITED_BURST
