"""Who listens on which port: the kernel names the sockets' inodes, /proc/PID/fd their holders.

A process belongs to a pod when it is the leader, in the leader's session, a descendant of those, or
carries the pod's mark in its environment. What can't be read (another user's process) is not ours.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from enum import StrEnum

from tidegate.link.keeper import MARK, Process
from tidegate.node.listen_table import listening_sockets


class Holder(StrEnum):
    NOBODY = "nobody"
    POD = "the pod"
    STRANGER = "a stranger"


def holder_of(port: int, process: Process) -> Holder:
    """Who would get a connection to 127.0.0.1:port."""
    inodes = {entry.inode for entry in listening_sockets() if entry.port == port}
    held, here, elsewhere = bool(inodes), _network(os.getpid()), None
    for pid in _members(process):
        inodes -= _sockets(pid)
        if held and not inodes:
            return Holder.POD
        if _network(pid) not in (None, here):
            elsewhere = pid
    if elsewhere is None:
        return Holder.STRANGER if held else Holder.NOBODY
    # A container with a network of its own: podman or docker hold the local port, or the kernel
    # passes it on, from the start; what counts is whether somebody listens inside.
    return Holder.POD if _listens(elsewhere) else Holder.NOBODY


def _network(pid: int) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return None


def _listens(pid: int) -> bool:
    """Whether anything listens in the network of this process."""
    for table in ("tcp", "tcp6"):
        with suppress(OSError), open(f"/proc/{pid}/net/{table}") as lines:
            next(lines, None)
            if any(line.split(maxsplit=4)[3] == "0A" for line in lines):
                return True
    return False


def listening_of(process: Process) -> tuple[tuple[int, bool], ...]:
    """Ports that the pod listens on, reachable over 127.0.0.1, and whether beyond loopback too."""
    by_inode = {entry.inode: (entry.port, entry.wide) for entry in listening_sockets()}
    found: set[tuple[int, bool]] = set()
    for pid in _members(process):
        found |= {by_inode[inode] for inode in _sockets(pid) & by_inode.keys()}
    return tuple(sorted(found))


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
    yield from members_of((process,))[process.name] - {process.pid}


def members_of(processes: Iterable[Process]) -> dict[str, set[int]]:
    """Pids of all that belongs to each of the processes, by its name. One pass over /proc."""
    stats = {int(name): _stat(int(name)) for name in os.listdir("/proc") if name.isdecimal()}
    marks: dict[int, str | None] = {}
    children: dict[int, list[int]] = {}
    for pid, (parent, _, _) in stats.items():
        children.setdefault(parent, []).append(pid)
    return {process.name: _tree(process, stats, marks, children) for process in processes}


def _tree(
    process: Process,
    stats: dict[int, tuple[int, int, int]],
    marks: dict[int, str | None],
    children: dict[int, list[int]],
) -> set[int]:
    """`marks` is filled with what had to be read: an environment is dear."""
    trusted = stats.get(process.pid, (0, 0, 0))[2] == process.start
    found = {process.pid} if trusted else set()
    for pid, (_, session, start) in stats.items():
        if start < process.start:
            continue
        if trusted and session == process.pid:
            found.add(pid)
            continue
        if pid not in marks:
            marks[pid] = _mark(pid)
        if marks[pid] == process.name:
            found.add(pid)
    todo = list(found)
    while todo:
        fresh = [pid for pid in children.get(todo.pop(), ()) if pid not in found]
        found.update(fresh)
        todo += fresh
    return found


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
