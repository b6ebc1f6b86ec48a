"""Which snapshots go when a tier is too full. Pure.

Least recently used first, within priorities, lower ones first; never what is held or pinned. Files that
another snapshot shares free nothing until the last of them goes. Either there is room in the end, or
nothing goes: throwing models away for one that doesn't fit anyway helps nobody.
Source: watermarks as in Fluid's tiered stores (JindoRuntime `high`, `low`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """One snapshot of a tier."""

    id: str
    blobs: frozenset[str]
    priority: int
    used_seq: int  # counts uses, not seconds: a stepping clock changes no order
    kept: bool  # held or pinned


@dataclass(frozen=True, slots=True)
class Room:
    """What eviction comes to."""

    evict: tuple[str, ...]  # in order
    enough: bool  # what is needed fits then
    after_bytes: int  # used when those are gone, before what is needed comes
    kept_bytes: int  # of those, held or pinned ones'


def make_room(
    candidates: Iterable[Candidate],
    sizes: Mapping[str, int],
    *,
    quota_bytes: int | None,
    high: float,
    low: float,
    need_bytes: int = 0,
    other_bytes: int = 0,
) -> Room:
    """What has to go so that `need_bytes` more fit.

    `sizes`: bytes of each blob. `other_bytes`: used by what can't go (fetches under way). Above `high` of the quota
    eviction goes on until `low` or until nothing more may go; up to the whole quota is enough. No quota: nothing
    goes. `need_bytes` 0: only the watermarks count.
    """
    order = sorted(candidates, key=lambda one: (one.priority, one.used_seq, one.id))
    links = Counter(blob for one in order for blob in one.blobs)
    used = other_bytes + sum(sizes[blob] for blob in links)
    kept = sum(sizes[blob] for blob in {b for one in order if one.kept for b in one.blobs})
    if quota_bytes is None:
        return Room((), True, used, kept)
    gone: list[str] = []
    if used + need_bytes > quota_bytes * high:
        for one in order:
            if used + need_bytes <= quota_bytes * low:
                break
            if one.kept:
                continue
            gone.append(one.id)
            for blob in one.blobs:
                links[blob] -= 1
                if links[blob] == 0:
                    used -= sizes[blob]
    if used + need_bytes > quota_bytes and need_bytes:
        return Room((), False, used, kept)
    return Room(tuple(gone), True, used, kept)
