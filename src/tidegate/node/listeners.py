"""Who listens on which port, read from /proc: /proc/net/tcp[6] gives inodes, /proc/PID/fd their holders.

A process belongs to a pod when it is the leader, in the leader's session, a descendant of those, or
carries the pod's mark in its environment. What can't be read (another user's process) is not ours.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from enum import StrEnum

from tidegate.link.keeper import MARK, Process

_LISTEN = "0A"
# Loopback and any address, as /proc writes them: what a connection to 127.0.0.1 can reach.
_REACHABLE = {
    "0100007F": False,
    "00000000": True,
    "00000000000000000000000000000000": True,
    "0000000000000000FFFF00000100007F": False,
}


class Holder(StrEnum):
    NOBODY = "nobody"
    POD = "the pod"
    STRANGER = "a stranger"


def holder_of(port: int, process: Process) -> Holder:
    """Who would get a connection to 127.0.0.1:port."""
    inodes = {inode for _, number, inode in _listening() if number == port}
    if not inodes:
        return Holder.NOBODY
    for pid in _members(process):
        inodes -= _sockets(pid)
        if not inodes:
            return Holder.POD
    return Holder.STRANGER


def listening_of(process: Process) -> tuple[tuple[int, bool], ...]:
    """Ports that the pod listens on, reachable over 127.0.0.1, and whether beyond loopback too."""
    by_inode = {inode: (number, wide) for wide, number, inode in _listening()}
    found: set[tuple[int, bool]] = set()
    for pid in _members(process):
        found |= {by_inode[inode] for inode in _sockets(pid) & by_inode.keys()}
    return tuple(sorted(found))


def _listening() -> Iterator[tuple[bool, int, str]]:
    """(beyond loopback, port, inode) of every listening TCP socket that 127.0.0.1 reaches."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(FileNotFoundError), open(table) as lines:
            next(lines)
            for line in lines:
                fields = line.split(maxsplit=10)
                address, _, port = fields[1].rpartition(":")
                if fields[3] == _LISTEN and address in _REACHABLE:
                    yield _REACHABLE[address], int(port, 16), fields[9]


def _sockets(pid: int) -> set[str]:
    found = set()
    with suppress(OSError):
        for fd in os.scandir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                target = os.readlink(fd.path)
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found


def _members(process: Process) -> Iterable[int]:
    """Pids of the pod's processes, the leader first: it usually holds the socket itself."""
    if _stat(process.pid)[2] == process.start:
        yield process.pid
    stats = {int(name): _stat(int(name)) for name in os.listdir("/proc") if name.isdecimal()}
    trusted = stats.get(process.pid, (0, 0, 0))[2] == process.start
    found = {process.pid} if trusted else set()
    for pid, (_, session, start) in stats.items():
        ours = trusted and session == process.pid
        if start >= process.start and (ours or _mark(pid) == process.name):
            found.add(pid)
    children: dict[int, list[int]] = {}
    for pid, (parent, _, _) in stats.items():
        children.setdefault(parent, []).append(pid)
    todo = list(found)
    while todo:
        fresh = [pid for pid in children.get(todo.pop(), ()) if pid not in found]
        found.update(fresh)
        todo += fresh
    yield from found - {process.pid}


def _stat(pid: int) -> tuple[int, int, int]:
    """Parent, session, start time; zeros for a process that is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0, 0, 0
    return int(fields[1]), int(fields[3]), int(fields[19])


def _mark(pid: int) -> str | None:
    prefix = f"{MARK}=".encode()
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            for item in file.read().split(b"\0"):
                if item.startswith(prefix):
                    return item[len(prefix) :].decode(errors="replace")
    except OSError:
        pass
    return None
