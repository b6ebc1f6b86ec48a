"""The folding work queue: what to look at next, with no clock and no tasks of its own.

A key is waiting, running, or neither. Asking for a waiting key changes nothing; asking for a
running one makes it run once more afterwards. Failures back off per key. Source of the shape:
client-go util/workqueue.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field

from tidegate.model.meta import Key

FIRST_BACK_OFF_S = 0.01  # most failures are conflicts that the next look resolves
MAX_BACK_OFF_S = 60.0


@dataclass(slots=True)
class WorkQueue:
    """Owned by one engine; time comes in as `now_s` on any monotonic clock."""

    _ready: deque[Key] = field(default_factory=deque)
    _waiting: set[Key] = field(default_factory=set)
    _running: set[Key] = field(default_factory=set)
    _again: set[Key] = field(default_factory=set)  # asked for while running
    _due: list[tuple[float, int, Key]] = field(default_factory=list)
    _due_at: dict[Key, float] = field(default_factory=dict)
    _failures: dict[Key, int] = field(default_factory=dict)
    _count: int = 0

    def add(self, key: Key) -> None:
        """Look at this key soon."""
        if key in self._running:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.append(key)

    def add_at(self, key: Key, when_s: float) -> None:
        """Look at this key at that time, unless an earlier look is set already."""
        if self._due_at.get(key, float("inf")) <= when_s:
            return
        self._due_at[key] = when_s
        self._count += 1
        heapq.heappush(self._due, (when_s, self._count, key))

    def take(self, now_s: float) -> Key | None:
        """The next key to run, now marked running; None if there is none."""
        while self._due and self._due[0][0] <= now_s:
            when_s, _, key = heapq.heappop(self._due)
            if self._due_at.get(key) == when_s:
                del self._due_at[key]
                self.add(key)
        if not self._ready:
            return None
        key = self._ready.popleft()
        self._waiting.discard(key)
        self._running.add(key)
        return key

    def done(self, key: Key, *, again_at_s: float | None = None) -> None:
        """The look succeeded."""
        self._failures.pop(key, None)
        self._finish(key)
        if again_at_s is not None:
            self.add_at(key, again_at_s)

    def failed(self, key: Key, now_s: float) -> float:
        """The look failed; it is repeated after a pause. Returns the pause in seconds."""
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        pause_s: float = min(MAX_BACK_OFF_S, FIRST_BACK_OFF_S * 2 ** min(count, 20))
        again = key in self._again
        self._again.discard(key)
        self._running.discard(key)
        if again and count == 0:
            self.add(key)
        else:
            self.add_at(key, now_s + pause_s)
        return pause_s

    def next_due_s(self) -> float | None:
        """When the next timed look is due, None if none is set."""
        return self._due[0][0] if self._due else None

    @property
    def idle(self) -> bool:
        """Nothing is waiting or running (timed looks don't count)."""
        return not self._ready and not self._running

    def _finish(self, key: Key) -> None:
        self._running.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)
