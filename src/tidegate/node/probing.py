"""Probing one run of a container: does its port listen, is it ours, is it started, ready, alive?

Runs beside the process for as long as it lives and is cancelled when it ends. Tells a `Listener`
what it finds; what to do about it is the runner's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from tidegate.link.keeper import Process
from tidegate.model.containers import (
    Container,
    ExecAction,
    HTTPGetAction,
    LifecycleHandler,
    Probe,
)
from tidegate.model.pods import LocalPort
from tidegate.model.wire import IntOrString
from tidegate.node.beside import beside
from tidegate.node.launch import Launch
from tidegate.node.listeners import Holder
from tidegate.node.machine import HttpGet, Outcome
from tidegate.node.ports import ports_of
from tidegate.node.probes import Kind, Rhythm, Row, after, first_row, next_attempt_s, rhythm_of
from tidegate.node.record import Around

_ELSEWHERE_LOOK_S = 0.5
_TRY_AGAIN_S = 1.0  # an attempt that this machine could not make
_NOW_S = 1e-4  # what is due so soon is due


class Findings(Protocol):
    """What probing tells. The async ones end the process and don't return before it has ended."""

    def listening(self) -> None: ...
    def started(self) -> None: ...
    def ready(self, is_ready: bool) -> None: ...
    def unhealthy(self, kind: Kind, detail: str) -> None: ...
    def listens_elsewhere(self, wanted: LocalPort, found: tuple[int, ...]) -> None: ...
    def listens_nowhere(self, wanted: LocalPort, after_s: float) -> None: ...
    def fixed_port(self, port: LocalPort, beyond_loopback: bool) -> None: ...
    async def port_stolen(self, port: LocalPort) -> None: ...
    async def failed(self, kind: Kind) -> None: ...
    async def hook_failed(self, detail: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Subject:
    """One run of a container. `ports` are the pod's as they are now (a fixed port changes them);
    `launch` None: it can't be worked out any more, so exec probes fail. `must_listen` also without
    a port in the document (traffic is routed to it). `adopted`: it was ready before we came."""

    container: Container
    process: Process
    ports: Callable[[], tuple[LocalPort, ...]]
    launch: Callable[[], Launch | None]
    must_listen: bool
    was_started: bool = False
    was_ready: bool = False
    awake: asyncio.Event | None = None  # clear: frozen, no attempt is made or counts


async def probe(around: Around, subject: Subject, findings: Findings) -> None:
    """Probe until cancelled (or until nothing is left to probe)."""
    await _Probing(around, subject, findings).run()


async def act(
    around: Around, subject: Subject, action: Probe | LifecycleHandler, *, timeout_s: float
) -> Outcome:
    """One probe or hook."""
    if isinstance(action, LifecycleHandler) and action.sleep is not None:
        await around.clock.sleep(float(action.sleep.seconds))
        return Outcome(True)
    if action.exec is not None:
        return await _exec(around, subject, action.exec, timeout_s)
    if action.http_get is not None:
        request = _request(subject, action.http_get)
        return await around.machine.http_get(request, timeout_s=timeout_s)
    if action.tcp_socket is not None:
        port = local_port(subject, action.tcp_socket.port)
        return await around.machine.tcp_open(port, timeout_s=timeout_s)
    if isinstance(action, Probe) and action.grpc is not None:
        port, service = local_port(subject, action.grpc.port), action.grpc.service or ""
        return await around.machine.grpc_health(port, service, timeout_s=timeout_s)
    return Outcome(True)


def local_port(subject: Subject, named: IntOrString | None) -> int:
    """The local port that a probe means: by name or number; 0 or None is the first declared one.

    A number that isn't declared is the program's own business and stays.
    """
    own = ports_of(subject.ports(), subject.container)
    for port in own:
        if named in (port.name, port.container_port, str(port.container_port)):
            return port.local_port
    if not named and own:
        return own[0].local_port
    text = str(named or 0)
    return int(text) if text.isdecimal() else 0


class _Probing:
    """Owned by the task that runs `run`."""

    def __init__(self, around: Around, subject: Subject, findings: Findings) -> None:
        self._around, self._subject, self._findings = around, subject, findings
        self._clock = around.clock
        self._begun_s = self._clock.monotonic()
        self._started, self._listening = asyncio.Event(), asyncio.Event()

    async def run(self) -> None:
        container, subject = self._subject.container, self._subject
        hook = container.lifecycle.post_start if container.lifecycle else None
        if hook is not None and not subject.was_started:
            await self._post_start(hook)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._see_started())
            tasks.create_task(self._see_listening())
            tasks.create_task(self._see_ready())
            if container.liveness_probe is not None:
                tasks.create_task(self._see_alive(container.liveness_probe))

    async def _post_start(self, hook: LifecycleHandler) -> None:
        outcome = await act(self._around, self._subject, hook, timeout_s=60.0)
        if not outcome.ok:
            await self._findings.hook_failed(outcome.detail)

    async def _see_started(self) -> None:
        probe = self._subject.container.startup_probe
        if probe is not None and not self._subject.was_started:

            async def decide(row: Row) -> bool:
                if row.verdict is False:
                    await self._findings.failed(Kind.STARTUP)
                return row.verdict is not None

            await self._each(probe, Kind.STARTUP, decide)
        self._findings.started()
        self._started.set()

    async def _see_listening(self) -> None:
        """Until the port listens and is held by this pod. No port to speak of: at once."""
        gate = self._gate()
        if gate is None or self._subject.was_ready:
            self._listening.set()
            return
        elsewhere_s, look_s, told = None, self._begun_s + _ELSEWHERE_LOOK_S, False
        rhythm = Rhythm()
        row = first_row(rhythm, started_at_s=self._begun_s)
        while True:
            now_s = self._clock.monotonic()
            if (await self._around.machine.tcp_open(gate.local_port, timeout_s=1.0)).ok:
                holder = self._around.machine.holder(gate.local_port, self._subject.process)
                if holder is Holder.POD:
                    break
                if holder is Holder.STRANGER:
                    await self._findings.port_stolen(gate)
            elif now_s >= look_s:
                found = self._around.machine.listening(self._subject.process)
                fixed = dict(found).get(gate.container_port)
                if fixed is not None:
                    self._findings.fixed_port(gate, fixed)
                    break
                elsewhere_s = (elsewhere_s or now_s) if found else None
                patience_s = self._around.settings.elsewhere_after_s
                if elsewhere_s is not None and not told and now_s - elsewhere_s >= patience_s:
                    self._findings.listens_elsewhere(gate, tuple(port for port, _ in found))
                    told = True
                ran_s = now_s - self._begun_s
                if not found and not told and ran_s >= self._around.settings.nowhere_after_s:
                    self._findings.listens_nowhere(gate, ran_s)
                    told = True
                look_s = now_s + (_ELSEWHERE_LOOK_S if not told else 10.0)
            row = after(rhythm, row, ok=False, began_at_s=now_s)
            await self._clock.sleep(next_attempt_s(rhythm, row, now_s=now_s) - now_s)
        self._findings.listening()
        self._listening.set()

    async def _see_ready(self) -> None:
        await self._started.wait()
        await self._listening.wait()
        probe = self._subject.container.readiness_probe
        if probe is None:
            self._findings.ready(True)
            return
        said = self._subject.was_ready

        async def decide(row: Row) -> bool:
            nonlocal said
            if row.verdict is not None and row.verdict != said:
                said = row.verdict
                self._findings.ready(said)
            return False

        if not said:
            self._findings.ready(False)
        await self._each(probe, Kind.READINESS, decide)

    async def _see_alive(self, probe: Probe) -> None:
        await self._started.wait()

        async def decide(row: Row) -> bool:
            if row.verdict is False:
                await self._findings.failed(Kind.LIVENESS)
            return row.verdict is False

        await self._each(probe, Kind.LIVENESS, decide)

    async def _each(
        self, probe: Probe, kind: Kind, decide: Callable[[Row], Awaitable[bool]]
    ) -> None:
        """Attempt after attempt until `decide` says that it is enough."""
        rhythm = rhythm_of(probe, kind)
        row = first_row(rhythm, started_at_s=self._begun_s)
        if kind is Kind.READINESS and self._subject.was_ready:
            row = Row(self._begun_s, True, ever=True)
        while True:
            due_s = next_attempt_s(rhythm, row, now_s=self._clock.monotonic())
            wait_s = due_s - self._clock.monotonic()
            if wait_s > _NOW_S:
                await self._clock.sleep(wait_s)
            awake = self._subject.awake
            if awake is not None:
                await awake.wait()
            began_s = max(due_s, self._clock.monotonic())  # a clock may wake us a hair early
            outcome = await act(self._around, self._subject, probe, timeout_s=rhythm.timeout_s)
            if awake is not None and not awake.is_set():
                continue
            if not outcome.made:  # the machine's trouble, not the container's
                await self._clock.sleep(min(_TRY_AGAIN_S, rhythm.period_s))
                continue
            fresh = after(rhythm, row, ok=outcome.ok, began_at_s=began_s)
            if not outcome.ok and fresh.failures > row.failures:
                self._findings.unhealthy(kind, outcome.detail)
            row = fresh
            if await decide(row):
                return

    def _gate(self) -> LocalPort | None:
        """The port that must listen before traffic comes: the readiness probe's, else the first one."""
        own = ports_of(self._subject.ports(), self._subject.container)
        probe = self._subject.container.readiness_probe
        target = (probe.http_get or probe.tcp_socket or probe.grpc) if probe is not None else None
        if target is not None:
            number = local_port(self._subject, target.port)
            return next((port for port in own if port.local_port == number), None)
        if own and (self._subject.container.ports or self._subject.must_listen):
            return own[0]
        return None


async def _exec(around: Around, subject: Subject, action: ExecAction, timeout_s: float) -> Outcome:
    launch = subject.launch()
    if launch is None:
        return Outcome(False, "the container's environment can't be worked out any more")
    if not action.command:
        return Outcome(False, "the exec probe has no command")
    command = beside(around.machine, subject.process, launch, action.command)
    if command.program is None:
        return Outcome(False, f'exec: "{action.command[0]}": executable file not found in $PATH')
    return await around.machine.run(command.argv, command.env, command.cwd, timeout_s=timeout_s)


def _request(subject: Subject, action: HTTPGetAction) -> HttpGet:
    path = action.path or "/"
    return HttpGet(
        port=local_port(subject, action.port),
        path=path if path.startswith("/") else f"/{path}",
        https=(action.scheme or "HTTP").upper() == "HTTPS",
        headers=tuple((header.name, header.value) for header in action.http_headers),
    )
