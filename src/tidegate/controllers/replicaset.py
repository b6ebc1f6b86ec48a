"""ReplicaSet: as many pods of a template as asked for.

Source: kubernetes pkg/controller/replicaset; which pod goes first follows
pkg/controller/controller_utils.go `ActivePodsWithRanks`, without the node ranks.
"""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.client.api import Api
from tidegate.client.events import NORMAL, WARNING, EventRecorder
from tidegate.kit.clock import Clock
from tidegate.model.apps import ReplicaSet, ReplicaSetStatus
from tidegate.model.conditions import find, is_true, merged, seconds_of
from tidegate.model.core import Pod
from tidegate.model.errors import ApiError
from tidegate.model.meta import Condition, Key, ObjectMeta, owner_reference
from tidegate.reconcile import Again, Done, Next, Watch, watch_owned, watch_self
from tidegate.reconcile.adopt import adopt
from tidegate.reconcile.apply import write_status


class ReplicaSetController:
    """Creates and deletes pods. The engine never runs one key twice at once and a committed write
    is seen by the next read, so counting needs no expectations."""

    name = "replicaset"
    watches: Sequence[Watch] = (watch_self(ReplicaSet), watch_owned(Pod, "ReplicaSet"))

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._events = EventRecorder(api, clock, "replicaset-controller")

    async def reconcile(self, key: Key) -> Next:
        replica_set = self._api.get(ReplicaSet, *key)
        if replica_set is None or replica_set.metadata.deletion_timestamp:
            return Done()
        if replica_set.status is None:
            await adopt(self._api, replica_set, Pod, replica_set.spec.selector)
        failure = await self._scale(replica_set)
        pods = self._pods(replica_set)
        now_s = self._clock.now()
        status, wait_s = plan_status(replica_set, pods, failure, now_s=now_s)
        await write_status(self._api, replica_set, status)
        if failure is not None:
            raise failure
        return Again(wait_s) if wait_s is not None else Done()

    def _pods(self, replica_set: ReplicaSet) -> list[Pod]:
        owned = self._api.list(
            Pod, replica_set.metadata.namespace, owner_uid=replica_set.metadata.uid
        )
        return [pod for pod in owned if is_active(pod)]

    async def _scale(self, replica_set: ReplicaSet) -> ApiError | None:
        pods = self._pods(replica_set)
        wanted = replica_set.spec.replicas if replica_set.spec.replicas is not None else 1
        try:
            for _ in range(wanted - len(pods)):
                pod = await self._api.create(desired_pod(replica_set))
                await self._events.emit(
                    replica_set, NORMAL, "SuccessfulCreate", f"Created pod: {pod.metadata.name}"
                )
        except ApiError as why:
            await self._events.emit(replica_set, WARNING, "FailedCreate", f"Error creating: {why}")
            return why
        for pod in victims(pods, len(pods) - wanted):
            await self._api.delete(
                Pod, pod.metadata.namespace or "", pod.metadata.name, uid=pod.metadata.uid
            )
            await self._events.emit(
                replica_set, NORMAL, "SuccessfulDelete", f"Deleted pod: {pod.metadata.name}"
            )
        return None


def is_active(pod: Pod) -> bool:
    """Counts as a replica: not ended and not going away."""
    phase = pod.status.phase if pod.status else None
    return pod.metadata.deletion_timestamp is None and phase not in ("Succeeded", "Failed")


def is_ready(pod: Pod) -> bool:
    return pod.status is not None and is_true(pod.status.conditions, "Ready")


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


def victims(pods: Sequence[Pod], count: int) -> list[Pod]:
    """The pods to delete first: unassigned, then pending, then not ready, then many restarts, then
    the youngest."""
    return sorted(pods, key=_worth)[:count] if count > 0 else []


def _worth(pod: Pod) -> tuple[bool, bool, bool, float, int, float, str]:
    status = pod.status
    ready = find(status.conditions, "Ready") if status else None
    since = ready.last_transition_time if ready else None
    restarts = sum(c.restart_count or 0 for c in status.container_statuses) if status else 0
    created = pod.metadata.creation_timestamp
    return (
        bool(pod.spec.node_name),
        bool(status and status.phase == "Running"),
        is_ready(pod),
        -seconds_of(since) if since else 0.0,
        -restarts,
        -seconds_of(created) if created else 0.0,
        pod.metadata.name,
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
