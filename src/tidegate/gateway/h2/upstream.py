"""Connections to replicas that speak HTTP/2 (a port named h2c): many exchanges on each, one stream apiece."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from tidegate.gateway import answers
from tidegate.gateway.h2 import frames
from tidegate.gateway.h2.connection import Connection
from tidegate.gateway.h2.frames import MAX_WINDOW, Code, StreamFault
from tidegate.gateway.h2.heads import answer_head, grpc_status, request_block, trailer_lines
from tidegate.gateway.h2.hpack import Reader, encoded_lines
from tidegate.gateway.h2.refusals import FAILURES
from tidegate.gateway.h2.stream import Stream
from tidegate.gateway.heads import MAX_HEAD_BYTES, AnswerHead

if TYPE_CHECKING:
    from tidegate.gateway.exchange import Exchange

log = logging.getLogger(__name__)

_NO_ANSWER: Final = AnswerHead(0, b"", 0, True)


class Carriers:
    """The HTTP/2 connections to one replica. Owned by its pool."""

    def __init__(self, id_: str, monotonic: Callable[[], float]) -> None:
        self.id = id_
        self.monotonic = monotonic
        self.closed = False  # no stream is opened any more
        self.opening: asyncio.Future[Carrier | None] | None = None  # the one that is being made
        self.most_streams = 100  # on one connection, as the last one said; RFC 9113's sane least
        self._all: list[Carrier] = []

    def stream(self) -> ReplicaStream | None:
        """A stream for a request that begins at once; None: a new connection is needed."""
        for carrier in self._all:
            if carrier.has_room:
                return ReplicaStream(carrier)
        return None

    def add(self, carrier: Carrier) -> None:
        """A connection was made."""
        self._all.append(carrier)

    def forget(self, carrier: Carrier) -> None:
        """A connection ended."""
        if carrier in self._all:
            self._all.remove(carrier)

    def close_idle(self, before_s: float) -> None:
        """Close those that carried nothing since; now, if none is to be opened any more."""
        for carrier in list(self._all):
            if not carrier.streams and (self.closed or carrier.idle_since_s < before_s):
                carrier.leave()

    def close(self) -> None:
        """Nothing new: each connection ends with its last stream."""
        self.closed = True
        self.close_idle(0.0)


class Carrier(Connection):
    """One connection to a replica."""

    def __init__(self, carriers: Carriers) -> None:
        super().__init__(carriers.monotonic)
        self.idle_since_s = carriers.monotonic()
        self.served = 0  # answers that came by it
        self.reader: Reader[AnswerHead] = Reader(answer_head)
        self.carriers = carriers
        self.why: str | None = None  # it ended because of this
        self.most_streams = carriers.most_streams
        self._next = 1
        self._going = False  # the replica opens nothing more

    @property
    def usable(self) -> bool:
        """Whether it is open as far as we know."""
        return not self.over and self._transport is not None

    @property
    def has_room(self) -> bool:
        """Whether a stream can be opened now."""
        return (
            not (self.over or self._going or self._transport is None)
            and len(self.streams) < self.most_streams
            and self._next < MAX_WINDOW
        )

    def admit(self, stream: ReplicaStream) -> None:
        """A stream begins."""
        stream.id, self._next = self._next, self._next + 2
        self.streams[stream.id] = stream

    def leave(self) -> None:
        """End it in good order."""
        if not self.over:
            self.say_goodbye(Code.NO_ERROR)
            self.close()

    def fail(self, code: Code, why: str) -> None:
        self.why = why
        super().fail(code, why)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.carriers.add(self)
        self.write(frames.PREFACE)
        self.greet({frames.ENABLE_PUSH: 0, frames.MAX_HEADER_LIST_SIZE: MAX_HEAD_BYTES})

    def data_received(self, data: bytes) -> None:
        if not self._greeted and not self._in and data[:5] == b"HTTP/":
            why = "it answers in HTTP/1 although its port is named h2c: name the port http1"
            self.fail(Code.PROTOCOL_ERROR, why)
        else:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.carriers.forget(self)
        super().connection_lost(exc)

    def is_idle(self, stream: int) -> bool:
        return stream >= self._next or stream % 2 == 0

    def nuisance(self, points: int) -> None:
        """Replicas are ours: late frames and pings of theirs are nobody's attack."""

    def on_block(self, stream: int, block: bytes, ends: bool) -> None:
        known = self.streams.get(stream)
        if known is not None:
            known.on_headers(block, ends)
        else:
            self.reader.fields(block)
            self.late(stream)

    def on_settings(self) -> None:
        self.carriers.most_streams = self.most_streams

    def on_goaway(self, last: int, code: int, why: str) -> None:
        self._going = True
        for stream in [s for s in self.streams.values() if s.id > last]:
            self.drop(stream)
            stream.on_reset(Code.REFUSED_STREAM)
        self.on_dropped()

    def on_dropped(self) -> None:
        self.idle_since_s = self.carriers.monotonic()
        if not self.streams and (self._going or self.carriers.closed):
            self.leave()


