"""Bytes taken apart into frames, with header blocks made whole. Pure.

A block that goes on in CONTINUATION frames comes out as one HEADERS frame, so that nobody else has to know
that there are such things; its size and the number of its frames are bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tidegate.gateway.h2 import frames
from tidegate.gateway.h2.frames import Code, Fault
from tidegate.gateway.heads import MAX_HEAD_BYTES

_MOST_CONTINUATIONS: Final = 32

Frame = tuple[int, int, int, bytes]  # kind, flags, stream, payload


class Intake:
    """What came on one connection and is no whole frame yet."""

    __slots__ = ("_block", "_continuations", "_flags", "_rest", "_stream")

    def __init__(self) -> None:
        self._rest = b""
        self._block: bytes | None = None  # of a header block that goes on
        self._stream = self._flags = self._continuations = 0

    @property
    def begun(self) -> bool:
        """Whether some bytes of a frame, or of a block, have come and not all."""
        return bool(self._rest) or self._block is not None

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are whole now. HEADERS comes without padding and priority. Raises `Fault`; what
        comes behind a fault, or behind the last frame taken, is lost."""
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        while end - at >= frames.HEAD_BYTES:
            high, low, kind, flags, stream = frames.HEAD.unpack_from(data, at)
            size = high << 8 | low
            if size > frames.LEAST_MAX_FRAME:
                raise Fault(Code.FRAME_SIZE_ERROR, f"a frame of {size} bytes")
            start = at + frames.HEAD_BYTES
            if end - start < size:
                break
            at = start + size
            payload, stream = data[start:at], stream & frames.MAX_WINDOW
            if kind == frames.HEADERS or kind == frames.CONTINUATION or self._block is not None:
                whole = self._headers(kind, flags, stream, payload)
                if whole is not None:
                    yield whole
            else:
                yield kind, flags, stream, payload
        self._rest = data[at:]

    def _headers(self, kind: int, flags: int, stream: int, payload: bytes) -> Frame | None:
        if self._block is not None:
            if kind != frames.CONTINUATION or stream != self._stream:
                raise Fault(Code.PROTOCOL_ERROR, "a header block is broken off")
            self._continuations += 1
            payload = self._block + payload
            if len(payload) > MAX_HEAD_BYTES or self._continuations > _MOST_CONTINUATIONS:
                raise Fault(Code.ENHANCE_YOUR_CALM, "a header block without an end")
            flags |= self._flags
        elif kind == frames.CONTINUATION:
            raise Fault(Code.PROTOCOL_ERROR, "CONTINUATION of nothing")
        else:
            payload = _block_of(flags, payload)
        if flags & frames.END_HEADERS:
            self._block = None
            return frames.HEADERS, flags, stream, payload
        if self._block is None:
            self._stream, self._continuations = stream, 0
        self._block, self._flags = payload, flags
        return None


def _block_of(flags: int, payload: bytes) -> bytes:
    block = frames.unpadded(flags, payload)
    if flags & frames.WITH_PRIORITY:
        if len(block) < 5:
            raise Fault(Code.FRAME_SIZE_ERROR, "HEADERS is too short for its priority")
        return block[5:]
    return block
