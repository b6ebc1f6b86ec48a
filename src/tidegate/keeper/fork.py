"""Making a process: fork, wait for a word, exec.

The child gets ready, then stops until the keeper has written it into its table. If the keeper
dies in between, the child sees the channel close and ends: there is never a pod that no table knows.
Exec closes the channel (success); anything that goes wrong before comes back through it as a
sentence and an errno, never as an exit code.

`posix_spawn` and `_posixsubprocess` were ruled out: the one can't set limits or the folder, the other
is private and has no place for the wait. Fork and exec of the small keeper take some 1.4 ms.
"""

import json
import os
import resource
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.keeper.errors import CannotRun
from tidegate.keeper.proc import read_stat

_GO = b"g"
_ALL_SIGNALS = tuple(map(int, signal.valid_signals()))


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. `cwd` None: stay. `limits`: RLIMIT numbers to (soft, hard).

    `stdout` and `stderr` are paths that the child itself opens, for reading and writing: a FIFO then
    has a reader as long as it has a writer, and a dead keeper gives nobody SIGPIPE.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    stdout: str
    stderr: str
    cwd: str | None = None
    limits: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    keep_fds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Newborn:
    """A child that waits for `release`. Its channel is readable when exec has happened, or something failed."""

    pid: int
    start: int
    channel: socket.socket

    def release(self) -> None:
        try:
            self.channel.send(_GO)
        except OSError:  # killed while it waited; its exit tells
            pass

    def outcome(self) -> CannotRun | None:
        """None: it runs. Call once, when the channel is readable; closes it."""
        with self.channel:
            try:
                said = self.channel.recv(65536)
            except ConnectionError:
                said = b""
        if not said:
            return None
        error = json.loads(said)
        return CannotRun(error["sentence"], error["errno"])


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
    """A child that will become `plan` once released. Raises OSError when no process can be made."""
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
    stat = read_stat(pid)
    assert stat is not None, "a child that we have not reaped is in /proc"
    ours.setblocking(False)
    return Newborn(pid, stat.start, ours)


def _become(plan: Plan, ours: socket.socket, theirs: socket.socket) -> None:
    """In the child. Never returns."""
    doing = "prepare"
    try:
        ours.close()
        os.setsid()
        doing = "enter the folder"
        if plan.cwd is not None:
            os.chdir(plan.cwd)
        doing = "open the output"
        _stdio(plan)
        for fd in plan.keep_fds:
            os.set_inheritable(fd, True)
        doing = "set default signals"
        _default_signals()
        doing = "set limits"
        for number, pair in plan.limits.items():  # last: a small AS leaves this code no room
            resource.setrlimit(number, pair)
        if theirs.recv(1) != _GO:  # the keeper is gone, or could not record us
            os._exit(0)
        doing = "exec"
        os.execvpe(plan.argv[0], plan.argv, dict(plan.env))
    except OSError as why:
        _tell(theirs, _sentence(doing, plan, why), why.errno)
    except BaseException as why:  # noqa: BLE001 - nothing of the keeper may run on in the child
        _tell(theirs, f"Can't {doing}: {why}", None)
    finally:
        os._exit(127)


def _stdio(plan: Plan) -> None:
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOCTTY
    os.dup2(os.open(plan.stdout, flags, 0o600), 1)
    os.dup2(os.open(plan.stderr, flags, 0o600), 2)


def _default_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in _ALL_SIGNALS:
        if signal.getsignal(number) not in (signal.SIG_DFL, None):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _sentence(doing: str, plan: Plan, why: OSError) -> str:
    what = os.strerror(why.errno or 0)
    if doing == "enter the folder":
        return f"Can't enter the folder {plan.cwd!r}: {what}"
    if doing != "exec":
        return f"Can't {doing}: {what}"
    program = plan.argv[0]
    if isinstance(why, FileNotFoundError):
        if "/" in program and os.path.exists(program):
            return f"No such file: the interpreter that the first line of {program!r} names"
        return f"No such file: {program!r}" + ("" if "/" in program else " (looked in PATH)")
    return f"Can't run {program!r}: {what}"


def _tell(theirs: socket.socket, sentence: str, number: int | None) -> None:
    theirs.send(json.dumps({"sentence": sentence, "errno": number}).encode())
