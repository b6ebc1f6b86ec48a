"""Whose an object is: an owner takes those that match its selector and have no controller, and lets go
of its own that match no more.

Source: kubernetes pkg/controller/controller_ref_manager.go (`ClaimObject`).
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from tidegate.client.api import Api
from tidegate.model.errors import Conflict, NotFound
from tidegate.model.kinds import kind_of
from tidegate.model.meta import LabelSelector, Object, controller_of, owner_reference
from tidegate.model.references import NO_CONTROLLER

T = TypeVar("T", bound=Object)


async def claim(
    api: Api,
    owner: Object,
    type_: type[T],
    selector: LabelSelector,
    *,
    finalizer: str | None = None,
) -> list[T]:
    """The objects that the owner controls, after taking and letting go; in name order.

    `finalizer`: what those that it controls carry: it comes and goes with the ownership. An owner that is going keeps what it has. An object that someone changes meanwhile is left to
    the next look.
    """
    meta = owner.metadata
    going = meta.deletion_timestamp is not None
    found: list[T] = []
    for obj in api.list(type_, meta.namespace, owner_uid=meta.uid):
        ref = controller_of(obj.metadata)
        if ref is None or ref.uid != meta.uid:
            continue
        if going or selector.matches(obj.metadata.labels):
            found.append(obj)
        elif obj.metadata.deletion_timestamp is None:
            await _rewrite(api, obj, owner, finalizer, take=False)
    if not going:
        for obj in api.list(type_, meta.namespace, mentions=NO_CONTROLLER):
            if obj.metadata.deletion_timestamp or not selector.matches(obj.metadata.labels):
                continue
            taken = await _rewrite(api, obj, owner, finalizer, take=True)
            if taken is not None:
                found.append(taken)
    return sorted(found, key=lambda obj: obj.metadata.name)


async def _rewrite(
    api: Api, obj: T, owner: Object, finalizer: str | None, *, take: bool
) -> T | None:
    others = tuple(r for r in obj.metadata.owner_references if r.uid != owner.metadata.uid)
    kind = kind_of(owner)
    mine = (owner_reference(kind.kind, kind.api_version, owner.metadata),) if take else ()
    kept = tuple(f for f in obj.metadata.finalizers if f != finalizer)
    if take and finalizer is not None:
        kept = (*kept, finalizer)
    meta = msgspec.structs.replace(obj.metadata, owner_references=(*others, *mine), finalizers=kept)
    try:
        return await api.update(msgspec.structs.replace(obj, metadata=meta))
    except (Conflict, NotFound):
        return None
