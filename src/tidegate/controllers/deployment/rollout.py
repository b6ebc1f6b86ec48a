"""How many replicas each ReplicaSet of a Deployment is set to now. Pure.

One look makes one kind of step, as upstream: it grows the new set, or shrinks old ones, or spreads a
changed count over all; what follows is decided once that is done.

Always: no more pods than wanted + surge are asked for, and no available pod is taken that would leave
fewer than wanted - unavailable.

Source: kubernetes pkg/controller/deployment (rolling.go, recreate.go, sync.go) and its util package.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor


@dataclass(frozen=True, slots=True)
class Sized:
    """A ReplicaSet as sizes are planned. `created` orders sets, oldest first.

    `noted_wanted` and `noted_most` are what its annotations tell of the Deployment when the set was
    sized last: its replicas, and those with the surge. None: nothing is noted.
    """

    name: str
    replicas: int
    available: int
    created: tuple[str, str] = ("", "")
    noted_wanted: int | None = None
    noted_most: int | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What the Deployment asks for, in pods. `replicas_seen` is how many its status counted last."""

    replicas: int
    surge: int = 0
    unavailable: int = 0
    recreate: bool = False
    replicas_seen: int = 0

    @property
    def most(self) -> int:
        """The largest number of pods it may have at a time."""
        return self.replicas + self.surge


@dataclass(frozen=True, slots=True)
class Scale:
    """Set a ReplicaSet (by name) to so many replicas; equal to what it has: only note the wish."""

    name: str
    replicas: int


def is_scaling(wish: Wish, sets: Iterable[Sized]) -> bool:
    """Whether the wanted count changed since the sets that have pods were sized."""
    return any(
        s.noted_wanted is not None and s.noted_wanted != wish.replicas
        for s in sets
        if s.replicas > 0
    )


def first_size(wish: Wish, sets: Sequence[Sized]) -> int:
    """The size of a new set as it is made, beside those that are there."""
    return _grown(wish, 0, sum(s.replicas for s in sets))


def plan_rolling(wish: Wish, new: Sized, old: Sequence[Sized]) -> tuple[Scale, ...]:
    """The new set grows into the surge; when it can't grow, old ones make room."""
    total = new.replicas + sum(s.replicas for s in old)
    size = _grown(wish, new.replicas, total)
    if size != new.replicas:
        return (Scale(new.name, size),)
    return _shrunk(wish, new, old)


def plan_recreate(
    wish: Wish, new: Sized | None, old: Sequence[Sized], *, old_pods_left: bool
) -> tuple[Scale, ...]:
    """Old sets end first; the new one waits until their last pod is gone. `new` None: it is still to
    be made, with all its replicas."""
    ending = tuple(Scale(s.name, 0) for s in old if s.replicas)
    if ending or old_pods_left or new is None or new.replicas == wish.replicas:
        return ending
    return (Scale(new.name, wish.replicas),)


def plan_scaling(wish: Wish, new: Sized | None, old: Sequence[Sized]) -> tuple[Scale, ...]:
    """A changed count, also in the middle of a rollout and while that is paused.

    1. one set has pods, or none has: that one (or the newest) gets the count; 2. the new set has all
    it needs: old ones end; 3. else every set gets its share of the change.
    """
    alone = _only_one(new, old)
    if alone is not None:
        return (Scale(alone.name, wish.replicas),)
    if new is not None and _is_saturated(wish, new):
        return tuple(Scale(s.name, 0) for s in old if s.replicas)
    if wish.recreate:
        return ()
    return _in_proportion(wish, [s for s in (*old, *([new] if new else [])) if s.replicas])


# --- rolling


def _grown(wish: Wish, size: int, total: int) -> int:
    if wish.recreate or size >= wish.replicas:
        return wish.replicas
    return size + max(0, min(wish.most - total, wish.replicas - size))


def _shrunk(wish: Wish, new: Sized, old: Sequence[Sized]) -> tuple[Scale, ...]:
    """Old pods that aren't available go first, for nobody misses them; then as many as the available
    ones allow. Unavailable pods of the new set count as missing until they are there."""
    least = wish.replicas - wish.unavailable
    total = new.replicas + sum(s.replicas for s in old)
    budget = total - least - (new.replicas - new.available)
    if budget <= 0:
        return ()
    sizes = {s.name: s.replicas for s in old}
    by_age = sorted(old, key=lambda s: s.created)
    left = budget
    for s in by_age:
        cut = max(0, min(left, s.replicas - s.available))
        sizes[s.name] -= cut
        left -= cut
    spare = new.available + sum(s.available for s in old) - least
    for s in by_age:
        cut = max(0, min(spare, sizes[s.name]))
        sizes[s.name] -= cut
        spare -= cut
    return tuple(Scale(s.name, sizes[s.name]) for s in by_age if sizes[s.name] != s.replicas)


# --- a changed count


def _only_one(new: Sized | None, old: Sequence[Sized]) -> Sized | None:
    active = [s for s in (*old, *([new] if new else [])) if s.replicas > 0]
    if len(active) == 1:
        return active[0]
    if active:
        return None
    return new or max(old, key=lambda s: s.created, default=None)


def _is_saturated(wish: Wish, new: Sized) -> bool:
    noted = new.noted_wanted
    return new.replicas == wish.replicas == new.available and noted == wish.replicas


def _in_proportion(wish: Wish, sets: Sequence[Sized]) -> tuple[Scale, ...]:
    """Each gets its fraction of the change, rounded; the largest gets what rounding left over."""
    allowed = wish.most if wish.replicas > 0 else 0
    to_add = allowed - sum(s.replicas for s in sets)
    newest_first = to_add > 0
    ordered = sorted(sets, key=lambda s: s.created, reverse=newest_first)
    ordered.sort(key=lambda s: -s.replicas)
    added, sizes = 0, {}
    for s in ordered:
        part = _fraction(wish, s) if to_add else 0
        left = to_add - added
        part = min(part, left) if to_add > 0 else max(part, left)
        sizes[s.name] = s.replicas + part
        added += part
    if to_add and ordered:
        first = ordered[0].name
        sizes[first] = max(0, sizes[first] + to_add - added)
    return tuple(Scale(s.name, sizes[s.name]) for s in ordered)


def _fraction(wish: Wish, s: Sized) -> int:
    if wish.replicas == 0:
        return -s.replicas
    noted = s.noted_most or wish.replicas_seen or s.replicas
    return floor(s.replicas * wish.most / noted + 0.5) - s.replicas
