"""The gateway and the control plane: started, watched, started again.

A part that ends is started anew (`backoff`). `restart gateway` starts the new one before the old one
has finished: both accept on the same sockets until the old one, told by SIGTERM, has answered what it
has. A control plane is never doubled: the old one is gone before the new one starts.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM

from tidegate.keeper import proc
from tidegate.keeper.backoff import Backoff, restart_after
from tidegate.keeper.errors import HasEnded, KeeperError, Stopping
from tidegate.keeper.fork import Newborn, Plan, fork
from tidegate.keeper.leader import Leader
from tidegate.keeper.loop import Loop, Timer
from tidegate.keeper.sweep import Sweeper
from tidegate.keeper.table import Table
from tidegate.link.keeper import FDS, PART, Process
from tidegate.link.log_file import rotate
from tidegate.link.newborn import Cradle

GATEWAY, CONTROL_PLANE = "gateway", "control_plane"
GRACE_S = 10.0  # from SIGTERM to SIGKILL for a control plane that is restarted
RETIRED_GRACE_S = 600.0  # for an old gateway: its longest request, and then some
_LOG_BYTES = 10 * 2**20

OnStarted = Callable[[int | KeeperError], None]


@dataclass(frozen=True, slots=True)
class PartSpec:
    """How to start a part. `log` gets its stdout and stderr; `fds`: listening sockets it inherits."""

    name: str
    argv: tuple[str, ...]
    log: Path
    fds: Mapping[str, int]


@dataclass(slots=True)
class _Part:
    spec: PartSpec
    leader: Leader | None = None
    started_s: float = 0.0
    starts: int = 0
    backoff: Backoff = field(default_factory=Backoff)
    timer: Timer | None = None  # the next start
    waiters: list[OnStarted] = field(default_factory=list)
    stopped: bool = False  # not to be started again
    on_gone: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Backstage:
    """What parts need of the engine. `started(name, pid, restarts)` tells the subscribers."""

    loop: Loop
    sweeper: Sweeper
    table: Table
    boot_id: str
    environ: Mapping[str, str]
    save: Callable[[], None]
    started: Callable[[str, int, int], None]


class Parts:
    """Owned by the loop."""

    def __init__(self, specs: Mapping[str, PartSpec], behind: Backstage) -> None:
        self._parts = {name: _Part(spec) for name, spec in specs.items()}
        self._behind = behind
        self._retired: dict[int, Leader] = {}  # old gateways, by pid

    @property
    def pids(self) -> set[int]:
        current = {pid for name in self._parts if (pid := self.pid(name)) is not None}
        return current | set(self._retired)

    def pid(self, name: str) -> int | None:
        leader = self._parts[name].leader
        return None if leader is None else leader.process.pid

    def adopt(self) -> None:
        """Watch the parts that the keeper before left running; start those that are missing."""
        table = self._behind.table
        for process in table.retired:
            if (leader := self._living(process)) is not None:
                self._retired[process.pid] = leader
                self._end(leader, RETIRED_GRACE_S)  # told before, perhaps; who will kill it wasn't
        for name, part in self._parts.items():
            before = table.parts.get(name)
            part.leader = None if before is None else self._living(before)
            part.starts, part.started_s = 1, self._behind.loop.monotonic()
        self._record()
        # Not before all that live are adopted: starting one records all parts, and would forget the
        # others, whose second copies nobody would end.
        for part in self._parts.values():
            if part.leader is None:
                part.starts = 0
                self._start(part)

    def restart(self, name: str, then: OnStarted) -> None:
        """SIGTERM to the old one, and a new one; `then` gets its pid."""
        part = self._parts[name]
        if part.stopped:
            raise Stopping
        part.waiters.append(then)
        part.backoff = Backoff()
        old = part.leader
        if old is not None and name == CONTROL_PLANE:
            self._end(old, GRACE_S)
            return
        if old is not None:
            self._retired[old.process.pid] = old
            self._end(old, RETIRED_GRACE_S)
        self._start(part)

    def stop(self, name: str, *, grace_s: float, then: Callable[[], None]) -> None:
        """SIGTERM, after `grace_s` SIGKILL; it is not started again. `then` when it is gone."""
        part = self._parts[name]
        part.stopped, part.on_gone = True, then
        if part.timer is not None:
            part.timer.cancel()
        waiters, part.waiters = part.waiters, []
        for waiter in waiters:
            waiter(Stopping())
        for leader in self._leaders(part):
            self._end(leader, grace_s)
        self._tell_if_gone(part)

    def _leaders(self, part: _Part) -> list[Leader]:
        old = list(self._retired.values()) if part.spec.name == GATEWAY else []
        return old if part.leader is None else [*old, part.leader]

    def _end(self, leader: Leader, grace_s: float) -> None:
        try:
            leader.signal(SIGTERM)
        except HasEnded:
            return  # its end is on its way to us
        self._behind.loop.after(grace_s, leader.kill)

    def _start(self, part: _Part) -> None:
        if part.timer is not None:
            part.timer.cancel()
            part.timer = None
        behind, spec = self._behind, part.spec
        part.started_s = behind.loop.monotonic()
        try:
            rotate(spec.log, _LOG_BYTES)
            child = fork(self._plan(spec))
        except OSError as why:
            behind.loop.report(f"can't start the {spec.name}: {why}")
            self._start_later(part)
            return
        process = Process(spec.name, child.pid, child.start, behind.boot_id)
        part.leader = self._leader(process, child.pidfd)
        part.starts += 1
        self._record()
        behind.loop.watch(child.channel.fileno(), lambda _: self._exec_done(spec, child))
        child.release()
        behind.started(spec.name, child.pid, part.starts - 1)
        waiters, part.waiters = part.waiters, []
        for waiter in waiters:
            waiter(child.pid)

    def _plan(self, spec: PartSpec) -> Plan:
        return Plan(
            argv=spec.argv,
            env={**self._behind.environ, FDS: json.dumps(dict(spec.fds)), PART: spec.name},
            cradle=Cradle(stdout=str(spec.log), stderr=str(spec.log)),
            keep_fds=tuple(spec.fds.values()),
        )

    def _exec_done(self, spec: PartSpec, child: Newborn) -> None:
        self._behind.loop.unwatch(child.channel.fileno())
        failure = child.outcome()
        if failure is not None:  # its exit follows, and with it the next attempt
            self._behind.loop.report(f"can't start the {spec.name}: {failure}")

    def _living(self, process: Process) -> Leader | None:
        """The leader of a part that was recorded, if that process still runs."""
        if process.boot_id != self._behind.boot_id:
            return None
        pidfd = proc.open_pidfd(process.pid, process.start)
        if pidfd is not None and proc.has_ended(pidfd):  # a zombie that nobody has reaped yet
            os.close(pidfd)
            return None
        return None if pidfd is None else self._leader(process, pidfd)

    def _leader(self, process: Process, pidfd: int) -> Leader:
        leader = Leader(
            process,
            pidfd,
            mark=None,
            loop=self._behind.loop,
            sweeper=self._behind.sweeper,
            on_end=self._ended,
        )
        leader.watch()
        return leader

    def _ended(self, process: Process) -> None:
        part = self._parts[process.name]
        if self._retired.pop(process.pid, None) is None:
            part.leader = None
            if not part.stopped:
                how = f"signal {process.signal}" if process.signal else f"code {process.code}"
                self._behind.loop.report(f"the {process.name} (pid {process.pid}) ended: {how}")
                self._start_later(part)
        self._record()
        self._tell_if_gone(part)

    def _start_later(self, part: _Part) -> None:
        lived_s = self._behind.loop.monotonic() - part.started_s
        wait_s, part.backoff = restart_after(part.backoff, lived_s)
        part.timer = self._behind.loop.after(wait_s, lambda: self._start(part))

    def _tell_if_gone(self, part: _Part) -> None:
        if part.on_gone is not None and not self._leaders(part):
            then, part.on_gone = part.on_gone, None
            then()

    def _record(self) -> None:
        table = self._behind.table
        table.retired = [leader.process for leader in self._retired.values()]
        table.parts = {
            name: part.leader.process
            for name, part in self._parts.items()
            if part.leader is not None
        }
        try:
            self._behind.save()
        except OSError as why:
            self._behind.loop.report(f"the process table is not on disk: {why}")
