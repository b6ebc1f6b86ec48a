"""tidegate.dev/v1alpha1 TrafficReport: what one revision was asked and how it answered.

The control plane writes one per revision that had requests, named like it and owned by it; comparisons
and judged rollouts read them.
"""

from __future__ import annotations

from tidegate.model.meta import Object
from tidegate.model.wire import Wire, always


class Tally(Wire, frozen=True, kw_only=True):
    """Counts of some stretch of time. `errors`: 5xx answers. `cold_starts`: requests that waited because
    there was no replica. `replica_seconds`: ready replicas, added up second by second. `latency`: how
    many whole requests, as clients saw them, took how long: buckets of `routing.latency`."""

    requests: int = always(0)
    errors: int = always(0)
    cold_starts: int = always(0)
    replica_seconds: float = always(0.0)
    latency: dict[int, int] = {}


class MinuteTally(Wire, frozen=True, kw_only=True):
    """`time`: when the minute began."""

    time: str
    tally: Tally = Tally()


class TrafficReportStatus(Wire, frozen=True, kw_only=True):
    """`total`: since the revision's first request; `minutes`: the last ones that had any requests or
    replicas, oldest first. `through`: the end of the last second that is counted."""

    through: str | None = None
    total: Tally = Tally()
    minutes: tuple[MinuteTally, ...] = ()


class TrafficReport(Object, frozen=True, kw_only=True):
    status: TrafficReportStatus | None = None
