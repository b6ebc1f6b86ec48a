"""Between fork and the first line of a pod: what the child does, and its talk with the keeper.

The same for a child that will exec (the keeper forked it) and for one that a zygote forked and that
runs on as it is. Standard library only: the keeper imports this.

    child                                   keeper
    settle: session, folder, output, ...
    (a zygote's child) b"h" ------------>   who it is, says the kernel (SCM_CREDENTIALS)
                       <------------ b"g"   written into the table: go
    exec, or the channel closed ----->      it runs
    a sentence and an errno --------->      it can't, and has ended

If the keeper dies in between the child sees the channel close and ends: there is never a pod that no
table knows.
"""

import json
import os
import resource
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

HELLO, GO = b"h", b"g"
_ALL_SIGNALS = tuple(map(int, signal.valid_signals()))


@dataclass(frozen=True, slots=True)
class Cradle:
    """Where a child is to live. `cwd` None: stay. `limits`: RLIMIT numbers to (soft, hard).

    `stdout` and `stderr` are paths that the child itself opens, for reading and writing: a FIFO then
    has a reader as long as it has a writer, and a dead keeper gives nobody SIGPIPE.
    """

    stdout: str
    stderr: str
    cwd: str | None = None
    limits: Mapping[int, tuple[int, int]] = field(default_factory=dict)


class NotSettled(Exception):
    """The child can't be what it should. `number` is an errno, or None."""

    def __init__(self, sentence: str, number: int | None) -> None:
        self.number = number
        super().__init__(sentence)


def settle(cradle: Cradle) -> None:
    """In the child: a session of its own, its folder, output, default signals, limits.

    Raises `NotSettled`.
    """
    doing = "make a session"
    try:
        os.setsid()
        doing = f"enter the folder {cradle.cwd!r}"
        if cradle.cwd is not None:
            os.chdir(cradle.cwd)
        doing = "open the output"
        _stdio(cradle)
        doing = "set default signals"
        _default_signals()
        doing = "set limits"
        for number, pair in cradle.limits.items():  # last: a small AS leaves this code no room
            resource.setrlimit(number, pair)
    except (OSError, ValueError) as why:
        errno = why.errno if isinstance(why, OSError) else None
        what = os.strerror(errno) if errno else str(why)
        raise NotSettled(f"Can't {doing}: {what}", errno) from why


def told_to_go(channel: socket.socket) -> bool:
    """False: the keeper is gone, or could not record us."""
    return channel.recv(1) == GO


def tell_failure(channel: socket.socket, sentence: str, number: int | None) -> None:
    channel.send(json.dumps({"sentence": sentence, "errno": number}).encode())


def read_failure(said: bytes) -> tuple[str, int | None]:
    """What `tell_failure` said."""
    error = json.loads(said)
    return str(error["sentence"]), error["errno"]


def _stdio(cradle: Cradle) -> None:
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOCTTY
    for number, path, how in (
        (0, "/dev/null", os.O_RDONLY),
        (1, cradle.stdout, flags),
        (2, cradle.stderr, flags),
    ):
        fd = os.open(path, how, 0o600)
        os.dup2(fd, number)
        if fd > 2:  # exec would close it; a zygote's child has none
            os.close(fd)


def _default_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in _ALL_SIGNALS:
        if signal.getsignal(number) not in (signal.SIG_DFL, None):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
