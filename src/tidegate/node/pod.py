"""One pod: volumes, init containers, containers, and the way out.

`PodWorker.run` is the owner of the pod's record. It is level-triggered: `pod_changed`, `pod_gone`
and `references_changed` only say that there is something to look at. Cancelling it leaves the pod's
processes alone; the next agent adopts them.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tidegate.link.keeper import Process
from tidegate.model.conditions import is_true, seconds_of
from tidegate.model.core import Service
from tidegate.model.pods import Pod
from tidegate.model.service_targets import is_served
from tidegate.model.serving_names import STANDBY
from tidegate.node.adopt import init_policy, recall_pod
from tidegate.node.container import ContainerRunner
from tidegate.node.errors import NoFreePort, VolumeNotReady
from tidegate.node.fetching import PodFetches
from tidegate.node.grace import grace_of, until_deadline_s, until_gone_s, until_kill_s
from tidegate.node.launch import Launch
from tidegate.node.lifecycle import Happened, Phase
from tidegate.node.pod_ground import PodGround
from tidegate.node.pod_report import PodReport
from tidegate.node.record import (
    CREATING,
    NORMAL,
    WARNING,
    Around,
    ContainerRecord,
    Failure,
    Waiting,
)
from tidegate.node.remote_volumes import RemoteVolumes
from tidegate.node.resting import Resting
from tidegate.node.storage_initializer import FetchRunner
from tidegate.node.volume_files import references, shows_pod
from tidegate.policy.storage_initializer import is_initializer

DRAINED = "tidegate.dev/Drained"
ROUTED = "serving.knative.dev/revision"
_FIRST_LOOK_S = 1.0  # doubled until it is
_LOOK_AGAIN_S = 10.0  # at what no event tells of: a hostPath, a free port
_TOO_LONG = Failure(
    "DeadlineExceeded", "Pod was active on the node longer than the specified deadline"
)


class PodWorker:
    """`pod` is bound to this node; the keeper's table has been read."""

    def __init__(self, around: Around, pod: Pod) -> None:
        self._around, self._report = around, PodReport(around)
        clock = around.clock
        self.record = recall_pod(
            pod,
            around.keeper.processes,
            self._changed,
            now_s=clock.now(),
            monotonic_s=clock.monotonic(),
        )
        self._resting = Resting(around, self.record)
        self._ground = PodGround(around, self.record)
        self._woken = asyncio.Event()
        self._leaving, self._hurry = asyncio.Event(), asyncio.Event()
        policy = pod.spec.restart_policy or "Always"
        self._fetches = PodFetches(around, self.record, self._leaving)
        self._remote = RemoteVolumes(around, self.record, self._fetches)
        self._inits = [self._init_runner(init) for init in self.record.inits]
        self._sidecars = [init for init in self._inits if init.record.is_sidecar]
        self._runners = [
            ContainerRunner(around, self.record, container, restart_policy=policy)
            for container in self.record.containers
        ]
        self._gone = False
        self._respecified = asyncio.Event()

    def _init_runner(self, init: ContainerRecord) -> ContainerRunner | FetchRunner:
        around, policy = self._around, init_policy(self.record.pod, init.spec)
        if is_initializer(init.spec):
            return FetchRunner(around, self.record, init, self._fetches, restart_policy=policy)
        return ContainerRunner(around, self.record, init, restart_policy=policy)

    def _changed(self) -> None:
        self._report.mark()
        self._resting.look()

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
        if pod.metadata.labels != was.metadata.labels:
            self._changed()
        if STANDBY in pod.metadata.labels:
            self._resting.look()  # the gateway may have said that it has drained
        if pod.spec.readiness_gates and pod.status != was.status:
            self._report.mark()
        if shows_pod(pod) and pod.metadata != was.metadata:
            self._ground.refresh()

    def pod_gone(self) -> None:
        """The object is no more: end at once."""
        self._gone = True
        self._report.end()
        self._leaving.set()
        self._hurry.set()
        self._woken.set()

    def references_changed(self, kind: type, name: str) -> None:
        """A ConfigMap or Secret of the pod's namespace was written."""
        if (kind, name) in references(self.record.pod):
            self._ground.refresh()
        self._wake()

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
            reporting = tasks.create_task(self._report.run(self.record))
            resting = tasks.create_task(self._resting.run())
            living = tasks.create_task(self._live())
            expiring = tasks.create_task(self._expire())
            await self._leaving.wait()
            expiring.cancel()
            await self._leave(living)
            reporting.cancel()
            resting.cancel()

    async def _live(self) -> None:
        self._report.mark()
        runners = (*self._inits, *self._runners)
        if all(runner.record.phase is Phase.ENDED for runner in runners):
            return
        if await self._prepared():
            async with asyncio.TaskGroup() as beside:
                if await self._initialised(beside):
                    await self._run_containers()
                grace_s = grace_of(self.record.pod)
                for sidecar in reversed(self._sidecars):
                    await sidecar.finish(grace_s)
        for runner in runners:
            if runner.record.phase is Phase.PENDING:  # an init container failed for good
                runner.record.on(Happened.STOP_ASKED)
        self._report.mark()

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
        clock, status = self._around.clock, self.record.pod.status
        known = status.start_time if status is not None else None
        begun_s = seconds_of(known) if known else clock.now()
        while True:
            self._respecified.clear()
            left_s = until_deadline_s(self.record.pod, begun_s=begun_s, now_s=clock.now())
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
        await self._stop_all(grace_of(self.record.pod))

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
        pause_s = _FIRST_LOOK_S
        while not self.record.stopping:
            try:
                if not self._runs() and not await self._remote.make(self._shows):
                    break
                self._ground.make()
            except (VolumeNotReady, NoFreePort) as why:
                if self._runs():
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
            await self._pause(pause_s)
            pause_s = min(_LOOK_AGAIN_S, 2 * pause_s)
        return self._has_processes()

    def _runs(self) -> bool:
        """Whether a process of it lives."""
        records = (*self.record.inits, *self.record.containers)
        return any(r.process is not None and not r.process.ended for r in records)

    def _has_processes(self) -> bool:
        return any(r.process is not None for r in (*self.record.inits, *self.record.containers))

    # --- leaving

    async def _leave(self, living: asyncio.Task[None]) -> None:
        self._begin_stop()
        routed = self._is_routed()
        if routed and not self._gone:
            await self._drained()
        most_s = self._around.settings.routed_grace_s
        now_s = self._around.clock.now()
        left_s = until_kill_s(self.record.pod, routed=routed, most_s=most_s, now_s=now_s)
        async with asyncio.TaskGroup() as tasks:
            killing = tasks.create_task(self._kill_after(left_s))
            async with asyncio.TaskGroup() as stops:
                for runner in (*self._inits, *self._runners):
                    if runner not in self._sidecars:
                        stops.create_task(runner.stop())
            for sidecar in reversed(self._sidecars):
                await sidecar.stop()
            await living
            killing.cancel()
        await self._ground.clear()
        if not self._gone:
            meta = self.record.pod.metadata
            if meta.finalizers:
                await self._report.last_words(self.record)
            await self._around.api.delete(
                Pod, meta.namespace or "", meta.name, uid=self.record.uid, grace_s=0
            )

    def _begin_stop(self) -> None:
        self.record.stopping = True
        for runner in (*self._inits, *self._runners):
            runner.begin_stop()
        self._wake()
        self._changed()

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
            left_s = until_gone_s(self.record.pod, now_s=self._around.clock.now())
            if left_s <= 0:
                return
            await self._pause(left_s)

    async def _kill_after(self, left_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, left_s)):
                await self._hurry.wait()
        async with asyncio.TaskGroup() as tasks:
            for runner in (*self._inits, *self._runners):
                tasks.create_task(runner.kill())

    def _shows(self, text: str) -> None:
        """How far a fetch is that its containers wait for."""
        self._all_wait(Waiting("ContainerCreating", text))

    def _all_wait(self, waiting: Waiting) -> None:
        for record in (*self.record.inits, *self.record.containers):
            if record.process is None and record.phase is not Phase.ENDED:
                record.waiting = waiting
        self._report.mark()

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
