"""What the fetching process is asked and what it answers: JSON, one line each.

Secrets travel by this pipe alone: not in arguments, not in the environment, not on disk.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tidegate.modelcache.errors import KINDS, CacheError, Interrupted
from tidegate.modelcache.patience import Patience
from tidegate.modelcache.source import Access
from tidegate.modelcache.values import Listing, Progress


class Job(msgspec.Struct, frozen=True):
    """One thing to do. Its repr must not be shown: `access` hides its secrets, the wire doesn't."""

    do: Literal["fetch", "list", "verify"]
    root: str
    uri: str = ""
    key: str = ""  # verify: of one source; "": of all
    access: Access = Access()
    holder: str | None = None
    check_after_s: float | None = None
    priority: int = 0
    patience: Patience = Patience()


class Fetched(msgspec.Struct, frozen=True, tag="fetched"):
    """It is published."""

    read_bytes: int
    stale: str = ""


class Listed(msgspec.Struct, frozen=True, tag="listed"):
    listing: Listing


class Rehashed(msgspec.Struct, frozen=True, tag="rehashed"):
    good: int
    broken: tuple[str, ...]


class Going(msgspec.Struct, frozen=True, tag="going"):
    progress: Progress


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    kind: str
    says: str

    def error(self) -> CacheError:
        """The error as it was raised over there."""
        return KINDS.get(self.kind, Interrupted)(self.says)


Said = Fetched | Listed | Rehashed | Going | Failed


def encode(word: Job | Said) -> bytes:
    return msgspec.json.encode(word) + b"\n"


def decode_job(line: bytes) -> Job:
    return msgspec.json.decode(line, type=Job)


def decode_said(line: bytes) -> Said:
    said: Said = msgspec.json.decode(line, type=Said)
    return said
