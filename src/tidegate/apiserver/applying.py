"""Field managers of requests: who writes, what an apply makes of an object, who owns what then.

Pure: a request and the latest state in, a document and a `writes.Manage` out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tidegate.apiserver import bodies, render
from tidegate.apiserver.bodies import Body
from tidegate.apiserver.exchange import Ask
from tidegate.apiserver.field_sets import Path, fields_of
from tidegate.apiserver.managed_fields import (
    APPLY,
    LONGEST_NAME,
    UPDATE,
    ApplyConflict,
    Entry,
    Manager,
    after_apply,
    after_update,
    conflicts_of,
    fields_by,
    read_entries,
    write_entries,
)
from tidegate.apiserver.server_side_apply import merged, without
from tidegate.apiserver.targets import Target
from tidegate.apiserver.writes import Manage
from tidegate.model.errors import BadRequest, Cause, Conflict, Invalid
from tidegate.model.kinds import Kind, encode, kind_of
from tidegate.model.meta import Object

APPLY_MEDIA = ("application/apply-patch+yaml", "application/apply-patch+json")
_OPTIONS = "PatchOptions.meta.k8s.io"


@dataclass(frozen=True, slots=True)
class Applied:
    """An apply, decided: the object's document as it should become, and its managers then."""

    body: Body
    manage: Manage


def updating(ask: Ask, sent: Object, *, subresource: str | None, now: str) -> Manage:
    """The managers after a create, update or patch that wants the object to be as `sent`.

    Raises Invalid for a manager's name.
    """
    manager = _manager(ask, UPDATE, kind_of(sent), subresource)

    def manage(new: Object, old: Object | None) -> Any:
        said = _fields(sent)
        if old is None:
            entries: tuple[Entry, ...] = ()
            said = {path: v for path, v in said.items() if path[0] != "f:status"}
        else:
            raw = new.metadata.managed_fields
            if raw is None or subresource:  # not said: as they were
                raw = old.metadata.managed_fields
            entries = read_entries(raw)
        was = {} if old is None else _fields(old)
        return write_entries(after_update(entries, manager, was, _fields(new), said=said, now=now))

    return manage


def applying(ask: Ask, target: Target, old: Object | None, *, now: str) -> Applied:
    """What becomes of `old` (None: there is none yet).

    Raises BadRequest, Invalid, Conflict; its `manage` raises ApplyConflict unless it is forced.
    """
    kind = target.kind
    if not ask.query.get("fieldManager"):
        raise _invalid("fieldManager", "Required", "Required value: is required for apply patch")
    manager = _manager(ask, APPLY, kind, target.subresource)
    body = intent(ask, kind)
    keyed = render.is_built_in(kind)
    laid = merged({}, body.raw, keyed=keyed)  # refuses lists whose items can't be told apart
    said = _said(laid, target, keyed=keyed)
    entries: tuple[Entry, ...] = ()
    if old is not None:
        entries = read_entries(old.metadata.managed_fields)
        laid = merged(_document(old, body.raw), body.raw, keyed=keyed)
        if dropped := fields_by(entries, manager) - said.keys():
            others = (e.fields for e in entries if not e.manager.is_same(manager))
            owned = frozenset(said).union(*others)
            laid = without(laid, dropped, owned, kind.type, keyed=keyed)

    forced = ask.flag("force")

    def manage(new: Object, old: Object | None) -> Any:
        # only now: a value that becomes the same once defaults are filled in is no conflict
        was, written = {} if old is None else _fields(old), _fields(new)
        conflicts = conflicts_of(entries, manager, said.keys(), was, written)
        if conflicts and not forced:
            raise ApplyConflict(conflicts)
        after = after_apply(entries, manager, said.keys(), written, taken=conflicts, now=now)
        return write_entries(after)

    return Applied(Body(laid, body.duplicates), manage)


def check_not_forced(ask: Ask) -> None:
    """Raises Invalid: only an apply may be forced."""
    if ask.query.get("force"):
        raise _invalid("force", "Forbidden", "Forbidden: may not be specified for non-apply patch")


def _document(old: Object, intent: Mapping[str, Any]) -> dict[str, Any]:
    """What the intent is laid over. Raises Conflict when it was made for another state."""
    said = (intent.get("metadata") or {}).get("resourceVersion")
    if said and said != old.metadata.resource_version:
        raise Conflict(kind_of(old).resource, old.metadata.name)
    document: dict[str, Any] = msgspec.json.decode(encode(old))
    meta = document["metadata"]
    document["metadata"] = {
        k: v for k, v in meta.items() if k not in ("resourceVersion", "managedFields")
    }
    return document


def _said(intent: Mapping[str, Any], target: Target, *, keyed: bool) -> dict[Path, Any]:
    """The fields of an intent that this path is about."""
    fields = fields_of(intent, keyed=keyed)
    if target.subresource == "status":
        return {path: v for path, v in fields.items() if path[0] == "f:status"}
    if target.kind.has_status:
        return {path: v for path, v in fields.items() if path[0] != "f:status"}
    return fields


def _fields(obj: Object) -> dict[Path, Any]:
    return fields_of(msgspec.json.decode(encode(obj)), keyed=render.is_built_in(kind_of(obj)))


def intent(ask: Ask, kind: Kind) -> Body:
    """The document that is applied. It must say what it is. Raises BadRequest."""
    text = ask.body.lstrip()
    body = bodies.from_json(text) if text[:1] == b"{" else bodies.decode(text, "application/yaml")
    raw = body.raw
    if not isinstance(raw, dict):
        raise BadRequest(f"the body must be a {kind.kind} object")
    for field in ("apiVersion", "kind"):
        if not raw.get(field):
            raise BadRequest(f"the applied document must say its {field}")
    meta = raw.get("metadata")
    if meta is not None and not isinstance(meta, dict):
        raise BadRequest("metadata must be an object")
    if meta and meta.get("managedFields") is not None:
        raise BadRequest("metadata.managedFields must be nil")
    return body


def _manager(ask: Ask, operation: str, kind: Kind, subresource: str | None) -> Manager:
    """Who writes, as the query says it; else the program, as its User-Agent says it."""
    name = ask.query.get("fieldManager") or ""
    if len(name) > LONGEST_NAME:
        text = f"Invalid value: {name!r}: may not be more than {LONGEST_NAME} bytes"
        raise _invalid("fieldManager", "Invalid", text)
    if not name.isprintable():
        raise _invalid("fieldManager", "Invalid", f"Invalid value: {name!r}: should be printable")
    agent = ask.headers.get("user-agent", "").partition("/")[0]
    name = name or "".join(filter(str.isprintable, agent))[:LONGEST_NAME] or "unknown"
    return Manager(name, operation, kind.api_version, subresource or "")


def _invalid(field: str, why: str, text: str) -> Invalid:
    return Invalid(_OPTIONS, "", [Cause(f"FieldValue{why}", text, field)])
