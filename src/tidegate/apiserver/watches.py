"""Watch streams: changes as lines of JSON, from a version or from the current state on.

A watcher that reads too slowly is told Expired and lists again; it never holds up the store.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from tidegate.apiserver import render
from tidegate.apiserver.exchange import status_of
from tidegate.apiserver.render import Form
from tidegate.apiserver.selectors import Selection
from tidegate.kit.clock import Clock
from tidegate.model.changes import Change, ChangeType
from tidegate.model.errors import Expired
from tidegate.model.kinds import Kind
from tidegate.model.meta import Object
from tidegate.store import Logged, Store

#: Without `timeoutSeconds`, as an API server does: somewhere between 30 and 60 minutes.
DEFAULT_TIMEOUT_S = 45 * 60.0
#: How often a watcher that asked for bookmarks gets one.
BOOKMARK_EVERY_S = 60.0
#: A loop runs a timer up to its clock's resolution too early. A watch that then found its end still to
#: come would send one bookmark after the other until it is.
_EARLY_S = 1e-3
#: Changes waiting for one slow reader before it is told to list again.
LONGEST_BACKLOG = 10_000
#: And so many bytes of them (as JSON).
LARGEST_BACKLOG = 16 * 2**20
_MOST_LINES, _LARGEST_PIECE = 500, 2**20


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """`since` None: the current objects come first, as ADDED. `initial_end`: a bookmark says
    where they end (`sendInitialEvents`)."""

    since: int | None
    bookmarks: bool = False
    initial_end: bool = False
    timeout_s: float = DEFAULT_TIMEOUT_S
    longest_backlog: int = LONGEST_BACKLOG
    largest_backlog: int = LARGEST_BACKLOG


class Watch:
    """One stream, registered with the store from when it is made until `release`.

    Raises Timeout when it would start at a version that is not there yet. One that is forgotten is
    told as the only event, as Kubernetes does.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        kind: Kind,
        selection: Selection,
        form: Form,
        options: WatchOptions,
    ) -> None:
        self._store, self._clock, self._kind = store, clock, kind
        self._selection, self._form, self._options = selection, form, options
        self._described = False  # the first Table of a stream names the columns
        self._waiting: deque[Logged] = deque()
        self._waiting_bytes = 0
        self._more = asyncio.Event()
        self._overrun = False
        self._version = store.version
        self._start: list[bytes] = []
        if options.since is None:
            self._start = list(self._current())
        else:
            self._version = options.since
            try:
                self._waiting.extend(e for e in store.since(options.since) if self._is_mine(e))
            except (
                Expired
            ):  # told as an event: lightkube, kr8s and Python's own recover from no other
                self._overrun = True
        self.release = store.subscribe([kind.type], self._on_change)

    async def lines(self) -> AsyncIterator[bytes]:
        """The stream, until its time is up or its reader falls behind."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + self._options.timeout_s
        bookmark_s = loop.time() + BOOKMARK_EVERY_S
        if self._start:
            yield b"".join(self._start)
            self._start = []
        while not self._overrun:
            if chunk := self._drain():
                yield chunk
                continue
            until_s = min(end_s, bookmark_s) if self._options.bookmarks else end_s
            if await self._wait(until_s):
                continue
            if self._waiting or self._overrun:  # it came together with the end of the wait
                continue
            if self._options.bookmarks:  # also the last word: the next watch starts from there
                yield self._bookmark(self._store.version)
                bookmark_s = loop.time() + BOOKMARK_EVERY_S
            if loop.time() >= end_s - _EARLY_S:
                return
        yield self._expired()

    def _on_change(self, logged: Logged) -> None:
        self._waiting_bytes += logged.size
        if (
            len(self._waiting) >= self._options.longest_backlog
            or self._waiting_bytes > self._options.largest_backlog
        ):
            self._overrun = True
            self._waiting.clear()
        elif not self._overrun:
            self._waiting.append(logged)
        self._more.set()

    async def _wait(self, until_s: float) -> bool:
        """Whether something came before that time of the loop."""
        self._more.clear()
        try:
            async with asyncio.timeout_at(until_s):
                await self._more.wait()
        except TimeoutError:
            return False
        return True

    def _drain(self) -> bytes:
        """The next lines, some of what waits: a reader that is slow has one such piece rendered."""
        lines: list[bytes] = []
        size = 0
        while self._waiting and len(lines) < _MOST_LINES and size < _LARGEST_PIECE:
            logged = self._waiting.popleft()
            self._waiting_bytes = max(0, self._waiting_bytes - logged.size)
            size += logged.size
            if logged.version > self._version:
                self._version = logged.version
                lines.extend(self._event(logged.change))
        return b"".join(lines)

    def _current(self) -> Iterator[bytes]:
        selection = self._selection
        for obj in self._store.list(self._kind.type, selection.namespace):
            if selection.holds(obj):
                yield self._line("ADDED", obj)
        if self._options.initial_end:
            yield self._bookmark(self._version, {"k8s.io/initial-events-end": "true"})

    def _is_mine(self, logged: Logged) -> bool:
        return type(logged.change.object) is self._kind.type

    def _event(self, change: Change) -> Iterator[bytes]:
        """An object that begins to match is ADDED to this watcher, one that ceases is DELETED."""
        now = change.type is not ChangeType.DELETED and self._selection.holds(change.object)
        was = change.old is not None and self._selection.holds(change.old)
        if now:
            yield self._line("MODIFIED" if was else "ADDED", change.object)
        elif was:
            yield self._line("DELETED", change.object)

    def _line(self, type_: str, obj: Object) -> bytes:
        now_s = self._clock.now()
        if not self._form.table:
            return _line(type_, render.one(obj, self._kind, self._form, now_s=now_s))
        rows = render.table(
            [obj],
            self._kind,
            self._form,
            now_s=now_s,
            version=obj.metadata.resource_version,
            definitions=not self._described,
        )
        self._described = True
        return _line(type_, msgspec.json.encode(rows))

    def _bookmark(self, version: int, annotations: dict[str, str] | None = None) -> bytes:
        meta: dict[str, Any] = {"resourceVersion": str(version)}
        if annotations:
            meta["annotations"] = annotations
        obj: dict[str, Any] = {
            "kind": self._kind.kind,
            "apiVersion": self._kind.api_version,
            "metadata": meta,
        }
        if self._form.table:
            obj = render.table_bookmark(self._kind, self._form, obj)
        return _line("BOOKMARK", msgspec.json.encode(obj))

    def _expired(self) -> bytes:
        why = Expired(f"too old resource version: {self._version} ({self._store.version})")
        return _line("ERROR", msgspec.json.encode(status_of(why)))


def _line(type_: str, body: bytes) -> bytes:
    return b'{"type":"%s","object":%s}\n' % (type_.encode(), body)
