"""Where a cache keeps what, and the two ways its files are touched: replaced whole, or under a lock.

root/lock                      flock: every change of records, holds, tiers; milliseconds each
root/tiers.json                the tiers, for the commands that find the cache on disk
root/seq                       counts uses
root/entries/KEY.json          a source: its listing, its snapshot
root/entries/KEY.lock          flock: held by the one process that fetches it
root/entries/KEY.progress      how far that is
root/snapshots/ID.json         a snapshot: tier, size, use; ID.files.json: its files
root/objects/xx/HASH           one version of one remote file -> its blob
root/holds/ID/HOLDER           who uses a snapshot
root/pins/KEY/OWNER            who wants a source to stay
tier/blobs/xx/SHA256           the bytes, 0444
tier/snapshots/ID/             the folders that are published, 0555; hard links to blobs
tier/staging/KEY/              a fetch under way, or what is left of one
tier/trash/                    on its way out: renamed first, deleted then
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec

from tidegate.modelcache.source import Source
from tidegate.modelcache.values import RemoteFile, Tier

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths of one cache. Touches nothing."""

    root: Path

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def tiers(self) -> Path:
        return self.root / "tiers.json"

    @property
    def seq(self) -> Path:
        return self.root / "seq"

    @property
    def entries(self) -> Path:
        return self.root / "entries"

    @property
    def snapshots(self) -> Path:
        return self.root / "snapshots"

    def entry(self, key: str) -> Path:
        return self.entries / f"{key}.json"

    def fetch_lock(self, key: str) -> Path:
        return self.entries / f"{key}.lock"

    def progress(self, key: str) -> Path:
        return self.entries / f"{key}.progress"

    def snapshot(self, snapshot_id: str) -> Path:
        return self.snapshots / f"{snapshot_id}.json"

    def snapshot_files(self, snapshot_id: str) -> Path:
        return self.snapshots / f"{snapshot_id}.files.json"

    def object(self, source: Source, file: RemoteFile) -> Path:
        """Names one version of one remote file."""
        prefix = source.path.rstrip("/")
        key = prefix if file.whole else f"{prefix}/{file.path}"
        words = [source.store_id, key.lstrip("/"), str(file.size), file.etag, file.modified]
        name = hashlib.sha256("\0".join(words).encode()).hexdigest()
        return self.root / "objects" / name[:2] / name

    @property
    def holds(self) -> Path:
        return self.root / "holds"

    @property
    def pins(self) -> Path:
        return self.root / "pins"


def blob_path(tier: Path, digest: str) -> Path:
    """Where a tier keeps the bytes of a sha256."""
    return tier / "blobs" / digest[:2] / digest


def blob_bytes(tier: Path) -> int:
    """What a tier's snapshots take together: each file once, however many have it."""
    total = 0
    for blob in tier.glob("blobs/??/*"):
        try:
            total += blob.lstat().st_size
        except OSError:
            continue  # evicted meanwhile
    return total


def staging(tier: Path, key: str) -> Path:
    """Where a tier keeps a fetch under way."""
    return tier / "staging" / key


def published(tier: Path, snapshot_id: str) -> Path:
    """Where a tier shows a snapshot."""
    return tier / "snapshots" / snapshot_id


def name_of(text: str) -> str:
    """A holder's or owner's name as a file name."""
    return quote(text, safe="")[:200] or "%00"


def make_folders(layout: Layout, tiers: tuple[Tier, ...]) -> None:
    """All folders that must be there, readable by this user only."""
    for folder in (layout.entries, layout.snapshots, layout.holds, layout.pins):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for tier in tiers:
        for name in ("blobs", "snapshots", "staging", "trash"):
            (tier.path / name).mkdir(mode=0o700, parents=True, exist_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone among all processes, for a moment. The kernel frees the lock of a process that dies."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def replace_json(path: Path, value: object) -> None:
    """Write a record whole: readers see the old one or the new one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(msgspec.json.encode(value))
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def read_json(path: Path, kind: type[Record]) -> Record | None:
    """A record; None: not there, or torn by a power cut, which comes to the same."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):
        return None


def delete_tree(path: Path) -> None:
    """Remove a folder, read-only ones inside too."""
    for folder, _, _ in os.walk(path):
        os.chmod(folder, stat.S_IRWXU)
    shutil.rmtree(path, ignore_errors=True)


def sync_folder(path: Path) -> None:
    """Make the names in a folder outlive a power cut."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
