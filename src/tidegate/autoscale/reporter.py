"""How an autoscaler tells what it did: the PodAutoscaler's status, and events about the revision."""

from __future__ import annotations

from tidegate.autoscale.history import History, cold_start_words
from tidegate.client.api import Api
from tidegate.client.events import NORMAL, EventRecorder
from tidegate.kit.clock import Clock
from tidegate.model.conditions import timestamp
from tidegate.model.meta import Condition
from tidegate.model.serving import (
    PodAutoscaler,
    PodAutoscalerStatus,
    Revision,
    ScaleDecision,
)
from tidegate.scaling import Condition as Fact
from tidegate.scaling import KpaStatus, Truth


class Reporter:
    """Times of facts are monotonic; what people read is wall time."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._events = EventRecorder(api, clock, "autoscaler")

    def status(
        self, autoscaler: PodAutoscaler, status: KpaStatus, history: History, saved: str
    ) -> PodAutoscalerStatus:
        """The whole status. `saved`: what the scaler must remember over a restart."""
        facts = status.conditions
        return PodAutoscalerStatus(
            observed_generation=autoscaler.metadata.generation,
            conditions=(
                self._condition("Active", facts.active),
                self._condition("Ready", facts.ready),
                self._condition("SKSReady", facts.sks_ready),
                self._condition("ScaleTargetInitialized", facts.scale_target_initialized),
            ),
            service_name=status.service_name or None,
            desired_scale=-1 if status.desired_scale is None else status.desired_scale,
            actual_scale=status.actual_scale,
            decision=history.decisions[-1].message if history.decisions else None,
            decisions=history.decisions,
            cold_starts=history.cold_starts,
            scaler=saved,
        )

    async def events(
        self,
        autoscaler: PodAutoscaler,
        said: PodAutoscalerStatus,
        scaled_to: int | None,
        told: ScaleDecision,
    ) -> None:
        """Events for a written replica count and for a cold start whose request was answered since
        `autoscaler` was read."""
        was = autoscaler.status or PodAutoscalerStatus()
        news = []
        if scaled_to is not None:
            news.append(("Scaled", f"{told.was} -> {scaled_to} replicas: {told.message}"))
        if _answered(said) and said.cold_starts[-1] not in was.cold_starts:
            news.append(("ColdStart", cold_start_words(said.cold_starts[-1])))
        revision = self._api.get(Revision, *autoscaler.key) if news else None
        if revision is not None:
            for reason, text in news:
                await self._events.emit(revision, NORMAL, reason, text)

    def _condition(self, type_: str, fact: Fact) -> Condition:
        wall_s = self._clock.now() - (self._clock.monotonic() - fact.since_s)
        return Condition(
            type=type_,
            status=fact.status.value,
            reason=fact.reason or None,
            message=fact.message or None,
            severity="Info"
            if type_ == "ScaleTargetInitialized" and fact.status is not Truth.TRUE
            else None,
            last_transition_time=timestamp(wall_s),
        )


def _answered(status: PodAutoscalerStatus) -> bool:
    starts = status.cold_starts
    return bool(starts) and starts[-1].first_byte_s is not None and starts[-1].ready_s is not None
