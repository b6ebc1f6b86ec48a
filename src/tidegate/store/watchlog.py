"""The last so many changes, so that a watch can go on where it stopped."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.model.changes import Change
from tidegate.model.errors import Expired


@dataclass(frozen=True, slots=True)
class Logged:
    """A change and the version it made."""

    version: int
    change: Change


class WatchLog:
    """A ring of changes. `floor` is the oldest version one can still resume from."""

    def __init__(self, size: int, floor: int) -> None:
        self._size = size
        self._entries: list[Logged] = []
        self._first = 0  # entries before it are dropped, but not yet cut off
        self.floor = floor

    def __len__(self) -> int:
        return len(self._entries) - self._first

    def append(self, entry: Logged) -> None:
        self._entries.append(entry)
        if len(self) > self._size:
            self.floor = self._entries[self._first].version
            self._first += 1
            if self._first > max(64, self._size // 8):  # cut rarely: each cut moves the rest
                del self._entries[: self._first]
                self._first = 0

    def since(self, version: int) -> Iterator[Logged]:
        """Changes after `version`, oldest first. Raises Expired when some of them are gone."""
        if version < self.floor:
            raise Expired(f"too old resource version: {version} ({self.floor})")
        start = bisect_right(self._entries, version, lo=self._first, key=lambda e: e.version)
        return iter(self._entries[start:])
