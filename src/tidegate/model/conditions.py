"""Condition sets: change what changed, keep transition times, derive Ready as Knative does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from math import floor

import msgspec

from tidegate.model.meta import Condition


def timestamp(now_s: float) -> str:
    """RFC 3339 in whole seconds, UTC, as Kubernetes writes it."""
    return _timestamp(floor(now_s))


@lru_cache(maxsize=256)  # many are written in one second
def _timestamp(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(text: str) -> float:
    """The inverse of `timestamp`. Raises ValueError."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def find(conditions: Iterable[Condition], type_: str) -> Condition | None:
    return next((c for c in conditions if c.type == type_), None)


def is_true(conditions: Iterable[Condition], type_: str) -> bool:
    found = find(conditions, type_)
    return found is not None and found.status == "True"


def merged(
    was: Sequence[Condition],
    now: Iterable[Condition],
    *,
    now_s: float,
    time_on_reason: bool = False,
) -> tuple[Condition, ...]:
    """`now` with the transition times of `was` where the status (with `time_on_reason`: anything)
    has not changed; conditions that `now` doesn't mention are dropped. Sorted by type."""
    out = []
    for condition in now:
        old = find(was, condition.type)
        same = old is not None and old.status == condition.status
        if time_on_reason and old is not None:
            same = same and (old.reason, old.message) == (condition.reason, condition.message)
        when = old.last_transition_time if same and old is not None else timestamp(now_s)
        out.append(msgspec.structs.replace(condition, last_transition_time=when))
    return tuple(sorted(out, key=lambda c: c.type))


def derive_ready(dependents: Sequence[Condition], *, type_: str = "Ready") -> Condition:
    """Knative's rule: any False wins, then any Unknown, else True. Informational ones don't count.

    Source: knative.dev/pkg/apis/condition_set.go (`recomputeHappiness`).
    """
    counting = [c for c in dependents if c.severity != "Info"]
    for status in ("False", "Unknown"):
        unhappy = [c for c in counting if c.status == status]
        if unhappy:
            first = max(unhappy, key=lambda c: c.last_transition_time or "")
            return Condition(type=type_, status=status, reason=first.reason, message=first.message)
    return Condition(type=type_, status="True")
