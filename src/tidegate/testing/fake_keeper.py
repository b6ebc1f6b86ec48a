"""Processes that exist only in memory, and the machine they run on.

`FakeKeeper` meets the tests that `KeeperLink` over a real keeper meets (tests/live/test_keeper_link.py).
What a process does is a `Script`, chosen by its command line.
"""

from __future__ import annotations

import asyncio
import errno
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tidegate.link.keeper import ZYGOTE_FAILED, Process, SpawnSpec
from tidegate.node.errors import KeeperRefused
from tidegate.node.listeners import Holder
from tidegate.node.machine import Facts, HttpGet, Outcome
from tidegate.policy.gpu_cards import Card


@dataclass(frozen=True, slots=True)
class Script:
    """What a process does. Times count from its start; None: never."""

    listens_after_s: float | None = 0.1
    port: int | None = None  # None: $PORT
    exits_after_s: float | None = None
    code: int = 0
    stops_after_s: float | None = 0.0  # after SIGTERM
    healthy: Callable[[float], bool] = lambda _age_s: True  # what probes other than TCP find


_ZYGOTE = Script(listens_after_s=None)


@dataclass(slots=True)
class _Running:
    spec: SpawnSpec
    script: Script
    process: Process
    since_s: float
    stopped: bool = False
    pending: int | None = None  # a signal that came while it was stopped
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class FakeKeeper:
    """`node.keeper_link.Keeper`. `script` says what a spec does; an `OSError` from it is exec's.
    `fork_fails` says why a zygote makes no child of a spec; None: it makes one."""

    def __init__(self, script: Callable[[SpawnSpec], Script] = lambda _: Script()) -> None:
        self.script = script
        self.fork_fails: Callable[[SpawnSpec], str | None] = lambda _: None
        self.spawned: list[SpawnSpec] = []
        self.zygotes: list[SpawnSpec] = []
        self._all: dict[str, _Running] = {}
        self._pids = 1000

    @property
    def processes(self) -> Mapping[str, Process]:
        return {name: running.process for name, running in self._all.items()}

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def connected(self) -> None:
        return

    async def spawn(self, spec: SpawnSpec) -> Process:
        known = self._all.get(spec.name)
        if known is not None:
            return known.process
        if spec.zygote is not None:
            gone = None if spec.zygote in self.running() else "is not there"
            failure = gone or self.fork_fails(spec)
            if failure is not None:
                why = f"zygote {spec.zygote!r} {failure}: spawn without it"
                raise KeeperRefused("spawn", spec.name, why, ZYGOTE_FAILED)
        try:
            script = _ZYGOTE if spec.forks else self.script(spec)
        except OSError as why:
            raise KeeperRefused("spawn", spec.name, str(why), why.errno) from why
        self._pids += 1
        loop = asyncio.get_running_loop()
        process = Process(spec.name, self._pids, self._pids, "boot")
        self._all[spec.name] = _Running(spec, script, process, loop.time())
        (self.zygotes if spec.forks else self.spawned).append(spec)
        if script.exits_after_s is not None:
            loop.call_later(script.exits_after_s, self._end, spec.name, script.code, None)
        return process

    async def signal(self, name: str, number: int) -> None:
        running = self._all.get(name)
        if running is not None and number in (signal.SIGSTOP, signal.SIGCONT):
            running.stopped = number == signal.SIGSTOP
            if not running.stopped and running.pending is not None:
                await self.signal(name, running.pending)
            return
        if running is not None and running.stopped:  # delivered when it goes on
            running.pending = number
            return
        after_s = running.script.stops_after_s if running is not None else None
        if after_s is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(after_s, self._end, name, None, number)

    async def kill_tree(self, name: str) -> None:
        self._end(name, None, signal.SIGKILL)

    async def forget(self, name: str) -> None:
        running = self._all.get(name)
        if running is not None and running.process.ended:
            del self._all[name]

    async def ended(self, name: str) -> Process:
        running = self._all.get(name)
        if running is None:
            return Process(name, 0, 0, "", ended=True)
        await running.ended.wait()
        return running.process

    def end(self, name: str, *, code: int | None = None, number: int | None = None) -> None:
        """Let a process end by itself; with neither, as one whose end nobody saw."""
        self._end(name, code, number)

    def running(self) -> list[str]:
        """Names of what has not ended."""
        return [name for name, running in self._all.items() if not running.process.ended]

    def stopped(self) -> list[str]:
        """Names of what is stopped (SIGSTOP)."""
        return [name for name in self.running() if self._all[name].stopped]

    def listening(self, process: Process) -> tuple[int, ...]:
        """Ports that a process listens on now."""
        running = self._all.get(process.name)
        if running is None or running.process.ended or running.script.listens_after_s is None:
            return ()
        age_s = asyncio.get_running_loop().time() - running.since_s
        if age_s < running.script.listens_after_s:
            return ()
        port = running.script.port
        if port is None and "PORT" not in running.spec.env:
            return ()  # a container without a port of its own
        return (port if port is not None else int(running.spec.env["PORT"]),)

    def healthy(self, port: int) -> bool:
        """What the process that listens on `port` answers; False when there is none."""
        now_s = asyncio.get_running_loop().time()
        return any(
            not one.stopped
            and port in self.listening(one.process)
            and one.script.healthy(now_s - one.since_s)
            for one in self._all.values()
        )

    def _end(self, name: str, code: int | None, number: int | None) -> None:
        running = self._all.get(name)
        if running is not None and not running.process.ended:
            running.process = replace(running.process, code=code, signal=number, ended=True)
            running.ended.set()


