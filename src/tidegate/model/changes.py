"""One committed write, as watchers hear of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tidegate.model.meta import Object


class ChangeType(StrEnum):
    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Change:
    """For DELETED, `object` is the last state with the deletion's version."""

    type: ChangeType
    object: Object
    old: Object | None  # None for ADDED
