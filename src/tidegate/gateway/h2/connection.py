"""An HTTP/2 connection, either end: frames in their order, settings, windows, and who abuses them.

What one peer can make us hold is bounded: header blocks by size and by number of frames, streams by our
setting, data by windows, what we owe it by the transport's buffer. What it can make us do for nothing
(streams opened and reset at once, pings, empty frames) is counted, and forgotten at a rate that no honest
client comes near.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, cast

from tidegate.gateway.h2 import frames
from tidegate.gateway.h2.frames import Code, Fault, StreamFault
from tidegate.gateway.h2.hpack import NO_TABLE
from tidegate.gateway.h2.intake import Intake
from tidegate.gateway.h2.patience import Patience
from tidegate.gateway.h2.stream import WINDOW, Stream

log = logging.getLogger(__name__)

_WINDOW: Final = 16 * 2**20  # bytes that may be on their way to us on all streams together
_MOST_OWED: Final = 2**20  # bytes of answers to pings and the like that a peer may leave unread


class Connection(asyncio.Protocol, ABC):
    """What both ends have in common. `now` is a coarse monotonic clock in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.streams: dict[int, Stream] = {}
        self.blocked: dict[int, Stream] = {}  # have data and no room
        self.first_window = frames.DEFAULT_WINDOW  # of streams, as the peer says
        self.most_frame = frames.LEAST_MAX_FRAME  # bytes, as the peer says
        self.most_streams = 100  # as the peer says
        self.out_window = frames.DEFAULT_WINDOW
        self.write_paused = False
        self.over = False  # nothing more is read; it is being closed
        self.moved_s = now()  # when there was last room for more; coarse
        self._now = now
        self._transport: asyncio.Transport | None = None
        self._in = Intake()
        self._in_window = frames.DEFAULT_WINDOW
        self._greeted = False  # the peer's first SETTINGS have come
        self._no_table = NO_TABLE
        self._patience = Patience(now())

    # --- for the two ends to fill in

    @abstractmethod
    def on_block(self, stream: int, block: bytes, ends: bool) -> None:
        """A whole header block. Raises `Fault`."""

    def on_goaway(self, last: int, code: int, why: str) -> None:
        """The peer opens nothing more, and has not looked at streams after `last`."""

    def on_settings(self) -> None:
        """The peer's settings changed."""

    def on_dropped(self) -> None:
        """A stream is gone."""

    @abstractmethod
    def is_idle(self, stream: int) -> bool:
        """Whether nobody has used this stream id yet."""

    # --- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class, not a subclass

    def data_received(self, data: bytes) -> None:
        try:
            for kind, flags, stream, payload in self._in.feed(data):
                if self.over:
                    break
                self._frame(kind, flags, stream, payload)
        except Fault as why:
            self.fail(why.code, str(why))

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.over = True
        self._transport = None
        self._lose_streams()

    def pause_writing(self) -> None:
        self.write_paused = True

    def resume_writing(self) -> None:
        self.write_paused = False
        self._push_blocked()

    # --- used by streams

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def write_headers(self, stream: int, block: bytes, *, ends: bool) -> None:
        """A header block."""
        if self._no_table:
            block, self._no_table = self._no_table + block, b""
        self.write(frames.header_frames(stream, block, ends=ends, most=self.most_frame))

    def drop(self, stream: Stream) -> None:
        """A stream is gone."""
        if not stream.closed:
            stream.closed = True
            self.streams.pop(stream.id, None)
            self.blocked.pop(stream.id, None)
            self.on_dropped()

    # --- for the two ends

    def greet(self, settings: dict[int, int]) -> None:
        """Our settings, and a wide window for the connection: it is the streams' that hold back."""
        given = {frames.INITIAL_WINDOW_SIZE: WINDOW, **settings}
        self.write(
            frames.settings_frame(given.items())
            + frames.window_frame(0, _WINDOW - frames.DEFAULT_WINDOW)
        )
        self._in_window = _WINDOW

    def fail(self, code: Code, why: str) -> None:
        """The peer can't be understood, or must not go on: say so, and close."""
        if not self.over:
            log.info("an HTTP/2 connection ends: %s (%s)", why, code.name)
            self.say_goodbye(code, why)
            self.close()
            self._lose_streams()

    def say_goodbye(self, code: Code, why: str = "") -> None:
        """GOAWAY."""
        self.write(frames.goaway_frame(self.last_stream(), code, why))

    def last_stream(self) -> int:
        """The last of the peer's streams that was looked at."""
        return 0

    def close(self) -> None:
        """Close once all is written."""
        self.over = True
        if self._transport is not None:
            self._transport.close()

    def nuisance(self, points: int) -> None:
        """The peer made us work for nothing. Raises `Fault` when it is too much."""
        self._patience.wear(points, self._now())

    def _lose_streams(self) -> None:
        for stream in list(self.streams.values()):
            stream.closed = True
            stream.on_lost()
        self.streams.clear()
        self.blocked.clear()

    def _push_blocked(self, only: Stream | None = None) -> None:
        """Send what waits, one frame a stream and turn."""
        going = list(self.blocked.values()) if only is None else [only]
        self.moved_s = self._now()
        while going:
            going = [s for s in going if not s.closed and s.waits and s.push()]
            for stream in [s for s in going if not s.waits]:
                self.blocked.pop(stream.id, None)
                if not stream.closed:
                    stream.on_room()

    # --- frames

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if not self._greeted:
            if kind != frames.SETTINGS or flags & frames.ACK:
                raise Fault(Code.PROTOCOL_ERROR, "the first frame is not SETTINGS")
            self._greeted = True
            self._settings(flags, stream, payload)
        elif kind == frames.DATA:
            self._data(flags, stream, payload)
        elif kind == frames.HEADERS:
            if not stream:
                raise Fault(Code.PROTOCOL_ERROR, "HEADERS without a stream")
            self.on_block(stream, payload, bool(flags & frames.END_STREAM))
        elif kind == frames.WINDOW_UPDATE:
            self._window(stream, frames.word_of(payload, "WINDOW_UPDATE"))
        elif kind == frames.RST_STREAM:
            self._reset(stream, frames.word_of(payload, "RST_STREAM"))
        elif kind == frames.SETTINGS:
            self._settings(flags, stream, payload)
        elif kind == frames.PING:
            self._ping(flags, stream, payload)
        elif kind == frames.GOAWAY:
            self.on_goaway(*frames.goaway_of(payload))
        elif kind == frames.PUSH_PROMISE:
            raise Fault(Code.PROTOCOL_ERROR, "PUSH_PROMISE, which nobody here may send")
        else:  # PRIORITY says nothing any more, and unknown kinds are to be ignored
            self.nuisance(1)

    def _data(self, flags: int, id_: int, payload: bytes) -> None:
        size = len(payload)
        self._in_window -= size
        if self._in_window < 0:
            raise Fault(Code.FLOW_CONTROL_ERROR, "more data than the connection's window")
        if self._in_window < _WINDOW // 2:
            self.write(frames.window_frame(0, _WINDOW - self._in_window))
            self._in_window = _WINDOW
        stream = self.streams.get(id_)
        if stream is None or stream.remote_ended:
            self.late(id_)
            return
        piece, ends = frames.unpadded(flags, payload), bool(flags & frames.END_STREAM)
        if not piece and not ends:
            self.nuisance(1)
        stream.in_window -= size
        try:
            if stream.in_window < 0:
                raise StreamFault(Code.FLOW_CONTROL_ERROR, "more data than the stream's window")
            self.ended_by_peer(stream, ends)
            stream.on_data(piece, ends)
        except StreamFault as why:
            self.stream_fault(stream, why)
        stream.grant()

    def ended_by_peer(self, stream: Stream, ends: bool) -> None:
        """The peer has sent its last on a stream, if `ends`."""
        if ends:
            stream.remote_ended = True
            if stream.local_ended and not stream.waits:
                self.drop(stream)

    def stream_fault(self, stream: Stream, why: StreamFault) -> None:
        """The peer broke the rules of one stream: it ends, the others go on."""
        log.info("stream %d of an HTTP/2 connection ends: %s", stream.id, why)
        stream.reset(why.code)
        stream.on_reset(why.code)

    def late(self, id_: int) -> None:
        """A frame for a stream that is gone, or never was. Raises `Fault`. No nuisance: whoever was
        answered before the request was complete has sent the rest of it already."""
        if not id_ or self.is_idle(id_):
            raise Fault(Code.PROTOCOL_ERROR, f"a frame for stream {id_}, which was never opened")

    def _window(self, id_: int, more: int) -> None:
        more &= frames.MAX_WINDOW
        stream = self.streams.get(id_)
        if id_ and stream is None:
            self.late(id_)
        elif stream is not None:
            stream.out_window += more
            if not more or stream.out_window > frames.MAX_WINDOW:
                why = StreamFault(Code.FLOW_CONTROL_ERROR, f"a window grown by {more} bytes")
                self.stream_fault(stream, why)
            elif stream.waits:
                self._push_blocked(stream)
        else:
            self.out_window += more
            if not more or self.out_window > frames.MAX_WINDOW:
                raise Fault(Code.FLOW_CONTROL_ERROR, f"a window grown by {more} bytes")
            if self.blocked:
                self._push_blocked()

    def _reset(self, id_: int, code: int) -> None:
        stream = self.streams.get(id_)
        if stream is None:
            self.late(id_)
        else:
            self.drop(stream)
            stream.on_reset(code)

    def _settings(self, flags: int, stream: int, payload: bytes) -> None:
        if stream:
            raise Fault(Code.PROTOCOL_ERROR, "SETTINGS of a stream")
        if flags & frames.ACK:
            if payload:
                raise Fault(Code.FRAME_SIZE_ERROR, "an acknowledgement with settings in it")
            return
        for name, value in frames.settings_of(payload):
            if name == frames.INITIAL_WINDOW_SIZE:
                self._first_window(value)
            elif name == frames.MAX_FRAME_SIZE:
                self.most_frame = value
            elif name == frames.MAX_CONCURRENT_STREAMS:
                self.most_streams = value
        self._owe(frames.frame(frames.SETTINGS, frames.ACK, 0, b""))
        self._push_blocked()
        self.on_settings()

    def _first_window(self, size: int) -> None:
        more, self.first_window = size - self.first_window, size
        for stream in self.streams.values():
            stream.out_window += more
            if stream.out_window > frames.MAX_WINDOW:
                raise Fault(Code.FLOW_CONTROL_ERROR, "a stream's window grew beyond 2^31 - 1")

    def _ping(self, flags: int, stream: int, payload: bytes) -> None:
        if stream or len(payload) != 8:
            raise Fault(Code.FRAME_SIZE_ERROR, "PING is 8 bytes long and of no stream")
        if not flags & frames.ACK:
            self._owe(frames.frame(frames.PING, frames.ACK, 0, payload))

    def _owe(self, data: bytes) -> None:
        """Answer what must be answered, as long as the answers are read."""
        self.nuisance(1)
        self.write(data)
        transport = self._transport
        if (
            self.write_paused
            and transport is not None
            and transport.get_write_buffer_size() > _MOST_OWED
        ):
            raise Fault(Code.ENHANCE_YOUR_CALM, "our answers are not read")
