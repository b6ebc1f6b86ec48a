"""The Deployment's loop: reads, lets the others decide, writes.

The one writer of its ReplicaSets' sizes and of their revision numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tidegate.client.api import Api
from tidegate.client.events import NORMAL, EventRecorder
from tidegate.controllers.deployment import history, progress
from tidegate.controllers.deployment.rollout import (
    Scale,
    Sized,
    first_size,
    is_scaling,
    plan_recreate,
    plan_rolling,
    plan_scaling,
)
from tidegate.kit.clock import Clock
from tidegate.model.apps import Deployment, DeploymentStatus, ReplicaSet
from tidegate.model.conditions import find
from tidegate.model.errors import AlreadyExists, ApiError
from tidegate.model.meta import Condition, Key, controller_of
from tidegate.model.pods import Pod
from tidegate.reconcile import Again, Done, Next, Watch, watch_mapped, watch_owned, watch_self
from tidegate.reconcile.apply import write_status
from tidegate.reconcile.claim import claim

_ENDED = ("Succeeded", "Failed")


class DeploymentController:
    """Owns its ReplicaSets and their replica counts."""

    name = "deployment"

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._events = EventRecorder(api, clock, "deployment-controller")
        self.watches: Sequence[Watch] = (
            watch_self(Deployment),
            watch_owned(ReplicaSet, "Deployment"),
            watch_mapped(ReplicaSet, self._of_orphan),
            watch_mapped(Pod, self._of_pod),
        )

    def _of_orphan(self, rs: ReplicaSet) -> Iterable[Key]:
        """Who may take a ReplicaSet that nobody controls."""
        if controller_of(rs.metadata) is None:
            for deployment in self._api.list(Deployment, rs.metadata.namespace):
                if deployment.spec.selector.matches(rs.metadata.labels):
                    yield deployment.key

    def _of_pod(self, pod: Pod) -> Iterable[Key]:
        """Recreate waits until old pods are gone, which their ReplicaSets don't tell."""
        if pod.metadata.deletion_timestamp is None:
            return
        ref = controller_of(pod.metadata)
        rs = self._api.get(ReplicaSet, pod.metadata.namespace or "", ref.name) if ref else None
        owner = controller_of(rs.metadata) if rs is not None else None
        if owner is None or owner.kind != "Deployment":
            return
        deployment = self._api.get(Deployment, pod.metadata.namespace or "", owner.name)
        if deployment is not None and history.wish_of(deployment).recreate:
            yield deployment.key

    async def reconcile(self, key: Key) -> Next:
        deployment = self._api.get(Deployment, *key)
        if deployment is None or deployment.metadata.deletion_timestamp:
            return Done()
        look = _Look(self._api, self._events, self._clock.now(), deployment)
        look.sets = await claim(self._api, deployment, ReplicaSet, deployment.spec.selector)
        status = await look.step()
        await write_status(self._api, look.deployment, status)
        if look.failure is not None:
            raise look.failure
        wait_s = progress.deadline_in_s(look.deployment, status.conditions, now_s=self._clock.now())
        return Done() if wait_s is None else Again(max(0.0, wait_s))


