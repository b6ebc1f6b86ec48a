"""Connections to replicas that speak HTTP/2 (a port named h2c): many exchanges on each, one stream apiece."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tidegate.gateway.h2 import frames
from tidegate.gateway.h2.connection import Connection
from tidegate.gateway.h2.frames import MAX_WINDOW, Code
from tidegate.gateway.h2.heads import answer_head, trailer_lines
from tidegate.gateway.h2.hpack import Reader
from tidegate.gateway.h2.replica_stream import ReplicaStream
from tidegate.gateway.heads import MAX_HEAD_BYTES, AnswerHead
from tidegate.gateway.news import News


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
            if carrier.has_room and not carrier.is_stale():
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
        self.reader: Reader[AnswerHead] = Reader(answer_head, trailer_lines)
        self.carriers = carriers
        self.why: str | None = None  # it ended because of this
        self.most_streams = carriers.most_streams
        self._next = 1
        self._news: News | None = None
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
            and not self._transport.is_closing()
            and len(self.streams) < self.most_streams
            and self._next < MAX_WINDOW
        )

    def is_stale(self) -> bool:
        """Whether it stood idle and something has come that was not read yet: hardly anything good. A fresh
        one has its settings to read."""
        if self.streams or not self.served or self._transport is None:
            return False
        if self._news is None:
            self._news = News(self._transport)
        return self._news.any()

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
        if not self._greeted:
            why = "not in HTTP/2, although its port is named h2c: name the port http1"
        self.why = why
        super().fail(code, why)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.carriers.add(self)
        self.write(frames.PREFACE)
        self.greet({frames.ENABLE_PUSH: 0, frames.MAX_HEADER_LIST_SIZE: MAX_HEAD_BYTES})

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
            self.reader.skip(block)
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
