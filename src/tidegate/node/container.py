"""One container: start it, watch it, start it again, stop it.

`ContainerRunner.run` is the owner of the container's record; `begin_stop`, `stop`, `kill` and `wake`
are called by the pod's task in the same loop. A cancelled runner leaves its process alone: pods
outlive the control plane.
"""

from __future__ import annotations

import asyncio

from tidegate.link.keeper import Process
from tidegate.model.conditions import timestamp
from tidegate.model.containers import Container
from tidegate.model.pods import ContainerStateTerminated
from tidegate.node.errors import (
    CommandNotFound,
    ConfigMissing,
    ContainerNotStarted,
    ImageMissing,
    ImageNotRunnable,
    KeeperRefused,
    NotSupported,
    VolumeNotReady,
)
from tidegate.node.findings import RunFindings
from tidegate.node.fixed_port import fixed_port_hint
from tidegate.node.grace import grace_of
from tidegate.node.launch import Launch, keeper_name, pod_folder
from tidegate.node.launching import Launching
from tidegate.node.lifecycle import Happened, Phase, starts_again
from tidegate.node.log_files import drop_log, log_path
from tidegate.node.probing import Subject, probe
from tidegate.node.record import NORMAL, WARNING, Around, ContainerRecord, PodRecord, Waiting
from tidegate.node.shortage import is_short
from tidegate.node.status import PREFIX, run_id, termination
from tidegate.node.stopping import ask_to_stop
from tidegate.node.termination import fresh_message_file, termination_message
from tidegate.node.zygotes import Started

_ROOM_AGAIN_S = 1.0
_PROGRAM_AGAIN_S = 60.0
_START_ERROR = 128  # the code that containerd gives where exec failed
_ROUTED = "serving.knative.dev/revision"


