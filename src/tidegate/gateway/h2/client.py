"""Clients that speak HTTP/2 without TLS: each stream is a request like any other, queued by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from tidegate.gateway.answers import Refusal
from tidegate.gateway.exchange import Exchange
from tidegate.gateway.fields import BadHead
from tidegate.gateway.h2 import frames
from tidegate.gateway.h2.connection import COSTLY, Connection
from tidegate.gateway.h2.frames import Code, StreamFault
from tidegate.gateway.h2.heads import answer_block, request_head, trailer_lines
from tidegate.gateway.h2.hpack import Reader, encoded, encoded_lines
from tidegate.gateway.h2.refusals import refusal_block, refusal_trailers
from tidegate.gateway.h2.stream import Stream
from tidegate.gateway.heads import MAX_HEAD_BYTES, AnswerHead, RequestHead

if TYPE_CHECKING:
    import asyncio

    from tidegate.gateway.hub import Hub
    from tidegate.gateway.origin import Origin

_AT_ONCE_S: Final = 0.1  # a request that is reset sooner than this was hardly meant
_CONTINUE: Final = encoded(b":status", b"100")


class ClientConnection(Connection):
    """One connection from a client, taken over after its preface."""

    def __init__(self, hub: Hub, origin: Origin, transport: asyncio.Transport) -> None:
        super().__init__(lambda: hub.coarse_s)
        self.hub = hub
        self.origin = origin
        self.since_s = hub.coarse_s  # when it last had a stream, or was closed; coarse
        self._last = 0
        self._reader: Reader[RequestHead] = Reader(request_head)
        self._preface = frames.PREFACE_REST
        self._leaving = False
        self._transport = transport
        hub.clients.add(self)
        self.greet(
            {
                frames.MAX_CONCURRENT_STREAMS: hub.settings.max_streams,
                frames.MAX_HEADER_LIST_SIZE: MAX_HEAD_BYTES,
            }
        )

    def data_received(self, data: bytes) -> None:
        if self._preface:  # its second half
            size = min(len(data), len(self._preface))
            if data[:size] != self._preface[:size]:
                self._preface = b""
                self.fail(Code.PROTOCOL_ERROR, "the connection's preface is not HTTP/2's")
                return
            self._preface, data = self._preface[size:], data[size:]
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.hub.clients.discard(self)
        super().connection_lost(exc)

    # --- used by the hub

    def check(self, now_s: float) -> None:
        """End what waited too long; about once a second."""
        if self._transport is None:
            return
        settings, waited_s = self.hub.settings, now_s - self.since_s
        if self.over:
            if waited_s >= settings.linger_s:
                self._transport.abort()
        elif not self._greeted or self._block is not None:
            if waited_s >= settings.head_timeout_s:
                self.fail(Code.SETTINGS_TIMEOUT, "a connection without settings, or a head cut off")
        elif not self.streams and waited_s >= settings.keep_alive_s:
            self.fail(Code.NO_ERROR, "nothing was asked for long")
        elif self.blocked and now_s - self.moved_s >= settings.keep_alive_s:
            self._drop_unread()

    def leave_if_idle(self) -> None:
        """The gateway ends: what comes now is for the next one, what is here is finished."""
        if not self._leaving and not self.over:
            self._leaving = True
            self.say_goodbye(Code.NO_ERROR, "this gateway is ending")
        self._close_if_left()

    def break_off(self, refusal: Refusal | None = None) -> None:
        """The gateway can't wait any longer."""
        if self._transport is not None:
            self._transport.abort()

    # --- what the connection is told

    def last_stream(self) -> int:
        return self._last

    def close(self) -> None:
        self.since_s = self.hub.coarse_s
        super().close()

    def is_idle(self, stream: int) -> bool:
        return stream > self._last or stream % 2 == 0

    def on_dropped(self) -> None:
        self.since_s = self.hub.coarse_s
        self._close_if_left()

    def on_block(self, stream: int, block: bytes, ends: bool) -> None:
        known = self.streams.get(stream)
        if known is not None:
            known.on_headers(block, ends)
        elif stream <= self._last or stream % 2 == 0:
            self._reader.fields(block)
            self.late(stream)
        else:
            self._open(stream, block, ends)

    def trailers(self, block: bytes, ends: bool) -> tuple[bytes, ...]:
        """Fields behind a body. Raises `Fault`, `StreamFault`."""
        return trailer_lines(self._reader.fields(block), ends)

    def _open(self, id_: int, block: bytes, ends: bool) -> None:
        if self._leaving:  # the client was told; it asks the next gateway
            self._reader.fields(block)
            return
        self._last = id_
        self.since_s = self.hub.coarse_s
        stream = ClientStream(self, id_)
        try:
            head = self._reader.read(block, ends)
        except StreamFault as why:
            self.nuisance(COSTLY)
            stream.reset(why.code)
            return
        except BadHead as why:
            self.nuisance(COSTLY)
            self.streams[id_] = stream
            stream.remote_ended = ends
            stream.refuse(Refusal(why.status, why.reason, str(why)))
            return
        if len(self.streams) >= self.hub.settings.max_streams:
            self.nuisance(COSTLY)
            stream.reset(Code.REFUSED_STREAM)
            return
        self.streams[id_] = stream
        stream.begin(head, ends)

    def _drop_unread(self) -> None:
        """Nobody waits for these answers but the client, which takes nothing: they are not kept for ever.
        Those that are still being made have the time limits of their revision."""
        for stream in list(self.blocked.values()):
            if isinstance(stream, ClientStream) and stream.exchange is None:
                stream.reset(Code.CANCEL)

    def _close_if_left(self) -> None:
        if self._leaving and not self.streams and not self.over:
            self.close()


