"""The last so many changes, so that a watch can go on where it stopped."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.model.changes import Change
from tidegate.model.errors import Expired


@dataclass(frozen=True, slots=True)
class Logged:
    """A change, the version it made, and about how many bytes it keeps in memory."""

    version: int
    change: Change
    size: int = 0


#: Of JSON, which takes some three times as much in memory as small objects, once as large texts.
MOST_BYTES = 64 * 2**20


class WatchLog:
    """A ring of changes, bounded in number and in bytes (large objects that change often are kept for
    a shorter time). `floor` is the oldest version one can still resume from."""

    def __init__(self, size: int, floor: int, *, most_bytes: int = MOST_BYTES) -> None:
        self._size, self._most_bytes = size, most_bytes
        self._bytes = 0
        self._entries: list[Logged | None] = []  # None: dropped
        self._first = 0  # entries before it are dropped, but not yet cut off
        self.floor = floor

    def __len__(self) -> int:
        return len(self._entries) - self._first

    def append(self, entry: Logged) -> None:
        self._entries.append(entry)
        self._bytes += entry.size
        while len(self) > self._size or (self._bytes > self._most_bytes and len(self) > 1):
            self._drop_oldest()
        if self._first > max(64, self._size // 8):  # cut rarely: each cut moves the rest
            del self._entries[: self._first]
            self._first = 0

    def since(self, version: int) -> Iterator[Logged]:
        """Changes after `version`, oldest first. Raises Expired when some of them are gone."""
        if version < self.floor:
            raise Expired(f"too old resource version: {version} ({self.floor})")
        start = bisect_right(self._entries, version, lo=self._first, key=_version_of)
        return (entry for entry in self._entries[start:] if entry is not None)

    def _drop_oldest(self) -> None:
        oldest = self._entries[self._first]
        assert oldest is not None
        self.floor = oldest.version
        self._bytes -= oldest.size
        self._entries[self._first] = None  # lets go of the objects now, of the place later
        self._first += 1


def _version_of(entry: Logged | None) -> int:
    return entry.version if entry is not None else 0
