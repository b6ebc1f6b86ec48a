"""Before a scheduled scale-up its pods' models are fetched, so that the new replicas don't wait for them.

How long before is `look-ahead` of ConfigMap config-cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, tzinfo

from tidegate.client.api import Api
from tidegate.client.events import EventRecorder
from tidegate.controllers.prefetch.fetching import AheadOfPods, Warmer
from tidegate.kit.clock import Clock
from tidegate.kit.schedule import BadSchedule, parse_six_fields
from tidegate.model.cron_hpa import SUBMITTED, CronHorizontalPodAutoscaler
from tidegate.model.keda import ScaledObject
from tidegate.model.meta import Key, Object
from tidegate.model.pods import PodSpec
from tidegate.policy.keda import read_trigger
from tidegate.policy.keda_metadata import BadTrigger
from tidegate.policy.prefetch import pods_of
from tidegate.reconcile import Again, Done, Next, Watch, watch_self
from tidegate.scaling.keda import CronTrigger

_LOOK_AGAIN_S = 3600.0  # the wall clock may be set
_ASK_EVERY_S = 1.0

#: When it is due, and in words.
Due = tuple[float, str]


class _Scheduled:
    """What both have: wait until the look-ahead reaches the next scale-up, then fetch."""

    def __init__(
        self, api: Api, clock: Clock, warmer: Warmer, look_ahead_s: Callable[[], float], who: str
    ) -> None:
        self._api, self._clock, self._look_ahead_s = api, clock, look_ahead_s
        self._ahead = AheadOfPods(api, warmer, EventRecorder(api, clock, who))
        self._last: dict[Key, str] = {}

    async def _look(self, key: Key, obj: Object, spec: PodSpec | None, due: Due | None) -> Next:
        ahead_s, now_s = self._look_ahead_s(), self._clock.now()
        if spec is None or due is None or ahead_s <= 0:
            return Again(_LOOK_AGAIN_S) if due is not None else Done()
        left_s = due[0] - now_s
        if left_s > ahead_s:
            return Again(min(_LOOK_AGAIN_S, left_s - ahead_s))
        owner = f"prefetch/{key.namespace}/{key.name}/{due[0]:.0f}"
        if self._last.get(key, owner) != owner:
            self._ahead.forget(self._last[key])
        self._last[key] = owner
        here = await self._ahead.fetch(obj, owner, spec, reason=due[1])
        return Again(max(_ASK_EVERY_S, left_s) if here else _ASK_EVERY_S)

    def _gone(self, key: Key) -> Done:
        if key in self._last:
            self._ahead.forget(self._last.pop(key))
        return Done()


class CronPrefetch(_Scheduled):
    """Ahead of a CronHorizontalPodAutoscaler's jobs. `zone`: what their schedules are in."""

    name = "cron-prefetch"

    def __init__(
        self,
        api: Api,
        clock: Clock,
        warmer: Warmer,
        look_ahead_s: Callable[[], float],
        zone: tzinfo,
    ) -> None:
        super().__init__(api, clock, warmer, look_ahead_s, "CronHorizontalPodAutoscaler")
        self._zone = zone
        self.watches: Sequence[Watch] = (watch_self(CronHorizontalPodAutoscaler),)

    async def reconcile(self, key: Key) -> Next:
        cron = self._api.get(CronHorizontalPodAutoscaler, *key)
        if cron is None or cron.metadata.deletion_timestamp:
            return self._gone(key)
        ref = cron.spec.scale_target_ref
        spec = pods_of(self._api, key.namespace, ref.kind, ref.name)
        now_s = self._clock.now()
        return await self._look(key, cron, spec, min(self._due(cron, now_s), default=None))

    def _due(self, cron: CronHorizontalPodAutoscaler, now_s: float) -> Iterator[Due]:
        rows = {row.name: row.state for row in (cron.status.conditions if cron.status else ())}
        for job in cron.spec.jobs:
            if job.target_size < 1 or (job.run_once and rows.get(job.name, SUBMITTED) != SUBMITTED):
                continue
            try:
                due_s = parse_six_fields(job.schedule, self._zone).after(now_s)
            except BadSchedule:
                continue  # its own controller says so
            if due_s is not None:
                yield due_s, f"job {job.name} ({job.target_size} replicas) at {_at(due_s)}"


class KedaPrefetch(_Scheduled):
    """Ahead of the starts of a ScaledObject's cron triggers."""

    name = "keda-prefetch"

    def __init__(
        self, api: Api, clock: Clock, warmer: Warmer, look_ahead_s: Callable[[], float]
    ) -> None:
        super().__init__(api, clock, warmer, look_ahead_s, "keda-operator")
        self.watches: Sequence[Watch] = (watch_self(ScaledObject),)

    async def reconcile(self, key: Key) -> Next:
        scaled = self._api.get(ScaledObject, *key)
        if scaled is None or scaled.metadata.deletion_timestamp:
            return self._gone(key)
        ref = scaled.spec.scale_target_ref
        spec = pods_of(self._api, key.namespace, ref.kind or "Deployment", ref.name or "")
        due = min(_starts(scaled, self._clock.now()), default=None)
        return await self._look(key, scaled, spec, due)


def _starts(scaled: ScaledObject, now_s: float) -> Iterator[Due]:
    for given in scaled.spec.triggers:
        try:
            trigger = read_trigger(given)
        except BadTrigger:
            continue
        if not isinstance(trigger, CronTrigger) or trigger.replicas < 1:
            continue
        due_s = trigger.start.after(now_s)
        if due_s is not None:
            yield due_s, f"the cron trigger's start ({trigger.replicas} replicas) at {_at(due_s)}"


def _at(due_s: float) -> str:
    return datetime.fromtimestamp(due_s).astimezone().isoformat(timespec="seconds")
