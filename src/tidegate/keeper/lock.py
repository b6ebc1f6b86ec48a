"""One engine per home: the lock that its keeper holds."""

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import sleep

from tidegate.keeper.errors import AlreadyRuns, LockHeld
from tidegate.kit.home import Home
from tidegate.link.keeper_call import KeeperCall, KeeperCallFailed

PATIENCE_S = 10.0  # for a keeper that is starting; one that says it stops gets until STOPPING_S
STOPPING_S = 60.0


class Lock:
    """Held from `acquire` to `release`, or until the process ends however it ends."""

    def __init__(self, path: Path, fd: int) -> None:
        self._path, self._fd = path, fd

    def release(self) -> None:
        """Remove the file, then let go: who waits for it sees that it is another file now."""
        self._path.unlink(missing_ok=True)
        os.close(self._fd)


def acquire(home: Home, monotonic: Callable[[], float]) -> Lock:
    """Wait while an engine is just ending. Raises `AlreadyRuns`, `LockHeld`."""
    began_s = monotonic()
    patience_s = PATIENCE_S
    while True:
        fd = _try(home.lock)
        if fd is not None:
            return Lock(home.lock, fd)
        try:
            status = KeeperCall(home, timeout_s=1.0).ask("status")
            if not status.get("stopping"):
                raise AlreadyRuns(str(home.root), status["keeper"]["pid"])
            patience_s = STOPPING_S
        except KeeperCallFailed:
            pass
        if monotonic() - began_s > patience_s:
            raise LockHeld(str(home.root), _holder(home.lock), patience_s)
        sleep(0.02)


def _try(path: Path) -> int | None:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(fd).st_ino != os.stat(path).st_ino:
            raise BlockingIOError  # its holder removed it as it ended
    except (BlockingIOError, FileNotFoundError):
        os.close(fd)
        return None
    with suppress(
        OSError
    ):  # a full disk: the number is only for who asks, the engine is to come back
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
    return fd


def _holder(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
