"""HTTP/2's frames (RFC 9113 sections 4 and 6): how they are built, and what is wrong with bad ones.

Bytes and values only. Written by hand because a call through h2's or jh2's state machine costs four to
five times as much CPU (docs/decisions/0014-http2-by-hand.md); the tests let h2 argue with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from struct import Struct
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # what a client says first
PREFACE_HEAD: Final = b"PRI * HTTP/2.0"  # as a reader of HTTP/1 sees it
PREFACE_REST: Final = b"SM\r\n\r\n"

DATA: Final = 0
HEADERS: Final = 1
PRIORITY: Final = 2
RST_STREAM: Final = 3
SETTINGS: Final = 4
PUSH_PROMISE: Final = 5
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9

END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
WITH_PRIORITY: Final = 0x20

HEADER_TABLE_SIZE: Final = 1
ENABLE_PUSH: Final = 2
MAX_CONCURRENT_STREAMS: Final = 3
INITIAL_WINDOW_SIZE: Final = 4
MAX_FRAME_SIZE: Final = 5
MAX_HEADER_LIST_SIZE: Final = 6

DEFAULT_WINDOW: Final = 65_535
MAX_WINDOW: Final = 2**31 - 1
LEAST_MAX_FRAME: Final = 16_384  # what every receiver takes, and the most that we take

HEAD: Final = Struct(">HBBBL")  # length in 24 bits, type, flags, stream
HEAD_BYTES: Final = 9
_SETTING: Final = Struct(">HL")
_WORD: Final = Struct(">L")
_TWO_WORDS: Final = Struct(">LL")


class Code(IntEnum):
    """Why a stream or a connection ends (RFC 9113 section 7)."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class Fault(Exception):
    """The other side broke the protocol; the connection can't go on."""

    def __init__(self, code: Code, message: str) -> None:
        self.code = code
        super().__init__(message)


class StreamFault(Exception):
    """The other side broke the protocol on one stream; the others go on."""

    def __init__(self, code: Code, message: str) -> None:
        self.code = code
        super().__init__(message)


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame; the payload must not be longer than the receiver takes."""
    size = len(payload)
    return HEAD.pack(size >> 8, size & 255, kind, flags, stream) + payload


def header_frames(stream: int, block: bytes, *, ends: bool, most: int) -> bytes:
    """A header block as HEADERS and, where it is longer than `most`, CONTINUATION."""
    flags = END_STREAM if ends else 0
    if len(block) <= most:
        return frame(HEADERS, flags | END_HEADERS, stream, block)
    out = frame(HEADERS, flags, stream, block[:most])
    for at in range(most, len(block), most):
        last = END_HEADERS if at + most >= len(block) else 0
        out += frame(CONTINUATION, last, stream, block[at : at + most])
    return out


def settings_frame(settings: Iterable[tuple[int, int]]) -> bytes:
    """Our settings."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*one) for one in settings))


def reset_frame(stream: int, code: int) -> bytes:
    """RST_STREAM."""
    return frame(RST_STREAM, 0, stream, _WORD.pack(code))


def window_frame(stream: int, more: int) -> bytes:
    """WINDOW_UPDATE; stream 0 is the connection."""
    return frame(WINDOW_UPDATE, 0, stream, _WORD.pack(more))


def goaway_frame(last_stream: int, code: int, why: str) -> bytes:
    """GOAWAY: streams after `last_stream` were not looked at."""
    return frame(GOAWAY, 0, 0, _TWO_WORDS.pack(last_stream, code) + why.encode()[:512])


def settings_of(payload: bytes) -> list[tuple[int, int]]:
    """The settings in a SETTINGS frame, unknown ones too. Raises `Fault`."""
    if len(payload) % 6:
        raise Fault(Code.FRAME_SIZE_ERROR, "SETTINGS is not a multiple of 6 bytes long")
    out = [_SETTING.unpack_from(payload, at) for at in range(0, len(payload), 6)]
    for name, value in out:
        if name == INITIAL_WINDOW_SIZE and value > MAX_WINDOW:
            raise Fault(Code.FLOW_CONTROL_ERROR, f"an initial window of {value} bytes")
        if name == MAX_FRAME_SIZE and not LEAST_MAX_FRAME <= value < 2**24:
            raise Fault(Code.PROTOCOL_ERROR, f"a largest frame of {value} bytes")
        if name == ENABLE_PUSH and value > 1:
            raise Fault(Code.PROTOCOL_ERROR, f"ENABLE_PUSH is {value}")
    return [(int(name), int(value)) for name, value in out]


def word_of(payload: bytes, name: str) -> int:
    """The one number of a RST_STREAM or WINDOW_UPDATE. Raises `Fault`."""
    if len(payload) != 4:
        raise Fault(Code.FRAME_SIZE_ERROR, f"{name} is {len(payload)} bytes long and not 4")
    return int(_WORD.unpack(payload)[0])


def goaway_of(payload: bytes) -> tuple[int, int, str]:
    """Last stream, code and words of a GOAWAY. Raises `Fault`."""
    if len(payload) < 8:
        raise Fault(Code.FRAME_SIZE_ERROR, "GOAWAY is shorter than 8 bytes")
    last, code = _TWO_WORDS.unpack_from(payload)
    return int(last) & MAX_WINDOW, int(code), payload[8:200].decode("utf-8", "replace")


def unpadded(flags: int, payload: bytes) -> bytes:
    """The payload of DATA or HEADERS without its padding. Raises `Fault`."""
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise Fault(Code.PROTOCOL_ERROR, "a frame's padding is longer than the frame")
    return payload[1 : len(payload) - payload[0]]
