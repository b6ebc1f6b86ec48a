"""What the cache tells: remote files, snapshots, progress, tiers. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a source as its store lists it."""

    path: str  # below the source, with slashes: where it will be in the snapshot
    size: int  # bytes; -1: the store doesn't say before it is read
    etag: str = ""  # the store's word for this version, without quotes; "" where it has none
    modified: str = ""  # the store's words; part of the version where there is no etag
    checksums: tuple[
        tuple[str, str], ...
    ] = ()  # (algorithm, hex): md5, sha1, sha256, crc32, etag-md5
    whole: bool = False  # the source is this one object: `path` is its last part
    ranged: bool = True  # parts of it can be asked for


@dataclass(frozen=True, slots=True)
class Listing:
    """What a source holds now. The same versions mean the same snapshot."""

    files: tuple[RemoteFile, ...]  # in the order of their paths

    @property
    def total_bytes(self) -> int:
        """Sum of the known sizes."""
        return sum(max(0, file.size) for file in self.files)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A published folder: complete, verified, read-only, never changed again.

    The same files have the same id wherever they came from.
    """

    id: str
    path: Path  # the folder
    total_bytes: int
    files: int
    read_bytes: int = 0  # came over the network for this answer; 0: all was there already
    single: str = ""  # the name of the one file, when the source names one object
    stale: str = ""  # why the store could not be asked whether this is still the newest


class Stage(StrEnum):
    """How far a fetch is."""

    WAITING = "waiting"  # another process fetches the same source: its progress is shown
    LISTING = "listing"
    FETCHING = "fetching"
    UNPACKING = "unpacking"
    PUBLISHING = "publishing"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a fetch is, in bytes of the whole source."""

    stage: Stage
    done_bytes: int = 0  # there already, verified or not: from the cache, an earlier try, or now
    total_bytes: int | None = None  # None: not known before the listing, or never told
    rate: float = 0.0  # bytes a second over the last few seconds
    files: int = 0
    note: str = ""  # why it is slow: a retry and its cause

    @property
    def left_s(self) -> float | None:
        """Seconds until all is there at this rate; None: can't be told."""
        if self.total_bytes is None or self.rate <= 0:
            return None
        return max(0, self.total_bytes - self.done_bytes) / self.rate


class Medium(StrEnum):
    """What a tier is made of, fastest first. Says the order, nothing else."""

    MEM = "MEM"
    SSD = "SSD"
    HDD = "HDD"


@dataclass(frozen=True, slots=True)
class Tier:
    """One folder that holds snapshots, and how much of it may be used.

    Above `high` (a share of the quota) the least recently used go until `low` is reached.
    """

    path: Path
    quota_bytes: int | None = None  # None: the disk is the limit
    medium: Medium = Medium.SSD
    high: float = 0.95
    low: float = 0.80

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high <= 1:
            raise ValueError(
                f"watermarks of {self.path}: 0 < low {self.low} <= high {self.high} <= 1"
            )
        if self.quota_bytes is not None and self.quota_bytes <= 0:
            raise ValueError(f"quota of {self.path}: {self.quota_bytes} bytes hold nothing")


@dataclass(frozen=True, slots=True)
class TierUse:
    """How full a tier is."""

    tier: Tier
    used_bytes: int  # each file counted once, however many snapshots share it
    free_bytes: int  # of the disk below it


@dataclass(frozen=True, slots=True)
class Entry:
    """One source that the cache knows, for lists."""

    key: str  # of the source: the same for all who ask the same of the same store
    uri: str
    endpoint: str  # "" where the URI says it all
    snapshot: Snapshot | None  # None: being fetched, or evicted
    medium: Medium | None = None
    pinned_by: tuple[str, ...] = ()
    held_by: tuple[str, ...] = ()
    priority: int = 0  # higher stays longer
    checked_at: float = 0.0  # Unix seconds of the last look at the store
    used_at: float = 0.0  # Unix seconds of the last use
    progress: Progress | None = field(default=None, compare=False)

    @property
    def shown(self) -> str:
        """The URI, as a `Source` shows its own."""
        return self.uri


@dataclass(frozen=True, slots=True)
class Verified:
    """The outcome of hashing everything again."""

    good: int  # files
    broken: tuple[str, ...]  # "<uri>: <path>"; set aside, fetched again at the next use


class Known(Protocol):
    """A source as far as the cache needs it to find what it has: a `Source` or an `Entry`."""

    @property
    def key(self) -> str: ...

    @property
    def shown(self) -> str: ...
