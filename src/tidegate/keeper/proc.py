"""What /proc says about processes: who is who, who belongs to whom.

A pid alone names nothing for long. Boot id, pid and start time together do; every signal we send by
pid goes through a pidfd whose start time was compared after it was opened.
"""

import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass

from tidegate.link.keeper import MARK

_MOST_BYTES = 2**20  # of an environment; the kernel's own limit for one string is 128 KiB


@dataclass(frozen=True, slots=True)
class Stat:
    """A line of /proc/PID/stat. `start` in clock ticks since boot (field 22)."""

    pid: int
    state: str
    parent: int
    group: int
    session: int
    start: int

    @property
    def dead(self) -> bool:
        """A zombie, or on its way out: it runs no more code."""
        return self.state in "ZXx"


def boot_id() -> str:
    """Different after each boot of the machine."""
    return _read("/proc/sys/kernel/random/boot_id").decode().strip()


def parse_stat(line: bytes) -> Stat:
    """From the line's text. The command in parentheses may hold anything, parentheses too."""
    head, _, tail = line.rpartition(b")")
    fields = tail.split()
    return Stat(
        pid=int(head.partition(b" ")[0]),
        state=fields[0].decode(),
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        start=int(fields[19]),
    )


def read_stat(pid: int) -> Stat | None:
    """None: there is no such process."""
    try:
        return parse_stat(_read(f"/proc/{pid}/stat"))
    except (FileNotFoundError, ProcessLookupError):
        return None


def all_stats() -> dict[int, Stat]:
    """Every process that we can see, by pid."""
    seen = (read_stat(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {stat.pid: stat for stat in seen if stat is not None}


def mark_of(pid: int) -> str | None:
    """The pod's name in the process's environment as it was at exec; None: none, or not readable."""
    return variable_of(pid, MARK)


def variable_of(pid: int, name: str) -> str | None:
    """A variable of the process's environment as it was at exec; None: none, or not readable."""
    try:
        environ = b"\0" + _read(f"/proc/{pid}/environ")
    except OSError:
        return None
    _, found, tail = environ.partition(f"\0{name}=".encode())
    return tail.partition(b"\0")[0].decode(errors="replace") if found else None


def children() -> list[int]:
    """Our own children, zombies too."""
    own = os.getpid()
    try:
        return [int(pid) for pid in _read(f"/proc/self/task/{own}/children").split()]
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN
        return [stat.pid for stat in all_stats().values() if stat.parent == own]


def open_pidfd(pid: int, start: int) -> int | None:
    """A pidfd of the process that has this pid and this start time; None: it is gone."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    stat = read_stat(pid)
    if stat is None or stat.start != start:
        os.close(pidfd)
        return None
    return pidfd


def has_ended(pidfd: int) -> bool:
    """True from the moment the process is a zombie."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def kill_one(pid: int, start: int) -> None:
    """SIGKILL, if it still is that process and we may. Who is not killed is seen in the next round."""
    with suppress(OSError):  # gone, not ours to kill, or no descriptors left just now
        pidfd = open_pidfd(pid, start)
        if pidfd is not None:
            try:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            finally:
                os.close(pidfd)


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        size = 0
        while size < _MOST_BYTES and (part := os.read(fd, 65536)):
            parts.append(part)
            size += len(part)
        return b"".join(parts)
    finally:
        os.close(fd)
