"""Writing what was planned: safe to repeat, and silent where nothing differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec

from tidegate.client.api import Api
from tidegate.model.errors import AlreadyExists
from tidegate.model.meta import Object

T = TypeVar("T", bound=Object)


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
