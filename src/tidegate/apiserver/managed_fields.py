"""Who said which fields of an object: `metadata.managedFields` before and after a write. Pure.

Only writes that come over HTTP are recorded; controllers in this process are not managers, so what
they change stays with whoever said it.

Source: apimachinery pkg/util/managedfields. An entry that said nothing new keeps its time, so that
the same write again changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from tidegate.apiserver.field_sets import Path, from_v1, path_text, to_v1
from tidegate.model.errors import ApiError, BadRequest

APPLY, UPDATE = "Apply", "Update"
#: Entries of updates that are kept apart, as Kubernetes does; the oldest are thrown together.
MOST_UPDATES, ANCIENT = 10, "ancient-changes"
LONGEST_NAME = 128


@dataclass(frozen=True, slots=True)
class Manager:
    """Somebody who writes objects, in one way. `subresource` is empty for the object itself."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""

    def is_same(self, other: Manager) -> bool:
        """An applier stays the same when it goes to another version."""
        return (self.name, self.operation, self.subresource) == (
            other.name,
            other.operation,
            other.subresource,
        ) and (self.operation == APPLY or self.api_version == other.api_version)

    def __str__(self) -> str:
        """As conflicts name it."""
        out = json.dumps(self.name, ensure_ascii=False)
        if self.subresource:
            out += f" with subresource {json.dumps(self.subresource)}"
        return out if self.operation == APPLY else f"{out} using {self.api_version}"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a manager said, and when it last said something new. `time` None: not known."""

    manager: Manager
    fields: frozenset[Path]
    time: str | None = None


class ApplyConflict(ApiError):
    """Fields that others own and that were applied with other values."""

    code, reason = 409, "Conflict"

    def __init__(self, conflicts: Sequence[tuple[Manager, Path]]) -> None:
        self.conflicts = tuple(conflicts)
        causes = [
            {
                "reason": "FieldManagerConflict",
                "message": f"conflict with {manager}",
                "field": path_text(path),
            }
            for manager, path in conflicts
        ]
        super().__init__(_conflict_text(self.conflicts), details={"causes": causes})


def _conflict_text(conflicts: tuple[tuple[Manager, Path], ...]) -> str:
    if len(conflicts) == 1:
        manager, path = conflicts[0]
        return f"Apply failed with 1 conflict: conflict with {manager}: {path_text(path)}"
    lines = []
    for name in sorted({str(manager) for manager, _ in conflicts}):
        lines.append(f"conflicts with {name}:")
        lines += [f"- {path_text(path)}" for manager, path in conflicts if str(manager) == name]
    return f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)


def read_entries(raw: Any) -> tuple[Entry, ...]:
    """The entries of `metadata.managedFields`; `[]` and `[{}]` mean none. Raises BadRequest."""
    if raw is None or raw == [{}]:
        return ()
    if not isinstance(raw, list) or not all(isinstance(entry, dict) for entry in raw):
        raise BadRequest("metadata.managedFields must be a list of objects")
    return tuple(_read(entry) for entry in raw)


def _read(raw: Mapping[str, Any]) -> Entry:
    texts = {k: raw.get(k) or "" for k in ("manager", "operation", "apiVersion", "subresource")}
    time = raw.get("time")
    if not all(isinstance(text, str) for text in (*texts.values(), time or "")):
        raise BadRequest("metadata.managedFields: names and times must be strings")
    if texts["operation"] not in (APPLY, UPDATE):
        raise BadRequest("metadata.managedFields: operation must be `Apply` or `Update`")
    if raw.get("fieldsType", "FieldsV1") != "FieldsV1":
        raise BadRequest("metadata.managedFields: fieldsType must be `FieldsV1`")
    manager = Manager(
        texts["manager"], texts["operation"], texts["apiVersion"], texts["subresource"]
    )
    return Entry(manager, from_v1(raw.get("fieldsV1") or {}), time)


def write_entries(entries: Iterable[Entry]) -> list[dict[str, Any]] | None:
    """As objects carry them, appliers first, older ones first; None when nobody owns anything."""
    kept = sorted(
        (e for e in entries if e.fields),
        key=lambda e: (e.manager.operation, e.time or "", e.manager.name, e.manager.subresource),
    )
    return [_write(entry) for entry in kept] or None


def _write(entry: Entry) -> dict[str, Any]:
    who = entry.manager
    out: dict[str, Any] = {
        "manager": who.name,
        "operation": who.operation,
        "apiVersion": who.api_version,
    }
    if entry.time:
        out["time"] = entry.time
    out |= {"fieldsType": "FieldsV1", "fieldsV1": to_v1(entry.fields)}
    return out | ({"subresource": who.subresource} if who.subresource else {})


def fields_by(entries: Iterable[Entry], manager: Manager) -> frozenset[Path]:
    """What this manager said so far."""
    return next((e.fields for e in entries if e.manager.is_same(manager)), frozenset())


def conflicts_of(
    entries: Iterable[Entry],
    manager: Manager,
    said: Set[Path],
    old: Mapping[Path, Any],
    new: Mapping[Path, Any],
) -> tuple[tuple[Manager, Path], ...]:
    """Fields that others own and that this manager's saying so would change from `old` to `new`."""
    return tuple(
        (entry.manager, path)
        for entry in entries
        if not entry.manager.is_same(manager)
        for path in sorted(entry.fields & said)
        if path in old.keys() | new.keys() and _differs(path, old, new)
    )


