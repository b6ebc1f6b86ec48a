"""The rhythm of HorizontalPodAutoscalers: each is visited once a sync period, whatever happens.

A visit reads the scale, the pods and the metrics, lets `scaling.hpa` decide, writes the count where it
changed, then the status with all that the next visit must remember. Nothing brings a visit forward:
not a change of the object, nor a failure. A control plane that comes back goes on from the status.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from tidegate.autoscale.hpa.choosers import Choosers
from tidegate.autoscale.hpa.sources import Asked, Sources
from tidegate.autoscale.hpa.targets import Target, chosen, observe, write_replicas
from tidegate.client.api import Api
from tidegate.client.events import EventRecorder
from tidegate.kit.clock import Clock
from tidegate.model.autoscaling import AutoscalerMemory, HorizontalPodAutoscaler
from tidegate.model.errors import Conflict, NotFound
from tidegate.model.meta import Key
from tidegate.model.pods import Pod
from tidegate.policy.cluster_config import ClusterConfig
from tidegate.policy.hpa import (
    hpa_spec,
    hpa_status,
    memory_of,
    pod_seen,
    seconds,
    state_of,
    wire_status,
)
from tidegate.reconcile import Again, Done, Next, Watch, watch_self
from tidegate.scaling.hpa import Seen, Visit, finish, reads_metrics, visit

log = logging.getLogger(__name__)

COMPONENT = "horizontal-pod-autoscaler"
_STATUS_TRIES, _PAUSE_S = 5, 0.01
_SETTLE_S = 3.0  # after a start: until the gateway has told of the last minute, and pages answer


@dataclass(frozen=True, slots=True)
class _Known:
    """What a visit remembered, in case its status could not be written. `uid` of whom."""

    uid: str
    memory: AutoscalerMemory


class HpaController:
    """Owner of the memories; a controller with a rhythm of its own."""

    name = "hpa"

    def __init__(self, api: Api, clock: Clock, config: ClusterConfig, sources: Sources) -> None:
        self._api, self._clock, self._config, self._sources = api, clock, config, sources
        self._events = EventRecorder(api, clock, COMPONENT)
        self._known: dict[Key, _Known] = {}
        self._choosers: Choosers | None = None  # None: not looked at all of them yet
        self._began_s: float | None = None  # None: nobody was looked at yet
        self.watches: Sequence[Watch] = (watch_self(HorizontalPodAutoscaler),)

    async def reconcile(self, key: Key) -> Next:
        hpa = self._api.get(HorizontalPodAutoscaler, *key)
        if hpa is None or hpa.metadata.deletion_timestamp:
            self._known.pop(key, None)
            if self._choosers is not None:
                self._choosers.put(key, None)
            return Done()
        target = observe(self._api, hpa)
        self._all_choosers().put(key, target.selector)
        period_s, now_s = self._config.hpa().period_s, self._clock.now()
        memory = self._memory(hpa)
        last_s = memory.visited_at_s if memory else seconds(hpa.metadata.creation_timestamp)
        if self._began_s is None:
            self._began_s = now_s
        wait_s = max(last_s + period_s, self._began_s + _SETTLE_S) - now_s
        if 0 < wait_s <= max(period_s, _SETTLE_S):  # more: the wall clock was set back
            if memory is None:
                await self._prepare(hpa, target)
            return Again(wait_s)
        await self._visit(hpa, target, memory, now_s)
        return Again(max(0.0, now_s + period_s - self._clock.now()))

    def _all_choosers(self) -> Choosers:
        """Everybody's selectors. Unlike in Kubernetes, which learns one at its autoscaler's first visit,
        they are all known from the start: else the first of two would act before both stop."""
        if self._choosers is None:
            self._choosers = Choosers()
            for other in self._api.list(HorizontalPodAutoscaler):
                self._choosers.put(other.key, observe(self._api, other).selector)
        return self._choosers

    async def _prepare(self, hpa: HorizontalPodAutoscaler, target: Target) -> None:
        if target.selector is not None:
            pods = chosen(self._api, hpa.metadata.namespace or "", target.selector)
            await self._sources.prepare(hpa, tuple(pods))

    def _memory(self, hpa: HorizontalPodAutoscaler) -> AutoscalerMemory | None:
        """The newer of what the status says and what this control plane knows itself."""
        stored = hpa.status.tidegate if hpa.status else None
        known = self._known.get(hpa.key)
        if known is None or known.uid != hpa.metadata.uid:
            return stored
        if stored is None or stored.visited_at_s < known.memory.visited_at_s:
            return known.memory
        return stored

    async def _visit(
        self,
        hpa: HorizontalPodAutoscaler,
        target: Target,
        memory: AutoscalerMemory | None,
        now_s: float,
    ) -> None:
        spec, config, was = hpa_spec(hpa), self._config.hpa(), hpa_status(hpa)
        seen, simulated = Seen(now_s, target.scale), memory.simulated if memory else ()
        if reads_metrics(spec, config, was, target.scale):
            seen, simulated = await self._look(hpa, target, now_s)
        else:
            seen = replace(seen, rivals=self._rivals(hpa, target))
        visited = visit(spec, config, state_of(memory), was, seen)
        if visited.rescale is not None:
            to = visited.rescale.to
            failure = await write_replicas(
                self._api, self._clock, hpa.metadata.namespace or "", hpa.spec.scale_target_ref, to
            )
            visited = finish(visited, spec, config, now_s, failure=failure)
            if failure is None:
                log.info("%s: %s -> %s replicas", hpa.key, target.scale.replicas, to)
        after = memory_of(visited.state, visited_at_s=now_s, simulated=simulated)
        self._known[hpa.key] = _Known(hpa.metadata.uid or "", after)
        await self._write(hpa, visited, after, keep_metrics=target.scale.failed is not None)
        await self._tell(hpa, visited, memory, after)

    async def _look(
        self, hpa: HorizontalPodAutoscaler, target: Target, now_s: float
    ) -> tuple[Seen, tuple[str, ...]]:
        """The pods, who else chooses them, and a reading for each metric; and which are simulated."""
        seen = Seen(now_s, target.scale)
        if target.selector is None:
            return seen, ()
        namespace = hpa.metadata.namespace or ""
        rivals = self._rivals(hpa, target)
        if rivals:
            return replace(seen, rivals=rivals), ()
        pods: Sequence[Pod] = chosen(self._api, namespace, target.selector)
        asked = Asked(namespace, tuple(pods), now_s)
        found = [await self._sources.read(metric, asked) for metric in hpa.spec.metrics]
        seen = replace(
            seen,
            pods=tuple(map(pod_seen, pods)),
            readings=tuple(one.reading for one in found),
        )
        return seen, tuple(one.metric for one in found if one.simulated)

    def _rivals(self, hpa: HorizontalPodAutoscaler, target: Target) -> tuple[str, ...]:
        """All autoscalers that choose one of the target's pods, if there are several."""
        if target.selector is None:
            return ()
        namespace = hpa.metadata.namespace or ""
        pods = chosen(self._api, namespace, target.selector)
        choosing = self._all_choosers().of(namespace, pods)
        if len(choosing) < 2:
            return ()
        return tuple(f"{{{key.name} {key.namespace}}}" for key in sorted(choosing))

    async def _write(
        self,
        hpa: HorizontalPodAutoscaler,
        visited: Visit,
        memory: AutoscalerMemory,
        *,
        keep_metrics: bool,
    ) -> None:
        """Write the status; a spec that was edited meanwhile keeps its edit."""
        for _ in range(_STATUS_TRIES):
            status = wire_status(hpa, visited.status, memory, keep_metrics=keep_metrics)
            try:
                await self._api.update_status(msgspec.structs.replace(hpa, status=status))
                return
            except NotFound:
                return
            except Conflict:
                current = self._api.get(HorizontalPodAutoscaler, *hpa.key)
                if current is None or current.metadata.uid != hpa.metadata.uid:
                    return
                hpa = msgspec.structs.replace(hpa, metadata=current.metadata)
                await self._clock.sleep(_PAUSE_S)
        log.warning("%s: its status could not be written for others' writes", hpa.key)

    async def _tell(
        self,
        hpa: HorizontalPodAutoscaler,
        visited: Visit,
        before: AutoscalerMemory | None,
        after: AutoscalerMemory,
    ) -> None:
        for event in visited.events:
            await self._events.emit(hpa, event.type, event.reason, event.message)
        if after.simulated and after.simulated != (before.simulated if before else ()):
            what = ", ".join(after.simulated)
            message = f"{what}: no GPU to ask; the share of time with a request in flight stands in"
            await self._events.emit(hpa, "Normal", "SimulatedMetric", message)
