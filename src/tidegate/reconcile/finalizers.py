"""Finalizers: an object that is deleted stays until those who have something to do first took theirs off."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from tidegate.client.api import Api
from tidegate.model.meta import Object, touched

T = TypeVar("T", bound=Object)


async def hold(api: Api, obj: T, finalizer: str) -> T:
    """With the finalizer; one that is being deleted takes none any more, and comes back as it is."""
    meta = obj.metadata
    if finalizer in meta.finalizers or meta.deletion_timestamp:
        return obj
    return await _with(api, obj, (*meta.finalizers, finalizer))


async def let_go(api: Api, obj: T, finalizer: str) -> T:
    """Without it."""
    if finalizer not in obj.metadata.finalizers:
        return obj
    return await _with(api, obj, tuple(f for f in obj.metadata.finalizers if f != finalizer))


async def _with(api: Api, obj: T, finalizers: tuple[str, ...]) -> T:
    meta = touched(obj.metadata, finalizers=finalizers)
    return await api.update(msgspec.structs.replace(obj, metadata=meta))
