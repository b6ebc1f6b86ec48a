"""What KEDA adds to an HPA: whether triggers are active, and the way from and to zero. Pure.

Source: keda pkg/scaling/executor/scale_scaledobjects.go, pkg/fallback/fallback.go,
pkg/scalers/{cron,prometheus}_scaler.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tidegate.kit.schedule import Schedule


@dataclass(frozen=True, slots=True)
class CronTrigger:
    """Between a start and the next end so many replicas are wanted."""

    start: Schedule
    end: Schedule
    replicas: int

    def active(self, now_s: float) -> bool:
        """The next end comes before the next start."""
        starts_s, ends_s = self.start.after(now_s), self.end.after(now_s)
        if ends_s is None:
            return False
        return starts_s is None or ends_s < starts_s

    def value(self, now_s: float) -> int:
        """What the metric says: an HPA with target 1 makes so many replicas of it."""
        return self.replicas if self.active(now_s) else 1


class FallbackTo(Enum):
    """Which size a trigger that can't be read stands for."""

    STATIC = "static"
    CURRENT = "currentReplicas"
    CURRENT_IF_HIGHER = "currentReplicasIfHigher"
    CURRENT_IF_LOWER = "currentReplicasIfLower"


@dataclass(frozen=True, slots=True)
class Fallback:
    """After more than `threshold` failures in a row a trigger's value is as if it asked for so many
    replicas."""

    threshold: int
    replicas: int
    to: FallbackTo = FallbackTo.STATIC

    def holds(self, failures: int) -> bool:
        return failures > self.threshold

    def size(self, current: int) -> int:
        match self.to:
            case FallbackTo.STATIC:
                return self.replicas
            case FallbackTo.CURRENT:
                return current
            case FallbackTo.CURRENT_IF_HIGHER:
                return max(current, self.replicas)
            case FallbackTo.CURRENT_IF_LOWER:
                return min(current, self.replicas)


@dataclass(frozen=True, slots=True)
class Bounds:
    """`idle` None: what is idle goes to `low`. Times in seconds. `hold_in`: never fewer replicas,
    `hold_out`: never out of rest, both by order of an annotation."""

    low: int
    high: int
    idle: int | None
    cooldown_s: float
    initial_cooldown_s: float = 0.0
    hold_in: bool = False
    hold_out: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """`active`: any trigger that can say so is; None: none could be asked. `last_active_s` None: never yet."""

    now_s: float
    created_s: float
    current: int
    active: bool | None
    last_active_s: float | None
    failure: str = ""  # why a trigger could not be asked


@dataclass(frozen=True, slots=True)
class Step:
    """`replicas` None: leave it as it is (to the HPA)."""

    replicas: int | None
    reason: str
    message: str


def step(bounds: Bounds, seen: Seen) -> Step:
    """From zero as soon as a trigger is active; back when none was for the cooldown."""
    if seen.active is None:
        why = f" ({seen.failure})" if seen.failure else ""
        return Step(None, "ScalerFailed", f"no trigger could be asked: the size stays{why}")
    if seen.active:
        return _awake(bounds, seen)
    if bounds.idle is None and bounds.low > 0:
        return _at_least(bounds, seen)
    floor = bounds.idle or 0
    if seen.current <= floor:
        return Step(None, "ScalerNotActive", _QUIET)
    if bounds.hold_in:
        return Step(None, "ScalerNotActive", f"{_QUIET}; scaling in is paused by annotation")
    if seen.last_active_s is None:
        waits_s = seen.created_s + bounds.initial_cooldown_s - seen.now_s
    else:
        waits_s = seen.last_active_s + bounds.cooldown_s - seen.now_s
    if waits_s > 0:
        return Step(None, "ScalerCooldown", "Scaler cooling down because triggers are not active")
    return Step(floor, "ScalerNotActive", _QUIET)


_QUIET = "Scaling is not performed because triggers are not active"


def _awake(bounds: Bounds, seen: Seen) -> Step:
    low = max(1, bounds.low)
    resting = seen.current == 0 or (bounds.idle is not None and seen.current == bounds.idle)
    active = "Scaling is performed because triggers are active"
    if not resting or seen.current >= low:
        return Step(None, "ScalerActive", active)
    if bounds.hold_out:
        return Step(None, "ScalerActive", f"{active}; scaling out is paused by annotation")
    return Step(low, "ScalerActive", active)


def _at_least(bounds: Bounds, seen: Seen) -> Step:
    """What an HPA would do, but for one that isn't there yet."""
    to = bounds.low if seen.current < bounds.low else None
    return Step(to, "ScalerNotActive", _QUIET)
