"""Processes of containers that podman doesn't end.

`podman exec` that is killed leaves what it started running in the container: such commands carry a mark
of their own in their environment. What is signalled to `podman run` alone, as stopping it, the container
would not notice. And a `podman run` that is killed before it has noted what the OCI runtime made for it
leaves that behind: `podman rm` then removes a container that never was, for all it knows, while its
monitor (conmon) and its first process wait for a start for ever.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

import psutil

from tidegate.link.keeper import MARK
from tidegate.node.containers.command import EXEC_MARK

_DIES_S = 5.0  # after SIGKILL, on a machine with ten times its work


def end_marked(env: Mapping[str, str]) -> None:
    """SIGKILL to every process of the command that was started with this environment. One pass over
    /proc; nothing happens for a command that was no container's. Raises nothing."""
    token = env.get(EXEC_MARK)
    if token:
        for pid in _with(f"{EXEC_MARK}={token}"):
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def signal_marked(process: str, number: int) -> None:
    """A signal to every process of the container of a keeper's process. Raises nothing."""
    for pid in _with(f"{MARK}={process}"):
        with suppress(OSError):
            os.kill(pid, number)


def _with(variable: str) -> Iterator[int]:
    wanted = variable.encode()
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        with suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:
            if wanted in file.read().split(b"\0"):
                yield int(name)


@dataclass(frozen=True, slots=True)
class HalfMade:
    """What is left of a container that podman has forgotten: `pid` of its monitor, the OCI runtime that
    was to make it, its ID there."""

    pid: int
    runtime: str
    id: str


def half_made(names: Collection[str]) -> list[HalfMade]:
    """Of these containers, all removed by podman, those whose monitor goes on. One pass over /proc."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            line = process.cmdline()
            if line and os.path.basename(line[0]) == "conmon" and _after(line, "-n") in names:
                runtime, id_ = _after(line, "-r"), _after(line, "-c")
                if runtime and id_:
                    found.append(HalfMade(process.pid, runtime, id_))
    return found


def end_half_made(one: HalfMade) -> None:
    """SIGKILL to the monitor and what it started. Blocks until they have ended: the cgroup of those that
    live can't be removed. Raises nothing."""
    with suppress(psutil.Error):
        monitor = psutil.Process(one.pid)
        processes = [monitor, *monitor.children(recursive=True)]
        for process in processes:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(processes, timeout=_DIES_S)


def _after(line: Sequence[str], flag: str) -> str | None:
    return next((value for word, value in pairwise(line) if word == flag), None)
