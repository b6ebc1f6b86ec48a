"""The loop of CronHorizontalPodAutoscalers: sleeps until the next job is due, runs it, writes its row.

A run that fails is tried again every 3 s for 10 s. What ran is in the status before the next look, so a
restarted control plane runs nothing twice; what it missed by less than a minute it does late.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import tzinfo

from msgspec.structs import replace

from tidegate.autoscale.cron.rows import (
    LATE_MOST_S,
    Due,
    ended,
    excluded_by,
    next_due,
    rows_of,
)
from tidegate.autoscale.hpa.targets import OtherOwner, find_scaled, write_replicas
from tidegate.client.api import Api
from tidegate.client.events import NORMAL, WARNING, EventRecorder
from tidegate.kit.clock import Clock
from tidegate.model.autoscaling import CrossVersionObjectReference, HorizontalPodAutoscaler
from tidegate.model.cron_hpa import (
    FAILED,
    SUCCEED,
    CronHorizontalPodAutoscaler,
    CronHorizontalPodAutoscalerStatus,
    CronJobCondition,
)
from tidegate.model.errors import ApiError, NotFound
from tidegate.model.kserve_names import AUTOSCALER_CLASS
from tidegate.model.meta import Key, controller_of
from tidegate.model.scale import scale_view
from tidegate.reconcile import Again, Done, Next, Watch, watch_self
from tidegate.reconcile.apply import insist_on_status
from tidegate.scaling.cron_hpa import Bounds, Change, alone, beside_hpa, failed, missed, skipped

log = logging.getLogger(__name__)

_RETRY_S, _GIVE_UP_S = 3.0, 10.0
_LOOK_AGAIN_S = 3600.0  # the wall clock may be set, the zone's rules are long: never sleep for days


class CronHpaController:
    """`zone`: what the schedules' times are in."""

    name = "cronhpa"

    def __init__(self, api: Api, clock: Clock, zone: tzinfo) -> None:
        self._api, self._clock, self._zone = api, clock, zone
        self._events = EventRecorder(api, clock, "cronhorizontalpodautoscaler")
        self._trying: dict[tuple[Key, str], float] = {}  # job -> since when its run fails
        self.watches: Sequence[Watch] = (watch_self(CronHorizontalPodAutoscaler),)

    async def reconcile(self, key: Key) -> Next:
        cron = self._api.get(CronHorizontalPodAutoscaler, *key)
        if cron is None or cron.metadata.deletion_timestamp:
            for tried in [tried for tried in self._trying if tried[0] == key]:
                del self._trying[tried]
            return Done()
        now_s = self._clock.now()
        rows = list(rows_of(cron, now_s))
        wait_s = _LOOK_AGAIN_S
        for i, (job, row) in enumerate(zip(cron.spec.jobs, rows, strict=True)):
            due_s = next_due(job, row, self._zone)
            if due_s is None:
                continue
            if due_s > now_s:
                wait_s = min(wait_s, due_s - now_s)
                continue
            after = await self._run(cron, Due(job, row, due_s), now_s)
            if after is None:
                wait_s = min(wait_s, _RETRY_S)
            else:
                rows[i] = after
                wait_s = min(wait_s, 1.0)  # the next time is worked out from the row
        status = CronHorizontalPodAutoscalerStatus(
            scale_target_ref=cron.spec.scale_target_ref,
            exclude_dates=cron.spec.exclude_dates,
            conditions=tuple(rows),
        )
        await insist_on_status(self._api, self._clock, cron, status)
        return Again(wait_s)

    async def _run(
        self, cron: CronHorizontalPodAutoscaler, due: Due, now_s: float
    ) -> CronJobCondition | None:
        """The row after the run; None: it failed and is tried again."""
        job, tried = due.job, (cron.key, due.job.name)
        late_s = now_s - due.due_s
        if late_s > LATE_MOST_S and tried not in self._trying:
            await self._events.emit(cron, WARNING, "Missed", f"{job.name}: {missed(late_s)}")
            return ended(due.row, due.row.state, missed(late_s), now_s)
        line = excluded_by(cron, due.due_s, self._zone)
        if line is not None:
            await self._events.emit(cron, NORMAL, SUCCEED, f"{job.name}: {skipped(line)}")
            return ended(due.row, SUCCEED, skipped(line), now_s)
        try:
            message = await self._scale(cron, job.name, job.target_size)
        except ApiError as why:
            since_s = self._trying.setdefault(tried, now_s)
            if now_s - since_s < _GIVE_UP_S:
                return None
            del self._trying[tried]
            await self._events.emit(cron, WARNING, FAILED, failed(why.message))
            return ended(due.row, FAILED, failed(why.message), now_s)
        self._trying.pop(tried, None)
        log.info("%s: %s", cron.key, message)
        await self._events.emit(cron, NORMAL, SUCCEED, message)
        return ended(due.row, SUCCEED, message, now_s)

    async def _scale(self, cron: CronHorizontalPodAutoscaler, job: str, want: int) -> str:
        """What was done, as the row tells it. Raises `ApiError`."""
        ref, namespace = cron.spec.scale_target_ref, cron.metadata.namespace or ""
        if ref.kind == "HorizontalPodAutoscaler":
            return await self._beside(namespace, ref.name, job, want)
        current = scale_view(find_scaled(self._api, namespace, ref)).replicas
        change = alone(job, want, current)
        await self._set(namespace, ref, change)
        return change.message

    async def _beside(self, namespace: str, name: str, job: str, want: int) -> str:
        hpa = self._api.get(HorizontalPodAutoscaler, namespace, name)
        if hpa is None:
            raise NotFound("horizontalpodautoscalers.autoscaling", name)
        _check_bounds_free(hpa)
        ref = hpa.spec.scale_target_ref
        low = 1 if hpa.spec.min_replicas is None else hpa.spec.min_replicas
        current = scale_view(find_scaled(self._api, namespace, ref)).replicas
        change = beside_hpa(job, want, Bounds(name, low, hpa.spec.max_replicas, current))
        if change.low is not None or change.high is not None:
            spec = replace(
                hpa.spec,
                min_replicas=low if change.low is None else change.low,
                max_replicas=hpa.spec.max_replicas if change.high is None else change.high,
            )
            await self._api.update(replace(hpa, spec=spec))
        await self._set(namespace, ref, change)
        return change.message

    async def _set(self, namespace: str, ref: CrossVersionObjectReference, change: Change) -> None:
        if change.replicas is None:
            return
        why = await write_replicas(self._api, self._clock, namespace, ref, change.replicas)
        if why is not None:
            raise ApiError(why)


def _check_bounds_free(hpa: HorizontalPodAutoscaler) -> None:
    """Bounds that something else keeps would be put back at once. Raises `OtherOwner`."""
    owner = controller_of(hpa.metadata)
    if owner is None:
        return
    way_out = "let that set them"
    if owner.kind == "InferenceService":
        way_out = f"annotate that with {AUTOSCALER_CLASS}: external and name the Deployment instead"
    raise OtherOwner(
        f'the bounds of HorizontalPodAutoscaler "{hpa.metadata.name}" are kept by {owner.kind} '
        f'"{owner.name}": {way_out}'
    )
