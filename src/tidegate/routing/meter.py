"""Demand of one revision, second by second, integrated and not sampled.

As Knative's queue-proxy counts (pkg/http/handler and networking pkg/http/stats/request.go): each
arrival and each end adds `level x seconds since the last change`, so a request shorter than any tick
still counts. A second whose end we noticed too late was not observed: it has no sample at all.
"""

from dataclasses import dataclass
from math import floor
from typing import Final

from tidegate.routing.latency import bucket_of_s

# A second with batch requests only is not one without demand: what runs them isn't to go. Small enough
# to ask for one replica whatever the target, and for none beside ordinary requests.
BATCH_TRACE: Final = 0.01
_LATE_S: Final = (
    1.0  # noticed later than this, a second counts as not seen (we were frozen or starved)
)


@dataclass(frozen=True, slots=True)
class Second:
    """What one second was like. `at_s` is its end, on the caller's monotonic clock."""

    at_s: float
    concurrency: float  # average over the second, requests waiting and running
    requests: int  # arrivals
    errors: int  # 5xx answers
    latencies: dict[int, int]  # answered requests by how long they took (`latency.bucket_of_s`)
    cold_starts: int  # arrivals that found no replica at all
    batch: int = 0  # arrivals of batch requests, which are in nothing else here
    tokens: int = 0  # of answers of language models


class Meter:
    """Counts one revision's requests. Owned by its lane at the gate; time only goes forward."""

    __slots__ = (
        "_area",
        "_batch",
        "_batch_seen",
        "_changed_s",
        "_closed",
        "_cold_starts",
        "_end_s",
        "_errors",
        "_latencies",
        "_requests",
        "_tokens",
        "batch_level",
        "level",
    )

    def __init__(self, begin_s: float) -> None:
        """`begin_s` is a whole second; what happens before it changes the level and is not counted."""
        self.level = 0
        self.batch_level = 0
        self._batch, self._batch_seen = 0, False
        self._tokens = 0
        self._end_s = floor(begin_s) + 1.0
        self._changed_s = self._end_s - 1.0
        self._area, self._requests, self._errors, self._cold_starts = 0.0, 0, 0, 0
        self._latencies: dict[int, int] = {}
        self._closed: list[Second] = []

    def arrived(self, now_s: float) -> None:
        """A request came to the gate."""
        if now_s >= self._end_s:
            self._close(now_s)
        since_s = now_s - self._changed_s
        if since_s >= 0:  # else: before our beginning
            self._area += self.level * since_s
            self._changed_s = now_s
            self._requests += 1
        self.level += 1

    def left(self, now_s: float, *, failed: bool = False, took_s: float | None = None) -> None:
        """A request ended: answered, refused, or its client left. `failed`: with a 5xx. `took_s`: how
        long its client waited for the whole answer; None: it got none, or not a request's."""
        if now_s >= self._end_s:
            self._close(now_s)
        since_s = now_s - self._changed_s
        if since_s >= 0:
            self._area += self.level * since_s
            self._changed_s = now_s
            if failed:
                self._errors += 1
            if took_s is not None:
                bucket = bucket_of_s(took_s)
                self._latencies[bucket] = self._latencies.get(bucket, 0) + 1
        self.level -= 1

    def batch_arrived(self, now_s: float) -> None:
        """A batch request came, which is no demand for further replicas."""
        if now_s >= self._end_s:
            self._close(now_s)
        self._batch_seen = True
        self.batch_level += 1
        self._batch += 1

    def batch_left(self, now_s: float) -> None:
        """A batch request ended, however it did."""
        if now_s >= self._end_s:
            self._close(now_s)
        self.batch_level -= 1

    def found_nothing(self) -> None:
        """The request that arrived last has to wait because there is no replica at all."""
        self._cold_starts += 1

    def failed(self) -> None:
        """A running request is being answered with a 5xx."""
        self._errors += 1

    def made_tokens(self, count: int) -> None:
        """A running answer brought so many."""
        self._tokens += count

    def take(self, now_s: float) -> list[Second]:
        """The seconds that ended since last asked, oldest first."""
        if now_s >= self._end_s:
            self._close(now_s)
        closed, self._closed = self._closed, []
        return closed

    def _close(self, now_s: float) -> None:
        while now_s >= self._end_s:
            end = self._end_s
            self._area += self.level * (end - self._changed_s)
            if now_s - end < _LATE_S:
                self._closed.append(
                    Second(
                        end,
                        max(self._area, BATCH_TRACE) if self._batch_seen else self._area,
                        self._requests,
                        self._errors,
                        self._latencies,
                        self._cold_starts,
                        self._batch,
                        self._tokens,
                    )
                )
            self._batch, self._batch_seen = 0, self.batch_level > 0
            self._tokens = 0
            self._area, self._requests, self._errors, self._cold_starts = 0.0, 0, 0, 0
            self._latencies = {}
            self._changed_s, self._end_s = end, end + 1.0
