"""Commands in containers whose client is gone.

`podman exec` that is killed leaves what it started running in the container. Such commands carry a mark
of their own in the environment.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import suppress

from tidegate.node.containers.command import EXEC_MARK


def end_marked(env: Mapping[str, str]) -> None:
    """SIGKILL to every process of the command that was started with this environment. One pass over
    /proc; nothing happens for a command that was no container's. Raises nothing."""
    token = env.get(EXEC_MARK)
    if not token:
        return
    wanted = f"{EXEC_MARK}={token}".encode()
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        with suppress(OSError):
            with open(f"/proc/{name}/environ", "rb") as file:
                marked = wanted in file.read().split(b"\0")
            if marked:
                os.kill(int(name), signal.SIGKILL)
