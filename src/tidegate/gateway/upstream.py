"""Connections to one replica, kept open between requests, and reading its answers.

A kept connection may be closed by the replica at any moment, also just as we write. Repeating a request
that may have been worked on is not ours to decide, so for those the risk is made small first: a
connection idle for longer than `_TRUST_S` is not used for them (servers close idle ones after 2 s or
more; a connect here costs 0.1 ms), and before use the kernel is asked whether an end has come already.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

from tidegate.gateway import answers
from tidegate.gateway.chunks import LAST_CHUNK, BadChunk, Chunks, chunk
from tidegate.gateway.fields import BadHead
from tidegate.gateway.h2.upstream import Carriers
from tidegate.gateway.heads import (
    CHUNKED,
    MAX_HEAD_BYTES,
    UNTIL_CLOSE,
    AnswerHead,
    parse_answer,
)
from tidegate.gateway.news import News
from tidegate.gateway.tunnel import Tunnel

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.gateway.ends import Worker
    from tidegate.gateway.exchange import Exchange

_TRUST_S: Final = 1.0
_SEEN: Final = object()  # a head was written once
_SAYS_LENGTH_ZERO: Final = frozenset((b"POST", b"PUT", b"PATCH"))
_JUST_NOW_S: Final = (
    0.001  # used a moment ago in this very turn of the loop: an end would have been seen
)


class Pool:
    """Idle connections to one replica, the last used on top. Owned by the replica's lane.

    `h2c`: the replica is spoken to in HTTP/2, but for upgrades, which HTTP/2 doesn't have.
    """

    __slots__ = ("_idle", "carriers", "closed", "host", "id", "monotonic", "port", "rest_s")

    def __init__(
        self, id_: str, host: str, port: int, monotonic: Callable[[], float], *, h2c: bool = False
    ) -> None:
        self.id, self.host, self.port = id_, host, port
        self.carriers = Carriers(id_, monotonic) if h2c else None
        self.closed = False  # the replica takes nothing new: used connections are not kept
        self.rest_s = 0.0  # how long it rested last; 0: it accepts connections
        self._idle: list[UpstreamConnection] = []
        self.monotonic = monotonic

    def __len__(self) -> int:
        return len(self._idle)

    def leads_to(self, host: str, port: int, *, h2c: bool) -> bool:
        """Whether it is for this address and protocol."""
        return (self.host, self.port, self.carriers is not None) == (host, port, h2c)

    def carriers_for(self, exchange: Exchange) -> Carriers | None:
        """The HTTP/2 connections, if it goes by those."""
        return self.carriers if exchange.head.upgrade is None else None

    def take(self, now_s: float, exchange: Exchange) -> Worker | None:
        """A connection, or a stream, that may be used for a request; None: open a new one."""
        carriers = self.carriers
        if carriers is not None and exchange.head.upgrade is None:
            return carriers.stream()
        repeatable = exchange.idempotent
        while self._idle:
            conn = self._idle.pop()
            if not conn.usable:
                continue
            if repeatable:
                return conn
            idle_s = now_s - conn.idle_since_s
            if idle_s <= _JUST_NOW_S or (idle_s <= _TRUST_S and not conn.has_news()):
                return conn
            conn.close()
        return None

    def put(self, conn: UpstreamConnection, now_s: float) -> None:
        """Keep a connection that is free and sound."""
        if self.closed:
            conn.close()
            return
        conn.idle_since_s = now_s
        self._idle.append(conn)

    def forget(self, conn: UpstreamConnection) -> None:
        """An idle connection ended."""
        if conn in self._idle:
            self._idle.remove(conn)

    def close_idle(self, before_s: float) -> None:
        """Close those that nobody used since."""
        if self.carriers is not None:
            self.carriers.close_idle(before_s)
        old = 0
        while old < len(self._idle) and self._idle[old].idle_since_s < before_s:
            old += 1
        if old:
            gone, self._idle = self._idle[:old], self._idle[old:]
            for conn in gone:
                conn.close()

    def close(self) -> None:
        """Close all that are idle, and each other one when it becomes so."""
        self.closed = True
        if self.carriers is not None:
            self.carriers.close()
        for conn in self._idle:
            conn.close()
        self._idle.clear()


class UpstreamConnection(asyncio.Protocol):
    """One connection to a replica: at most one exchange at a time."""

    __slots__ = (
        "_chunked",
        "_chunks",
        "_in",
        "_keep",
        "_known_answer",
        "_known_head",
        "_left",
        "_news",
        "_paused",
        "_pool",
        "_transport",
        "exchange",
        "full",
        "idle_since_s",
        "served",
    )

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._news: News | None = None
        self.exchange: Exchange | None = None
        self.idle_since_s = 0.0
        self.served = 0  # answers read so far
        self.full = False  # some of what we wrote waits for room
        self._in: bytes | None = b""  # bytes of an unfinished head; None: the head is through
        self._left = 0  # of the body, or CHUNKED or UNTIL_CLOSE
        self._chunks: Chunks | None = None
        self._chunked = False  # the request's body goes in chunks
        self._keep = False
        self._paused = False
        # Answers of one replica often have the very same head (within one second of its Date): read it once.
        self._known_head = b""
        self._known_answer: AnswerHead | None = None

    @property
    def endpoint(self) -> str:
        """The replica's id."""
        return self._pool.id

    @property
    def usable(self) -> bool:
        """Whether it is open as far as we know."""
        return self._transport is not None and not self._transport.is_closing()

    # --- used by the pool and the exchange

    def begin(self, exchange: Exchange) -> None:
        """Send what there is of a request; from now on what comes is its answer."""
        self.exchange = exchange
        self._in = b""
        self._chunked = exchange.head.length == CHUNKED
        data = _head_bytes(exchange)
        if exchange.held:
            if self._chunked:
                data += chunk(b"".join(exchange.held))
            else:
                data = b"".join((data, *exchange.held))
        if self._chunked and exchange.body_done:
            data += LAST_CHUNK
        assert self._transport is not None
        self._transport.write(data)

    def send_body(self, piece: bytes) -> None:
        """More of the request's body; in a tunnel, whatever the client says."""
        assert self._transport is not None
        self._transport.write(chunk(piece) if self._chunked else piece)

    def end_body(self) -> None:
        """The request's body is complete. What came behind it stays here: HTTP/1 can't be trusted with it."""
        if self._chunked and self._transport is not None:
            self._transport.write(LAST_CHUNK)

    def write_eof(self) -> None:
        """The client has said its last (in a tunnel)."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write_eof()

    def finish(self) -> None:
        """Both have said their last (in a tunnel)."""
        self.exchange = None
        self.close()

    def pause(self) -> None:
        """The client is slow: read no more of the answer for now."""
        if not self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """The client took what there was."""
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def unused(self) -> None:
        """It was made for a request that is gone."""
        self._pool.put(self, self._pool.monotonic())

    def abandon(self) -> None:
        """Nobody wants the answer: drop the connection, so that the replica can notice."""
        self.exchange = None
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def has_news(self) -> bool:
        """Whether the kernel has something to read: on an idle connection that can only be its end."""
        if self._transport is None:
            return True
        if self._news is None:
            self._news = News(self._transport)
        return self._news.any()

    # --- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class, not a subclass

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:  # nobody asked: not to be trusted with another request
            self._pool.forget(self)
            self.close()
            return
        exchange.answered = True
        try:
            if self._in is None:
                self._body(exchange, data)
            else:
                self._head(exchange, data)
        except (BadHead, BadChunk) as why:
            self.abandon()
            exchange.conn = None
            assert exchange.lane is not None
            exchange.refuse(answers.bad_answer(exchange.lane.revision.key, self._pool.id, str(why)))

    def eof_received(self) -> bool:
        if self.exchange is not None and self.exchange.tunnel is not None:
            return self.exchange.tunnel.replica_ended()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        exchange, self.exchange = self.exchange, None
        self._transport = self._news = None
        if exchange is None:
            self._pool.forget(self)
        elif self._in is None and self._left == UNTIL_CLOSE and exc is None:
            exchange.answer_done(self._pool.monotonic())
        else:
            exchange.lost(self)

    def pause_writing(self) -> None:
        self.full = True
        if self.exchange is not None:
            self.exchange.client.hold_reading()

    def resume_writing(self) -> None:
        self.full = False
        if self.exchange is not None:
            self.exchange.client.go_on_reading()

    # --- reading an answer

    def _head(self, exchange: Exchange, data: bytes) -> None:
        if self._in:
            data = self._in + data
        while True:
            end = data.find(b"\r\n\r\n")
            if end < 0 or end > MAX_HEAD_BYTES:
                if len(data) > MAX_HEAD_BYTES:
                    raise BadHead(502, "bad-answer", "its headers take more than 64 KiB")
                self._in = data
                return
            head, data = data[:end], data[end + 4 :]
            if head == self._known_head and self._known_answer is not None:
                answer = self._known_answer
            else:
                answer = self._known_answer = parse_answer(head)
                self._known_head = head
            if answer.status >= 200:
                break
            # Interim answers end here: we answered `Expect` ourselves, and hints are only hints.
            if answer.status == 101:
                self._switch(exchange, answer, data)
                return
        self._in = None
        self._keep = answer.keep_alive and answer.length != UNTIL_CLOSE
        bodiless = exchange.head.method == b"HEAD" or answer.status == 204 or answer.status == 304
        if bodiless:
            self._keep = answer.keep_alive and not data
            exchange.answer_head(answer, bodiless=True, body=b"", ends=True)
            self._finish(exchange)
            return
        length = answer.length
        if length >= 0:
            if len(data) >= length:
                if len(data) > length:
                    data, self._keep = data[:length], False
                exchange.answer_head(answer, bodiless=False, body=data, ends=True)
                self._finish(exchange)
                return
            self._left = length - len(data)
            exchange.answer_head(answer, bodiless=False, body=data)
            return
        self._left = length
        self._chunks = Chunks() if length == CHUNKED else None
        exchange.answer_head(answer, bodiless=False, body=b"")
        if data:
            self._body(exchange, data)

    def _switch(self, exchange: Exchange, answer: AnswerHead, data: bytes) -> None:
        if exchange.head.upgrade is None or answer.upgrade is None or not exchange.body_done:
            raise BadHead(502, "bad-answer", "it changes the protocol and nobody asked")
        self._in, self._left, self._keep, self._chunked = None, UNTIL_CLOSE, False, False
        exchange.switch(Tunnel(exchange), answer, data)

    def _body(self, exchange: Exchange, data: bytes) -> None:
        if self._chunks is not None:
            pieces, rest = self._chunks.feed(data)
            for piece in pieces:
                exchange.answer_body(piece)
            if self._chunks.done:
                self._chunks = None
                self._keep = self._keep and not rest
                self._finish(exchange)
        elif self._left == UNTIL_CLOSE:
            exchange.answer_body(data)
        else:
            if len(data) > self._left:
                data, self._keep = data[: self._left], False
            self._left -= len(data)
            exchange.answer_body(data)
            if not self._left:
                self._finish(exchange)

    def _finish(self, exchange: Exchange) -> None:
        """The answer is through. Free the connection first, so that who starts next can have it."""
        now = self._pool.monotonic()
        self.exchange = None
        self.served += 1
        if self._keep and exchange.body_done and self._transport is not None:
            if self._paused:
                self.resume()
            self._pool.put(self, now)
        else:
            self.close()
        exchange.answer_done(now)


def _head_bytes(exchange: Exchange) -> bytes:
    """A request's head as HTTP/1.1 writes it. One that a client sends again and again is kept as written,
    from the second time on, for the revision that has it in turn."""
    head, lane = exchange.head, exchange.lane
    assert lane is not None
    kept_for = head.written_for
    if kept_for is None:
        head.written_for = _SEEN
        return _written(exchange)
    if exchange.extras is not None or exchange.handed_over or exchange.target is not head.target:
        return _written(exchange)
    if kept_for is not lane.extra_lines:
        head.written, head.written_for = _written(exchange), lane.extra_lines
    return head.written


def _written(exchange: Exchange) -> bytes:
    """Its framing said once, whatever the client said."""
    head = exchange.head
    lines = exchange.lines()
    lines.insert(0, b"%b %b HTTP/1.1" % (head.method, exchange.target))
    if head.length > 0:
        lines.append(b"Content-Length: %d" % head.length)
    elif head.length == CHUNKED:
        lines.append(b"Transfer-Encoding: chunked")
    elif head.method in _SAYS_LENGTH_ZERO:
        lines.append(b"Content-Length: 0")
    if head.upgrade is not None:
        lines.append(b"Connection: Upgrade\r\nUpgrade: " + head.upgrade)
    lines.append(b"\r\n")
    return b"\r\n".join(lines)
