"""The CronJob's loop: sleeps until a start is due, makes its Job, follows those it made.

A Job's name is made of its time, and its time is in the status once it is there: over restarts no
start is made twice.

Source: kubernetes pkg/controller/cronjob. What is decided is in `plan`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from tidegate.client.api import Api
from tidegate.client.events import NORMAL, WARNING, EventRecorder
from tidegate.controllers.cronjob.plan import CronPlan, plan_cron_job, started, without
from tidegate.kit.clock import Clock
from tidegate.model.errors import AlreadyExists, ApiError
from tidegate.model.jobs import CronJob, CronJobStatus, Job
from tidegate.model.meta import Key, controller_of
from tidegate.reconcile import Again, Done, Next, Watch, watch_owned, watch_self
from tidegate.reconcile.apply import insist_on_status


class CronJobController:
    """`zone`: what the schedules that name none are in."""

    name = "cronjob"

    def __init__(self, api: Api, clock: Clock, zone: tzinfo) -> None:
        self._api, self._clock, self._zone = api, clock, zone
        self._events = EventRecorder(api, clock, "cronjob-controller")
        self.watches: Sequence[Watch] = (watch_self(CronJob), watch_owned(Job, "CronJob"))

    async def reconcile(self, key: Key) -> Next:
        cron = self._api.get(CronJob, *key)
        if cron is None:
            return Done()
        plan = plan_cron_job(cron, self._jobs(cron), zone=self._zone, now_s=self._clock.now())
        for type_, reason, message in plan.said:
            await self._events.emit(cron, type_, reason, message)
        status = plan.status
        for job in plan.replaced:
            status = await self._delete(cron, job, status)
        if plan.start is not None:
            status = await self._start(cron, plan, status)
        for job in plan.old:
            status = await self._delete(cron, job, status)
        await insist_on_status(self._api, self._clock, cron, status)
        return Done() if plan.again_s is None else Again(plan.again_s)

    def _jobs(self, cron: CronJob) -> list[Job]:
        found = []
        for job in self._api.list(Job, cron.metadata.namespace, owner_uid=cron.metadata.uid):
            ref = controller_of(job.metadata)
            if ref is not None and ref.uid == cron.metadata.uid:
                found.append(job)
        return found

    async def _delete(self, cron: CronJob, job: Job, status: CronJobStatus) -> CronJobStatus:
        await self._api.delete(Job, *job.key, uid=job.metadata.uid, propagation="Background")
        why = f"Deleted job {job.metadata.name}"
        await self._events.emit(cron, NORMAL, "SuccessfulDelete", why)
        return without(status, job)

    async def _start(self, cron: CronJob, plan: CronPlan, status: CronJobStatus) -> CronJobStatus:
        """The status with the Job of this time; it may be there, made before a restart."""
        assert plan.start is not None
        assert plan.due_s is not None
        try:
            job = await self._api.create(plan.start)
        except AlreadyExists:
            there = self._api.get(Job, *plan.start.key)
            ref = controller_of(there.metadata) if there is not None else None
            if there is None or ref is None or ref.uid != cron.metadata.uid:
                return status  # somebody else's Job has that name: this start is not made
            return started(status, there, plan.due_s)
        except ApiError as why_not:
            why = f"Error creating job: {why_not}"
            await self._events.emit(cron, WARNING, "FailedCreate", why)
            raise
        why = f"Created job {job.metadata.name}"
        await self._events.emit(cron, NORMAL, "SuccessfulCreate", why)
        return started(status, job, plan.due_s)
