"""The zygotes of this node: started at first need, kept for a while, given up when they fail.

`Zygotes.spawn` is the way by which containers' processes are started: forked where their server has a
zygote, else by exec. A zygote never stands in the way of a pod: one that dies, hangs or refuses costs its
`patience_s` at most, and the pod starts fresh, saying so.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from uuid import uuid4

from tidegate.kit.clock import Clock
from tidegate.kit.home import Home
from tidegate.link.keeper import ZYGOTE_FAILED, Process, SpawnSpec
from tidegate.node.errors import KeeperRefused
from tidegate.node.keeper_link import Keeper
from tidegate.node.log_lines import last_words
from tidegate.node.python_imports import imports_for
from tidegate.node.zygote_kinds import PREFIX, PYTHON_SERVER, Kind, kind_id, kind_of
from tidegate.policy.config_zygotes import ZygoteConfig

_LOG = logging.getLogger(__name__)
_WARM_S = 10.0  # a fork takes milliseconds, on a machine with ten times its work a second; hanging is rare
_COLD_S = (
    60.0  # it is importing: scikit-learn takes two seconds on a quiet machine, ten on a busy one
)
_BARRED_S = (0.0, 10.0, 60.0, 600.0)  # after so many failures in a row
_CANNOT_FORK = 3  # its exit code: see tidegate.runtimes.zygote
_LOG_BYTES = 2**20
_LOG_KEPT_S = 7 * 24 * 3600.0
_ROOM_BYTES = 16 * 1024  # of environment that its children can show in /proc
_TITLE_BYTES = 1000
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Started:
    """`origin`: where it came from, for the pod's status; None: nothing worth saying. `trouble`: why it
    was not forked although it should have been; None: all is well."""

    process: Process
    origin: str | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Zygote:
    """For display: one that lives."""

    kind: str
    pid: int
    children: int
    holders: int
    idle_s: float


@dataclass(slots=True)
class _Line:
    """One kind over its zygotes. `name` None: none lives. `proven`: it has made a child."""

    id: str
    name: str | None = None
    proven: bool = False
    used_s: float = 0.0
    children: int = 0
    holders: int = 0  # who wants it warm, whatever its age
    failures: int = 0
    barred_until_s: float = 0.0
    why: str = ""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # one start at a time


class Zygotes:
    """Owned by the agent's loop. `config` is asked at each start: the user may change it."""

    def __init__(
        self,
        keeper: Keeper,
        clock: Clock,
        home: Home,
        config: Callable[[], ZygoteConfig],
        *,
        python: str = sys.executable,
    ) -> None:
        self._keeper, self._clock, self._home = keeper, clock, home
        self._config, self._python = config, python
        self._lines: dict[str, _Line] = {}
        self._changed = asyncio.Event()
        self._born: asyncio.Queue[str] = asyncio.Queue()
        self.on_lost: Callable[[], None] = lambda: None  # one that somebody holds has gone

    async def run(self) -> None:
        """Watch over them until cancelled: who ended is forgotten, who is idle too long goes."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._retire())
            while True:
                name = await self._born.get()
                tasks.create_task(self._attend(name))

    def adopt(self) -> None:
        """Those that the control plane before left running. The keeper's table has been read."""
        for name in [n for n in self._keeper.processes if n.startswith(PREFIX)]:
            line = self._line(kind_id(name))
            if not self._keeper.processes[name].ended:
                line.name, line.used_s = name, self._clock.monotonic()
            self._born.put_nowait(name)
        self._drop_old_logs()
        self._changed.set()

    def _drop_old_logs(self) -> None:
        """A kind whose code or variables have changed never comes again; its log says for a while why it
        ended."""
        living = {line.id for line in self._lines.values() if line.name is not None}
        for path in self._home.logs.glob("zygote-*.log*"):
            kind = path.name.removeprefix("zygote-").partition(".log")[0]
            with suppress(OSError):
                if kind not in living and self._clock.now() - path.stat().st_mtime > _LOG_KEPT_S:
                    path.unlink()

    def kind_of(self, spec: SpawnSpec) -> Kind | None:
        """Which zygote it could come from; None: it can't be forked."""
        kind = kind_of(spec, python=self._python)
        if kind is not None and kind.module == PYTHON_SERVER:
            return replace(kind, also=imports_for(spec.argv[3:], spec.cwd))
        return kind

    async def spawn(self, spec: SpawnSpec, kind: Kind | None) -> Started:
        """Fork it from a zygote of `kind`, else exec. Raises `KeeperRefused` as `Keeper.spawn` does."""
        config = self._config()
        if kind is None or not config.enabled:
            return Started(await self._keeper.spawn(spec))
        line = self._line(kind.id)
        if self._clock.monotonic() < line.barred_until_s:
            return await self._fresh(spec, kind, line.why)
        try:
            name = await self._living(line, kind)
        except KeeperRefused as why:
            self._failed(line, f"its zygote can't be started: {why.why}")
            return await self._fresh(spec, kind, line.why)
        patience_s = _WARM_S if line.proven else _COLD_S
        asked = replace(spec, zygote=name, patience_s=patience_s)
        line.used_s = self._clock.monotonic()
        try:
            process = await self._keeper.spawn(asked)
        except KeeperRefused as why:
            if why.number != ZYGOTE_FAILED:
                raise
            said = why.why.removeprefix(f"zygote {name!r}").removesuffix(": spawn without it")
            await self._give_up(line, name, f"its zygote{said}")
            return await self._fresh(spec, kind, line.why)
        line.proven, line.failures = True, 0
        line.children += 1
        line.used_s = self._clock.monotonic()
        self._changed.set()
        zygote = self._keeper.processes.get(name)
        return Started(
            process, f"forked from zygote {kind.name} (pid {zygote.pid if zygote else 0})"
        )

    @contextmanager
    def held(self, kind: Kind) -> Iterator[None]:
        """While in it, the zygote of that kind is not retired. It is started by `warm` or the first pod."""
        line = self._line(kind.id)
        line.holders += 1
        try:
            yield
        finally:
            line.holders -= 1
            line.used_s = self._clock.monotonic()
            self._changed.set()

    async def warm(self, kind: Kind) -> None:
        """Have one ready before a pod needs it. Raises `KeeperRefused`."""
        line = self._line(kind.id)
        if self._config().enabled and self._clock.monotonic() >= line.barred_until_s:
            await self._living(line, kind)

    def config_changed(self) -> None:
        """Look again which may stay."""
        self._changed.set()

    def living(self) -> tuple[Zygote, ...]:
        """Those that run now."""
        now_s, table = self._clock.monotonic(), self._keeper.processes
        return tuple(
            Zygote(line.id, table[line.name].pid, line.children, line.holders, now_s - line.used_s)
            for line in self._lines.values()
            if line.name is not None and line.name in table
        )

    # --- one zygote's life

    def _line(self, id_: str) -> _Line:
        return self._lines.setdefault(id_, _Line(id_))

    async def _living(self, line: _Line, kind: Kind) -> str:
        async with line.turn:
            known = self._keeper.processes.get(line.name) if line.name else None
            if line.name is None or known is None or known.ended:
                name = f"{PREFIX}{line.id}/{uuid4().hex[:12]}"
                await self._keeper.spawn(self._spec(name, kind))
                line.name, line.proven, line.children = name, False, 0
                line.used_s = self._clock.monotonic()
                self._born.put_nowait(name)
                self._changed.set()
            return line.name

    def _spec(self, name: str, kind: Kind) -> SpawnSpec:
        """Raises `KeeperRefused` where there is no room for it."""
        folder = self._home.root / "zygotes"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as why:
            what = f"its folder can't be made: {why}"
            raise KeeperRefused("spawn", name, what, why.errno) from why
        also = ("--preload", ",".join(kind.also)) if kind.also else ()
        module = "tidegate.runtimes.zygote"
        argv = (kind.python, "-m", module, kind.module, *also, "--room", "." * _TITLE_BYTES)
        env = {
            "PATH": f"{kind.python.rpartition('/')[0]}:{_PATH}",
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "LANG": "C.UTF-8",
            "TIDEGATE_ROOM": "." * _ROOM_BYTES,
            **dict(kind.early),
        }
        log = str(self._home.logs / f"zygote-{kind.id}.log")
        return SpawnSpec(name, argv, "/", env, log, log_bytes=_LOG_BYTES, forks=True)

    async def _fresh(self, spec: SpawnSpec, kind: Kind, why: str) -> Started:
        process = await self._keeper.spawn(spec)
        return Started(process, f"started fresh, not forked: {why}", why)

    def _failed(self, line: _Line, why: str) -> None:
        wait_s = _BARRED_S[min(line.failures, len(_BARRED_S) - 1)]
        line.failures += 1
        line.barred_until_s = self._clock.monotonic() + wait_s
        line.why = why
        _LOG.warning("zygote %s: %s", line.id, why)

    async def _give_up(self, line: _Line, name: str, why: str) -> None:
        """Its first failure ends it; others that were waiting for it find it gone."""
        if line.name != name:
            return
        line.name = None
        self._failed(line, why)
        await self._keeper.kill_tree(name)  # `_attend` hears of its end before we do

    async def _attend(self, name: str) -> None:
        ended = await self._keeper.ended(name)
        line = self._line(kind_id(name))
        if line.name == name:
            line.name = None
        if ended.code == _CANNOT_FORK:
            line.why = self._last_words(line) or "it can't be forked"
            line.barred_until_s = self._clock.monotonic() + _BARRED_S[-1]
        with suppress(KeeperRefused):
            await self._keeper.forget(name)
        if line.holders:
            self.on_lost()

    def _last_words(self, line: _Line) -> str | None:
        lines = last_words(self._home.logs / f"zygote-{line.id}.log") or ""
        return lines.strip().rpartition("\n")[2].removeprefix("zygote: ") or None

    # --- which ones stay

    async def _retire(self) -> None:
        while True:
            self._changed.clear()
            wait_s: float | None = None
            for name in self._too_many():
                await self._end(name)
            config, now_s = self._config(), self._clock.monotonic()
            keep_s = config.keep_s if config.enabled else 0.0
            for line in list(self._lines.values()):
                if line.name is None or (line.holders and config.enabled):
                    continue
                left_s = line.used_s + keep_s - now_s
                if left_s <= 0:
                    await self._end(line.name)
                else:
                    wait_s = left_s if wait_s is None else min(wait_s, left_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()

    def _too_many(self) -> list[str]:
        idle = sorted(
            (line.used_s, line.name)
            for line in self._lines.values()
            if line.name is not None and not line.holders
        )
        held = sum(line.name is not None and line.holders > 0 for line in self._lines.values())
        over = len(idle) + held - self._config().most
        return [name for _, name in idle[: max(0, over)]]

    async def _end(self, name: str) -> None:
        _LOG.info("%s is not needed any more: ended", name)
        for line in self._lines.values():
            if line.name == name:
                line.name = None
        await self._keeper.kill_tree(name)
