"""Copies of requests for a revision that is tried out: sent like any request, the answers thrown away.

The original knows nothing of its copy: the copy goes off when the body is complete, is left out when
there is too much of that already, and counts in its own revision's samples only, so that the two can be
compared and the tried one scales with what it gets. Copies say so: `Tidegate-Shadow: true`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from tidegate.gateway.exchange import Exchange

if TYPE_CHECKING:
    from tidegate.gateway.answers import Refusal
    from tidegate.gateway.heads import AnswerHead
    from tidegate.gateway.hub import Hub

log = logging.getLogger(__name__)

_MARK: Final = b"Tidegate-Shadow: true\r\n"
_SAY_EVERY_S: Final = 60.0


class Shadows:
    """All copies that are on their way. Owned by the hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._running: dict[Exchange, int] = {}  # copy -> bytes of its body
        self._bytes = 0
        self._left_out = 0
        self._said_s = float("-inf")

    def __len__(self) -> int:
        return len(self._running)

    def begin(self, original: Exchange, revisions: Sequence[str]) -> None:
        """A request is to be copied to these revisions, once its body is complete."""
        if original.head.upgrade is not None:
            return  # a conversation can't be copied
        copy = Copy(self, original, revisions, self._hub.settings.hold_bytes)
        for piece in original.held:
            copy.add(piece)
        if original.body_done:
            self._hub.later(0.0, copy.complete)  # the original goes first
        else:
            original.extra().watch = copy

    def send(self, original: Exchange, revision: str, body: bytes) -> None:
        """Send one copy, or leave it out."""
        hub, settings = self._hub, self._hub.settings
        lane = hub.lane(revision)
        full = (
            len(self._running) >= settings.shadow_requests
            or self._bytes + len(body) > settings.shadow_bytes
        )
        if full or lane is None or lane is original.lane or hub.leaving:
            self.leave_out()
            return
        copy = Exchange(_Nobody(hub, self, original), original.head)
        copy.target = original.target
        copy.held, copy.held_bytes, copy.body_done = [body] if body else [], len(body), True
        copy.extra().head = _MARK + (original.extras.head if original.extras is not None else b"")
        self._running[copy] = len(body)
        self._bytes += len(body)
        lane.submit(copy)

    def ended(self, copy: Exchange) -> None:
        """A copy was answered, or can't be."""
        self._bytes -= self._running.pop(copy, 0)

    def leave_out(self) -> None:
        """One copy less; told once a minute."""
        self._left_out += 1
        now = self._hub.monotonic()
        if now - self._said_s >= _SAY_EVERY_S:
            log.warning(
                "%d copies for shadow revisions were left out: %d are on their way already, or the body"
                " is too large, or the revision is not here or the original's own",
                self._left_out,
                len(self._running),
            )
            self._said_s, self._left_out = now, 0

    def close(self) -> None:
        """The gateway ends: nobody needs the copies."""
        for copy in list(self._running):
            copy.client_gone()
            self.ended(copy)


class Copy:
    """What a request that is to be copied has sent so far. See `exchange.BodyWatch`."""

    __slots__ = ("_most_bytes", "_original", "_pieces", "_revisions", "_shadows", "_size")

    def __init__(
        self, shadows: Shadows, original: Exchange, revisions: Sequence[str], most_bytes: int
    ) -> None:
        self._shadows, self._original, self._revisions = shadows, original, revisions
        self._most_bytes = most_bytes
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> None:
        """A piece of the body."""
        self._size += len(piece)
        if self._size <= self._most_bytes:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def complete(self) -> None:
        """The body is whole: off it goes."""
        if self._size > self._most_bytes:
            self._shadows.leave_out()
            return
        body = b"".join(self._pieces)
        for revision in self._revisions:
            self._shadows.send(self._original, revision, body)


class _Nobody:
    """Who asked for a copy: takes everything and wants nothing. See `ends.Asker`."""

    __slots__ = ("_shadows", "hub", "origin")

    def __init__(self, hub: Hub, shadows: Shadows, original: Exchange) -> None:
        self.hub = hub
        self.origin = original.client.origin
        self._shadows = shadows

    def hold_reading(self) -> None: ...

    def go_on_reading(self) -> None: ...

    def answer_head(
        self, exchange: Exchange, answer: AnswerHead, *, bodiless: bool, body: bytes, ends: bool
    ) -> None: ...

    def answer_body(self, piece: bytes) -> None: ...

    def answer_end(self, trailers: Sequence[bytes]) -> None: ...

    def switch(self, exchange: Exchange, answer: AnswerHead, data: bytes) -> None: ...

    def write_eof(self) -> None: ...

    def answer(self, exchange: Exchange, refusal: Refusal) -> None:
        self._shadows.ended(exchange)

    def done(self, exchange: Exchange) -> None:
        self._shadows.ended(exchange)

    def break_off(self, refusal: Refusal | None = None) -> None: ...
