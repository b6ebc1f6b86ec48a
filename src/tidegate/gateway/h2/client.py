"""Clients that speak HTTP/2 without TLS: each stream is a request like any other, queued by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.gateway.answers import Refusal
from tidegate.gateway.fields import BadHead
from tidegate.gateway.h2 import frames
from tidegate.gateway.h2.client_stream import ClientStream
from tidegate.gateway.h2.connection import Connection
from tidegate.gateway.h2.frames import Code, StreamFault
from tidegate.gateway.h2.heads import request_head, trailer_lines
from tidegate.gateway.h2.hpack import Reader
from tidegate.gateway.h2.patience import COSTLY
from tidegate.gateway.heads import MAX_HEAD_BYTES, RequestHead

if TYPE_CHECKING:
    import asyncio

    from tidegate.gateway.hub import Hub
    from tidegate.gateway.origin import Origin


class ClientConnection(Connection):
    """One connection from a client, taken over after its preface."""

    def __init__(self, hub: Hub, origin: Origin, transport: asyncio.Transport) -> None:
        super().__init__(lambda: hub.coarse_s)
        self.hub = hub
        self.origin = origin
        self.since_s = hub.coarse_s  # when it last had a stream, or was closed; coarse
        self._last = 0
        self._reader: Reader[RequestHead] = Reader(request_head, trailer_lines)
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
        elif not self._greeted or (self._in.begun and not self.streams):
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
            self._reader.skip(block)
            self.late(stream)
        else:
            self._open(stream, block, ends)

    def trailers(self, block: bytes, ends: bool) -> tuple[bytes, ...]:
        """Fields behind a body. Raises `Fault`, `StreamFault`."""
        return self._reader.trailers(block, ends)

    def _open(self, id_: int, block: bytes, ends: bool) -> None:
        if self._leaving:  # the client was told; it asks the next gateway
            self._reader.skip(block)
            return
        self._last = id_
        self.since_s = self.hub.coarse_s
        stream = ClientStream(self, id_)
        try:
            head = self._reader.head(block, ends)
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
