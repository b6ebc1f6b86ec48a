"""The verbs on objects: what each request to a kind's path does.

Handlers look at the latest state and submit their write without an `await` in between, so a patch
needs no retry: nobody can come in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from tidegate.apiserver import bodies, render
from tidegate.apiserver.applying import APPLY_MEDIA, applying, check_not_forced, intent, updating
from tidegate.apiserver.bodies import Body, Strictness
from tidegate.apiserver.deletions import deletion, dry_run, kept_children
from tidegate.apiserver.exchange import Ask, Reply, Stream, as_json
from tidegate.apiserver.pages import TOO_OLD, as_of, page, read_token
from tidegate.apiserver.patches import json_patch, merge_patch
from tidegate.apiserver.scale import scale_of, scaled
from tidegate.apiserver.selectors import Selection, parse_fields, parse_labels
from tidegate.apiserver.strategic import strategic_merge
from tidegate.apiserver.targets import Target
from tidegate.apiserver.watches import DEFAULT_TIMEOUT_S, Watch, WatchOptions
from tidegate.apiserver.writes import Caller, Manage, Writes, Written
from tidegate.kit.clock import Clock
from tidegate.model.changes import Change
from tidegate.model.conditions import timestamp
from tidegate.model.errors import ApiError, BadRequest, Expired, NotFound, UnsupportedMedia
from tidegate.model.kinds import BY_TYPE, Kind, encode
from tidegate.model.meta import Object, touched
from tidegate.model.pods import Pod
from tidegate.store import too_large

_MERGE = "application/merge-patch+json"
_JSON = "application/json-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"
PATCHES: Mapping[str, Callable[[Any, Any], Any]] = {
    _MERGE: merge_patch,
    _JSON: json_patch,
    _STRATEGIC: strategic_merge,
}


class WatchRefused(ApiError):
    """A streaming list that was not asked for as it must be. Clients fall back to list and watch."""

    code, reason = 422, "Invalid"


class Resources:
    """Handlers. Each takes the request and its target and raises ApiError."""

    def __init__(self, writes: Writes, clock: Clock) -> None:
        self._writes, self._clock = writes, clock
        self._store = writes.store

    # --- reads

    async def read(self, ask: Ask, target: Target) -> Reply:
        return self._reply(ask, target, self._committed(target))

    async def read_scale(self, ask: Ask, target: Target) -> Reply:
        return as_json(scale_of(self._committed(target)))

    async def list(self, ask: Ask, target: Target) -> Reply:
        form = render.form_of(ask.accept, ask.query.get("includeObject"))
        selection = selection_of(ask, target)
        shown, version, more = self._page(ask, selection)
        now_s = self._clock.now()
        body = render.many(shown, target.kind, form, now_s=now_s, version=str(version), more=more)
        return Reply(body)

    def _page(
        self, ask: Ask, selection: Selection
    ) -> tuple[Sequence[Object], int, Mapping[str, Any] | None]:
        """The objects that a request is about, as many as it wants; the version that they show; and
        what to say of the others. Raises BadRequest, Expired, Timeout."""
        limit = ask.number("limit") or 0
        if limit < 0:
            raise BadRequest(f"limit is {limit}: it must not be negative")
        objects, version = self._moment(ask, selection)
        counted = not (ask.query.get("labelSelector") or ask.query.get("fieldSelector"))
        found = [o for o in objects if selection.holds(o)]
        shown, more = page(found, version=version, limit=limit, counted=counted)
        return shown, version, more

    def _moment(self, ask: Ask, selection: Selection) -> tuple[Sequence[Object], int]:
        """What a list is made from, and the version that it shows: now, unless a page before or
        the client says another. Raises BadRequest, Expired, Timeout."""
        asked = ask.number("resourceVersion")
        objects = self._store.list(selection.type, selection.namespace)
        if token := ask.query.get("continue"):
            if asked:
                raise BadRequest("specifying resource version is not allowed when using continue")
            place = read_token(token)
            try:
                was = as_of(objects, self._changes(place.version, selection))
            except Expired as why:
                raise Expired(TOO_OLD) from why
            return [o for o in was if o.key > place.after], place.version
        if asked is not None and asked > self._store.version:
            raise too_large(asked, self._store.version)
        if ask.query.get("resourceVersionMatch") == "Exact":
            if not asked:
                raise BadRequest("resourceVersionMatch Exact needs a resourceVersion beside it")
            return as_of(objects, self._changes(asked, selection)), asked
        return objects, self._store.version

    def _changes(self, version: int, selection: Selection) -> Sequence[Change]:
        """To the objects of a list, since that version."""
        return [
            logged.change
            for logged in self._store.since(version)
            if type(logged.change.object) is selection.type
            and selection.namespace in (None, logged.change.object.metadata.namespace)
        ]

    async def watch(self, ask: Ask, target: Target) -> Stream:
        form = render.form_of(ask.accept, ask.query.get("includeObject"))
        watch = Watch(
            self._store,
            self._clock,
            target.kind,
            selection_of(ask, target),
            form,
            _watch_options(ask, self._store.version),
        )
        return Stream(watch.lines(), watch.release)

    # --- writes

    async def create(self, ask: Ask, target: Target) -> Reply:
        body = bodies.decode(ask.body, ask.content_type)
        obj, notes = self._object(ask, target, body)
        manage = self._updating(ask, target, obj)
        written = await self._writes.create(obj, _caller(ask), dry_run=dry_run(ask), manage=manage)
        return self._reply(ask, target, written.object, (*notes, *written.warnings), code=201)

    async def update(self, ask: Ask, target: Target) -> Reply:
        old = self._existing(target)
        body = bodies.decode(ask.body, ask.content_type)
        obj, notes = self._object(ask, target, body, old)
        return await self._write(ask, target, obj, notes)

    async def patch(self, ask: Ask, target: Target) -> Reply:
        if ask.content_type in APPLY_MEDIA:
            return await self._apply(ask, target)
        change = _patch_kind(ask, target.kind)
        check_not_forced(ask)
        patch = bodies.from_json(ask.body)
        old = self._existing(target)
        current = msgspec.json.decode(encode(old, target.kind))
        patched = change(current, patch.raw)
        if not isinstance(patched, dict):
            raise BadRequest("the patch leaves no object")
        _check_identity(patched, current)
        if patched["metadata"].get("resourceVersion") == current["metadata"]["resourceVersion"]:
            patched = {**patched, "metadata": {**patched["metadata"]}}
            del patched["metadata"]["resourceVersion"]
        obj, notes = self._object(ask, target, Body(patched, patch.duplicates), old)
        return await self._write(ask, target, obj, notes)

    async def _apply(self, ask: Ask, target: Target) -> Reply:
        asked, said = target, ask
        lifted: tuple[str, ...] = ()
        if target.kind.form is not None:  # fields are owned in the stored version
            said, lifted = _lifted(ask, target.kind)
            target = replace(target, kind=BY_TYPE[target.kind.type])
        kind, now = target.kind, timestamp(self._clock.now())
        name = target.name or ""
        old = self._store.latest(kind.type, target.namespace or "", name)
        if old is None and target.subresource:
            raise NotFound(kind.resource, name)
        applied = applying(said, target, old, now=now)
        obj, notes = self._object(ask, target, applied.body, old)
        caller, trying, manage = _caller(ask), dry_run(ask), applied.manage
        written: Written[Object]
        if old is None:
            written = await self._writes.create(obj, caller, dry_run=trying, manage=manage)
        else:
            status = target.subresource == "status"
            written = await self._writes.update(
                obj, caller, status=status, dry_run=trying, manage=manage
            )
        warnings = (*lifted, *notes, *written.warnings)
        return self._reply(ask, asked, written.object, warnings, code=201 if old is None else 200)

    async def update_scale(self, ask: Ask, target: Target) -> Reply:
        current = self._existing(target)
        body = bodies.decode(ask.body, ask.content_type)
        return await self._write_scale(ask, target, scaled(current, body.raw))

    async def patch_scale(self, ask: Ask, target: Target) -> Reply:
        current = self._existing(target)
        change = _patch_kind(ask, target.kind)
        patched = change(scale_of(current), bodies.from_json(ask.body).raw)
        return await self._write_scale(ask, target, scaled(current, patched))

    async def delete(self, ask: Ask, target: Target) -> Reply:
        assert target.name is not None
        asked, trying = deletion(ask)
        asked, warnings = kept_children(asked, target.kind.type)
        written = await self._writes.delete(
            target.kind.type,
            target.namespace or "",
            target.name,
            _caller(ask),
            asked=asked,
            dry_run=trying,
        )
        if not written.gone or isinstance(written.object, Pod):
            return self._reply(ask, target, written.object, warnings)
        kind = target.kind
        details = {"name": target.name, "group": kind.group, "kind": kind.plural}
        return as_json(
            {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Success",
                "details": {k: v for k, v in details.items() if v}
                | {"uid": written.object.metadata.uid},
            },
            warnings=warnings,
        )

    async def delete_many(self, ask: Ask, target: Target) -> Reply:
        """All that the selectors choose, at once; with `limit` so many, and `continue` says from where
        to go on."""
        asked, trying = deletion(ask)
        asked, warnings = kept_children(asked, target.kind.type)
        selection = selection_of(ask, target)
        shown, version, more = self._page(ask, selection)
        caller = _caller(ask)

        async def delete(obj: Object) -> Object | None:
            try:
                written = await self._writes.delete(
                    type(obj), *obj.key, caller, asked=asked, dry_run=trying
                )
            except NotFound:
                return None  # somebody else was quicker
            return written.object

        answers = await asyncio.gather(*map(delete, shown))  # so that they share a commit
        gone = [obj for obj in answers if obj is not None]
        now_s = self._clock.now()
        version = version if more else self._store.version
        kind = target.kind
        return Reply(
            render.many(gone, kind, render.PLAIN, now_s=now_s, version=str(version), more=more),
            warnings=warnings,
        )

    # --- steps

    def _committed(self, target: Target) -> Object:
        """For answers."""
        assert target.name is not None
        found = self._store.get(target.kind.type, target.namespace or "", target.name)
        if found is None:
            raise NotFound(target.kind.resource, target.name)
        return found

    def _existing(self, target: Target) -> Object:
        """The latest state, which a write builds upon."""
        assert target.name is not None
        found = self._store.latest(target.kind.type, target.namespace or "", target.name)
        if found is None:
            raise NotFound(target.kind.resource, target.name)
        return found

    def _object(
        self, ask: Ask, target: Target, body: Body, old: Object | None = None
    ) -> tuple[Object, tuple[str, ...]]:
        """The object of a body, made to fit the path. Raises BadRequest."""
        mode: Strictness = bodies.strictness(ask.query.get("fieldValidation"))
        obj, notes = bodies.to_object(body, target.kind, mode, old)
        meta = obj.metadata
        if target.name is not None and meta.name not in ("", target.name):
            raise BadRequest(
                f"the name of the object ({meta.name}) does not match the name on the URL "
                f"({target.name})"
            )
        strange = meta.namespace not in (None, "", target.namespace)
        if strange and (target.kind.namespaced or meta.namespace != "default"):
            raise BadRequest(
                "the namespace of the provided object does not match the namespace "
                "sent on the request"
            )
        fitted = touched(meta, name=target.name or meta.name, namespace=target.namespace)
        return msgspec.structs.replace(obj, metadata=fitted), notes

    def _updating(self, ask: Ask, target: Target, sent: Object) -> Manage:
        now = timestamp(self._clock.now())
        return updating(ask, sent, subresource=target.subresource, now=now)

    async def _write(self, ask: Ask, target: Target, obj: Object, notes: tuple[str, ...]) -> Reply:
        written = await self._writes.update(
            obj,
            _caller(ask),
            status=target.subresource == "status",
            dry_run=dry_run(ask),
            manage=self._updating(ask, target, obj),
        )
        return self._reply(ask, target, written.object, (*notes, *written.warnings))

    async def _write_scale(self, ask: Ask, target: Target, obj: Object) -> Reply:
        written: Written[Object] = await self._writes.update(
            obj, _caller(ask), dry_run=dry_run(ask), manage=self._updating(ask, target, obj)
        )
        return as_json(scale_of(written.object), warnings=written.warnings)

    def _reply(
        self,
        ask: Ask,
        target: Target,
        obj: Object,
        warnings: tuple[str, ...] = (),
        *,
        code: int = 200,
    ) -> Reply:
        form = render.form_of(ask.accept, ask.query.get("includeObject"))
        return Reply(
            render.one(obj, target.kind, form, now_s=self._clock.now()),
            code,
            warnings=tuple(dict.fromkeys(warnings)),
        )


def selection_of(ask: Ask, target: Target) -> Selection:
    """What a list, watch or deletecollection is about. Raises BadRequest."""
    return Selection(
        target.kind.type,
        target.namespace,
        parse_labels(ask.query.get("labelSelector", "")),
        parse_fields(ask.query.get("fieldSelector", ""), target.kind.type),
    )


def _watch_options(ask: Ask, current: int) -> WatchOptions:
    """Raises BadRequest, WatchRefused, Timeout."""
    bookmarks = ask.flag("allowWatchBookmarks")
    timeout_s = float(ask.number("timeoutSeconds") or DEFAULT_TIMEOUT_S)
    version = ask.number("resourceVersion")
    if "sendInitialEvents" in ask.query:
        if ask.query.get("resourceVersionMatch") != "NotOlderThan":
            raise WatchRefused(
                "sendInitialEvents needs resourceVersionMatch=NotOlderThan beside it"
            )
        if version is not None and version > current:
            raise too_large(version, current)
        if ask.flag("sendInitialEvents"):
            return WatchOptions(None, bookmarks, bookmarks, timeout_s)
        return WatchOptions(version or current, bookmarks, False, timeout_s)
    return WatchOptions(version or None, bookmarks, False, timeout_s)


def _caller(ask: Ask) -> Caller:
    return Caller(ask.user, durable=True)


def _lifted(ask: Ask, kind: Kind) -> tuple[Ask, tuple[str, ...]]:
    """An apply in another version as one in the stored version, and what its author should know."""
    mode = bodies.strictness(ask.query.get("fieldValidation"))
    body, notes = bodies.lifted(intent(ask, kind), kind, mode)
    return replace(ask, body=msgspec.json.encode(body.raw)), notes


def _patch_kind(ask: Ask, kind: Kind) -> Callable[[Any, Any], Any]:
    found = PATCHES.get(ask.content_type)
    built_in = render.is_built_in(kind)
    if found is not None and (built_in or ask.content_type != _STRATEGIC):
        return found
    accepted = ", ".join(t for t in PATCHES if built_in or t != _STRATEGIC)
    raise UnsupportedMedia(
        "the body of the request was in an unknown format - accepted media types include: "
        + accepted
    )


def _check_identity(patched: dict[str, Any], current: dict[str, Any]) -> None:
    for field in ("apiVersion", "kind"):
        if patched.get(field) != current[field]:
            raise BadRequest(f"{field} can't be changed by a patch ({current[field]})")
    meta, has = patched.get("metadata"), current["metadata"]
    if not isinstance(meta, dict):
        raise BadRequest("metadata can't be removed by a patch")
    if meta.get("name") != has["name"]:
        raise BadRequest(
            f"the name of the object ({meta.get('name')}) does not match the name on the URL "
            f"({has['name']})"
        )