def _differs(path: Path, old: Mapping[Path, Any], new: Mapping[Path, Any]) -> bool:
    return path not in old or path not in new or old[path] != new[path]


def after_apply(
    entries: Sequence[Entry], manager: Manager, said: Set[Path], written: Mapping[Path, Any], *,
    taken: Iterable[tuple[Manager, Path]], now: str,
) -> tuple[Entry, ...]:  # fmt: skip
    """The entries once this manager said all of `said`, and took some from others by force.

    `written` are the fields of the object as it is stored now.
    """
    there = _with_parents(written)
    lost: dict[Manager, set[Path]] = {}
    for owner, path in taken:
        lost.setdefault(owner, set()).add(path)
    others = [
        replace(e, fields=frozenset((e.fields - lost.get(e.manager, set())) & there))
        for e in entries
        if not e.manager.is_same(manager)
    ]
    was = next((e for e in entries if e.manager.is_same(manager)), None)
    fields = frozenset(said & there)
    same = was is not None and was.fields == fields and was.manager == manager
    mine = was if same and was is not None else Entry(manager, fields, now)
    return (*others, mine)


def after_update(
    entries: Sequence[Entry], manager: Manager, old: Mapping[Path, Any], new: Mapping[Path, Any], *,
    said: Mapping[Path, Any], now: str,
) -> tuple[Entry, ...]:  # fmt: skip
    """The entries once this manager said `said` and that turned the fields of `old` into those of
    `new`: what it changed is its own now, what was filled in is nobody's, as is what is gone."""
    changed = frozenset(p for p in new if _differs(p, old, new) and _differs(p, old, said))
    changed &= said.keys()
    if not changed and old.keys() <= new.keys():
        return tuple(entries)
    there = _with_parents(new)
    out, mine = [], None
    for entry in entries:
        if entry.manager.is_same(manager):
            mine = entry
        else:
            out.append(replace(entry, fields=(entry.fields & there) - changed))
    if mine is None:
        mine = Entry(manager, changed, now)
    elif fields := (mine.fields & there) | changed:
        mine = replace(mine, fields=fields, time=now if changed else mine.time)
    return _bounded((*out, mine))


def _with_parents(fields: Iterable[Path]) -> set[Path]:
    return {path[:n] for path in fields for n in range(1, len(path) + 1)}


def _bounded(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """At most so many updaters: the oldest are remembered as one."""
    updates = sorted(
        (e for e in entries if e.manager.operation == UPDATE and e.fields),
        key=lambda e: e.time or "",
    )
    if len(updates) <= MOST_UPDATES:
        return entries
    oldest = updates[: len(updates) - MOST_UPDATES + 1]
    last = oldest[-1]
    together = Entry(
        Manager(ANCIENT, UPDATE, last.manager.api_version),
        frozenset().union(*(e.fields for e in oldest)),
        last.time,
    )
    return (*(e for e in entries if e not in oldest), together)
