"""What a run does to the disk, each step by name: so that a test can cut the power after any of them."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tidegate.batch.errors import OtherRun, OutputFailed


class Disk:
    """The real one. Steps raise `OutputFailed`; a write that didn't fit may have written some of it."""

    def append(self, path: Path, data: bytes) -> None:
        """Write at the end; on the disk when this returns. Makes the file."""
        with _told(path), path.open("ab", buffering=0) as file:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())

    def cut(self, path: Path, size: int) -> None:
        """Forget what is behind so many bytes; makes the file. Raises `OtherRun` if it is shorter."""
        with _told(path), path.open("ab") as file:
            if os.fstat(file.fileno()).st_size < size:
                raise OtherRun(
                    f"{path} is shorter than its run has written: it was changed by somebody else;"
                    " begin anew with --overwrite"
                )
            os.ftruncate(file.fileno(), size)

    def write(self, path: Path, data: bytes) -> None:
        """Replace a file by a new one, whole or not at all."""
        fresh = path.with_name(path.name + ".new")
        with _told(path):
            with fresh.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
            _sync_folder(path.parent)

    def move(self, path: Path, to: Path) -> None:
        """Give a file its last name, in the place of what was there."""
        with _told(to):
            path.replace(to)
            _sync_folder(to.parent)

    def remove(self, path: Path) -> None:
        """Nothing happens if there is none."""
        with _told(path):
            path.unlink(missing_ok=True)
            _sync_folder(path.parent)


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Be the only one. The lock ends with the process, however that ends. Raises `OtherRun`."""
    while True:
        with _told(path):
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OtherRun(
                    f"{what} is being written by another run: wait for it, or stop it"
                ) from None
            if not _is_at(fd, path):
                continue  # who had it removed it as we opened it
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return
        finally:
            os.close(fd)


def _is_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as why:
        if why.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputFailed(
                f"no space left for {path}: free some and run the same command again, it goes on"
                " where it stopped"
            ) from why
        raise OutputFailed(f"{path}: {why.strerror}") from why
