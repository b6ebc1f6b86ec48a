"""Long lists in pages that all show one moment. Pure.

A page's token says the moment and where the page ended. Later pages are the objects of now with
the changes since that moment undone, as long as the log of changes reaches back so far.

Source: apiserver pkg/storage/continue.go and pkg/registry/rest (the words of its errors).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tidegate.model.changes import Change, ChangeType
from tidegate.model.errors import BadRequest
from tidegate.model.meta import Key, Object

TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. "
    "You must start a new list without the continue parameter."
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list goes on: the moment it shows, and the last object already given."""

    version: int
    after: Key


class _Token(msgspec.Struct, frozen=True, rename={"version": "rv", "after": "start"}):
    version: int
    after: tuple[str, str]


def write_token(place: Place) -> str:
    text = msgspec.json.encode(_Token(place.version, (place.after.namespace, place.after.name)))
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def read_token(text: str) -> Place:
    """Raises BadRequest."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        token = msgspec.json.decode(raw, type=_Token)
    except (binascii.Error, ValueError, msgspec.DecodeError) as why:
        raise BadRequest(f"continue key is not valid: {why}") from why
    return Place(token.version, Key(*token.after))


def as_of(objects: Iterable[Object], changes: Sequence[Change]) -> list[Object]:
    """Objects of one kind as they were before `changes` (oldest first), in order of their keys."""
    was = {obj.key: obj for obj in objects}
    for change in reversed(changes):
        if change.type is ChangeType.ADDED or change.old is None:
            was.pop(change.object.key, None)
        else:
            was[change.object.key] = change.old
    return [was[key] for key in sorted(was)]


def page(
    objects: Sequence[Object], *, version: int, limit: int, counted: bool
) -> tuple[Sequence[Object], dict[str, Any]]:
    """The first `limit` of them (0: all), and what the list's metadata says of the others.

    `counted`: say how many are left (only without selectors, as Kubernetes does).
    """
    if not limit or len(objects) <= limit:
        return objects, {}
    first = objects[:limit]
    more: dict[str, Any] = {"continue": write_token(Place(version, first[-1].key))}
    if counted:
        more["remainingItemCount"] = len(objects) - limit
    return first, more
