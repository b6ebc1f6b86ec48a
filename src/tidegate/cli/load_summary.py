"""The sums of a load run, in the words of hey (its report is what people compare with).

Pure: latencies and counts in, numbers and text out. Source of the histogram and percentile rules:
rakyll/hey requester/report.go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

_PERCENTS = (10, 25, 50, 75, 90, 95, 99)
_BUCKETS = 10
_BAR = 40


@dataclass(slots=True)
class Tally:
    """What the connections of a run count together. Owned by the run's event loop."""

    latencies_s: list[float] = field(default_factory=list)  # answered requests, any status
    statuses: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)  # requests without an answer
    body_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """A finished run. With no answered request the latencies are 0 and the lists empty."""

    total_s: float
    slowest_s: float
    fastest_s: float
    average_s: float
    requests_per_s: float
    body_bytes: int
    bytes_per_request: int
    histogram: tuple[tuple[float, int], ...]  # (upper bound in seconds, count)
    percentiles: tuple[tuple[int, float], ...]  # (percent, seconds)
    statuses: Mapping[int, int]
    errors: Mapping[str, int]


def summarise(tally: Tally, total_s: float) -> Summary:
    """`total_s` is the wall time of the whole run."""
    latencies = sorted(tally.latencies_s)
    count = len(latencies)
    return Summary(
        total_s=total_s,
        slowest_s=latencies[-1] if count else 0.0,
        fastest_s=latencies[0] if count else 0.0,
        average_s=sum(latencies) / count if count else 0.0,
        requests_per_s=count / total_s if total_s > 0 else 0.0,
        body_bytes=tally.body_bytes,
        bytes_per_request=tally.body_bytes // count if count else 0,
        histogram=histogram(latencies),
        percentiles=percentiles(latencies),
        statuses=dict(sorted(tally.statuses.items())),
        errors=dict(tally.errors.most_common()),
    )


def histogram(ordered_s: Sequence[float]) -> tuple[tuple[float, int], ...]:
    """Eleven bounds from the fastest to the slowest; each counts what is above the bound before."""
    if not ordered_s:
        return ()
    fastest, slowest = ordered_s[0], ordered_s[-1]
    step = (slowest - fastest) / _BUCKETS
    bounds = [fastest + step * i for i in range(_BUCKETS)] + [slowest]
    counts, at = [0] * len(bounds), 0
    for latency in ordered_s:
        while at < _BUCKETS and latency > bounds[at]:
            at += 1
        counts[at] += 1
    return tuple(zip(bounds, counts, strict=True))


def percentiles(ordered_s: Sequence[float]) -> tuple[tuple[int, float], ...]:
    """For each percent the first latency with at least that share of the others below it; percents
    that too few requests can't tell are left out."""
    found: list[tuple[int, float]] = []
    for percent in _PERCENTS:
        at = -(-percent * len(ordered_s) // 100)
        if at < len(ordered_s):
            found.append((percent, ordered_s[at]))
    return tuple(found)


def as_json(summary: Summary) -> dict[str, Any]:
    """The summary as JSON values; tables as lists of objects."""
    plain = asdict(summary)
    plain["histogram"] = [{"up_to_s": bound, "count": n} for bound, n in summary.histogram]
    plain["percentiles"] = [{"percent": p, "latency_s": value} for p, value in summary.percentiles]
    plain["statuses"] = {str(code): n for code, n in summary.statuses.items()}
    return plain


def as_text(summary: Summary) -> str:
    """The report as hey prints it."""
    lines = ["", "Summary:"]
    for name, seconds in (
        ("Total", summary.total_s),
        ("Slowest", summary.slowest_s),
        ("Fastest", summary.fastest_s),
        ("Average", summary.average_s),
    ):
        lines.append(f"  {name}:\t{seconds:4.4f} secs")
    lines.append(f"  Requests/sec:\t{summary.requests_per_s:4.4f}")
    if summary.body_bytes:
        lines += ["", f"  Total data:\t{summary.body_bytes} bytes"]
        lines.append(f"  Size/request:\t{summary.bytes_per_request} bytes")
    if summary.histogram:
        most = max(count for _, count in summary.histogram)
        lines += ["", "Response time histogram:"]
        for bound, count in summary.histogram:
            lines.append(f"  {bound:4.3f} [{count}]\t|{'■' * ((count * _BAR + most // 2) // most)}")
    if summary.percentiles:
        lines += ["", "", "Latency distribution:"]
        lines += [f"  {p}% in {value:4.4f} secs" for p, value in summary.percentiles]
    if summary.statuses:
        lines += ["", "Status code distribution:"]
        lines += [f"  [{code}]\t{count} responses" for code, count in summary.statuses.items()]
    if summary.errors:
        lines += ["", "Error distribution:"]
        lines += [f"  [{count}]\t{text}" for text, count in summary.errors.items()]
    return "\n".join(lines) + "\n"
