"""What the pods' processes and the machine use: CPU between two looks at /proc, memory at the second.

Nothing is measured while nobody asks. A look costs one pass over /proc; the look before serves as the
window's start while it is recent, else a second is waited out.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from tidegate.kit.clock import Clock
from tidegate.link.keeper import Process
from tidegate.model.usage import Measurement, Usage
from tidegate.node.keeper_link import Keeper
from tidegate.node.listeners import members_of
from tidegate.policy.config_containers import KNOWN

_SHORTEST_S, _LONGEST_S = 1.0, 30.0  # of a window; /proc counts CPU time in hundredths of a second
_TICK_NANO = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Look:
    """CPU time since each process's start, in nanoseconds, and memory now. By the keeper's name."""

    at_s: float  # monotonic
    cpu_nano: Mapping[str, int]
    memory_bytes: Mapping[str, int]
    node_cpu_nano: int
    node_memory_bytes: int


@dataclass(slots=True)
class PodUsage:
    """Measures when asked. Askers at the same time share one measurement."""

    keeper: Keeper
    clock: Clock
    node_name: str
    _last: Look | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def measure(self) -> Measurement:
        """Takes up to a second. Raises nothing: a process that ends meanwhile is left out."""
        async with self._turn:
            before = self._last
            if before is None or not self._is_recent(before):
                before = await self._look()
            wait_s = before.at_s + _SHORTEST_S - self.clock.monotonic()
            if wait_s > 0:
                await self.clock.sleep(wait_s)
            self._last = await self._look()
            return used(before, self._last, wall_s=self.clock.now(), node_name=self.node_name)

    def _is_recent(self, look: Look) -> bool:
        return self.clock.monotonic() - look.at_s <= _LONGEST_S

    async def _look(self) -> Look:
        running = [p for p in self.keeper.processes.values() if not p.ended]
        return await asyncio.to_thread(look, running, self.clock.monotonic())


def used(before: Look, after: Look, *, wall_s: float, node_name: str) -> Measurement:
    """The use between two looks. Pure. A process that was not there before began with nothing."""
    window_s = after.at_s - before.at_s
    containers = {}
    for name, cpu_nano in after.cpu_nano.items():
        uid, container, *_ = name.split("/")
        spent = max(0, cpu_nano - before.cpu_nano.get(name, 0))
        containers[uid, container] = Usage(int(spent / window_s), after.memory_bytes[name])
    spent = max(0, after.node_cpu_nano - before.node_cpu_nano)
    node = Usage(int(spent / window_s), after.node_memory_bytes)
    return Measurement(wall_s, window_s, node_name, node, containers)


def look(processes: Iterable[Process], now_s: float) -> Look:
    """One pass over the process trees. Blocks for some milliseconds."""
    cpu: dict[str, int] = {}
    memory: dict[str, int] = {}
    for name, pids in members_of(processes).items():
        own = _without_clients(pids)
        cpu[name] = sum(map(_cpu_nano, own))
        memory[name] = sum(map(_memory_bytes, own))
    times, space = psutil.cpu_times(), psutil.virtual_memory()
    busy_s = times.user + times.nice + times.system + times.irq + times.softirq + times.steal
    return Look(now_s, cpu, memory, int(busy_s * 1e9), space.total - space.available)


def _without_clients(pids: set[int]) -> set[int]:
    """Of a container: what runs in it, not `podman run`, which only passes on its output."""
    inside = {pid for pid in pids if _program(pid) not in KNOWN}
    return inside or pids


def _program(pid: int) -> str:
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


def _cpu_nano(pid: int) -> int:
    """Its own time and that of children it has waited for, so that a sum over a tree never falls
    when one of it ends."""
    with suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
        return sum(map(int, fields[11:15])) * _TICK_NANO
    return 0


def _memory_bytes(pid: int) -> int:
    """Its proportional share; all that is resident where the kernel doesn't tell that."""
    with suppress(OSError), open(f"/proc/{pid}/smaps_rollup", "rb") as file:
        for line in file:
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    with suppress(OSError), open(f"/proc/{pid}/statm", "rb") as file:
        return int(file.read().split()[1]) * _PAGE_BYTES
    return 0
