"""Which revisions of a Configuration are collected, oldest first.

Source: Knative, serving pkg/reconciler/gc (reference behaviour: config-gc).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.policy.config_gc import GcConfig


@dataclass(frozen=True, slots=True)
class Candidate:
    """One revision. Times are seconds of the calendar clock.

    `in_use`: traffic goes there, it is the latest that is ready, or it is marked never to be
    collected. `active_s`: when it was last in use (its creation, if never).
    """

    name: str
    created_s: float
    active_s: float
    in_use: bool


@dataclass(frozen=True, slots=True)
class Collection:
    """`gone`: names to delete in this order, each with the reason. `look_again_s`: when the next
    one may become due, None if only a change can make one so."""

    gone: tuple[tuple[str, str], ...] = ()
    look_again_s: float | None = None


def collect(revisions: Sequence[Candidate], config: GcConfig, *, now_s: float) -> Collection:
    """What to delete now. Never one in use, and never below the minimum that is kept, except that
    the maximum wins."""
    create_s, active_s = config.retain_since_create_s, config.retain_since_active_s
    if create_s is None and active_s is None and config.max_non_active is None:
        return Collection()
    least = config.min_non_active
    idle = [revision for revision in revisions if not revision.in_use]
    if len(revisions) <= least or len(idle) <= least:
        return Collection()
    idle.sort(key=lambda revision: (revision.active_s, revision.name))

    gone: list[tuple[str, str]] = []
    left: list[Candidate] = []
    due: list[float] = []
    for at, revision in enumerate(idle):
        stale_s = _stale_at(revision, config)
        room = len(idle) - len(gone) > least
        if stale_s is not None and stale_s <= now_s and room:
            gone.append((revision.name, "without traffic for longer than config-gc retains it"))
            continue
        left += [revision]
        if stale_s is not None and stale_s > now_s and len(idle) - at > least:
            due.append(stale_s)
    most = config.max_non_active
    if most is not None and len(left) > most:
        over = left[: len(left) - most]
        gone += [(r.name, f"more than {most} revisions without traffic") for r in over]
        left = left[len(over) :]
    again_s = min(due) - now_s if due and len(left) > least else None
    return Collection(tuple(gone), again_s)


def _stale_at(revision: Candidate, config: GcConfig) -> float | None:
    """When both ages have passed; None: never, both are disabled."""
    limits = (
        (revision.created_s, config.retain_since_create_s),
        (revision.active_s, config.retain_since_active_s),
    )
    ends = [since + kept for since, kept in limits if kept is not None]
    return max(ends) if ends else None
