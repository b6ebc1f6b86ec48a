"""One pod: volumes, init containers, containers, and the way out.

`PodWorker.run` is the owner of the pod's record. It is level-triggered: `pod_changed`, `pod_gone`
and `references_changed` only say that there is something to look at. Cancelling it leaves the pod's
processes alone; the next agent adopts them.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import msgspec

from tidegate.link.keeper import Process
from tidegate.model.conditions import is_true, seconds_of
from tidegate.model.core import Pod, Service
from tidegate.model.errors import ApiError, Conflict, NotFound
from tidegate.model.service_targets import is_served
from tidegate.node.adopt import init_policy, recall_pod
from tidegate.node.container import ContainerRunner
from tidegate.node.errors import NoFreePort, VolumeNotReady
from tidegate.node.launch import Launch, pod_folder
from tidegate.node.lifecycle import Happened, Phase
from tidegate.node.log_files import drop_logs
from tidegate.node.memory_folders import memory_root, remove_memory
from tidegate.node.pod_files import recall_ports, remember_ports, remove_pod_folder
from tidegate.node.ports import give_ports
from tidegate.node.record import CREATING, NORMAL, WARNING, Around, Failure, Waiting
from tidegate.node.status import pod_status
from tidegate.node.volume_files import references, shows_pod
from tidegate.node.volumes import make_volumes

_LOG = logging.getLogger(__name__)
DRAINED = "tidegate.dev/Drained"
ROUTED = "serving.knative.dev/revision"
_LOOK_AGAIN_S = 10.0  # at what no event tells of: a hostPath, a free port
_WRITE_AGAIN_S = 1.0
_READ_AGAIN_S = 0.001
_GRACE_S = 30.0  # Kubernetes' default terminationGracePeriodSeconds
_TOO_LONG = Failure(
    "DeadlineExceeded", "Pod was active on the node longer than the specified deadline"
)


class PodWorker:
    """`pod` is bound to this node; the keeper's table has been read."""

    def __init__(self, around: Around, pod: Pod) -> None:
        self._around = around
        clock = around.clock
        self.record = recall_pod(
            pod,
            around.keeper.processes,
            self._mark,
            now_s=clock.now(),
            monotonic_s=clock.monotonic(),
        )
        self._folder = pod_folder(around.home, pod)
        self._dirty, self._woken = asyncio.Event(), asyncio.Event()
        self._leaving, self._hurry = asyncio.Event(), asyncio.Event()
        policy = pod.spec.restart_policy or "Always"
        self._inits = [
            ContainerRunner(around, self.record, init, restart_policy=init_policy(pod, init.spec))
            for init in self.record.inits
        ]
        self._sidecars = [init for init in self._inits if init.record.is_sidecar]
        self._runners = [
            ContainerRunner(around, self.record, container, restart_policy=policy)
            for container in self.record.containers
        ]
        self._gone = False
        self._respecified = asyncio.Event()

    # --- told by the agent

    def pod_changed(self, pod: Pod) -> None:
        """The pod's object was written."""
        was, self.record.pod = self.record.pod, pod
        if pod.metadata.deletion_timestamp is not None:
            self._leaving.set()
            self._woken.set()
        elif pod.spec != was.spec:
            for runner, spec in zip(
                (*self._inits, *self._runners),
                (*pod.spec.init_containers, *pod.spec.containers),
                strict=True,
            ):
                runner.redefine(spec)
            self._respecified.set()
            self._wake()
        if shows_pod(pod) and pod.metadata != was.metadata:
            self._refresh_volumes()

    def pod_gone(self) -> None:
        """The object is no more: end at once."""
        self._gone = True
        self._leaving.set()
        self._hurry.set()
        self._woken.set()

    def references_changed(self, kind: type, name: str) -> None:
        """A ConfigMap or Secret of the pod's namespace was written."""
        if (kind, name) in references(self.record.pod):
            self._refresh_volumes()
        self._wake()

    def _refresh_volumes(self) -> None:
        if self.record.volumes is not None:
            with suppress(VolumeNotReady):  # gone or wrong now: what is mounted stays
                self._make_volumes()

    def running(self, container: str) -> tuple[Process, Launch] | None:
        """What runs as that container, and how it was started; None: nothing does."""
        for runner in (*self._runners, *self._inits):
            if runner.record.spec.name == container:
                return runner.running()
        return None

    # --- its life

    async def run(self) -> None:
        """Until the pod is gone and nothing is left of it."""
        self.record.reached("seen", self._around.clock.monotonic())
        if self.record.pod.metadata.deletion_timestamp is not None:
            self._leaving.set()
            self._begin_stop()
        async with asyncio.TaskGroup() as tasks:
            reporting = tasks.create_task(self._report())
            living = tasks.create_task(self._live())
            expiring = tasks.create_task(self._expire())
            await self._leaving.wait()
            expiring.cancel()
            await self._leave(living)
            reporting.cancel()

    async def _live(self) -> None:
        self._mark()
        runners = (*self._inits, *self._runners)
        if all(runner.record.phase is Phase.ENDED for runner in runners):
            return
        if await self._prepared():
            async with asyncio.TaskGroup() as beside:
                if await self._initialised(beside):
                    await self._run_containers()
                grace_s = self._grace_s()
                for sidecar in reversed(self._sidecars):
                    await sidecar.finish(grace_s)
        for runner in runners:
            if runner.record.phase is Phase.PENDING:  # an init container failed for good
                runner.record.on(Happened.STOP_ASKED)
        self._mark()

    async def _initialised(self, beside: asyncio.TaskGroup) -> bool:
        """Init containers one after the other. A sidecar goes on in `beside`: the next one begins when
        it has started. False: one failed for good."""
        for init in self._inits:
            if init.record.is_sidecar:
                beside.create_task(init.run())
                if not self.record.has_begun:
                    await init.until_started()
            else:
                await init.run()
                terminated = init.record.terminated
                if terminated is not None and terminated.exit_code != 0:
                    return False
        return True

    async def _run_containers(self) -> None:
        for container in self.record.containers:
            if container.waiting is not None and container.process is None:
                container.waiting = CREATING
        async with asyncio.TaskGroup() as tasks:
            for runner in self._runners:
                tasks.create_task(runner.run())

    async def _expire(self) -> None:
        """`activeDeadlineSeconds` after the pod was first seen here its containers are stopped."""
        clock, begun_s = self._around.clock, None
        while True:
            self._respecified.clear()
            status, limit_s = self.record.pod.status, self.record.pod.spec.active_deadline_seconds
            if begun_s is None:
                known = status.start_time if status is not None else None
                begun_s = seconds_of(known) if known else clock.now()
            left_s = None if limit_s is None else begun_s + limit_s - clock.now()
            if left_s is not None and left_s <= 0:
                break
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._respecified.wait()
        runners = (*self._inits, *self._runners)
        if all(runner.record.phase is Phase.ENDED for runner in runners):
            return
        self.record.failure = _TOO_LONG
        self._around.say(self.record.pod, NORMAL, _TOO_LONG.reason, _TOO_LONG.message)
        self._begin_stop()
        await self._stop_all(self._grace_s())

    def _grace_s(self) -> float:
        asked = self.record.pod.spec.termination_grace_period_seconds
        return _GRACE_S if asked is None else float(asked)

    async def _stop_all(self, grace_s: float) -> None:
        """Containers first, sidecars after them, the last one first; all within one grace period."""
        until_s = self._around.clock.monotonic() + grace_s
        first = [*(i for i in self._inits if not i.record.is_sidecar), *self._runners]
        async with asyncio.TaskGroup() as stops:
            for runner in first:
                stops.create_task(runner.finish(grace_s))
        for sidecar in reversed(self._sidecars):
            await sidecar.finish(max(0.0, until_s - self._around.clock.monotonic()))

    async def _prepared(self) -> bool:
        """Ports and volumes made. False: asked to leave meanwhile."""
        told: str | None = None
        while not self.record.stopping:
            try:
                self._give_ports()
                self._make_volumes()
            except (VolumeNotReady, NoFreePort) as why:
                if self._has_processes():
                    return True  # adopted: what was mounted stays, and they are to be watched
                if str(why) != told:
                    told = str(why)
                    self._around.say(self.record.pod, WARNING, why.reason, told)
                    self._all_wait(Waiting("ContainerCreating", told))
            except OSError as why:
                told = f"the pod's folder can't be made: {why}"
                self._around.say(self.record.pod, WARNING, "FailedMount", told)
            else:
                return True
            await self._pause(_LOOK_AGAIN_S)
        return self._has_processes()

    def _has_processes(self) -> bool:
        return any(r.process is not None for r in (*self.record.inits, *self.record.containers))

    def _give_ports(self) -> None:
        record = self.record
        had = recall_ports(self._folder) or record.ports
        record.ports = give_ports(record.pod, had, self._around.ports, record.uid)
        if record.ports != had:
            remember_ports(self._folder, record.ports)

    def _make_volumes(self) -> None:
        spec = self.record.pod.spec
        mounted = {
            m.name for c in (*spec.init_containers, *spec.containers) for m in c.volume_mounts
        }
        volumes = [volume for volume in spec.volumes if volume.name in mounted]
        folder = self._folder / "volumes"
        memory = memory_root(self._around.home)
        self.record.volumes = make_volumes(
            self._around.api, self.record.pod, volumes, folder, memory=memory
        )

    # --- leaving

    async def _leave(self, living: asyncio.Task[None]) -> None:
        self._begin_stop()
        routed = self._is_routed()
        if routed and not self._gone:
            await self._drained()
        due_s = self._kill_at_s(routed)
        async with asyncio.TaskGroup() as tasks:
            killing = tasks.create_task(self._kill_when_due(due_s))
            async with asyncio.TaskGroup() as stops:
                for runner in (*self._inits, *self._runners):
                    if runner not in self._sidecars:
                        stops.create_task(runner.stop())
            for sidecar in reversed(self._sidecars):
                await sidecar.stop()
            await living
            killing.cancel()
        await self._clean()

    def _begin_stop(self) -> None:
        self.record.stopping = True
        for runner in (*self._inits, *self._runners):
            runner.begin_stop()
        self._wake()
        self._mark()

    def _is_routed(self) -> bool:
        """Whether the gateway may send requests here: to a revision's pod, or one that a Service has."""
        pod = self.record.pod
        if ROUTED in pod.metadata.labels:
            return True
        return is_served(self._around.api.list(Service, pod.metadata.namespace), pod)

    async def _drained(self) -> None:
        """The gateway has no request left for it (or never had one), or its time is up."""
        status = self.record.pod.status
        known = status.tidegate.stages if status is not None and status.tidegate is not None else {}
        if "ready" not in {**known, **self.record.stages}:
            return
        while not self._gone and any(r.record.process is not None for r in self._runners):
            status = self.record.pod.status
            if status is not None and is_true(status.conditions, DRAINED):
                return
            left_s = self._deadline_s() - self._around.clock.monotonic()
            if left_s <= 0:
                return
            await self._pause(left_s)

    def _deadline_s(self) -> float:
        """The deletionTimestamp on the monotonic clock: the request's time plus the grace period."""
        stamp = self.record.pod.metadata.deletion_timestamp
        clock = self._around.clock
        if stamp is None:
            return clock.monotonic()
        return clock.monotonic() + seconds_of(stamp) - clock.now()

    def _kill_at_s(self, routed: bool) -> float:
        """A routed pod's grace begins once it is drained: before that it had work to finish."""
        meta, now_s = self.record.pod.metadata, self._around.clock.monotonic()
        grace_s = meta.deletion_grace_period_seconds
        if not routed:  # the timestamp is cut to whole seconds: up to one more is the pod's due
            due_s = self._deadline_s() + 1.0
            return due_s if grace_s is None else min(due_s, now_s + grace_s)
        if grace_s is None:
            grace_s = self.record.pod.spec.termination_grace_period_seconds
        most_s = self._around.settings.routed_grace_s
        grace = most_s if grace_s is None else min(float(grace_s), most_s)
        return self._around.clock.monotonic() + grace

    async def _kill_when_due(self, due_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, due_s - self._around.clock.monotonic())):
                await self._hurry.wait()
        async with asyncio.TaskGroup() as tasks:
            for runner in (*self._inits, *self._runners):
                tasks.create_task(runner.kill())

    async def _clean(self) -> None:
        """Nothing of the pod stays: table, folder, ports, logs, and last the object."""
        around, record = self._around, self.record
        for name in [n for n in around.keeper.processes if n.startswith(f"{record.uid}/")]:
            await around.keeper.forget(name)
        await asyncio.to_thread(remove_pod_folder, self._folder)
        await asyncio.to_thread(remove_memory, memory_root(around.home), record.uid)
        around.ports.free(record.uid)
        drop_logs(around.home.logs, record.pod)
        if not self._gone:
            meta = record.pod.metadata
            await around.api.delete(Pod, meta.namespace or "", meta.name, uid=record.uid, grace_s=0)

    # --- telling

    async def _report(self) -> None:
        """Write the status whenever it says something new."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self._write_status()
            except ApiError as why:
                _LOG.warning("status of pod %s: %s", self.record.pod.key, why)
                await self._around.clock.sleep(_WRITE_AGAIN_S)
                self._dirty.set()

    async def _write_status(self) -> None:
        meta, api = self.record.pod.metadata, self._around.api
        while not self._gone:
            pod = api.get(Pod, meta.namespace or "", meta.name)
            if pod is None or pod.metadata.uid != meta.uid:
                return
            status = pod_status(pod.status, self.record, now_s=self._around.clock.now())
            if status == pod.status:
                return
            try:
                await api.update_status(msgspec.structs.replace(pod, status=status))
            except Conflict:
                # Somebody writes a condition: keep it. It can be read once it is committed.
                await self._around.clock.sleep(_READ_AGAIN_S)
                continue
            except NotFound:
                pass
            return

    def _mark(self) -> None:
        self._dirty.set()

    def _all_wait(self, waiting: Waiting) -> None:
        for record in (*self.record.inits, *self.record.containers):
            if record.process is None and record.phase is not Phase.ENDED:
                record.waiting = waiting
        self._mark()

    def _wake(self) -> None:
        self._woken.set()
        for runner in (*self._inits, *self._runners):
            runner.wake()

    async def _pause(self, most_s: float) -> None:
        """Until something changed, or so long."""
        try:
            async with asyncio.timeout(most_s):
                await self._woken.wait()
        except TimeoutError:
            return
        self._woken.clear()
