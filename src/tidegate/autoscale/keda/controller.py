"""The loop of ScaledObjects: an HPA for one to many, and every polling interval a look at the triggers
for the way from zero and back to it. While the size is zero the HPA does nothing by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from tidegate.autoscale.hpa.targets import find_scaled, write_replicas
from tidegate.autoscale.keda.document import carry_hpa, desired_hpa, hpa_name, target_of
from tidegate.autoscale.keda.metrics import KedaMetrics
from tidegate.autoscale.keda.rivals import rival_of
from tidegate.autoscale.keda.status import Looked, Outcome, external_names, plan_status
from tidegate.client.api import Api
from tidegate.client.events import NORMAL, WARNING, EventRecorder
from tidegate.kit.clock import Clock
from tidegate.model.autoscaling import HorizontalPodAutoscaler
from tidegate.model.conditions import find, is_true, seconds_of, timestamp
from tidegate.model.errors import ApiError, BadRequest
from tidegate.model.keda import ScaledObject, ScaledObjectStatus
from tidegate.model.meta import Key, Object, controller_of
from tidegate.model.scale import scale_view
from tidegate.policy.keda import (
    ResourceTrigger,
    Trigger,
    fallback_of,
    metric_name,
    read_trigger,
)
from tidegate.policy.keda_orders import BadOrder, Orders, read_orders
from tidegate.reconcile import Again, Done, Next, Watch, watch_mapped, watch_owned, watch_self
from tidegate.reconcile.apply import ensure, write_status
from tidegate.reconcile.finalizers import hold, let_go
from tidegate.scaling.hpa import ReadFailed
from tidegate.scaling.keda import Bounds, Seen, Step, step

log = logging.getLogger(__name__)

_POLL_S, _COOLDOWN_S, _MOST = 30, 300, 100
FINALIZER = "finalizer.keda.sh"


class ScaledObjectController:
    """Writes the target's size only where an HPA can't: from zero, to zero, while paused, and to what
    it was when the ScaledObject goes."""

    name = "scaledobject"

    def __init__(self, api: Api, clock: Clock, metrics: KedaMetrics) -> None:
        self._api, self._clock, self._metrics = api, clock, metrics
        self._events = EventRecorder(api, clock, "keda-operator")
        self.watches: Sequence[Watch] = (
            watch_self(ScaledObject),
            watch_owned(HorizontalPodAutoscaler, "ScaledObject"),
            watch_mapped(HorizontalPodAutoscaler, self._of_target),
        )

    async def reconcile(self, key: Key) -> Next:
        scaled = self._api.get(ScaledObject, *key)
        if scaled is None or scaled.metadata.deletion_timestamp:
            self._metrics.health.forget(key)
            if scaled is not None:
                await self._restore(scaled)
            return Done()  # its HPA goes with it
        scaled = await self._with_finalizer(scaled)
        try:
            outcome = await self._bring_about(scaled)
        except (ApiError, BadOrder) as why:
            text = why.message if isinstance(why, ApiError) else str(why)
            outcome = Outcome(refused=text)
        after = plan_status(scaled, outcome, now_s=self._clock.now())
        await write_status(self._api, scaled, after)
        await self._tell(scaled, after, outcome)
        return Again(float(scaled.spec.polling_interval or _POLL_S))

    async def _bring_about(self, scaled: ScaledObject) -> Outcome:
        """Raises `ApiError`, `BadOrder`: the target isn't there or somebody else's, the HPA was
        refused, an annotation says nothing."""
        orders = read_orders(scaled.metadata.annotations)
        target = find_scaled(self._api, scaled.metadata.namespace or "", target_of(scaled))
        current = scale_view(target).replicas
        if orders.paused:
            await self._without_hpa(scaled)
            if orders.paused_at not in (None, current):
                await self._set(scaled, orders.paused_at or 0)
            return Outcome(orders, current=current)
        rival = rival_of(self._api, scaled, hpa_name(scaled))
        if rival is not None:
            raise BadRequest(rival)
        triggers = tuple(read_trigger(trigger) for trigger in scaled.spec.triggers)
        await self._own_hpa(scaled, triggers, orders)
        looked = await self._look(scaled, triggers, orders)
        decided = step(_bounds(scaled, orders), self._seen(scaled, looked, current))
        if decided.replicas is not None:
            await self._set(scaled, decided.replicas)
            await self._tell_of_step(scaled, orders, looked, current, decided)
        health = self._metrics.health.of(scaled, external_names(scaled.spec))
        return Outcome(orders, None, decided, looked, current, health)

    async def _look(
        self, scaled: ScaledObject, triggers: tuple[Trigger, ...], orders: Orders
    ) -> Looked:
        """CPU and memory alone keep their target awake: only the HPA looks at them."""
        if all(isinstance(trigger, ResourceTrigger) for trigger in triggers):
            return Looked(awake=True)
        active, failed = [], []
        for i, trigger in enumerate(triggers):
            answer = await self._metrics.active(trigger, scaled.key)
            if isinstance(answer, ReadFailed):
                failed.append(answer.why)
            elif answer:
                active.append(metric_name(i, scaled.spec.triggers[i]))
        return Looked(tuple(active), failed[0] if failed else "", awake=orders.forced)

    def _seen(self, scaled: ScaledObject, looked: Looked, current: int) -> Seen:
        now_s = self._clock.now()
        last = scaled.status.last_active_time if scaled.status else None
        active, fallback = looked.verdict, fallback_of(scaled)
        if active is None and fallback is not None and fallback.replicas == 0:
            active = False  # for want of a value none is wanted
        return Seen(
            now_s=now_s,
            created_s=seconds_of(scaled.metadata.creation_timestamp or timestamp(now_s)),
            current=current,
            active=active,
            last_active_s=seconds_of(last) if last else None,
            failure=looked.failure,
        )

    # --- its HPA

    async def _own_hpa(
        self, scaled: ScaledObject, triggers: tuple[Trigger, ...], orders: Orders
    ) -> None:
        wanted = desired_hpa(scaled, triggers, orders)
        existing = self._api.get(HorizontalPodAutoscaler, *wanted.key)
        if existing is not None and not (
            _owned(existing, scaled)
            or (orders.transfer and controller_of(existing.metadata) is None)
        ):
            raise BadRequest(
                f'HorizontalPodAutoscaler "{wanted.metadata.name}" exists and does not belong to '
                "this ScaledObject: delete it, or name another in advanced"
            )
        await ensure(self._api, wanted, carry_hpa)
        before = scaled.status.hpa_name if scaled.status else None
        if before not in (None, wanted.metadata.name):
            await self._remove_hpa(scaled, before or "")

    async def _without_hpa(self, scaled: ScaledObject) -> None:
        await self._remove_hpa(scaled, hpa_name(scaled))

    async def _remove_hpa(self, scaled: ScaledObject, name: str) -> None:
        key = Key(scaled.metadata.namespace or "", name)
        existing = self._api.get(HorizontalPodAutoscaler, *key)
        if existing is not None and _owned(existing, scaled):
            await self._api.delete(HorizontalPodAutoscaler, *key, uid=existing.metadata.uid)

    # --- when it goes

    async def _with_finalizer(self, scaled: ScaledObject) -> ScaledObject:
        """Held back while there is something to restore at the end."""
        advanced = scaled.spec.advanced
        wanted = advanced is not None and advanced.restore_to_original_replica_count
        change = hold if wanted else let_go
        return await change(self._api, scaled, FINALIZER)

    async def _restore(self, scaled: ScaledObject) -> None:
        """The target back to the size it had, its HPA gone before."""
        if FINALIZER not in scaled.metadata.finalizers:
            return
        await self._without_hpa(scaled)
        original = scaled.status.original_replica_count if scaled.status else None
        if original is not None:
            try:
                await self._set(scaled, original)
            except ApiError as why:  # its target went before it, or is another's by now
                log.info("%s: the size of its target stays: %s", scaled.key, why.message)
        await let_go(self._api, scaled, FINALIZER)

    # --- words and writes

    async def _tell(
        self, scaled: ScaledObject, after: ScaledObjectStatus, outcome: Outcome
    ) -> None:
        """What is new: a failure is told once, and stands in the conditions as long as it lasts."""
        was = scaled.status.conditions if scaled.status else ()
        if is_true(after.conditions, "Ready") and not is_true(was, "Ready"):
            text = "ScaledObject is ready for scaling"
            await self._events.emit(scaled, NORMAL, "ScaledObjectReady", text)
        for reason, wrong in (
            ("ScaledObjectCheckFailed", outcome.refused),
            ("KEDAScalerFailed", outcome.looked.failure),
        ):
            if wrong and not any(wrong in (condition.message or "") for condition in was):
                await self._events.emit(scaled, WARNING, reason, wrong)

    async def _tell_of_step(
        self, scaled: ScaledObject, orders: Orders, looked: Looked, current: int, decided: Step
    ) -> None:
        ref, to = target_of(scaled), decided.replicas
        kind = f"{ref.api_version}.{ref.kind}"
        what = f"{kind} {scaled.metadata.namespace}/{ref.name} from {current} to {to}"
        log.info("%s: %s (%s)", scaled.key, what, decided.message)
        if decided.reason == "ScalerActive":
            why = "caused by forced activation annotation"
            if not orders.forced:
                why = f"triggered by {';'.join(looked.active)}"
            reason, text = "KEDAScaleTargetActivated", f"Scaled {what}, {why}"
        else:
            reason, text = "KEDAScaleTargetDeactivated", f"Deactivated {what}"
        await self._events.emit(scaled, NORMAL, reason, text)

    async def _set(self, scaled: ScaledObject, replicas: int) -> None:
        namespace, ref = scaled.metadata.namespace or "", target_of(scaled)
        why = await write_replicas(self._api, self._clock, namespace, ref, replicas)
        if why is not None:
            raise ApiError(why)

    def _of_target(self, changed: Object) -> Iterable[Key]:
        """ScaledObjects that stand back for somebody's HPA look again when it changes."""
        space = changed.metadata.namespace
        for scaled in self._api.list(ScaledObject, space):
            ready = find(scaled.status.conditions if scaled.status else (), "Ready")
            if ready is not None and ready.reason == "ScaledObjectCheckFailed":
                yield scaled.key


def _bounds(scaled: ScaledObject, orders: Orders) -> Bounds:
    spec = scaled.spec
    cooldown = spec.cooldown_period
    return Bounds(
        low=spec.min_replica_count or 0,
        high=_MOST if spec.max_replica_count is None else spec.max_replica_count,
        idle=spec.idle_replica_count,
        cooldown_s=_COOLDOWN_S if cooldown is None else cooldown,
        initial_cooldown_s=spec.initial_cooldown_period or 0,
        hold_in=orders.hold_in,
        hold_out=orders.hold_out,
    )


def _owned(hpa: HorizontalPodAutoscaler, scaled: ScaledObject) -> bool:
    ref = controller_of(hpa.metadata)
    return ref is not None and ref.uid == scaled.metadata.uid
