"""A node that runs pods by saying so: bound pods turn ready after a while, going ones go once drained.

For tests of everything above the node agent. A pod's containers never really exist; the statuses
are those the agent would write.
"""

from __future__ import annotations

import asyncio

import msgspec

from tidegate.client.api import Api, Change
from tidegate.kit.clock import Clock
from tidegate.model import serving_names as names
from tidegate.model.conditions import find, is_true, timestamp
from tidegate.model.core import Node, NodeStatus, Service
from tidegate.model.errors import Conflict, NotFound
from tidegate.model.meta import Condition, ObjectMeta
from tidegate.model.pods import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    LocalPod,
    LocalPort,
    Pod,
    PodStatus,
)
from tidegate.model.service_targets import is_served

NAME = "fake-node"


class FakeNode:
    """`start_s`: how long a pod takes to become ready. Images in `broken` never run; those in
    `silent` run and never become ready, for the reason given; those in `ends` run so many seconds
    and exit with the code given (`OnFailure` starts them again at once)."""

    def __init__(
        self,
        api: Api,
        clock: Clock,
        *,
        start_s: float = 1.0,
        cpu: str = "64",
        memory: str = "256Gi",
    ) -> None:
        self._api, self._clock = api, clock
        self.start_s = start_s
        self.broken: set[str] = set()
        self.silent: dict[str, str] = {}
        self.ends: dict[str, tuple[float, int]] = {}
        self._cpu, self._memory = cpu, memory
        self._next_port = 20000
        self._changed: asyncio.Queue[Pod] = asyncio.Queue()

    async def run(self) -> None:
        """Run until cancelled."""
        stop = self._api.subscribe([Pod], self._on_change)
        if self._api.get(Node, "", NAME) is None:
            node = await self._api.create(Node(metadata=ObjectMeta(name=NAME)))
            amounts: dict[str, str | int | float] = {
                "cpu": self._cpu,
                "memory": self._memory,
                "pods": "500",
            }
            status = NodeStatus(
                capacity=amounts,
                allocatable=amounts,
                conditions=(Condition(type="Ready", status="True"),),
            )
            await self._api.update_status(msgspec.structs.replace(node, status=status))
        try:
            async with asyncio.TaskGroup() as tasks:
                for pod in self._api.list(Pod):
                    self._changed.put_nowait(pod)
                while True:
                    pod = await self._changed.get()
                    tasks.create_task(self._follow(pod))
        finally:
            stop()

    def _on_change(self, change: Change) -> None:
        pod = change.object
        assert isinstance(pod, Pod)
        self._changed.put_nowait(pod)

    async def _follow(self, pod: Pod) -> None:
        current = self._api.get(Pod, *pod.key)
        if current is None or current.metadata.uid != pod.metadata.uid:
            return
        if current.metadata.deletion_timestamp:
            services = self._api.list(Service, current.metadata.namespace)
            routed = names.REVISION in current.metadata.labels or is_served(services, current)
            drained = current.status is not None and is_true(
                current.status.conditions, names.DRAINED
            )
            if drained or not routed:
                if current.metadata.finalizers and not _has_ended(current):
                    await self._write(current, _ended(current, 143, self._clock.now()))
                await self._api.delete(Pod, *current.key, uid=current.metadata.uid, grace_s=0)
        elif current.spec.node_name == NAME and not (current.status and current.status.tidegate):
            await self._start(current)
        elif current.status is not None and _rests(current.status) != _is_standby(current):
            await self._write(current, _settled(current, self._clock.monotonic()))

    async def _start(self, pod: Pod) -> None:
        image = pod.spec.containers[0].image or ""
        seen_s = self._clock.monotonic()
        self._next_port += 1
        local = LocalPod(
            ports=(
                LocalPort(
                    container=pod.spec.containers[0].name,
                    container_port=8080,
                    local_port=self._next_port,
                    name=names.USER_PORT,
                ),
            )
        )
        reason = "ImageNotRunnable" if image in self.broken else "ContainerCreating"
        waiting = ContainerState(
            waiting=ContainerStateWaiting(reason=reason, message=f"image {image}")
        )
        await self._write(pod, _status("Pending", False, waiting, local, self._clock.now()))
        if image in self.broken:
            return
        await self._clock.sleep(self.start_s)
        current = self._api.get(Pod, *pod.key)
        if current is None or current.metadata.deletion_timestamp:
            return
        running = ContainerState(running=ContainerStateRunning())
        trouble = self.silent.get(image)
        if trouble is not None:
            local = msgspec.structs.replace(local, trouble=(trouble,))
        ready = trouble is None
        if ready:
            times = {"seen": seen_s, "spawned": seen_s, "ready": self._clock.monotonic()}
            local = msgspec.structs.replace(local, stages=times)
        status = _status("Running", ready, running, local, self._clock.now())
        await self._write(current, _settled(msgspec.structs.replace(current, status=status)))
        if image in self.ends:
            await self._run_to_its_end(current, *self.ends[image])

    async def _run_to_its_end(self, pod: Pod, runs_s: float, code: int) -> None:
        while True:
            await self._clock.sleep(runs_s)
            current = self._api.get(Pod, *pod.key)
            if current is None or current.metadata.uid != pod.metadata.uid or _has_ended(current):
                return
            if current.metadata.deletion_timestamp:
                return
            if code == 0 or current.spec.restart_policy != "OnFailure":
                await self._write(current, _ended(current, code, self._clock.now()))
                return
            assert current.status is not None
            again = msgspec.structs.replace(
                current.status.container_statuses[0],
                restart_count=(current.status.container_statuses[0].restart_count or 0) + 1,
            )
            await self._write(
                current, msgspec.structs.replace(current.status, container_statuses=(again,))
            )

    async def _write(self, pod: Pod, status: PodStatus) -> None:
        while (current := self._api.get(Pod, *pod.key)) is not None:
            try:
                await self._api.update_status(msgspec.structs.replace(current, status=status))
            except Conflict:  # somebody else writes it: it can be read once it is committed
                await self._clock.sleep(0.001)
            except NotFound:
                return
            else:
                return


