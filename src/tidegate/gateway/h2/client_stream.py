"""One request of an HTTP/2 client: a stream, and the client's end of an exchange (`ends.Asker`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from tidegate.gateway.answers import Refusal
from tidegate.gateway.exchange import Exchange
from tidegate.gateway.h2.frames import Code, StreamFault
from tidegate.gateway.h2.heads import answer_block
from tidegate.gateway.h2.hpack import encoded, encoded_lines
from tidegate.gateway.h2.patience import COSTLY
from tidegate.gateway.h2.refusals import refusal_block, refusal_trailers
from tidegate.gateway.h2.stream import Stream
from tidegate.gateway.heads import AnswerHead, RequestHead

if TYPE_CHECKING:
    from tidegate.gateway.h2.client import ClientConnection

_AT_ONCE_S: Final = 0.1  # a request that is reset sooner than this was hardly meant
_CONTINUE: Final = encoded(b":status", b"100")


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
