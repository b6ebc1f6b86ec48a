"""The status of an autoscaler: conditions, counts, what the metrics were; and the events of a visit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor

ABLE, ACTIVE, LIMITED, AT_ZERO = "AbleToScale", "ScalingActive", "ScalingLimited", "ScaledToZero"
NORMAL, WARNING = "Normal", "Warning"


@dataclass(frozen=True, slots=True)
class Condition:
    """`since_s`: whole seconds since the epoch at which `status` last changed."""

    type: str
    status: bool
    reason: str
    message: str
    since_s: int


@dataclass(frozen=True, slots=True)
class Event:
    type: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Current:
    """What a metric was: thousandths, or percent. None: not a figure of this metric."""

    value: int | None = None
    average: int | None = None
    utilization: int | None = None


@dataclass(frozen=True, slots=True)
class HpaStatus:
    """`metrics`: one place for each metric of the spec, None where it could not be had; empty when none
    was looked at. `last_scale_s` None: it never scaled."""

    current: int = 0
    desired: int = 0
    last_scale_s: int | None = None
    metrics: tuple[Current | None, ...] = ()
    conditions: tuple[Condition, ...] = ()

    def condition(self, type_: str) -> Condition | None:
        return next((c for c in self.conditions if c.type == type_), None)

    def told(self, type_: str, status: bool, reason: str, message: str, now_s: float) -> HpaStatus:
        """With a condition; its time changes only with its status."""
        was = self.condition(type_)
        since_s = was.since_s if was is not None and was.status is status else floor(now_s)
        new = Condition(type_, status, reason, message, since_s)
        if was is None:
            return replace(self, conditions=(*self.conditions, new))
        kept = tuple(new if c.type == type_ else c for c in self.conditions)
        return replace(self, conditions=kept)

    def without(self, type_: str) -> HpaStatus:
        return replace(self, conditions=tuple(c for c in self.conditions if c.type != type_))
