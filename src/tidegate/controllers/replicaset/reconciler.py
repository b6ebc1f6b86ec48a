"""The ReplicaSet's loop: takes pods, makes pods, ends pods, says how many there are.

Source: kubernetes pkg/controller/replicaset. Which pod goes first is decided in `ranking`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

import msgspec

from tidegate.client.api import Api
from tidegate.client.events import NORMAL, WARNING, EventRecorder
from tidegate.controllers.replicaset.ranking import is_ready, victims
from tidegate.controllers.replicaset.standby import is_standby, plan_standby
from tidegate.kit.clock import Clock
from tidegate.model import serving_names as names
from tidegate.model.apps import ReplicaSet, ReplicaSetStatus
from tidegate.model.conditions import find, merged, seconds_of
from tidegate.model.errors import ApiError, Conflict, NotFound
from tidegate.model.meta import Condition, Key, ObjectMeta, controller_of, owner_reference
from tidegate.model.pods import Pod
from tidegate.policy.standby import standby_from
from tidegate.reconcile import Again, Done, Next, Watch, watch_mapped, watch_owned, watch_self
from tidegate.reconcile.apply import write_status
from tidegate.reconcile.claim import claim


class ReplicaSetController:
    """Creates and deletes pods. The engine never runs one key twice at once and a committed write
    is seen by the next read, so counting needs no expectations."""

    name = "replicaset"

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._events = EventRecorder(api, clock, "replicaset-controller")
        self.watches: Sequence[Watch] = (
            watch_self(ReplicaSet),
            watch_owned(Pod, "ReplicaSet"),
            watch_mapped(Pod, self._of_orphan),
        )

    def _of_orphan(self, pod: Pod) -> Iterable[Key]:
        """Who may take a pod that nobody controls."""
        if controller_of(pod.metadata) is None:
            for replica_set in self._api.list(ReplicaSet, pod.metadata.namespace):
                if replica_set.spec.selector.matches(pod.metadata.labels):
                    yield replica_set.key

    async def reconcile(self, key: Key) -> Next:
        replica_set = self._api.get(ReplicaSet, *key)
        if replica_set is None or replica_set.metadata.deletion_timestamp:
            return Done()
        pods = await self._with_standby(replica_set, await self._pods(replica_set))
        failure = await self._scale(replica_set, pods)
        pods = [pod for pod in await self._pods(replica_set) if not is_standby(pod)]
        now_s = self._clock.now()
        status, wait_s = plan_status(replica_set, pods, failure, now_s=now_s)
        await write_status(self._api, replica_set, status)
        if failure is not None:
            raise failure
        return Again(wait_s) if wait_s is not None else Done()

    async def _pods(self, replica_set: ReplicaSet) -> list[Pod]:
        claimed = await claim(self._api, replica_set, Pod, replica_set.spec.selector)
        return [pod for pod in claimed if is_active(pod)]

    def _related(self, replica_set: ReplicaSet) -> list[Pod]:
        """The pods of all ReplicaSets that have the same owner."""
        ref = controller_of(replica_set.metadata)
        if ref is None:
            return []
        namespace = replica_set.metadata.namespace
        sets = self._api.list(ReplicaSet, namespace, owner_uid=ref.uid)
        pods = (self._api.list(Pod, namespace, owner_uid=rs.metadata.uid) for rs in sets)
        return [pod for some in pods for pod in some if is_active(pod)]

    async def _with_standby(self, replica_set: ReplicaSet, pods: Sequence[Pod]) -> list[Pod]:
        """The replicas, after pods at rest were woken to be some, made and ended."""
        replicas = [pod for pod in pods if not is_standby(pod)]
        resting = [pod for pod in pods if is_standby(pod)]
        standby = standby_from(replica_set.metadata.annotations.get(names.STANDBY_HELD))
        wanted = _wanted(replica_set)
        surplus = (
            victims(replicas, len(replicas), now_s=self._clock.now())
            if standby.replicas
            else replicas
        )
        moves = plan_standby(standby, wanted=wanted, replicas=surplus, resting=resting)
        for pod in moves.wake:
            with suppress(Conflict, NotFound):  # its change, or its end, brings us back
                replicas.append(await self._api.update(_labelled(pod, None)))
                await self._say(replica_set, "StandbyWoken", f"Woke pod: {pod.metadata.name}")
        for pod in moves.rest:
            with suppress(Conflict, NotFound):
                await self._api.update(_labelled(pod, standby.level.value))
                replicas.remove(pod)
                await self._say(
                    replica_set, "StandbyRested", f"Laid to rest pod: {pod.metadata.name}"
                )
        for pod in moves.end:
            await self._delete(replica_set, pod)
        for _ in range(moves.make):
            try:
                level = standby.level.value
                pod = await self._api.create(_labelled(desired_pod(replica_set), level))
            except ApiError as why:
                await self._events.emit(
                    replica_set, WARNING, "FailedCreate", f"Error creating a standby: {why}"
                )
                break  # replicas matter more; the next change tries again
            await self._say(
                replica_set, "StandbyCreated", f"Created standby pod: {pod.metadata.name}"
            )
        return replicas

    async def _say(self, replica_set: ReplicaSet, reason: str, message: str) -> None:
        await self._events.emit(replica_set, NORMAL, reason, message)

    async def _delete(self, replica_set: ReplicaSet, pod: Pod) -> None:
        await self._api.delete(
            Pod, pod.metadata.namespace or "", pod.metadata.name, uid=pod.metadata.uid
        )
        await self._say(replica_set, "SuccessfulDelete", f"Deleted pod: {pod.metadata.name}")

    async def _scale(self, replica_set: ReplicaSet, pods: Sequence[Pod]) -> ApiError | None:
        wanted = _wanted(replica_set)
        try:
            for _ in range(wanted - len(pods)):
                pod = await self._api.create(desired_pod(replica_set))
                await self._say(
                    replica_set, "SuccessfulCreate", f"Created pod: {pod.metadata.name}"
                )
        except ApiError as why:
            await self._events.emit(replica_set, WARNING, "FailedCreate", f"Error creating: {why}")
            return why
        surplus = len(pods) - wanted
        related = self._related(replica_set) if surplus > 0 else []
        for pod in victims(pods, surplus, related=related, now_s=self._clock.now()):
            await self._delete(replica_set, pod)
        return None


def _wanted(replica_set: ReplicaSet) -> int:
    return replica_set.spec.replicas if replica_set.spec.replicas is not None else 1


def _labelled(pod: Pod, level: str | None) -> Pod:
    """At rest at that level; None: a replica."""
    labels = {k: v for k, v in pod.metadata.labels.items() if k != names.STANDBY}
    if level is not None:
        labels[names.STANDBY] = level
    return msgspec.structs.replace(
        pod, metadata=msgspec.structs.replace(pod.metadata, labels=labels)
    )


def is_active(pod: Pod) -> bool:
    """Counts as a replica: not ended and not going away."""
    phase = pod.status.phase if pod.status else None
    return pod.metadata.deletion_timestamp is None and phase not in ("Succeeded", "Failed")


def desired_pod(replica_set: ReplicaSet) -> Pod:
    """One more pod; the server completes its name."""
    meta = replica_set.metadata
    template = replica_set.spec.template
    given = template.metadata or ObjectMeta()
    return Pod(
        metadata=ObjectMeta(
            generate_name=f"{meta.name}-",
            namespace=meta.namespace,
            labels=given.labels,
            annotations=given.annotations,
            finalizers=given.finalizers,
            owner_references=(owner_reference("ReplicaSet", "apps/v1", meta),),
        ),
        spec=template.spec,
    )


def plan_status(
    replica_set: ReplicaSet, pods: Sequence[Pod], failure: ApiError | None, *, now_s: float
) -> tuple[ReplicaSetStatus, float | None]:
    """The whole status, and when to look again for pods that aren't available long enough yet."""
    was = replica_set.status or ReplicaSetStatus()
    min_ready_s = replica_set.spec.min_ready_seconds or 0
    ready = [pod for pod in pods if is_ready(pod)]
    waits = [w for pod in ready if (w := _until_available_s(pod, min_ready_s, now_s)) > 0]
    problem: tuple[Condition, ...] = ()
    if failure is not None:
        problem = (
            Condition(
                type="ReplicaFailure", status="True", reason="FailedCreate", message=str(failure)
            ),
        )
    labels = (replica_set.spec.template.metadata or ObjectMeta()).labels
    status = ReplicaSetStatus(
        replicas=len(pods),
        fully_labeled_replicas=sum(labels.items() <= pod.metadata.labels.items() for pod in pods),
        ready_replicas=len(ready),
        available_replicas=len(ready) - len(waits),
        observed_generation=replica_set.metadata.generation,
        conditions=merged(was.conditions, problem, now_s=now_s),
    )
    return status, min(waits) if waits else None


def _until_available_s(pod: Pod, min_ready_s: int, now_s: float) -> float:
    ready = find(pod.status.conditions, "Ready") if pod.status else None
    if not min_ready_s or ready is None or ready.last_transition_time is None:
        return 0.0
    return seconds_of(ready.last_transition_time) + min_ready_s - now_s
