"""Quotas and limit ranges at the door: a new object is filled in, measured and let in or refused.

What is there is counted anew for each object that a quota concerns, from the state that everything
submitted leads to: two writers can't both take the last place.
"""

from __future__ import annotations

from tidegate.model.errors import Forbidden
from tidegate.model.kinds import kind_of
from tidegate.model.limit_ranges import beyond, filled
from tidegate.model.meta import Object
from tidegate.model.pods import Pod
from tidegate.model.quota_usage import GROWING, counted_types, too_much, used
from tidegate.model.quotas import LimitRange, ResourceQuota
from tidegate.store import Store


class Quotas:
    """Reads only. Cheap where a namespace has neither quotas nor limit ranges."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def filled(self, obj: Object) -> Object:
        """A new pod with the requests and limits that its namespace's ranges give it."""
        if not isinstance(obj, Pod):
            return obj
        ranges = self._store.list(LimitRange, obj.metadata.namespace or "")
        return filled(obj, ranges) if ranges else obj

    def check(self, obj: Object, old: Object | None = None) -> None:
        """Raises Forbidden when a new object, or what one grows by, would be too much."""
        namespace = obj.metadata.namespace
        if not namespace or (old is not None and not isinstance(obj, GROWING)):
            return
        if old is None and (ranges := self._store.list(LimitRange, namespace)):
            problems = beyond(obj, ranges)
            if problems:
                said = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
                raise _forbidden(obj, said)
        for quota in self._store.list(ResourceQuota, namespace):
            already = used(
                quota,
                (
                    o
                    for type_ in counted_types(quota)
                    for o in self._store.upcoming(type_, namespace)
                ),
            )
            problem = too_much(quota, obj, already, old)
            if problem is not None:
                raise _forbidden(obj, problem)


def _forbidden(obj: Object, why: str) -> Forbidden:
    kind, name = kind_of(obj), obj.metadata.name
    return Forbidden(
        f'{kind.resource} "{name}" is forbidden: {why}',
        details={"name": name, "group": kind.group, "kind": kind.plural},
    )