def _is_standby(pod: Pod) -> bool:
    return names.STANDBY in pod.metadata.labels


def _rests(status: PodStatus) -> bool:
    ready = find(status.conditions, "Ready")
    return ready is not None and ready.reason == names.RESTING


def _settled(pod: Pod, woken_s: float | None = None) -> PodStatus:
    """As the label wants it: what is loaded rests with it, and serves without it."""
    status = pod.status or PodStatus()
    if not is_true(status.conditions, "ContainersReady"):
        return status
    rest, at_rest = _is_standby(pod), _rests(status)
    if not rest and not at_rest:
        return status
    ready = Condition(type="Ready", status="False", reason=names.RESTING)
    if not rest:
        ready = Condition(type="Ready", status="True")
    others = tuple(c for c in status.conditions if c.type != "Ready")
    local = status.tidegate or LocalPod()
    if at_rest and not rest and woken_s is not None:
        local = msgspec.structs.replace(local, stages={**local.stages, "woken": woken_s})
    return msgspec.structs.replace(status, conditions=(*others, ready), tidegate=local)


def _has_ended(pod: Pod) -> bool:
    return pod.status is not None and pod.status.phase in ("Succeeded", "Failed")


def _ended(pod: Pod, code: int, now_s: float) -> PodStatus:
    """The status of a pod whose container has exited."""
    stamp = timestamp(now_s)
    terminated = ContainerStateTerminated(
        exit_code=code, reason="Error" if code else "Completed", finished_at=stamp
    )
    was = pod.status or PodStatus()
    restarts = was.container_statuses[0].restart_count if was.container_statuses else 0
    return msgspec.structs.replace(
        was,
        phase="Failed" if code else "Succeeded",
        conditions=tuple(
            Condition(type=t, status=s, last_transition_time=stamp)
            for t, s in (("PodScheduled", "True"), ("Ready", "False"), ("ContainersReady", "False"))
        ),
        container_statuses=(
            ContainerStatus(
                name=pod.spec.containers[0].name,
                state=ContainerState(terminated=terminated),
                ready=False,
                restart_count=restarts,
            ),
        ),
    )


def _status(
    phase: str, ready: bool, state: ContainerState, local: LocalPod, now_s: float
) -> PodStatus:
    truth = "True" if ready else "False"
    return PodStatus(
        phase=phase,
        start_time=timestamp(now_s),
        conditions=tuple(
            Condition(type=t, status=s, last_transition_time=timestamp(now_s))
            for t, s in (("PodScheduled", "True"), ("Ready", truth), ("ContainersReady", truth))
        ),
        container_statuses=(ContainerStatus(name="c", state=state, ready=ready, restart_count=0),),
        tidegate=local,
    )
