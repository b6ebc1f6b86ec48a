"""What the next visit must remember, as the status carries it."""

from __future__ import annotations

from tidegate.model.autoscaling import AutoscalerMemory, SavedRecommendation, SavedScaleEvent
from tidegate.scaling.hpa import HpaState, Recommendation, ScaleEvent


def memory_of(
    state: HpaState, *, visited_at_s: float, simulated: tuple[str, ...] = ()
) -> AutoscalerMemory:
    """What is to be remembered, as the status carries it."""
    return AutoscalerMemory(
        visited_at_s=visited_at_s,
        recommendations=tuple(
            SavedRecommendation(replicas=r.replicas, at_s=r.at_s) for r in state.recommendations
        ),
        ups=tuple(map(_saved_event, state.ups)),
        downs=tuple(map(_saved_event, state.downs)),
        simulated=simulated,
    )


def state_of(memory: AutoscalerMemory | None) -> HpaState:
    """As `memory_of` wrote it; nothing for None."""
    if memory is None:
        return HpaState()
    return HpaState(
        tuple(Recommendation(r.replicas, r.at_s) for r in memory.recommendations),
        tuple(ScaleEvent(e.change, e.at_s, e.stale) for e in memory.ups),
        tuple(ScaleEvent(e.change, e.at_s, e.stale) for e in memory.downs),
    )


def _saved_event(event: ScaleEvent) -> SavedScaleEvent:
    return SavedScaleEvent(change=event.change, at_s=event.at_s, stale=event.stale)
