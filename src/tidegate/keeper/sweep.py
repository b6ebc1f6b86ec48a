"""Ending all of a pod: its group, its session, its descendants and its marked strays.

A round looks at all of /proc once, decides for each pod being swept who belongs to it, and sends
SIGKILL; rounds follow each other until one finds nobody alive. Belongs to a pod:

1. the leader; while its pid is still its own (alive, or a zombie not yet reaped) also everybody in
   its process group or session;
2. whoever has `TIDEGATE_POD=<name>` in its environment: children that called setsid, double-forked
   or ignore SIGTERM;
3. every descendant by parent pid of 1 and 2, and every member of a session that such a process made,
   also when the process itself was killed in an earlier round.

What this misses: a process that replaced or hid its environment (exec with a clean one, a
non-dumpable process of another user) *and* left the session *and* whose parent ended before the
first round looked. After an exit that a previous keeper's death made invisible, also one that is in
the leader's group without the mark, when the leader is reaped. A PID namespace has neither gap.
"""

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from tidegate.keeper import proc
from tidegate.keeper.loop import Loop
from tidegate.keeper.proc import Stat

PATIENCE_S = 5.0  # SIGKILL ends a process in about a millisecond, unless it waits in the kernel
_FIRST_PAUSE_S, _MOST_PAUSE_S = 0.002, 0.1


@dataclass(slots=True)
class Target:
    """A pod (or part) being swept. `mark` None: it has none, rules 1 and 3 only."""

    leader: int
    start: int
    mark: str | None
    sessions: set[int] = field(default_factory=set)  # made by its processes, as rounds find them


def trusted(stats: Mapping[int, Stat], target: Target) -> bool:
    """The leader's pid is still its own, so its group and session numbers are too."""
    leader = stats.get(target.leader)
    return leader is not None and leader.start == target.start


def members(
    stats: Mapping[int, Stat], marks: Mapping[int, str], target: Target, keeper: int
) -> set[int]:
    """Pids of all living processes that belong to `target`; never the keeper or its session.

    `marks`: the mark of each process that has one. Adds to `target.sessions` what it learns.
    """
    ours = stats[keeper].session if keeper in stats else None
    groups = {target.leader} if trusted(stats, target) else set()
    sessions = (target.sessions | groups) - {ours}
    found = {
        pid
        for pid, stat in stats.items()
        if stat.start >= target.start
        and (
            stat.group in groups
            or stat.session in sessions
            or (target.mark is not None and marks.get(pid) == target.mark)
        )
    }
    _add_descendants(found, stats)
    found.discard(keeper)
    target.sessions |= {stats[pid].session for pid in found} - {ours}
    return {pid for pid in found if not stats[pid].dead}


def _add_descendants(found: set[int], stats: Mapping[int, Stat]) -> None:
    by_parent: dict[int, list[int]] = {}
    for stat in stats.values():
        by_parent.setdefault(stat.parent, []).append(stat.pid)
    todo = list(found)
    while todo:
        for child in by_parent.get(todo.pop(), ()):
            if child not in found:
                found.add(child)
                todo.append(child)


Swept = Callable[[list[int], list[int]], None]  # (killed, still alive when time was up)


@dataclass(slots=True)
class _Sweep:
    target: Target
    then: Swept
    until_s: float
    killed: dict[int, None] = field(default_factory=dict)


class Sweeper:
    """Sweeps any number of pods with one look at /proc per round. Owned by the loop."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._sweeps: list[_Sweep] = []
        self._pause_s = _FIRST_PAUSE_S
        self._scheduled = False
        self._blind = False  # the last look at /proc failed

    def sweep(self, target: Target, then: Swept) -> None:
        """Kill all of `target`, then call `then(killed, left)`; `left` is empty unless time was up."""
        self._sweeps.append(_Sweep(target, then, self._loop.monotonic() + PATIENCE_S))
        self._pause_s = _FIRST_PAUSE_S
        self._schedule(0.0)

    def _schedule(self, after_s: float) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.after(after_s, self._round)

    def _round(self) -> None:
        self._scheduled = False
        stats = self._stats()
        if stats is None:
            self._schedule(_MOST_PAUSE_S)
            return
        sweeps, self._sweeps = self._sweeps, []
        marks = _marks(stats, min((sweep.target.start for sweep in sweeps), default=0))
        for sweep in sweeps:
            left = members(stats, marks, sweep.target, os.getpid())
            self._kill(sweep, left, stats)
            if left and self._loop.monotonic() < sweep.until_s:
                self._sweeps.append(sweep)
            else:
                done = partial(sweep.then, list(sweep.killed), sorted(left))
                self._loop.after(
                    0.0, done
                )  # each guarded by the loop: none may cost another its end
        if self._sweeps:
            self._schedule(self._pause_s)
            self._pause_s = min(_MOST_PAUSE_S, self._pause_s * 2)

    def _stats(self) -> Mapping[int, Stat] | None:
        """None: not to be had now (no descriptors, no memory). Who is being swept stays so."""
        try:
            stats = proc.all_stats()
        except OSError as why:
            if not self._blind:
                self._loop.report(f"can't see who is to be ended, looking again: {why}")
            self._blind = True
            return None
        self._blind = False
        return stats

    def _kill(self, sweep: _Sweep, pids: set[int], stats: Mapping[int, Stat]) -> None:
        target = sweep.target
        if any(stats[pid].group == target.leader for pid in pids) and trusted(stats, target):
            try:  # the whole group at one instant: a fork in progress can't slip through
                os.killpg(target.leader, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        for pid in sorted(pids):
            proc.kill_one(pid, stats[pid].start)
            sweep.killed[pid] = None


def _marks(stats: Mapping[int, Stat], since: int) -> dict[int, str]:
    """Marks of those who could belong to a leader started at `since`: reading an environment is dear."""
    found = {}
    for pid, stat in stats.items():
        if stat.start >= since and not stat.dead and (mark := proc.mark_of(pid)) is not None:
            found[pid] = mark
    return found