class ReplicaStream(Stream):
    """One exchange at a replica (`ends.Worker`)."""

    __slots__ = ("_answer", "_left", "carrier", "exchange")

    def __init__(self, carrier: Carrier) -> None:
        super().__init__(carrier, 0)
        self.carrier = carrier
        self.exchange: Exchange | None = None
        self._answer = _NO_ANSWER
        self._left = -1  # bytes of the answer's body still to come, as announced; -1: not announced

    @property
    def endpoint(self) -> str:
        """The replica's id."""
        return self.carrier.carriers.id

    @property
    def served(self) -> int:
        """Answers that came by the connection before it ended; 0 while it stands."""
        return self.carrier.served if self.carrier.over else 0

    @property
    def full(self) -> bool:
        """Whether some of the request waits here for room."""
        return self.waits

    # --- the replica's end of the exchange

    def begin(self, exchange: Exchange) -> None:
        """Send what there is of a request."""
        self.exchange = exchange
        self.carrier.admit(self)
        head, held, trailers = exchange.head, exchange.held, exchange.trailers
        block = request_block(head, exchange.target, exchange.lines()[1:])
        complete = exchange.body_done and not trailers
        self.send_headers(block, ends=complete and not held)
        for at, piece in enumerate(held, 1):
            self.send(piece, ends=complete and at == len(held))
        if exchange.body_done and trailers:
            self.end(encoded_lines(trailers))

    def send_body(self, piece: bytes) -> None:
        """More of the request's body."""
        if piece:
            self.send(piece)

    def end_body(self) -> None:
        """The request's body is complete."""
        assert self.exchange is not None
        self.end(encoded_lines(self.exchange.trailers))

    def pause(self) -> None:
        """The client is slow."""
        self.hold_reading()

    def resume(self) -> None:
        """The client took what there was."""
        self.go_on_reading()

    def abandon(self) -> None:
        """Nobody wants the answer: the replica is told."""
        self.exchange = None
        self.reset(Code.CANCEL)

    def unused(self) -> None:
        """Nobody needs it after all; its connection may have been made in vain."""
        self.carrier.on_dropped()

    def write_eof(self) -> None:
        """Never: there are no tunnels in HTTP/2 streams."""

    def finish(self) -> None:
        """Never: see `write_eof`."""

    # --- told by the connection

    def on_headers(self, block: bytes, ends: bool) -> None:
        exchange, reader = self.exchange, self.carrier.reader
        try:
            if self._answer.status >= 200:
                trailers = trailer_lines(reader.fields(block), ends)
                self._check_length(0, ends)
                self.conn.ended_by_peer(self, ends)
                self._finish(trailers)
                return
            answer = reader.read(block, ends)
            if answer.status < 200:  # hints are only hints
                if ends or answer.status == 101:
                    raise StreamFault(Code.PROTOCOL_ERROR, "an interim answer that ends")
                return
            assert exchange is not None
            bodiless = exchange.head.method == b"HEAD" or answer.status in (204, 304)
            self._left = -1 if bodiless else max(answer.length, -1)
            self._check_length(0, ends)
        except StreamFault as why:
            self.conn.stream_fault(self, why)
            return
        self._answer = answer
        exchange.answered = True
        self.conn.ended_by_peer(self, ends)
        exchange.answer_head(answer, bodiless=bodiless, body=b"", ends=ends)
        if ends:
            self._finish(answer.start.split(b"\r\n") if exchange.head.grpc else ())

    def on_data(self, piece: bytes, ends: bool) -> None:
        exchange = self.exchange
        if exchange is None:
            return
        if self._answer.status < 200:
            raise StreamFault(Code.PROTOCOL_ERROR, "a body before its head")
        self._check_length(len(piece), ends)
        bodiless = exchange.head.method == b"HEAD" or self._answer.status in (204, 304)
        if piece and not bodiless:
            exchange.answer_body(piece)
        if ends and self.exchange is exchange:
            self._finish(())

    def on_reset(self, code: int) -> None:
        exchange, self.exchange = self.exchange, None
        if exchange is None:
            return
        if code == Code.REFUSED_STREAM and not exchange.answered:
            exchange.not_taken(self)
        else:
            lane = exchange.lane
            assert lane is not None
            name = Code(code).name if code in Code.__members__.values() else str(code)
            exchange.lost(self, answers.replica_reset(lane.revision.key, self.endpoint, name))

    def on_lost(self) -> None:
        exchange, self.exchange = self.exchange, None
        if exchange is None:
            return
        why, lane = self.carrier.why, exchange.lane
        assert lane is not None
        if why is None:
            exchange.lost(self)
        else:
            exchange.conn = None
            exchange.refuse(answers.bad_answer(lane.revision.key, self.endpoint, why))

    def on_full(self) -> None:
        if self.exchange is not None:
            self.exchange.client.hold_reading()

    def on_room(self) -> None:
        if self.exchange is not None:
            self.exchange.client.go_on_reading()

    # --- inside

    def _finish(self, trailers: Sequence[bytes]) -> None:
        """The answer is through; what is left of the request is not wanted."""
        exchange, self.exchange = self.exchange, None
        self.carrier.served += 1
        self.reset(Code.NO_ERROR)
        if exchange is None:
            return
        if exchange.head.grpc and grpc_status(trailers) in FAILURES:
            exchange.failed_call()
        exchange.answer_done(self.carrier.carriers.monotonic(), trailers)

    def _check_length(self, size: int, ends: bool) -> None:
        if self._left >= 0:
            self._left -= size
            if self._left < 0 or (ends and self._left):
                raise StreamFault(Code.PROTOCOL_ERROR, "the body is not as long as content-length")
