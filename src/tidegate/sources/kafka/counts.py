"""What the adapter counts, and how it is said in Prometheus' text format."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(slots=True)
class Counts:
    """Since the process began. Owned by the adapter."""

    handled: int = 0
    """Events the sink took."""
    failed: int = 0
    """Tries that failed."""
    tries: int = 0
    dead_lettered: int = 0
    dropped: int = 0
    """Events given up where there is no dead letter sink."""
    replied: int = 0
    repeated: int = 0
    """Events that were sent again because it wasn't known whether an earlier try here or in another
    process had been answered."""
    skipped: int = 0
    """Events met again that were known to be finished."""
    odd_keys: int = 0
    left_out_headers: int = 0
    rebalances: int = 0
    resets: int = 0
    """Times that a partition no longer had the offset to go on from."""
    abandoned: int = 0
    """Tries under way when their partition went to another consumer."""


def prometheus(counts: Counts, *, in_flight: int, lag: dict[tuple[str, int], int]) -> str:
    """The text of /metrics."""
    lines = []
    for each in fields(counts):
        name = f"kafka_source_{each.name}_total"
        lines += [f"# TYPE {name} counter", f"{name} {getattr(counts, each.name)}"]
    lines += ["# TYPE kafka_source_in_flight gauge", f"kafka_source_in_flight {in_flight}"]
    if lag:
        lines.append("# TYPE kafka_source_lag gauge")
    lines += [
        f'kafka_source_lag{{topic="{topic}",partition="{partition}"}} {behind}'
        for (topic, partition), behind in sorted(lag.items())
    ]
    return "\n".join(lines) + "\n"
