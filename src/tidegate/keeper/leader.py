"""One process watched to its end, with all that belongs to it.

    running --pidfd says so--> sweeping --nobody left--> ended
    running --kill------------> sweeping

The leader of our own children stays a zombie until the sweep is done: that keeps its pid, and so
the numbers of its group and session, from being given to anybody else.
"""

import os
from collections.abc import Callable
from contextlib import suppress

from tidegate.keeper import proc
from tidegate.keeper.errors import HasEnded, KeeperError, StillThere
from tidegate.keeper.loop import Loop
from tidegate.keeper.sweep import PATIENCE_S, Sweeper, Target
from tidegate.keeper.table import exit_of
from tidegate.link.keeper import Process

OnEnd = Callable[[Process], None]
OnKilled = Callable[[list[int] | KeeperError], None]


class Leader:
    """Owned by the loop. `mark` None: its strays can't be told by their environment (parts).
    `pidfd` None: the process itself is gone already, what is left of it is to be swept."""

    def __init__(
        self,
        process: Process,
        pidfd: int | None,
        *,
        mark: str | None,
        loop: Loop,
        sweeper: Sweeper,
        on_end: OnEnd,
    ) -> None:
        self.process = process
        self._pidfd, self._loop, self._sweeper, self._on_end = pidfd, loop, sweeper, on_end
        self._target = Target(process.pid, process.start, mark)
        self._gone = pidfd is None  # the leader itself has exited
        self._sweeping = False
        self._over = False
        self._killers: list[OnKilled] = []

    def watch(self) -> None:
        """Begin. `on_end` is called once, when nothing is left."""
        if self._pidfd is None:
            self._sweep()
        else:
            self._loop.watch(self._pidfd, self._exited)

    def abandon(self) -> None:
        """Of a child that is ending before exec: reap it and forget it, `on_end` is not called."""
        self._close()
        with suppress(ChildProcessError):
            os.waitpid(self.process.pid, 0)

    def signal(self, number: int) -> None:
        """To its process group. Raises `HasEnded`, PermissionError."""
        if self._gone or self._pidfd is None or proc.has_ended(self._pidfd):
            raise HasEnded(self.process.name)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def kill(self, then: OnKilled | None = None) -> None:
        """SIGKILL to it and all that belongs to it; `then` gets the pids, or why some are left."""
        if self._over:
            if then is not None:
                then([])
            return
        if then is not None:
            self._killers.append(then)
        self._sweep()

    def _exited(self, _: int) -> None:
        self._gone = True
        if self._pidfd is not None:
            self._loop.unwatch(self._pidfd)  # ready from now on, for ever
        self._sweep()

    def _sweep(self) -> None:
        if not self._sweeping:
            self._sweeping = True
            self._sweeper.sweep(self._target, self._swept)

    def _swept(self, killed: list[int], left: list[int]) -> None:
        self._sweeping = False
        name, pid = self.process.name, self.process.pid
        killers, self._killers = self._killers, []
        strays = [one for one in killed if one != pid]
        if strays and not killers:
            self._loop.report(f"{name} ended and left {len(strays)} processes: killed {strays}")
        if left:
            stuck = StillThere(name, left, PATIENCE_S)
            self._loop.report(str(stuck))
            if pid in left:
                for then in killers:
                    then(stuck)
                return
        self._end()
        for then in killers:
            then(StillThere(name, left, PATIENCE_S) if left else killed)

    def _end(self) -> None:
        self._close()
        self.process = exit_of(self.process, _reap(self.process.pid))
        self._on_end(self.process)

    def _close(self) -> None:
        self._gone = self._over = True
        if self._pidfd is not None:
            self._loop.unwatch(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None


def _reap(pid: int) -> int | None:
    """Its status as waitpid gives it; None: not our child."""
    try:
        reaped, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return status if reaped else None


def reap_orphans(ours: set[int]) -> None:
    """Zombies that were handed to us when their parents ended; `ours` are left to their leaders. Raises
    OSError while there is no descriptor to look with."""
    for pid in proc.children():
        if pid not in ours:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
