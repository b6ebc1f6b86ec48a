"""How far a consumer group is behind, as KEDA counts it. Pure.

Source: keda pkg/scalers/{kafka,apache_kafka}_scaler.go (`getLagForPartition`, `getTotalLag`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Place = tuple[str, int]  # topic and partition


@dataclass(frozen=True, slots=True)
class LagRule:
    """`threshold`: events for each consumer. `earliest`: a group that committed nothing begins at the
    start. `zero_on_invalid`: it counts for nothing, wherever it begins, instead of for one event or all.
    `allow_idle`: more consumers than partitions may be asked for. `only_with_lag`: no more than
    partitions with lag. `even`: only so many that each has as many partitions as the others.
    `exclude_persistent`: a partition whose commit stands still counts for nothing but to wake the
    first consumer."""

    threshold: int = 10
    activation: int = 0
    earliest: bool = False
    zero_on_invalid: bool = False
    allow_idle: bool = False
    only_with_lag: bool = False
    even: bool = False
    exclude_persistent: bool = False


@dataclass(frozen=True, slots=True)
class Offsets:
    """`committed` None: the group has committed nothing there. `end`: of the next event."""

    topic: str
    partition: int
    committed: int | None
    end: int


@dataclass(frozen=True, slots=True)
class Lag:
    """`events`: what the target is held against. `waiting`: what wakes the first consumer."""

    events: int
    waiting: int


def total_lag(
    rule: LagRule, seen: Sequence[Offsets], before: Mapping[Place, int]
) -> tuple[Lag, dict[Place, int]]:
    """The lag over all partitions, and the commits to remember for the next time."""
    events = waiting = with_lag = 0
    commits = dict(before)
    for offsets in seen:
        counted, there = _lag(rule, offsets, before)
        events, waiting = events + counted, waiting + there
        with_lag += counted > 0
        if offsets.committed is not None:
            commits[offsets.topic, offsets.partition] = offsets.committed
    if rule.even:
        events = rule.threshold * _even_share(events, len(seen), rule.threshold)
    if not rule.allow_idle or rule.only_with_lag or rule.even:
        most = with_lag if rule.only_with_lag else len(seen)
        if events // rule.threshold > most:
            events = most * rule.threshold
    return Lag(events, waiting), commits


def _even_share(events: int, partitions: int, threshold: int) -> int:
    """The least divisor of the partitions that is enough consumers; all partitions if none is."""
    enough = (n for n in range(1, partitions) if not partitions % n and n * threshold >= events)
    return next(enough, partitions)


def _lag(rule: LagRule, offsets: Offsets, before: Mapping[Place, int]) -> tuple[int, int]:
    """What counts, and what is there."""
    if offsets.committed is None:
        first = 0 if rule.zero_on_invalid else offsets.end if rule.earliest else 1
        return first, first
    there = max(0, offsets.end - offsets.committed)
    stands = before.get((offsets.topic, offsets.partition)) == offsets.committed
    if rule.exclude_persistent and stands:
        return 0, there
    return there, there
