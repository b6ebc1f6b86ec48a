"""Writing what was planned: safe to repeat, and silent where nothing differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec

from tidegate.client.api import Api
from tidegate.kit.clock import Clock
from tidegate.model.errors import AlreadyExists, Conflict
from tidegate.model.kinds import kind_of
from tidegate.model.meta import Object

T = TypeVar("T", bound=Object)
_WRITES, _PAUSE_S = 10, 0.01


async def ensure(api: Api, desired: T, carry: Callable[[T, T], T]) -> T:
    """Create `desired`, or bring the object of that name in line.

    `carry(existing, desired)` gives what the existing object should be; where that equals the
    existing one nothing is written. Ownership is the caller's to check.
    """
    meta = desired.metadata
    existing = api.get(type(desired), meta.namespace or "", meta.name)
    if existing is None:
        try:
            return await api.create(desired)
        except AlreadyExists:
            existing = api.get(type(desired), meta.namespace or "", meta.name)
            if existing is None:
                raise
    wanted = carry(existing, desired)
    return existing if wanted == existing else await api.update(wanted)


async def write_status(api: Api, obj: T, status: msgspec.Struct) -> T:
    """Write the status if it differs from what `obj` carries."""
    current: Any = cast("Any", obj)
    if current.status == status:
        return obj
    return await api.update_status(cast("T", msgspec.structs.replace(current, status=status)))


async def insist_on_status(api: Api, clock: Clock, obj: T, status: msgspec.Struct) -> None:
    """Write the status whoever edits the object meanwhile: what was done must be known, or it would be
    done again. Gone, or another object of that name: nothing happens. Raises `Conflict` in the end."""
    for _ in range(_WRITES):
        try:
            await write_status(api, obj, status)
        except Conflict:
            current = api.get(type(obj), *obj.key)
            if current is None or current.metadata.uid != obj.metadata.uid:
                return
            obj = current
            await clock.sleep(_PAUSE_S)
        else:
            return
    raise Conflict(kind_of(obj).resource, obj.metadata.name)
