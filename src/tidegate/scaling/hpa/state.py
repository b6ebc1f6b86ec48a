"""What an autoscaler remembers from visit to visit. Plain values: saved, and fed to a restarted
control plane."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A proposal before any limit."""

    replicas: int
    at_s: float


@dataclass(frozen=True, slots=True)
class ScaleEvent:
    """A change that was made, as a positive count. `stale`: older than every policy's period when the
    next change was recorded; its place is used again."""

    change: int
    at_s: float
    stale: bool = False


@dataclass(frozen=True, slots=True)
class HpaState:
    recommendations: tuple[Recommendation, ...] = ()
    ups: tuple[ScaleEvent, ...] = ()
    downs: tuple[ScaleEvent, ...] = ()
