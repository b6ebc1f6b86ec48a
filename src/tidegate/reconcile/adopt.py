"""Taking over what nobody controls any more: `kubectl delete --cascade=orphan`, then create again.

Looked for once, when an owner is new: afterwards what it owns says so itself. (Kubernetes looks each
time, and also lets go of what a changed selector no longer matches: selectors can't change here.)

Source: kubernetes pkg/controller/controller_ref_manager.go.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from tidegate.client.api import Api
from tidegate.model.errors import Conflict
from tidegate.model.kinds import kind_of
from tidegate.model.meta import LabelSelector, Object, controller_of, owner_reference, touched

T = TypeVar("T", bound=Object)


async def adopt(api: Api, owner: Object, type_: type[T], selector: LabelSelector) -> None:
    """Make `owner` the controller of every object of this type in its namespace that its selector
    matches and that has no controller. Raises ApiError."""
    kind = kind_of(owner)
    mine = owner_reference(kind.kind, kind.api_version, owner.metadata)
    for orphan in api.list(type_, owner.metadata.namespace):
        meta = orphan.metadata
        if (
            controller_of(meta) is None
            and not meta.deletion_timestamp
            and _is_meant(selector, orphan)
        ):
            adopted = touched(meta, owner_references=(*meta.owner_references, mine))
            try:
                await api.update(msgspec.structs.replace(orphan, metadata=adopted))
            except Conflict:
                continue  # it changed just now: whoever changed it may have taken it


def _is_meant(selector: LabelSelector, obj: Object) -> bool:
    """An empty selector means everything, which nobody means."""
    said = bool(selector.match_labels or selector.match_expressions)
    return said and selector.matches(obj.metadata.labels)
