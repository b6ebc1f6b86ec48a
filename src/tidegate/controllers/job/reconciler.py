"""The Job's loop: takes pods, carries out its plan, says how far it is, goes when its time is over.

Source: kubernetes pkg/controller/job, pkg/controller/ttlafterfinished. What is decided is in `plan`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

import msgspec

from tidegate.client.api import Api
from tidegate.client.events import NORMAL, WARNING, EventRecorder
from tidegate.controllers.job.plan import Plan, plan_job, settled
from tidegate.controllers.job.pods import desired_pod, is_tracked
from tidegate.kit.clock import Clock
from tidegate.model.conditions import find, seconds_of
from tidegate.model.errors import ApiError, NotFound
from tidegate.model.jobs import COMPLETE, OWN_CONTROLLER, TRACKING, Job, ended_as
from tidegate.model.meta import Key, LabelSelector, controller_of
from tidegate.model.pods import Pod
from tidegate.reconcile import Again, Done, Next, Watch, watch_mapped, watch_owned, watch_self
from tidegate.reconcile.apply import write_status
from tidegate.reconcile.claim import claim
from tidegate.reconcile.finalizers import let_go

#: No object is called so: a key that begins with it is a pod whose Job is gone.
_STRAY = "~"


class JobController:
    """Creates, ends and counts pods. The engine never runs one key twice at once and a committed write
    is seen by the next read, so counting needs no expectations."""

    name = "job"

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._events = EventRecorder(api, clock, "job-controller")
        self.watches: Sequence[Watch] = (
            watch_self(Job),
            watch_owned(Pod, "Job"),
            watch_mapped(Pod, self._of_stray),
        )

    def _of_stray(self, pod: Pod) -> Iterable[Key]:
        """A pod that still has the finalizer and no Job that would take it off; one that nobody
        controls may belong to a Job that selects by itself."""
        namespace, ref = pod.metadata.namespace or "", controller_of(pod.metadata)
        if is_tracked(pod) and self._job_of(pod) is None:
            yield Key(namespace, _STRAY + pod.metadata.name)
        if ref is None and pod.metadata.deletion_timestamp is None:
            for job in self._api.list(Job, namespace):
                if job.spec.selector is not None and job.spec.selector.matches(pod.metadata.labels):
                    yield job.key

    def _job_of(self, pod: Pod) -> Job | None:
        ref = controller_of(pod.metadata)
        if ref is None or ref.kind != "Job":
            return None
        job = self._api.get(Job, pod.metadata.namespace or "", ref.name)
        return job if job is not None and job.metadata.uid == ref.uid else None

    async def reconcile(self, key: Key) -> Next:
        if key.name.startswith(_STRAY):
            return await self._let_go(self._api.get(Pod, key.namespace, key.name[len(_STRAY) :]))
        job = self._api.get(Job, *key)
        if job is None:
            for pod in self._api.list(Pod, key.namespace):
                ref = controller_of(pod.metadata)
                if ref is not None and ref.kind == "Job" and ref.name == key.name:
                    await self._let_go(pod)
            return Done()
        if job.spec.managed_by not in (None, OWN_CONTROLLER):
            return Done()  # somebody else's: that is what the field is for
        if ended_as(job) is not None:
            await self._release(self._pods(job))
            return await self._expire(job)
        return await self._go_on(job)

    async def _let_go(self, pod: Pod | None) -> Next:
        if pod is not None and is_tracked(pod) and self._job_of(pod) is None:
            await self._untrack(pod)
        return Done()

    # --- a Job that goes on

    async def _go_on(self, job: Job) -> Next:
        selector = job.spec.selector or LabelSelector()
        pods = await claim(self._api, job, Pod, selector, finalizer=TRACKING)
        now_s = self._clock.now()
        plan = plan_job(job, pods, now_s=now_s)
        await self._end(job, plan)
        made, failure = await self._create(job, plan)
        active = (plan.status.active or 0) - (len(plan.create) - made)
        job = await write_status(
            self._api, job, msgspec.structs.replace(plan.status, active=active or None)
        )
        await self._release(plan.release)
        tracked = {pod.metadata.uid or "" for pod in self._pods(job) if is_tracked(pod)}
        assert job.status is not None
        status = settled(plan, job.status, tracked, now_s=now_s)
        job = await write_status(self._api, job, status)
        await self._tell(job, plan)
        if failure is not None:
            raise failure
        if ended_as(job) is not None:
            return await self._expire(job)
        return Done() if plan.again_s is None else Again(plan.again_s)

    def _pods(self, job: Job) -> list[Pod]:
        return [
            pod
            for pod in self._api.list(Pod, job.metadata.namespace, owner_uid=job.metadata.uid)
            if self._job_of(pod) is not None
        ]

    async def _end(self, job: Job, plan: Plan) -> None:
        for pod in plan.drop:
            await self._untrack(pod)
        for pod in (*plan.drop, *plan.end):
            await self._api.delete(Pod, *pod.key, uid=pod.metadata.uid)
            why = f"Deleted pod: {pod.metadata.name}"
            await self._events.emit(job, NORMAL, "SuccessfulDelete", why)

    async def _create(self, job: Job, plan: Plan) -> tuple[int, ApiError | None]:
        """How many were made, and why there are not more."""
        made = 0
        try:
            for index in plan.create:
                pod = desired_pod(job, index, after=plan.before(index))
                pod = await self._api.create(pod)
                made += 1
                why = f"Created pod: {pod.metadata.name}"
                await self._events.emit(job, NORMAL, "SuccessfulCreate", why)
        except ApiError as why_not:
            await self._events.emit(job, WARNING, "FailedCreate", f"Error creating: {why_not}")
            return made, why_not
        return made, None

    async def _release(self, pods: Iterable[Pod]) -> None:
        for pod in pods:
            if is_tracked(pod):
                await self._untrack(pod)

    async def _untrack(self, pod: Pod) -> None:
        """Take the finalizer off, from the pod as it is by now."""
        current = self._api.get(Pod, *pod.key)
        if current is None or current.metadata.uid != pod.metadata.uid or not is_tracked(current):
            return
        with suppress(NotFound):
            await let_go(self._api, current, TRACKING)

    async def _tell(self, job: Job, plan: Plan) -> None:
        for reason, message in plan.said:
            await self._events.emit(job, NORMAL, reason, message)
        ended = ended_as(job)
        if ended is None or job.status is None:
            return
        last = find(job.status.conditions, ended)
        if ended == COMPLETE:
            if (job.status.succeeded or 0) > (job.spec.completions or job.status.succeeded or 0):
                message = "Too many succeeded pods running after completion count reached"
                await self._events.emit(job, WARNING, "TooManySucceededPods", message)
            await self._events.emit(job, NORMAL, "Completed", "Job completed")
        elif last is not None:
            await self._events.emit(job, WARNING, last.reason or "Failed", last.message or "")

    # --- a Job that has ended

    async def _expire(self, job: Job) -> Next:
        """`ttlSecondsAfterFinished` after its end the Job goes, and its pods before it."""
        ttl_s, ended = job.spec.ttl_seconds_after_finished, ended_as(job)
        last = find(job.status.conditions, ended) if job.status and ended else None
        if ttl_s is None or last is None or job.metadata.deletion_timestamp:
            return Done()
        assert last.last_transition_time is not None
        left_s = seconds_of(last.last_transition_time) + ttl_s - self._clock.now()
        if left_s > 0:
            return Again(left_s)
        await self._api.delete(Job, *job.key, uid=job.metadata.uid, propagation="Foreground")
        return Done()
