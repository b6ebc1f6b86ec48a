"""What KEDA adds to an HPA: whether triggers are active, and the way from and to zero. Pure.

Source: keda pkg/scaling/executor/scale_scaledobjects.go, pkg/scalers/{cron,prometheus}_scaler.go.
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Bounds:
    """`idle` None: what is idle goes to `low`. Times in seconds."""

    low: int
    high: int
    idle: int | None
    cooldown_s: float
    initial_cooldown_s: float = 0.0


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
    low = max(1, bounds.low)
    if seen.active is None:
        why = f" ({seen.failure})" if seen.failure else ""
        return Step(None, "ScalerFailed", f"no trigger could be asked: the size stays{why}")
    if seen.active:
        resting = seen.current == 0 or (bounds.idle is not None and seen.current == bounds.idle)
        if resting and seen.current < low:
            return Step(low, "ScalerActive", f"a trigger is active: {seen.current} -> {low}")
        return Step(None, "ScalerActive", "Scaling is performed because triggers are active")
    quiet = "Scaling is not performed because triggers are not active"
    if bounds.idle is not None:
        floor = bounds.idle
    elif bounds.low == 0:
        floor = 0
    else:
        if seen.current < bounds.low:
            return Step(
                bounds.low, "ScalerNotActive", f"{seen.current} -> {bounds.low}: the minimum"
            )
        return Step(None, "ScalerNotActive", quiet)
    if seen.current <= floor:
        return Step(None, "ScalerNotActive", quiet)
    if seen.last_active_s is None:
        waits_s = seen.created_s + bounds.initial_cooldown_s - seen.now_s
    else:
        waits_s = seen.last_active_s + bounds.cooldown_s - seen.now_s
    if waits_s > 0:
        return Step(None, "ScalerCooldown", f"no trigger is active; in {int(waits_s)} s to {floor}")
    return Step(floor, "ScalerNotActive", f"no trigger was active for the cooldown: -> {floor}")
