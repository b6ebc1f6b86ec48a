"""Processes in containers, found by what stands in their environment.

`podman exec` that is killed leaves what it started running in the container: such commands carry a mark
of their own. And what is signalled to `podman run` alone, as stopping it, the container would not notice.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import suppress

from tidegate.link.keeper import MARK
from tidegate.node.containers.command import EXEC_MARK


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
