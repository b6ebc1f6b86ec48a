"""`tidegate compare`: how the revisions of a service did side by side, with how sure that is.

Reads TrafficReports; the statistics are those of judged rollouts (`scaling.judge`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import sqrt
from typing import Any

from tidegate.cli.cluster import Cluster
from tidegate.cli.discovery import find_kind
from tidegate.cli.errors import CliError, Usage
from tidegate.cli.knative import knative_service
from tidegate.cli.options import AsTable, DataDir, Namespace, duration_of, home_of
from tidegate.cli.tables import show_table
from tidegate.routing.latency import edges_ms, merged
from tidegate.scaling.judge import (
    ERROR_ALPHA,
    Counts,
    error_bounds,
    error_chance,
    quantile,
    worse_errors,
    worse_latency,
)

Json = dict[str, Any]
_SERVICE = "serving.knative.dev/service"
_SHARES = (0.5, 0.9, 0.99)
_HEADER = (
    "REVISION",
    "TRAFFIC",
    "REQUESTS",
    "ERRORS",
    "ERROR RATE",
    "P50 MS",
    "P90 MS",
    "P99 MS",
    "COLD STARTS",
    "REPLICA-S",
    "REPLICA-S/1000 REQ",
)


@dataclass(frozen=True, slots=True)
class Side:
    """One revision's counts over the time asked for. `percent` of the traffic it gets now."""

    name: str
    percent: int
    counts: Counts
    cold_starts: int
    replica_s: float

    @property
    def cost(self) -> float | None:
        """Replica-seconds for 1,000 requests; None: there were none."""
        return self.replica_s / self.counts.requests * 1000 if self.counts.requests else None


def compare(
    service: str,
    /,
    *revisions: str,
    since: str = "1h",
    output: AsTable = "table",
    namespace: Namespace = "default",
    data_dir: DataDir = None,
) -> int:
    """Compare revisions: requests, errors, latencies with 98% confidence intervals, cold starts, cost.

    Example: tidegate compare iris iris-00001 iris-00002 --since 30m

    Parameters
    ----------
    service
        A Knative Service, or an InferenceService in Knative mode.
    revisions
        Two of its revisions: the second is judged against the first. None: all that had requests.
    since
        How far to look back; each revision remembers its last 60 minutes that had requests or replicas.
    """
    if len(revisions) not in (0, 2):
        raise Usage("name two revisions to compare, or none for all of them")
    after = datetime.now(UTC) - timedelta(seconds=duration_of("--since", since))
    cluster = Cluster(home_of(data_dir))
    live = knative_service(cluster, namespace, service)
    service = live["metadata"]["name"]
    kind = find_kind(cluster.resources(), "trafficreports.tidegate.dev")
    reports = cluster.items(kind, namespace, selector=f"{_SERVICE}={service}")
    sides = sides_of(live, reports, after)
    if revisions:
        sides = [_named(name, service, sides) for name in revisions]
    if output == "json":
        print(json.dumps(as_json(sides), indent=2))
        return 0
    if not sides:
        print(f"No revision of {service} had a request in the last {since}.")
        return 0
    show_table(_HEADER, [_row(side) for side in sides])
    for line in verdicts(sides):
        print(line)
    return 0


def sides_of(service: Json, reports: list[Json], after: datetime) -> list[Side]:
    """The revisions that had requests or replicas since then, oldest first."""
    traffic = (service.get("status") or {}).get("traffic") or []
    found = []
    for report in sorted(reports, key=lambda r: r["metadata"]["name"]):
        name = report["metadata"]["name"]
        minutes = (report.get("status") or {}).get("minutes") or []
        begin = after.replace(second=0, microsecond=0)
        tallies = [m["tally"] for m in minutes if datetime.fromisoformat(m["time"]) >= begin]
        if tallies:
            percent = sum(t.get("percent") or 0 for t in traffic if t.get("revisionName") == name)
            found.append(_side(name, percent, tallies))
    return found


