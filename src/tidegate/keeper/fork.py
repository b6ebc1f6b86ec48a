"""Making a process: fork, wait for a word, exec.

The child gets ready, then stops until the keeper has written it into its table (`link.newborn`). Exec
closes the channel (success); anything that goes wrong before comes back through it as a sentence and an
errno, never as an exit code.

`posix_spawn` and `_posixsubprocess` were ruled out: the one can't set limits or the folder, the other
is private and has no place for the wait. Fork and exec of the small keeper take some 1.4 ms.
"""

import os
import resource
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.keeper.errors import CannotRun
from tidegate.keeper.proc import read_stat
from tidegate.link.newborn import (
    GO,
    Cradle,
    NotSettled,
    read_failure,
    settle,
    tell_failure,
    told_to_go,
)

_ALL_SIGNALS = tuple(map(int, signal.valid_signals()))


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run, and where."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cradle: Cradle
    keep_fds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Newborn:
    """A child that waits for `release`. Its channel is readable when it runs, or something failed.
    Whoever takes it closes `pidfd`."""

    pid: int
    start: int
    pidfd: int
    channel: socket.socket

    def release(self) -> None:
        try:
            self.channel.send(GO)
        except OSError:  # killed while it waited; its exit tells
            pass

    def outcome(self) -> CannotRun | None:
        """None: it runs. Call once, when the channel is readable; closes it."""
        with self.channel:
            try:
                said = self.channel.recv(65536)
            except ConnectionError:
                said = b""
        return CannotRun(*read_failure(said)) if said else None


def limits_from(names: Mapping[str, int]) -> dict[int, tuple[int, int]]:
    """Limits by name (`NOFILE`) as RLIMIT numbers. Raises `CannotRun` for a name that is none."""
    limits = {}
    for name, value in names.items():
        number = getattr(resource, f"RLIMIT_{name}", None)
        if number is None:
            known = sorted(key[7:] for key in vars(resource) if key.startswith("RLIMIT_"))
            raise CannotRun(f"No such limit: {name!r} (known: {', '.join(known)})")
        limits[number] = (value, value)
    return limits


def fork(plan: Plan) -> Newborn:
    """A child that will become `plan` once released. Raises OSError when no process can be made, or
    none that could be watched: that one ends."""
    ours, theirs = socket.socketpair()
    # No signal may reach the child while it has our handlers: they would write to our wakeup pipe.
    handled = [number for number in _ALL_SIGNALS if callable(signal.getsignal(number))]
    signal.pthread_sigmask(signal.SIG_BLOCK, handled)
    try:
        pid = os.fork()
        if pid == 0:
            _become(plan, ours, theirs)
    except BaseException:
        ours.close()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, handled)
        theirs.close()
    try:
        start, pidfd = identified(pid)
    except OSError:
        ours.close()  # it reads the end
        raise
    ours.setblocking(False)
    return Newborn(pid, start, pidfd, ours)


def identified(pid: int) -> tuple[int, int]:
    """Start time and a pidfd of a child that nobody has reaped. Raises OSError (no descriptors left)."""
    stat = read_stat(pid)
    assert stat is not None, "a child that we have not reaped is in /proc"
    return stat.start, os.pidfd_open(pid)


def _become(plan: Plan, ours: socket.socket, theirs: socket.socket) -> None:
    """In the child. Never returns."""
    try:
        ours.close()
        settle(plan.cradle)
        for fd in plan.keep_fds:
            os.set_inheritable(fd, True)
        if not told_to_go(theirs):
            os._exit(0)
        os.execvpe(plan.argv[0], plan.argv, dict(plan.env))
    except NotSettled as why:
        tell_failure(theirs, str(why), why.number)
    except OSError as why:
        tell_failure(theirs, _exec_failed(plan, why), why.errno)
    except BaseException as why:  # noqa: BLE001 - nothing of the keeper may run on in the child
        tell_failure(theirs, f"Can't run {plan.argv[0]!r}: {why}", None)
    finally:
        os._exit(127)


def _exec_failed(plan: Plan, why: OSError) -> str:
    program = plan.argv[0]
    if isinstance(why, FileNotFoundError):
        if "/" in program and os.path.exists(program):
            return f"No such file: the interpreter that the first line of {program!r} names"
        return f"No such file: {program!r}" + ("" if "/" in program else " (looked in PATH)")
    return f"Can't run {program!r}: {os.strerror(why.errno or 0)}"
