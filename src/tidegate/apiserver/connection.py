"""One client's HTTP connection: uvicorn's, with an end to its patience.

uvicorn waits for ever for a request that has begun, for a client to read its answer, and for the end of
the headers however long they get. Whoever may connect (any program of this machine, before it says who it
is) could hold descriptors and memory with that.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: From the first byte of a request to its last; the largest takes 3 MiB.
WHOLE_REQUEST_S = 60.0
#: How long an answer may stand still because the client doesn't read.
STANDSTILL_S = 60.0
#: Request line and headers together. kubectl's are under 2 KiB; a long label selector has a place too.
LONGEST_HEAD = 128 * 1024

_TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class Connection(HttpToolsProtocol):
    """Ends its connection by itself; a watch's or a WebSocket's own time is not its business."""

    whole_request_s = WHOLE_REQUEST_S
    standstill_s = STANDSTILL_S

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._head_bytes = 0
        self._in_head = False
        self._unfinished: asyncio.TimerHandle | None = None
        self._stuck: asyncio.TimerHandle | None = None
        self._unsent = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._request_came()
        self._moving()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.transport.get_protocol() is not self:  # it is a WebSocket now
            self._request_came()
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > LONGEST_HEAD:
                self.transport.write(_TOO_LONG)
                self.transport.close()
                return
        if self.timeout_keep_alive_task is None and not self._answering():
            self._expect_request()  # its keep-alive ended with these bytes, whatever they were

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes = True, 0
        self._expect_request()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._request_came()
        super().on_message_complete()

    def pause_writing(self) -> None:
        self._unsent = self.transport.get_write_buffer_size()
        self._stuck = self.loop.call_later(self.standstill_s, self._look_at_progress)
        super().pause_writing()

    def resume_writing(self) -> None:
        self._moving()
        super().resume_writing()

    def _answering(self) -> bool:
        cycle: Any = self.cycle  # None before the first request, whatever its annotation says
        return cycle is not None and not cycle.response_complete

    def _expect_request(self) -> None:
        if self._unfinished is None:
            self._unfinished = self.loop.call_later(self.whole_request_s, self.transport.abort)

    def _request_came(self) -> None:
        if self._unfinished is not None:
            self._unfinished.cancel()
            self._unfinished = None

    def _look_at_progress(self) -> None:
        unsent = self.transport.get_write_buffer_size()
        if unsent >= self._unsent:
            self.transport.abort()
            return
        self._unsent = unsent
        self._stuck = self.loop.call_later(self.standstill_s, self._look_at_progress)

    def _moving(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None
