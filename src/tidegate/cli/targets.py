"""Which objects a command line means: `pods`, `pod a b`, `pod/a ksvc/b`, `pods,ksvc`, `all`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.cli.discovery import Resource, category, find_kind
from tidegate.cli.errors import Usage


@dataclass(frozen=True, slots=True)
class Wanted:
    """One object, or with `name` empty all of a kind."""

    resource: Resource
    name: str = ""


def wanted_objects(known: Sequence[Resource], words: Sequence[str]) -> list[Wanted]:
    """What the words mean, in their order. Raises `Usage` and `UnknownKind`."""
    if not words:
        raise Usage("which kind? Such as `ksvc`, `pods` or `ksvc/NAME`")
    if any("/" in word for word in words):
        return [_slashed(known, word) for word in words]
    kinds = [kind for word in words[0].split(",") if word for kind in _kinds(known, word)]
    if len(words) == 1:
        return [Wanted(kind) for kind in kinds]
    return [Wanted(kind, name) for kind in kinds for name in words[1:]]


def _kinds(known: Sequence[Resource], word: str) -> list[Resource]:
    return category(known, word) or [find_kind(known, word)]


def _slashed(known: Sequence[Resource], word: str) -> Wanted:
    kind, slash, name = word.partition("/")
    if not slash or not kind or not name or "/" in name:
        raise Usage(f"{word!r}: write all of them as KIND/NAME, or one KIND and then names")
    return Wanted(find_kind(known, kind), name)