class ClientStream(Stream):
    """One request: the client's end of an exchange (`ends.Asker`)."""

    __slots__ = ("_came_s", "_left", "exchange", "hub", "of", "origin")

    def __init__(self, of: ClientConnection, id_: int) -> None:
        super().__init__(of, id_)
        self.of = of
        self.hub = of.hub
        self.origin = of.origin
        self.exchange: Exchange | None = None
        self._left = -1  # bytes of the body still to come, as announced; -1: not announced
        self._came_s = 0.0

    # --- told by the connection

    def begin(self, head: RequestHead, ends: bool) -> None:
        """The request came."""
        exchange = self.exchange = Exchange(self, head)
        self._came_s = self.hub.monotonic()
        self._left = max(head.length, -1)
        self.remote_ended = exchange.body_done = ends
        self.hub.submit(exchange)
        if head.expects_continue and not ends and not self.closed and self.exchange is exchange:
            self.send_headers(_CONTINUE, ends=False)

    def on_headers(self, block: bytes, ends: bool) -> None:
        try:
            lines = self.of.trailers(block, ends)
            self._check_length(0, ends)
        except StreamFault as why:
            self.conn.stream_fault(self, why)
            return
        exchange = self.exchange
        self.conn.ended_by_peer(self, ends)
        if exchange is not None and not exchange.ended:
            exchange.trailers = lines
            exchange.end_body()

    def on_data(self, piece: bytes, ends: bool) -> None:
        self._check_length(len(piece), ends)
        exchange = self.exchange
        if exchange is None or exchange.ended:
            return
        if piece:
            exchange.take_body(piece)
        if ends and not exchange.ended:
            exchange.end_body()

    def on_reset(self, code: int) -> None:
        exchange = self.exchange
        if exchange is not None:
            self.exchange = None
            exchange.client_gone()
            if self.hub.monotonic() - self._came_s < _AT_ONCE_S:
                self.of.nuisance(COSTLY)

    def on_lost(self) -> None:
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.client_gone()

    def on_full(self) -> None:
        if self.exchange is not None and self.exchange.conn is not None:
            self.exchange.conn.pause()

    def on_room(self) -> None:
        if self.exchange is not None and self.exchange.conn is not None:
            self.exchange.conn.resume()

    def on_sent(self) -> None:
        """The answer is whole and the request is not: the rest of it is not wanted (RFC 9113 8.1)."""
        self.reset(Code.NO_ERROR)

    # --- the client's end of the exchange

    def answer_head(
        self, exchange: Exchange, answer: AnswerHead, *, bodiless: bool, body: bytes, ends: bool
    ) -> None:
        """The answer begins."""
        block = answer_block(answer.start) + self._notes(exchange)
        last = bodiless or (ends and not body)
        self.send_headers(block, ends=last)
        if body and not bodiless:
            self.send(body, ends=ends)

    def answer_body(self, piece: bytes) -> None:
        """More of the answer."""
        if piece:
            self.send(piece)

    def answer_end(self, trailers: Sequence[bytes]) -> None:
        """The answer is whole."""
        self.end(encoded_lines(trailers))

    def answer(self, exchange: Exchange, refusal: Refusal) -> None:
        """Our own answer, in the form that the request's kind has for it."""
        if exchange.head.grpc:
            self.send_headers(refusal_block(refusal, grpc=True), ends=True)
        else:
            self.refuse(refusal, self._notes(exchange), bodiless=exchange.head.method == b"HEAD")
        self.done(exchange)

    def refuse(self, refusal: Refusal, notes: bytes = b"", *, bodiless: bool = False) -> None:
        """Answer a request, whether it could be read or not."""
        self.send_headers(refusal_block(refusal, grpc=False) + notes, ends=bodiless)
        self.send(refusal.body(), ends=True)

    def done(self, exchange: Exchange) -> None:
        """The exchange was answered."""
        self.exchange = None

    def break_off(self, refusal: Refusal | None = None) -> None:
        """A gRPC call can be told why, others are reset."""
        exchange, self.exchange = self.exchange, None
        if refusal is not None and exchange is not None and exchange.head.grpc:
            self.forget_waiting()  # a client that doesn't read must not keep us from saying it
            self.end(encoded_lines(refusal_trailers(refusal)))
        else:
            self.reset(Code.INTERNAL_ERROR)

    def switch(self, exchange: Exchange, answer: AnswerHead, data: bytes) -> None:
        """Never: HTTP/2 has no Upgrade, so no replica is asked for one."""
        raise AssertionError("an HTTP/2 request was upgraded")

    def write_eof(self) -> None:
        """Never: see `switch`."""

    def _notes(self, exchange: Exchange) -> bytes:
        """The fields that the answer gets from us."""
        extras = exchange.extras
        notes = extras.notes(self.hub.monotonic()) if extras is not None else b""
        return encoded_lines(notes[:-2].split(b"\r\n")) if notes else b""

    def _check_length(self, size: int, ends: bool) -> None:
        if self._left >= 0:
            self._left -= size
            if self._left < 0 or (ends and self._left):
                raise StreamFault(Code.PROTOCOL_ERROR, "the body is not as long as content-length")
