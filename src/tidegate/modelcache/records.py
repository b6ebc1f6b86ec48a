"""What the cache remembers on disk."""

from __future__ import annotations

import msgspec

from tidegate.modelcache.values import RemoteFile


class EntryRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A source and what became of it."""

    uri: str  # as shown: without signatures
    endpoint: str
    snapshot: str  # id
    checked_at: float  # Unix seconds of the last listing that was right
    single: str = ""  # the file's name when the source is one object


class ListedRecord(EntryRecord, frozen=True, kw_only=True):
    """An entry as it is on disk. Who only wants to know what is here skips the listing: of ten thousand files
    it takes 20 ms to read."""

    files: tuple[RemoteFile, ...]


class SnapshotRecord(msgspec.Struct, frozen=True):
    """A published folder."""

    id: str
    tier: str  # path of the tier
    total_bytes: int
    files: int
    used_seq: int
    used_at: float  # Unix seconds, for people
    priority: int = 0


class FileRecord(msgspec.Struct, frozen=True, array_like=True):
    """One file of a snapshot."""

    path: str
    blob: str  # sha256
    size: int


class TierRecord(msgspec.Struct, frozen=True):
    """One tier, for whoever opens the cache without being told its tiers."""

    path: str
    quota_bytes: int | None
    medium: str
    high: float
    low: float


class ProgressRecord(msgspec.Struct, frozen=True):
    """How far a fetch is, for other processes. Counts only while its lock is held."""

    stage: str
    done_bytes: int
    total_bytes: int | None
    rate: float
    files: int
    note: str
    uri: str = ""  # as shown
    endpoint: str = ""