class ContainerRunner:
    """Runs one container of a pod by its restart policy (Always, OnFailure or Never)."""

    def __init__(
        self, around: Around, pod: PodRecord, record: ContainerRecord, *, restart_policy: str
    ) -> None:
        self._around, self._pod, self.record = around, pod, record
        self._policy = restart_policy
        self._woken = asyncio.Event()
        self._probing: asyncio.Task[None] | None = None
        self._launching = Launching(around, pod, record)
        self._begun, self._renewed = asyncio.Event(), asyncio.Event()
        self._stopping = self._asked = False
        if record.started:
            self._begun.set()
        if record.stale:
            self._renewed.set()
        self._again = False  # start it again whatever the policy says

    async def run(self) -> None:
        """Until it has ended for good."""
        while self.record.phase is not Phase.ENDED:
            process = self.record.process
            if process is None and self._stopping:
                self.record.on(Happened.STOP_ASKED)
                break
            process = process or await self._start()
            if process is not None:
                await self._after_exit(await self._watch(process))
        self._pod.changed()

    def wake(self) -> None:
        """Something it may be waiting for has changed."""
        self._woken.set()

    def redefine(self, spec: Container) -> None:
        """The document says something else of it by now. Another image: it is started again with it."""
        record = self.record
        if spec.image != record.spec.image:
            record.stale = True
            self._launching.hurry()
            self._renewed.set()
        record.spec = spec

    def has_started(self) -> None:
        """Its startup probe succeeded, or it has none."""
        self._begun.set()

    async def until_started(self) -> None:
        """Return once it has started, for a sidecar; or when it is to stop."""
        await self._begun.wait()

    def begin_stop(self) -> None:
        """No more traffic, no more probes, no more starts."""
        self._stopping = True
        self._launching.hurry()
        self._woken.set()
        self._begun.set()
        self.record.ready = False
        if self.record.process is not None and self.record.phase is not Phase.ENDED:
            self.record.on(Happened.STOP_ASKED)
        if self._probing is not None:
            self._probing.cancel()
        self._pod.changed()

    async def stop(self) -> None:
        """preStop hook, then the stop signal; returns when it has ended. `kill` hurries it."""
        self.begin_stop()
        process = self.record.process
        if process is None:
            return
        if self._asked:  # twice would be two preStop hooks
            await self._around.keeper.ended(process.name)
            return
        self._asked = True
        name = self.record.spec.name
        self._say(NORMAL, "Killing", f"Stopping container {name}")
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(ask_to_stop(self._around, self._subject(process), self._say))
            await self._around.keeper.ended(process.name)
            asking.cancel()

    async def finish(self, grace_s: float) -> None:
        """Stop it for good; what is left after its grace is killed."""
        try:
            async with asyncio.timeout(grace_s):
                await self.stop()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """SIGKILL to the whole tree, now."""
        if self.record.process is not None:
            await self._around.keeper.kill_tree(self.record.process.name)

    def running(self) -> tuple[Process, Launch] | None:
        """The process and how it was started, for what is to run beside it; None: there is none, or
        its environment can't be worked out any more."""
        process = self.record.process
        launch = self._launching.current() if process is not None and not process.ended else None
        return None if process is None or launch is None else (process, launch)

    # --- starting

    async def _start(self) -> Process | None:
        """The new process; None when it can't be started yet (look again)."""
        if not await self._waited_out():
            return None
        try:
            launch = await self._launching.next()
        except ImageMissing as why:
            await self._without_image(why)
            return None
        except (ConfigMissing, NotSupported, ImageNotRunnable, VolumeNotReady) as why:
            reason = "ImageNotRunnable" if isinstance(why, ImageNotRunnable) else "Failed"
            self._wait(Waiting(why.reason, str(why)), reason)
            # No event tells that somebody has installed podman meanwhile.
            await self._until_woken(_PROGRAM_AGAIN_S if reason == "ImageNotRunnable" else None)
            return None
        except CommandNotFound as why:
            await self._not_started(why)
            return None
        except OSError as why:  # its folders or files
            self._wait(Waiting("CreateContainerError", str(why)), "Failed")
            await self._until_woken(_ROOM_AGAIN_S)
            return None
        stopping = self._stopping  # by now
        if launch is None or stopping:
            return None
        fresh_message_file(pod_folder(self._around.home, self._pod.pod), self.record.spec.name)
        try:
            started = await self._launching.spawn(launch)
        except KeeperRefused as why:
            if is_short(why.number):  # not its fault: no run is counted, no back-off grows
                self._wait(Waiting(why.reason, str(why)), "Failed")
                await self._until_woken(_ROOM_AGAIN_S)
            else:
                await self._not_started(why)
            return None
        failure = await self._launching.failure(started.process, launch)
        if failure is not None:
            await self._not_started(failure)
            return None
        self._began(started, launch)
        if self._stopping:
            await self._around.keeper.kill_tree(started.process.name)
        return started.process

    def _began(self, started: Started, launch: Launch) -> None:
        process = started.process
        record, clock, name = self.record, self._around.clock, self.record.spec.name
        if record.runs > 0:
            record.back_off = record.back_off.started(clock.monotonic())
        record.runs += 1
        record.process, record.container_id = process, run_id(process.name, launch)
        record.started_at = timestamp(clock.now())
        record.waiting, record.ready, record.started = None, False, False
        record.trouble, record.image = None, self._launching.image
        record.stale = record.image != record.spec.image  # it changed while this run began
        if not record.stale:
            self._renewed.clear()
        self._begun.clear()
        record.rewritten, record.not_enforced = launch.rewritten, launch.not_enforced
        record.origin = started.origin
        record.on(Happened.SPAWNED)
        if self._stopping:
            record.on(Happened.STOP_ASKED)
        self._pod.reached("spawned", clock.monotonic())
        self._pod.changed()
        self._say(NORMAL, "Created", f"Created container: {name}")
        self._say(NORMAL, "Started", f"Started container {name}")
        if started.trouble is not None:
            self._say(WARNING, "NotForked", f"Container {name} started fresh: {started.trouble}")

    async def _waited_out(self) -> bool:
        """Wait for the end of the back-off. False when woken to stop."""
        record, clock = self.record, self._around.clock
        wait_s = 0.0
        if not (self._again or record.stale) and record.runs > 0:
            now_s = clock.monotonic()
            wait_s = record.back_off.wait_s(ended_at_s=record.ended_at_s, now_s=now_s)
        self._again = False
        if wait_s > 0:
            meta, name = self._pod.pod.metadata, record.spec.name
            pod = f"{meta.name}_{meta.namespace}({meta.uid})"
            why = f"back-off {record.back_off.delay_s:g}s restarting failed container={name} pod={pod}"
            if record.waiting is None:  # else it says why it could not even start
                record.waiting = Waiting("CrashLoopBackOff", why)
            self._pod.changed()
            self._say(
                WARNING, "BackOff", f"Back-off restarting failed container {name} in pod {pod}"
            )
            until_s = clock.monotonic() + wait_s
            while (
                not (self._stopping or record.stale) and (left_s := until_s - clock.monotonic()) > 0
            ):
                await self._until_woken(left_s)
        return not self._stopping

    async def _not_started(
        self, why: CommandNotFound | KeeperRefused | ContainerNotStarted
    ) -> None:
        """exec failed: a run that ended before it began."""
        record = self.record
        name = keeper_name(self._pod.pod, record.spec.name, record.runs)
        if record.runs > 0:
            record.back_off = record.back_off.started(self._around.clock.monotonic())
        record.runs += 1
        record.stale, record.image = False, record.spec.image
        self._renewed.clear()
        record.container_id = PREFIX + name
        self._say(WARNING, "Failed", f"Error: {why}")
        ended = self._start_error(str(why))
        await self._ended(ended, waiting=Waiting(why.reason, str(why)))

    def _start_error(self, why: str) -> ContainerStateTerminated:
        now = timestamp(self._around.clock.now())
        return ContainerStateTerminated(
            exit_code=_START_ERROR,
            reason="StartError",
            message=why,
            started_at=now,
            finished_at=now,
            container_id=self.record.container_id,
        )

    def _wait(self, waiting: Waiting, reason: str) -> None:
        if self.record.waiting != waiting:
            self.record.waiting = waiting
            self._pod.changed()
            self._say(WARNING, reason, f"Error: {waiting.message}")

    async def _without_image(self, why: ImageMissing) -> None:
        """Said as the kubelet says it; looked at again when its back-off is over or something changed."""
        record, waiting = self.record, Waiting(why.reason, str(why))
        if record.waiting is None or record.waiting.reason != why.reason:
            for sentence, failed in why.events:
                self._say(WARNING if failed else NORMAL, "Failed", sentence)
            if why.backs_off:
                self._say(NORMAL, "BackOff", f'Back-off pulling image "{record.spec.image}"')
            self._say(WARNING, "Failed", f"Error: {why.reason}")
        if record.waiting != waiting:
            record.waiting = waiting
            self._pod.changed()
        if why.reason == "ErrImagePull" and not self._stopping:
            await self._around.clock.sleep(0)  # the next look says that it backs off
            return
        await self._until_woken(why.again_s)

    async def _until_woken(self, timeout_s: float | None = None) -> None:
        if not self._stopping:
            self._woken.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._woken.wait()
        except TimeoutError:
            return

    # --- while it runs

    async def _watch(self, process: Process) -> Process:
        """How it ended; probes it meanwhile."""
        if self._around.containers.known is not None:
            self._launching.current()  # of an adopted one: whether it is a container
        renewing: asyncio.Task[None] | None = None
        async with asyncio.TaskGroup() as tasks:
            if not self._stopping and not process.ended:
                findings = RunFindings(self, self._around, self._pod)
                coroutine = probe(self._around, self._subject(process), findings)
                self._probing = tasks.create_task(coroutine)
                renewing = tasks.create_task(self._renew())
            ended = await self._around.keeper.ended(process.name) if not process.ended else process
            if self._probing is not None:
                self._probing.cancel()
            if renewing is not None:
                renewing.cancel()
        self._probing = None
        return ended

    async def _renew(self) -> None:
        """Another image: the run ends, whatever the restart policy says, and the next one has it."""
        await self._renewed.wait()
        name = self.record.spec.name
        why = f"Container {name} definition changed, will be restarted"
        self._say(NORMAL, "Killing", why)
        await self.end_this_run(grace_of(self._pod.pod), again=True)

    def _subject(self, process: Process) -> Subject:
        routed = _ROUTED in self._pod.pod.metadata.labels
        return Subject(
            container=self.record.spec,
            process=process,
            ports=lambda: self._pod.ports,
            launch=self._launching.current,
            must_listen=routed,
            was_started=self.record.started,
            was_ready=self.record.ready,
            awake=self._pod.awake,
        )

    # --- ending

    async def end_this_run(self, grace_s: float, *, again: bool = False) -> None:
        """Stop the process without stopping the container; returns when it has ended (or cancelled)."""
        process = self.record.process
        if process is None:
            return
        self._again = again
        keeper = self._around.keeper
        try:
            async with asyncio.timeout(grace_s):
                await ask_to_stop(self._around, self._subject(process), self._say)
                await keeper.ended(process.name)
        except TimeoutError:
            await keeper.kill_tree(process.name)
            await keeper.ended(process.name)

    async def _after_exit(self, process: Process) -> None:
        record, clock = self.record, self._around.clock
        fate = await self._launching.fate(process)
        if fate is not None and fate.problem is not None:
            ended = self._start_error(str(fate.problem))
            self._say(WARNING, "Failed", f"Error: {fate.problem}")
            await self._ended(ended, waiting=Waiting("RunContainerError", ended.message))
            return
        process = process if fate is None else fate.process
        ended = termination(
            process,
            started_at=record.started_at,
            now_s=clock.now(),
            message=self._words(process),
            container_id=record.container_id,
            out_of_memory=fate is not None and fate.out_of_memory,
        )
        listened = "listening" in self._pod.stages or record.ready
        ours = record.origin is not None  # of a zygote: it does listen on $PORT
        if ended.exit_code > 0 and not listened and not self._stopping and not ours:
            hint = fixed_port_hint(self._around.machine, self._pod.ports, record.spec)
            if hint is not None:
                self._say(WARNING, "FixedPort", hint)
        await self._ended(ended, waiting=None)

    async def _ended(self, ended: ContainerStateTerminated, *, waiting: Waiting | None) -> None:
        record = self.record
        record.before, record.terminated = record.terminated, ended
        record.process, record.ready, record.started = None, False, False
        record.trouble = None
        record.ended_at_s = self._around.clock.monotonic()
        record.waiting = waiting
        again = self._again or starts_again(self._policy, ended.exit_code)
        goes_on = again and not self._stopping
        record.on(Happened.EXITED_AGAIN if goes_on else Happened.EXITED_FOR_GOOD)
        if not goes_on and ended.exit_code == 0:
            record.ready = any(record is init for init in self._pod.inits)  # as the kubelet says it
        self._pod.changed()
        await self._forget_older()

    async def _forget_older(self) -> None:
        """Keep this run and the one before (its log is `--previous`)."""
        attempt, record = self.record.runs - 2, self.record
        name = keeper_name(self._pod.pod, record.spec.name, attempt)
        if attempt >= 0 and name in self._around.keeper.processes:
            await self._around.keeper.forget(name)
        drop_log(self._around.home.logs, self._pod.pod, record.spec.name, attempt - 1)

    def _words(self, process: Process) -> str | None:
        attempt, spec = max(0, self.record.runs - 1), self.record.spec
        home, pod = self._around.home, self._pod.pod
        log = log_path(home.logs, pod, spec.name, attempt)
        return termination_message(spec, process, pod_folder(home, pod), log)

    def _say(self, type_: str, reason: str, message: str) -> None:
        self._around.say(self._pod.pod, type_, reason, message)
