"""Whether the kernel killed a container at its memory limit, from the kernel's own log.

Podman tells it from cgroups v2 only. The kernel's line names the cgroup of the limit, which ends in the
container's id: `oom-kill:...,oom_memcg=/libpod_parent/libpod-<id>,...`. Where the log may not be
read, nothing is known.
"""

from __future__ import annotations

import os
from contextlib import suppress

_RECORD = 8192  # the kernel's most for one record
_MOST_RECORDS = 100_000


def killed_for_memory(container_id: str) -> bool:
    """Raises nothing."""
    if not container_id:
        return False
    name = container_id.encode()
    with suppress(OSError):
        fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return _is_told(fd, name)
        finally:
            os.close(fd)
    return False


def _is_told(fd: int, name: bytes) -> bool:
    for _ in range(_MOST_RECORDS):
        try:
            line = os.read(fd, _RECORD)
        except BlockingIOError:
            return False
        except BrokenPipeError:  # records were overwritten meanwhile: go on with the next
            continue
        _, found, rest = line.partition(b"oom_memcg=")
        if found and name in rest.partition(b",")[0]:
            return True
    return False