def as_json(sides: list[Side]) -> Json:
    """What scripts read. Latencies in ms; an upper bound is null when too few answers set one."""
    return {
        "revisions": [
            {
                "name": side.name,
                "percent": side.percent,
                "requests": side.counts.requests,
                "errors": side.counts.errors,
                "errorRate": side.counts.error_share,
                "errorRateInterval": error_bounds(side.counts),
                "latencyMs": {f"p{share * 100:g}": _latency(side, share) for share in _SHARES},
                "coldStarts": side.cold_starts,
                "replicaSeconds": round(side.replica_s, 1),
                "replicaSecondsPer1000Requests": side.cost,
            }
            for side in sides
        ],
        "verdicts": list(verdicts(sides)),
    }


def verdicts(sides: list[Side]) -> Iterator[str]:
    """In words, for two: whether the second does worse than the first, or better."""
    if len(sides) != 2:
        return
    first, second = sides
    if not first.counts.requests or not second.counts.requests:
        yield "One of them had no requests: nothing to compare."
        return
    yield _errors(first, second)
    yield _latencies(first, second)


def _errors(first: Side, second: Side) -> str:
    for better, worse in ((first, second), (second, first)):
        if worse_errors(better.counts, worse.counts):
            chance = error_chance(better.counts, worse.counts)
            return (
                f"{worse.name} has more errors than {better.name}, beyond chance "
                f"(Fisher's exact test, p = {chance:.2g})."
            )
    return f"Their error rates differ no more than chance explains (p >= {ERROR_ALPHA:g})."


def _latencies(first: Side, second: Side) -> str:
    for share in (0.99, 0.9, 0.5):
        for quick, slow in ((first, second), (second, first)):
            if worse_latency(quick.counts, slow.counts, share=share, tolerance_buckets=0):
                return f"The p{share * 100:g} of {slow.name} is higher than that of {quick.name}."
    return "Their p50, p90 and p99 lie within each other's confidence intervals, or have none yet."


def _named(name: str, service: str, sides: list[Side]) -> Side:
    found = next((side for side in sides if side.name == name), None)
    if found is None:
        known = ", ".join(side.name for side in sides) or "none"
        raise CliError(
            f"revision {name} of service {service} had no requests in that time; those that had: {known}"
        )
    return found


def _side(name: str, percent: int, tallies: list[Json]) -> Side:
    def total(field: str) -> float:
        return sum(tally.get(field) or 0 for tally in tallies)

    latency = merged(
        {int(bucket): count for bucket, count in (tally.get("latency") or {}).items()}
        for tally in tallies
    )
    counts = Counts(int(total("requests")), int(total("errors")), latency)
    return Side(name, percent, counts, int(total("coldStarts")), total("replicaSeconds"))


def _row(side: Side) -> list[str]:
    low, high = error_bounds(side.counts)
    rate = f"{side.counts.error_share:.2%} ({low:.2%}-{high:.2%})" if side.counts.requests else "-"
    return [
        side.name,
        f"{side.percent}%",
        str(side.counts.requests),
        str(side.counts.errors),
        rate,
        *(latency_text(side, share) for share in _SHARES),
        str(side.cold_starts),
        f"{side.replica_s:.0f}",
        "-" if side.cost is None else f"{side.cost:.1f}",
    ]


def _latency(side: Side, share: float) -> Json | None:
    found = quantile(side.counts.latency, share)
    if found is None:
        return None
    return {
        "value": _middle_ms(found.middle),
        "low": _middle_ms(found.low),
        "high": None if found.high is None else _middle_ms(found.high),
    }


def latency_text(side: Side, share: float) -> str:
    """A quantile with its confidence interval, in milliseconds; `?`: too few answers for a bound."""
    found = _latency(side, share)
    if found is None:
        return "-"
    high = "?" if found["high"] is None else _three(found["high"])
    return f"{_three(found['value'])} ({_three(found['low'])}-{high})"


def _three(time_ms: float) -> str:
    """Three figures, and no powers of ten."""
    return f"{time_ms:.0f}" if time_ms >= 1000 else f"{time_ms:.3g}"


def _middle_ms(bucket: int) -> float:
    low, high = edges_ms(bucket)
    return round(sqrt(low * high) if low else high / 2, 3)