class FakeMachine:
    """`node.machine.Machine` whose listeners are a `FakeKeeper`'s processes and `strangers`."""

    def __init__(self, keeper: FakeKeeper) -> None:
        self._keeper = keeper
        self.strangers: set[int] = set()
        self.programs: set[str] | None = None  # None: every program is there
        self.ran: list[tuple[str, ...]] = []
        self.asked: list[HttpGet] = []
        self.short = False  # of descriptors: no probe can be made

    def facts(self) -> Facts:
        return Facts("fake", 4000, 8 * 2**30, "amd64", "6.1", "Linux", "boot", "machine")

    def cards(self) -> tuple[Card, ...]:
        return ()

    def port_is_free(self, number: int) -> bool:
        return number not in self.strangers and not self._owner(number)

    def find_program(self, name: str, path: str) -> str | None:
        return name if self.programs is None or name in self.programs else None

    def holder(self, port: int, process: Process) -> Holder:
        if port in self._keeper.listening(process):
            return Holder.POD
        return Holder.STRANGER if port in self.strangers or self._owner(port) else Holder.NOBODY

    def listening(self, process: Process) -> tuple[tuple[int, bool], ...]:
        return tuple((port, False) for port in self._keeper.listening(process))

    async def tcp_open(self, port: int, *, timeout_s: float) -> Outcome:
        found = port in self.strangers or self._owner(port)
        return Outcome(found, "" if found else "connection refused")

    async def http_get(self, request: HttpGet, *, timeout_s: float) -> Outcome:
        if self.short:
            return Outcome(False, "Too many open files", made=False)
        self.asked.append(request)
        ok = self._keeper.healthy(request.port)
        return Outcome(ok, "" if ok else "HTTP probe failed with statuscode: 503")

    async def grpc_health(self, port: int, service: str, *, timeout_s: float) -> Outcome:
        ok = self._keeper.healthy(port)
        return Outcome(ok, "" if ok else 'service unhealthy (responded with "NOT_SERVING")')

    async def run(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: str, *, timeout_s: float
    ) -> Outcome:
        self.ran.append(tuple(argv))
        return Outcome(True)

    def _owner(self, port: int) -> bool:
        everything = self._keeper.processes.values()
        return any(port in self._keeper.listening(process) for process in everything)


def no_such_program(spec: SpawnSpec) -> Script:
    """A script whose exec fails."""
    raise OSError(errno.ENOENT, "No such file or directory", spec.argv[0])
