"""One sliding window of per-second values, and the two averages Knative takes over it.

A window is a ring of one-second buckets. It belongs to one task, which records samples as they
arrive (late and several a second are fine) and asks for averages; `saved` and `restored` carry it
over a restart. Whether to trust an average at all is the caller's question: see `is_empty` and
`metric_windows.py`.

Source: Knative, serving pkg/autoscaler/aggregation/bucketing.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import floor

from tidegate.scaling.errors import BadSpec, BadState

# Knative's: the newest N buckets together get this share of the weight, and the newest one alone
# at least `_LEAST_SMOOTHING` of it.
_WEIGHT_COVERED = 0.9999
_LEAST_SMOOTHING = 0.2


class Aggregation(StrEnum):
    """How the seconds of a window become one number."""

    LINEAR = "linear"
    WEIGHTED = "weighted-exponential"


@dataclass(frozen=True, slots=True)
class SavedWindow:
    """A window as a plain value. Seconds are whole, on the clock of whoever recorded.

    `first_s` None: no write yet, or a resize threw the values away. `last_s` None: no write yet.
    `newest` holds the buckets of seconds last_s, last_s - 1, ...; older ones not listed are 0.
    `total` is kept beside them since it was summed in another order, and must not jump.
    """

    length_s: int
    first_s: int | None = None
    last_s: int | None = None
    total: float = 0.0
    newest: tuple[float, ...] = ()


class Window:
    """Values of the newest `length_s` seconds. Not for sharing between tasks."""

    __slots__ = ("_buckets", "_first_s", "_last_s", "_total")

    def __init__(self, length_s: int) -> None:
        if length_s < 1:
            raise BadSpec("window length", length_s, "use whole seconds, at least 1")
        self._buckets = [0.0] * length_s
        self._first_s: int | None = None
        self._last_s: int | None = None
        self._total = 0.0

    @property
    def length_s(self) -> int:
        return len(self._buckets)

    @property
    def last_s(self) -> int | None:
        """The newest second that was written. None: nothing ever was."""
        return self._last_s

    def record(self, at_s: float, value: float) -> None:
        """Add `value` to the second of `at_s`. A value a whole window too late is dropped."""
        second, size = floor(at_s), len(self._buckets)
        if self._last_s is None:
            self._first_s = self._last_s = second
        elif second != self._last_s:
            if second <= self._last_s - size:
                return
            if self._first_s is None or second < self._first_s:
                self._first_s = second
            if second > self._last_s:
                self._advance(second)
        self._buckets[second % size] += value
        self._total += value

    def _advance(self, second: int) -> None:
        assert self._last_s is not None
        size = len(self._buckets)
        if second - self._last_s >= size:
            self._first_s = second
            self._buckets = [0.0] * size
            self._total = 0.0
        else:
            for passed in range(self._last_s + 1, second + 1):
                self._total -= self._buckets[passed % size]
                self._buckets[passed % size] = 0.0
        self._last_s = second

    def is_empty(self, now_s: float) -> bool:
        """Nothing written within the window; exactly one window ago still counts as written."""
        return self._last_s is None or floor(now_s) - self._last_s > len(self._buckets)

    def average(self, now_s: float, aggregation: Aggregation) -> float:
        """The average at `now_s`, which may lie before the newest record. 0 for an empty window."""
        if aggregation is Aggregation.LINEAR:
            return self.linear(now_s)
        return self.weighted(now_s)

    def linear(self, now_s: float) -> float:
        """Mean over the seconds covered, rounded to 6 decimals.

        Missing seconds between the first and the newest record count as 0; those before and after
        don't count at all. So silence keeps the average up until the window has passed.
        """
        if self._last_s is None:
            return 0.0
        size, silent = len(self._buckets), floor(now_s) - self._last_s
        if silent >= size:
            return 0.0
        total, seconds = self._total, size
        if silent > 0:  # these buckets still hold what has slid out of the window
            seconds = size - silent
            expired = range(self._last_s + 1, self._last_s + silent + 1)
            for second in expired:
                total -= self._buckets[second % size]
        if self._first_s is not None:
            seconds = min(self._last_s - self._first_s + 1, seconds)
        return _rounded(total / seconds)

    def weighted(self, now_s: float) -> float:
        """Exponentially weighted sum, newest second first.

        Not normalised by the seconds that were filled, so a fresh window starts low: this is
        Knative's rule, not an oversight here.
        """
        if self._last_s is None or self.is_empty(now_s):
            return 0.0
        size, silent = len(self._buckets), max(0, floor(now_s) - self._last_s)
        smoothing = max(_LEAST_SMOOTHING, 1 - (1 - _WEIGHT_COVERED) ** (1 / size))
        keep, weight, total = 1 - smoothing, smoothing * (1 - smoothing) ** silent, 0.0
        for second in range(self._last_s, self._last_s - (size - silent), -1):
            total += self._buckets[second % size] * weight
            weight *= keep
        return total

    def resize(self, now_s: float, length_s: int) -> None:
        """Change the length, keeping the newest values unless the window is empty by now.

        Knative moves the first write back to the full old length even if data began later, so
        averages may dip after a resize; we follow it.
        """
        if length_s < 1:
            raise BadSpec("window length", length_s, "use whole seconds, at least 1")
        old = self._buckets
        if length_s == len(old):
            return
        fresh, total = [0.0] * length_s, 0.0
        if self._last_s is None or self.is_empty(now_s):
            self._first_s = None
        else:
            for second in range(self._last_s, self._last_s - min(length_s, len(old)), -1):
                fresh[second % length_s] = old[second % len(old)]
                total += old[second % len(old)]
            self._first_s = self._last_s - (len(old) - 1)
        self._buckets, self._total = fresh, total

    def saved(self) -> SavedWindow:
        """A value that `restored` turns into a window with the same averages."""
        size = len(self._buckets)
        if self._last_s is None:
            return SavedWindow(size)
        newest = [
            self._buckets[second % size] for second in range(self._last_s, self._last_s - size, -1)
        ]
        while newest and newest[-1] == 0.0:
            newest.pop()
        return SavedWindow(size, self._first_s, self._last_s, self._total, tuple(newest))

    @classmethod
    def restored(cls, was: SavedWindow) -> Window:
        """Raises `BadState` when the parts don't fit each other."""
        if was.length_s < 1 or len(was.newest) > was.length_s:
            raise BadState("window", f"{len(was.newest)} values for {was.length_s} seconds")
        if was.last_s is None and (was.newest or was.first_s is not None):
            raise BadState("window", "it has values but no time for them")
        window = cls(was.length_s)
        window._first_s, window._last_s, window._total = was.first_s, was.last_s, was.total
        if was.last_s is not None:
            for back, value in enumerate(was.newest):
                window._buckets[(was.last_s - back) % was.length_s] = value
        return window


def _rounded(value: float) -> float:
    # Half away from zero, as Go's math.Round; Python's round() would go to the even neighbour.
    scaled = abs(value) * 1e6
    whole = floor(scaled)
    if scaled - whole >= 0.5:
        whole += 1
    return whole / 1e6 if value >= 0 else -whole / 1e6