class _Look:
    """One look at one Deployment. `conditions` grow as things happen; the status is written once."""

    def __init__(
        self, api: Api, events: EventRecorder, now_s: float, deployment: Deployment
    ) -> None:
        self._api, self._events, self._now_s = api, events, now_s
        self.deployment = deployment
        self.sets: list[ReplicaSet] = []
        self.failure: ApiError | None = None  # to be tried again
        self._collided = False
        was = deployment.status or DeploymentStatus()
        self._conditions = progress.noting_pause(deployment, was.conditions, now_s=now_s)

    @property
    def _new(self) -> ReplicaSet | None:
        return history.find_new(self.deployment, self.sets)

    @property
    def _old(self) -> list[ReplicaSet]:
        new = self._new
        return [rs for rs in self.sets if new is None or rs.metadata.name != new.metadata.name]

    async def step(self) -> DeploymentStatus:
        """Do what is to be done now; the status after it."""
        wish = history.wish_of(self.deployment)
        if self.deployment.spec.paused or is_scaling(wish, map(history.sized, self.sets)):
            if self._new is not None:
                await self._bring_in_line()
            new = self._new
            plan = plan_scaling(wish, history.sized(new) if new else None, self._old_sized())
            await self._apply(plan)
            if self.deployment.spec.paused:
                await self._clean_up()
            return self._counted()
        if wish.recreate:
            await self._recreate()
        else:
            await self._roll()
        status = self._counted()
        if progress.is_complete(self.deployment, status):
            await self._clean_up()
        return progress.with_progress(
            self.deployment, status, self._new, self.sets, now_s=self._now_s
        )

    async def _roll(self) -> None:
        await self._ensure_new()
        new = self._new
        if new is not None:
            wish = history.wish_of(self.deployment)
            await self._apply(plan_rolling(wish, history.sized(new), self._old_sized()))

    async def _recreate(self) -> None:
        wish = history.wish_of(self.deployment)
        if self._new is not None:
            await self._bring_in_line()
        left = self._old_pods_left()
        new = self._new
        plan = plan_recreate(
            wish, history.sized(new) if new else None, self._old_sized(), old_pods_left=left
        )
        await self._apply(plan)
        if new is None and not plan and not left:
            await self._ensure_new()

    def _old_sized(self) -> list[Sized]:
        return [history.sized(rs) for rs in self._old]

    def _old_pods_left(self) -> bool:
        """Whether a pod of an older set still runs, also one that is going."""
        namespace = self.deployment.metadata.namespace
        return any(
            not (pod.status and pod.status.phase in _ENDED)
            for rs in self._old
            for pod in self._api.list(Pod, namespace, owner_uid=rs.metadata.uid)
        )

    # --- the ReplicaSet of the current template

    async def _ensure_new(self) -> None:
        if self._new is None:
            await self._create()
        if self._new is not None:
            await self._bring_in_line()

    async def _bring_in_line(self) -> None:
        """The current set has the newest revision number, and the Deployment has it too, which is where
        `kubectl rollout` reads it."""
        new = self._new
        assert new is not None
        revision = 1 + max((history.number(rs) for rs in self._old), default=0)
        aligned = history.brought_in_line(self.deployment, new, revision)
        if aligned != new:
            new = self._replace(await self._api.update(aligned))
        said = new.metadata.annotations.get(history.REVISION, "")
        if self.deployment.metadata.annotations.get(history.REVISION) != said:
            meta = self.deployment.metadata
            annotations = {**meta.annotations, history.REVISION: said}
            noted = msgspec.structs.replace(meta, annotations=annotations)
            self.deployment = await self._api.update(
                msgspec.structs.replace(self.deployment, metadata=noted)
            )
        if find(self._conditions, progress.PROGRESSING) is None:
            self._say(progress.found(new.metadata.name))

    async def _create(self) -> None:
        wish = history.wish_of(self.deployment)
        size = first_size(wish, self._old_sized())
        revision = 1 + max((history.number(rs) for rs in self.sets), default=0)
        was = self.deployment.status or DeploymentStatus()
        desired = history.desired_set(self.deployment, size, revision, was.collision_count or 0)
        name = desired.metadata.name
        try:
            made = await self._api.create(desired)
        except AlreadyExists:
            self._collided = True  # somebody else's; our own would have been found
            return
        except ApiError as why:
            self._say(progress.not_made(name, str(why)))
            self.failure = why
            return
        self.sets.append(made)
        self._say(progress.made(name))
        if size:
            await self._tell(name, 0, size)

    def _say(self, condition: Condition) -> None:
        if progress.has_deadline(self.deployment):
            self._conditions = progress.with_condition(
                self._conditions, condition, now_s=self._now_s
            )

    def _replace(self, rs: ReplicaSet) -> ReplicaSet:
        self.sets = [rs if rs.metadata.name == s.metadata.name else s for s in self.sets]
        return rs

    # --- sizes

    async def _apply(self, plan: Sequence[Scale]) -> None:
        wish = history.wish_of(self.deployment)
        by_name = {rs.metadata.name: rs for rs in self.sets}
        for scale in plan:
            rs = by_name[scale.name]
            wanted = history.resized(rs, scale.replicas, wish)
            if wanted == rs:
                continue
            was = history.replicas(rs)
            self._replace(await self._api.update(wanted))
            if was != scale.replicas:
                await self._tell(scale.name, was, scale.replicas)

    async def _tell(self, name: str, was: int, now: int) -> None:
        verb = "up" if now > was else "down"
        message = f"Scaled {verb} replica set {name} from {was} to {now}"
        await self._events.emit(self.deployment, NORMAL, "ScalingReplicaSet", message)

    async def _clean_up(self) -> None:
        for rs in history.obsolete(self.deployment, self._old):
            await self._api.delete(
                ReplicaSet, rs.metadata.namespace or "", rs.metadata.name, uid=rs.metadata.uid
            )

    def _counted(self) -> DeploymentStatus:
        was = self.deployment.status or DeploymentStatus()
        current = msgspec.structs.replace(
            self.deployment, status=msgspec.structs.replace(was, conditions=self._conditions)
        )
        status = progress.counted(current, self._new, self.sets, now_s=self._now_s)
        if self._collided:
            count = (was.collision_count or 0) + 1
            status = msgspec.structs.replace(status, collision_count=count)
        return status
