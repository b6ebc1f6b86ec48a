"""The loop of ScaledObjects: an HPA for one to many, and every polling interval a look at the triggers
for the way from zero and back to it. While the size is zero the HPA does nothing by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from tidegate.autoscale.hpa.targets import find_scaled, write_replicas
from tidegate.autoscale.keda.document import carry_hpa, desired_hpa, hpa_name, target_of
from tidegate.autoscale.keda.metrics import KedaMetrics
from tidegate.client.api import Api
from tidegate.client.events import NORMAL, WARNING, EventRecorder
from tidegate.kit.clock import Clock
from tidegate.model.autoscaling import HorizontalPodAutoscaler
from tidegate.model.conditions import merged, seconds_of, timestamp
from tidegate.model.errors import ApiError, BadRequest
from tidegate.model.keda import ScaledObject, ScaledObjectSpec, ScaledObjectStatus
from tidegate.model.meta import Condition, Key, controller_of
from tidegate.model.scale import scale_view
from tidegate.policy.keda import ResourceTrigger, Trigger, metric_name, read_trigger
from tidegate.reconcile import Again, Done, Next, Watch, watch_owned, watch_self
from tidegate.reconcile.apply import ensure, write_status
from tidegate.scaling.hpa import ReadFailed
from tidegate.scaling.keda import Bounds, Seen, Step, step

log = logging.getLogger(__name__)

_POLL_S, _COOLDOWN_S, _MOST = 30, 300, 100
PAUSED = "autoscaling.keda.sh/paused"
PAUSED_AT = "autoscaling.keda.sh/paused-replicas"


class ScaledObjectController:
    """Writes the target's size only where an HPA can't: from zero, to zero, and while paused."""

    name = "scaledobject"

    def __init__(self, api: Api, clock: Clock, metrics: KedaMetrics) -> None:
        self._api, self._clock, self._metrics = api, clock, metrics
        self._events = EventRecorder(api, clock, "keda-operator")
        self.watches: Sequence[Watch] = (
            watch_self(ScaledObject),
            watch_owned(HorizontalPodAutoscaler, "ScaledObject"),
        )

    async def reconcile(self, key: Key) -> Next:
        scaled = self._api.get(ScaledObject, *key)
        if scaled is None or scaled.metadata.deletion_timestamp:
            return Done()  # its HPA goes with it
        status = scaled.status or ScaledObjectStatus()
        try:
            status = await self._bring_about(scaled, status)
        except ApiError as why:
            status = self._status(scaled, status, ready=why, step_=None)
            await self._events.emit(scaled, WARNING, "ScaledObjectCheckFailed", why.message)
        await write_status(self._api, scaled, status)
        return Again(float(scaled.spec.polling_interval or _POLL_S))

    async def _bring_about(
        self, scaled: ScaledObject, status: ScaledObjectStatus
    ) -> ScaledObjectStatus:
        """Raises `ApiError`: the target isn't there, or the HPA was refused."""
        triggers = tuple(read_trigger(trigger) for trigger in scaled.spec.triggers)
        namespace = scaled.metadata.namespace or ""
        target = find_scaled(self._api, namespace, target_of(scaled))
        current = scale_view(target).replicas
        annotations = scaled.metadata.annotations
        paused_at = annotations.get(PAUSED_AT)
        if annotations.get(PAUSED) == "true" or paused_at is not None:
            await self._without_hpa(scaled)
            if paused_at is not None and paused_at.isdigit() and int(paused_at) != current:
                await self._set(scaled, int(paused_at))
            return self._status(scaled, status, ready=None, step_=None, paused=True)
        await self._own_hpa(scaled, triggers)
        active, failure = await self._active(triggers, scaled.key)
        now_s = self._clock.now()
        last = status.last_active_time
        seen = Seen(
            now_s=now_s,
            created_s=seconds_of(scaled.metadata.creation_timestamp or timestamp(now_s)),
            current=current,
            active=active,
            last_active_s=seconds_of(last) if last else None,
            failure=failure,
        )
        decided = step(_bounds(scaled), seen)
        if decided.replicas is not None:
            await self._set(scaled, decided.replicas)
            log.info("%s: %s", scaled.key, decided.message)
            reason = "KEDAScaleTargetActivated" if active else "KEDAScaleTargetDeactivated"
            await self._events.emit(scaled, NORMAL, reason, decided.message)
        return self._status(
            scaled,
            status,
            ready=None,
            step_=decided,
            original=current,
            active_at_s=now_s if active else None,
        )

    async def _active(self, triggers: tuple[Trigger, ...], of: Key) -> tuple[bool | None, str]:
        """Whether any of them is; None: one could not be asked (and why), and no other is. CPU and
        memory alone keep their target awake: only the HPA looks at them."""
        if all(isinstance(trigger, ResourceTrigger) for trigger in triggers):
            return True, ""
        answers = [await self._metrics.active(trigger, of) for trigger in triggers]
        if any(answer is True for answer in answers):
            return True, ""
        failed = [answer.why for answer in answers if isinstance(answer, ReadFailed)]
        return (None, failed[0]) if failed else (False, "")

    async def _own_hpa(self, scaled: ScaledObject, triggers: tuple[Trigger, ...]) -> None:
        wanted = desired_hpa(scaled, triggers)
        existing = self._api.get(HorizontalPodAutoscaler, *wanted.key)
        if existing is not None and not _owned(existing, scaled):
            raise BadRequest(
                f'HorizontalPodAutoscaler "{wanted.metadata.name}" exists and does not belong to '
                "this ScaledObject: delete it, or name another in advanced"
            )
        await ensure(self._api, wanted, carry_hpa)

    async def _without_hpa(self, scaled: ScaledObject) -> None:
        key = Key(scaled.metadata.namespace or "", hpa_name(scaled))
        existing = self._api.get(HorizontalPodAutoscaler, *key)
        if existing is not None and _owned(existing, scaled):
            await self._api.delete(HorizontalPodAutoscaler, *key, uid=existing.metadata.uid)

    async def _set(self, scaled: ScaledObject, replicas: int) -> None:
        namespace, ref = scaled.metadata.namespace or "", target_of(scaled)
        why = await write_replicas(self._api, self._clock, namespace, ref, replicas)
        if why is not None:
            raise ApiError(why)

    def _status(
        self,
        scaled: ScaledObject,
        was: ScaledObjectStatus,
        *,
        ready: ApiError | None,
        step_: Step | None,
        paused: bool = False,
        original: int | None = None,
        active_at_s: float | None = None,
    ) -> ScaledObjectStatus:
        spec, now_s = scaled.spec, self._clock.now()
        names = [metric_name(i, t) for i, t in enumerate(spec.triggers)]
        resources = ("cpu", "memory")
        target = target_of(scaled)
        ready_condition = (
            Condition(
                type="Ready",
                status="True",
                reason="ScaledObjectReady",
                message="ScaledObject is defined correctly and is ready for scaling",
            )
            if ready is None
            else Condition(
                type="Ready",
                status="False",
                reason="ScaledObjectCheckFailed",
                message=ready.message,
            )
        )
        conditions = (
            ready_condition,
            _active(step_),
            Condition(type="Fallback", status="False", reason="NoFallbackFound"),
            Condition(
                type="Paused",
                status="True" if paused else "False",
                reason="ScaledObjectPaused" if paused else "ScaledObjectNotPaused",
            ),
        )
        return ScaledObjectStatus(
            conditions=merged(was.conditions, conditions, now_s=now_s),
            scale_target_kind=f"{target.api_version}.{target.kind}",
            hpa_name=hpa_name(scaled),
            original_replica_count=was.original_replica_count
            if was.original_replica_count is not None
            else original,
            last_active_time=was.last_active_time
            if active_at_s is None
            else timestamp(active_at_s),
            external_metric_names=tuple(
                n for n, t in zip(names, spec.triggers, strict=True) if t.type not in resources
            ),
            resource_metric_names=tuple(t.type for t in spec.triggers if t.type in resources),
            triggers_types=",".join(dict.fromkeys(t.type for t in spec.triggers)),
            authentications_types=",".join(dict.fromkeys(_authentications(spec))) or None,
        )


def _authentications(spec: ScaledObjectSpec) -> list[str]:
    """Names, whatever the field is called: as KEDA fills it."""
    refs = (trigger.authentication_ref for trigger in spec.triggers)
    return [ref.name for ref in refs if ref is not None]


def _active(step_: Step | None) -> Condition:
    if step_ is None:
        return Condition(type="Active", status="Unknown")
    active = step_.reason == "ScalerActive"
    return Condition(
        type="Active",
        status="True" if active else "False",
        reason=step_.reason,
        message=step_.message,
    )


def _bounds(scaled: ScaledObject) -> Bounds:
    spec = scaled.spec
    cooldown = spec.cooldown_period
    return Bounds(
        low=spec.min_replica_count or 0,
        high=_MOST if spec.max_replica_count is None else spec.max_replica_count,
        idle=spec.idle_replica_count,
        cooldown_s=_COOLDOWN_S if cooldown is None else cooldown,
        initial_cooldown_s=spec.initial_cooldown_period or 0,
    )


def _owned(hpa: HorizontalPodAutoscaler, scaled: ScaledObject) -> bool:
    ref = controller_of(hpa.metadata)
    return ref is not None and ref.uid == scaled.metadata.uid
