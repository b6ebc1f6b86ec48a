"""Finished files become blobs: synced, read-only, linked in by their hash."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from tidegate.modelcache.layout import blob_path, sync_folder
from tidegate.modelcache.records import FileRecord

_AT_ONCE_BYTES = 1 << 20
_ONE_BY_ONE = 32
_LIBC = ctypes.CDLL(None, use_errno=True)
_SYNC_FILE_RANGE_WRITE = 2  # linux/fs.h; only advice: a failure shows at the fsync


class Settling:
    """Takes the finished files of one fetch into a tier's blobs.

    Each is linked in `have/` of the staging folder too, so that nobody sweeps it before it is published.
    Big files are synced as they finish. Small ones wait for the end and one `syncfs`: a sync each
    would cost a folder of ten thousand files half a minute.
    """

    def __init__(self, tier: Path, work: Path) -> None:
        self._tier, self._have = tier, work / "have"
        self._have.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._waiting: list[tuple[Path, str]] = []
        self.records: list[FileRecord] = []

    def take(self, path: str, digest: str) -> bool:
        """Use a blob that the tier has; False: it went in the meantime."""
        blob = blob_path(self._tier, digest)
        try:
            _link(blob, self._have / digest)
            size = blob.stat().st_size
        except FileNotFoundError:
            return False
        self.records.append(FileRecord(path, digest, size))
        return True

    def finished(self, path: str, staged: Path, digest: str) -> bool:
        """A file is complete; True: it is a blob already, and outlives anything."""
        size = staged.stat().st_size
        staged.chmod(0o444)
        self.records.append(FileRecord(path, digest, size))
        if size < _AT_ONCE_BYTES:
            self._waiting.append((staged, digest))
            return False
        _sync_file(staged)
        self._settle(staged, digest)
        return True

    def end(self) -> None:
        """Sync the small files, make them blobs; afterwards all records are safe on disk."""
        if len(self._waiting) > _ONE_BY_ONE:
            _sync_filesystem(self._have)
        else:
            for staged, _ in self._waiting:
                _sync_file(staged)
        for staged, digest in self._waiting:
            self._settle(staged, digest)
        self._waiting.clear()
        for folder in {blob_path(self._tier, record.blob).parent for record in self.records}:
            sync_folder(folder)

    def _settle(self, staged: Path, digest: str) -> None:
        have, blob = self._have / digest, blob_path(self._tier, digest)
        blob.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        while not have.exists() or not blob.exists():
            try:
                _link(blob, have)  # another source has the same bytes: one copy is enough
            except FileNotFoundError:
                if not have.exists():
                    os.link(staged, have)
                try:
                    os.link(have, blob)
                except FileExistsError:
                    have.unlink()
        staged.unlink(missing_ok=True)


def _link(blob: Path, name: Path) -> None:
    if not blob.exists():
        raise FileNotFoundError(blob)
    try:
        os.link(blob, name)
    except FileExistsError:
        if not name.samefile(blob):
            name.unlink()
            os.link(blob, name)


def start_writing(fd: int, start: int, count: int) -> None:
    """Let the kernel begin to write these bytes to disk, so that the sync at the end has less to wait for."""
    _LIBC.sync_file_range(fd, ctypes.c_int64(start), ctypes.c_int64(count), _SYNC_FILE_RANGE_WRITE)


def _sync_file(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _sync_filesystem(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if _LIBC.syncfs(fd) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
    finally:
        os.close(fd)
