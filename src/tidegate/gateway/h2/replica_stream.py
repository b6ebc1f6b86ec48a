"""One exchange at a replica that speaks HTTP/2: a stream of one of the connections to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from tidegate.gateway import answers
from tidegate.gateway.h2.frames import Code, StreamFault
from tidegate.gateway.h2.heads import grpc_status, request_block
from tidegate.gateway.h2.hpack import encoded_lines
from tidegate.gateway.h2.refusals import FAILURES
from tidegate.gateway.h2.stream import Stream
from tidegate.gateway.heads import AnswerHead

if TYPE_CHECKING:
    from tidegate.gateway.exchange import Exchange
    from tidegate.gateway.h2.upstream import Carrier

_NO_ANSWER: Final = AnswerHead(0, b"", 0, True)


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
                trailers = reader.trailers(block, ends)
                self._check_length(0, ends)
                self.conn.ended_by_peer(self, ends)
                self._finish(trailers)
                return
            answer = reader.head(block, ends)
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
