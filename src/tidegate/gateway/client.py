"""Connections from clients: requests are taken off one at a time, answers written in their order.

Requests that came behind the one being served stay unread bytes: at most `pipeline_bytes` of them,
then the client is not read any more. A client that closes, or half-closes, its side has left: nobody
would be told if its answer failed, and replicas should not work for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING, cast

from tidegate.gateway import answers
from tidegate.gateway.answers import Refusal
from tidegate.gateway.chunks import LAST_CHUNK, BadChunk, Chunks, chunk
from tidegate.gateway.exchange import Exchange
from tidegate.gateway.fields import BadHead
from tidegate.gateway.h2.client import ClientConnection as Http2Client
from tidegate.gateway.h2.frames import PREFACE_HEAD
from tidegate.gateway.heads import (
    CHUNKED,
    MAX_HEAD_BYTES,
    AnswerHead,
    RequestHead,
    parse_request,
)
from tidegate.gateway.origin import Origin

if TYPE_CHECKING:
    from tidegate.gateway.hub import Hub


class _Mood(Enum):
    """What the bytes that come are."""

    OPEN = auto()  # heads and bodies
    TUNNEL = auto()  # whatever client and replica agreed upon
    LINGERING = auto()  # the rest of a request that was answered early: thrown away
    CLOSED = auto()


class ClientConnection(asyncio.Protocol):
    """One connection from a client."""

    __slots__ = (
        "_body_left",
        "_chunks",
        "_in",
        "_known_head",
        "_known_raw",
        "_mood",
        "_paused",
        "_rechunk",
        "_serving",
        "_transport",
        "_write_paused",
        "exchange",
        "hub",
        "keep",
        "origin",
        "since_s",
    )

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.exchange: Exchange | None = None
        self.keep = True  # the connection stays after the current answer
        self.since_s = (
            0.0  # when the wait for a (rest of a) request began, or the lingering; coarse
        )
        self._transport: asyncio.Transport | None = None
        self._in = b""
        self._body_left = 0  # of the current request's body: bytes, or CHUNKED
        self._chunks: Chunks | None = None
        self._mood = _Mood.OPEN
        self._paused = False
        self._write_paused = False
        self._serving = False
        self._rechunk = False  # the current answer's body goes on in chunks
        self.origin = Origin(None)
        # A client often sends the very same head again: it is read once.
        self._known_raw = b""
        self._known_head: RequestHead | None = None

    # --- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class, not a subclass
        secure = transport.get_extra_info("ssl_object") is not None
        self.origin = Origin(transport.get_extra_info("peername"), secure=secure)
        self.since_s = self.hub.coarse_s
        self.hub.clients.add(self)

    def data_received(self, data: bytes) -> None:
        if self._mood is not _Mood.OPEN:
            if self._mood is _Mood.TUNNEL and self.exchange is not None:
                tunnel = self.exchange.tunnel
                assert tunnel is not None
                tunnel.from_client(data)
            return
        if self._body_left:
            data = self._take_body(data)
            if not data:
                return
        if self.exchange is not None:
            self._in += data
            if len(self._in) > self.hub.settings.pipeline_bytes:
                self.hold_reading()
            return
        if self._in:
            data = self._in + data
        else:
            self.since_s = self.hub.coarse_s
        self._serve(data)

    def eof_received(self) -> bool:
        exchange = self.exchange
        if self._mood is _Mood.TUNNEL and exchange is not None and exchange.tunnel is not None:
            stays = exchange.tunnel.client_ended()
            return stays and self._transport is not None and self._transport.can_write_eof()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.hub.clients.discard(self)
        self._mood = _Mood.CLOSED
        self._transport = None
        if self.exchange is not None:
            self.exchange.client_gone()
            self.exchange = None

    def pause_writing(self) -> None:
        self._write_paused = True
        if self.exchange is not None and self.exchange.conn is not None:
            self.exchange.conn.pause()

    def resume_writing(self) -> None:
        self._write_paused = False
        if self.exchange is not None and self.exchange.conn is not None:
            self.exchange.conn.resume()

    # --- used by the exchange

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)
            if self._write_paused and self.exchange is not None and self.exchange.conn is not None:
                self.exchange.conn.pause()

    def hold_reading(self) -> None:
        """Read no more for now."""
        if not self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def go_on_reading(self) -> None:
        """There is room for more."""
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def closes_after(self, exchange: Exchange) -> bool:
        """Whether this answer is the connection's last."""
        return not (exchange.head.keep_alive and exchange.body_done and not self.hub.leaving)

    def answer_head(
        self, exchange: Exchange, answer: AnswerHead, *, bodiless: bool, body: bytes, ends: bool
    ) -> None:
        """The answer begins; how long it is, we say anew."""
        head, tail = exchange.head, b""
        close = self.closes_after(exchange)
        self._rechunk = False
        if answer.length < 0 and not bodiless:
            if head.modern:
                self._rechunk = True
                tail = b"transfer-encoding: chunked\r\n"
            else:
                close = True
        elif answer.length == CHUNKED and head.modern:
            tail = b"transfer-encoding: chunked\r\n"  # to HEAD: what GET would have got
        if close:
            self.keep = False
            tail += b"connection: close\r\n"
        elif not head.modern:
            tail += b"connection: keep-alive\r\n"
        if exchange.extras is not None:
            tail += exchange.extras.notes(self.hub.monotonic())
        self.write(answer.start + tail + b"\r\n" + body)

    def answer_body(self, piece: bytes) -> None:
        """More of the answer."""
        self.write(chunk(piece) if self._rechunk else piece)

    def answer_end(self, trailers: Sequence[bytes]) -> None:
        """The answer is whole. Trailers go on only to a client that said it takes them."""
        if not self._rechunk:
            return
        self._rechunk = False
        if trailers and self.exchange is not None and self.exchange.head.takes_trailers:
            self.write(b"\r\n".join((b"0", *trailers, b"", b"")))
        else:
            self.write(LAST_CHUNK)

    def switch(self, exchange: Exchange, answer: AnswerHead, data: bytes) -> None:
        """From here on bytes go both ways; what the client said already goes first."""
        self._mood = _Mood.TUNNEL
        self.keep = False
        extras = exchange.extras
        notes = extras.notes(self.hub.monotonic()) if extras is not None else b""
        upgrade = b"connection: Upgrade\r\nupgrade: %b\r\n" % (answer.upgrade or b"")
        self.write(answer.start + upgrade + notes + b"\r\n" + data)
        early, self._in = self._in, b""
        if early and exchange.tunnel is not None:
            exchange.tunnel.from_client(early)
        self.go_on_reading()

    def write_eof(self) -> None:
        """The replica has said its last."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()  # TLS has no end of one direction alone

    def answer(self, exchange: Exchange, refusal: Refusal) -> None:
        """Our own answer to the exchange, which has ended."""
        close = self.closes_after(exchange)
        self.keep = not close
        extras = exchange.extras
        notes = extras.notes(self.hub.monotonic()) if extras is not None else b""
        head_only = exchange.head.method == b"HEAD"
        self.write(refusal.wire(close=close, head_only=head_only, notes=notes))
        self.done(exchange)

    def done(self, exchange: Exchange) -> None:
        """The exchange was answered: on to the next request, or to the end."""
        assert self.exchange is exchange
        self.exchange = None
        if self._transport is None:
            return
        if not self.keep:
            self._say_goodbye(unread=not exchange.body_done)
            return
        self.since_s = self.hub.coarse_s
        if self._in and not self._serving:
            data, self._in = self._in, b""
            self._serve(data)
        if self._paused and self.exchange is None:
            self.go_on_reading()

    def break_off(self, refusal: Refusal | None = None) -> None:
        """End the connection in the middle of an answer. A reset, for an end would look like a whole one
        where the length wasn't said."""
        self.exchange = None
        self._mood = _Mood.CLOSED
        if self._transport is not None:
            self._transport.abort()

    # --- used by the hub

    def check(self, now_s: float) -> None:
        """End what waited too long. Called about once a second; a running exchange has its own limits."""
        if self.exchange is not None or self._transport is None:
            return
        settings, waited_s = self.hub.settings, now_s - self.since_s
        if self._mood is _Mood.LINGERING:
            if waited_s >= settings.linger_s:
                self._transport.abort()
        elif self._in:
            if waited_s >= settings.head_timeout_s:
                self._refuse_head(answers.head_too_slow(settings.head_timeout_s))
        elif waited_s >= settings.keep_alive_s:
            self._transport.close()

    def leave_if_idle(self) -> None:
        """The gateway ends: let go of a connection on which nothing is going on."""
        if self.exchange is None and self._transport is not None and self._mood is _Mood.OPEN:
            self._transport.close()

    # --- reading requests

    def _serve(self, data: bytes) -> None:
        """Take requests off the data until one must be waited for."""
        self._serving = True
        while data and self._mood is _Mood.OPEN:
            self._in = b""
            if data[:2] == b"\r\n":  # tolerated before a request (RFC 9112 2.2)
                data = data[2:]
                continue
            end = data.find(b"\r\n\r\n")
            if end < 0 or end > MAX_HEAD_BYTES:
                if len(data) > MAX_HEAD_BYTES:
                    self._refuse_head(answers.HEAD_TOO_LARGE)
                else:
                    self._in = data
                break
            raw = data[:end]
            if raw != self._known_raw or self._known_head is None:
                try:
                    self._known_head = parse_request(raw)
                except BadHead as why:
                    if raw == PREFACE_HEAD and not self._known_raw:
                        self._speak_http2(data[end + 4 :])
                        break
                    self._refuse_head(Refusal(why.status, why.reason, str(why)))
                    break
                self._known_raw = raw
            head = self._known_head
            data = data[end + 4 :]
            self._in = self._begin(head, data) if data or head.length else self._begin_bare(head)
            if self.exchange is not None:
                break
            data = self._in
        self._serving = False

    def _speak_http2(self, data: bytes) -> None:
        """The client's first words are HTTP/2's: another protocol takes the connection over."""
        assert self._transport is not None
        transport, self._transport, self._mood = self._transport, None, _Mood.CLOSED
        self.hub.clients.discard(self)
        http2 = Http2Client(self.hub, self.origin, transport)
        transport.set_protocol(http2)
        if data:
            http2.data_received(data)

    def _begin_bare(self, head: RequestHead) -> bytes:
        """A request without a body and nothing behind it: the usual GET."""
        exchange = self.exchange = Exchange(self, head)
        exchange.body_done = True
        self.hub.submit(exchange)
        return b""

    def _begin(self, head: RequestHead, data: bytes) -> bytes:
        """Start on a request; the bytes that are not its body."""
        exchange = self.exchange = Exchange(self, head)
        length = head.length
        if 0 <= length <= len(data):
            if length:
                exchange.held.append(data[:length])
                exchange.held_bytes = length
                data = data[length:]
            exchange.body_done = True
        else:
            self._body_left = length
            self._chunks = Chunks() if length == CHUNKED else None
            if data:
                data = self._take_body(data)
        if exchange.ended:  # its body could not be read
            return b""
        self.hub.submit(exchange)
        if head.expects_continue and not exchange.body_done and self.exchange is exchange:
            self.write(answers.CONTINUE)
        return data

    def _take_body(self, data: bytes) -> bytes:
        """Hand the exchange what of the data is its body; the rest. An ended exchange's is thrown away."""
        exchange = self.exchange
        if self._chunks is not None:
            try:
                pieces, rest = self._chunks.feed(data)
            except BadChunk:
                self._body_left, self._chunks = 0, None
                self._refuse_body()
                return b""
            for piece in pieces:
                if exchange is not None and not exchange.ended:
                    exchange.take_body(piece)
            if not self._chunks.done:
                return b""
            self._body_left, self._chunks = 0, None
        else:
            piece, rest = data[: self._body_left], data[self._body_left :]
            self._body_left -= len(piece)
            if exchange is not None and not exchange.ended:
                exchange.take_body(piece)
            if self._body_left:
                return b""
        if exchange is not None and not exchange.ended:
            exchange.end_body()
        return rest

    def _refuse_body(self) -> None:
        exchange = self.exchange
        if exchange is not None and not exchange.ended:
            self.keep = False
            exchange.refuse(answers.BAD_CHUNK)

    def _refuse_head(self, refusal: Refusal) -> None:
        """Answer bytes that are no request; where the next one would begin is not known, so it's the end."""
        self.write(refusal.wire(close=True))
        self._in = b""
        self._say_goodbye(unread=True)

    def _say_goodbye(self, *, unread: bool) -> None:
        """Close once all is written. With more to come from the client, read on for a moment: closing on
        unread bytes sends a reset, which can destroy the answer on its way."""
        assert self._transport is not None
        self._in = b""
        if not unread:
            self._mood = _Mood.CLOSED
            self._transport.close()
            return
        self._mood = _Mood.LINGERING
        self.since_s = self.hub.coarse_s
        self.go_on_reading()
        if self._transport.can_write_eof():
            self._transport.write_eof()
