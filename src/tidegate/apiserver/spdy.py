"""SPDY/3.1 frames, as much as `kubectl port-forward` sends through its WebSocket. Pure.

A byte stream in, frames out, and back; the messages that carry it are not aligned to frames. Header
blocks share one compression context per direction. Left out: flow control (kubectl's library has none),
settings, server push.

Source: draft-mbelshe-httpbis-spdy-00; moby/spdystream.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

_LARGEST_FRAME = 2**20
_LARGEST_HEADERS = 2**16
_CONTROL, _VERSION = 0x8000, 3
_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _PING = 1, 2, 3, 6
_FIN = 1
_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language"
    " accept-ranges age allow authorization cache-control connection content-base content-encoding"
    " content-language content-length content-location content-md5 content-range content-type date"
    " etag expect expires from host if-match if-modified-since if-none-match if-range"
    " if-unmodified-since last-modified location max-forwards pragma proxy-authenticate"
    " proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade"
    " user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url"
    " public set-cookie keep-alive origin"
)
_TEXT = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request"
    "401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented"
    "503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, "
    "Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,"
    "application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdch"
    "charset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _sized(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


#: What header blocks are compressed with; both ends must have the same bytes.
DICTIONARY = (
    b"".join(_sized(word.replace("_", " ").encode()) for word in _WORDS.split()) + _TEXT.encode()
)


class SpdyError(Exception):
    """The bytes are no SPDY/3 that we understand: the connection can't go on."""


@dataclass(frozen=True, slots=True)
class Opened:
    """`headers`: names in lower case. `fin`: the client sends nothing on this stream."""

    stream: int
    headers: Mapping[str, str]
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """Data; `fin`: the last of this stream in this direction."""

    stream: int
    data: bytes
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Reset:
    """The stream is over in both directions."""

    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class Ping:
    """To be answered with the same number."""

    number: int


Frame = Opened | Sent | Reset | Ping


class Reader:
    """Bytes of one connection in, frames out."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._headers = zlib.decompressobj(zdict=DICTIONARY)

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete now. Frames of no interest are left out. Raises SpdyError."""
        self._rest += data
        found = []
        while len(self._rest) >= 8:
            first, kind, flags_length = struct.unpack_from(">HHI", self._rest)
            flags, length = flags_length >> 24, flags_length & 0xFFFFFF
            if length > _LARGEST_FRAME:
                raise SpdyError(f"a frame of {length} bytes: the limit is {_LARGEST_FRAME}")
            if len(self._rest) < 8 + length:
                break
            body = bytes(self._rest[8 : 8 + length])
            del self._rest[: 8 + length]
            if first & _CONTROL:
                frame = self._control(first, kind, flags, body)
            else:
                frame = Sent(first << 16 | kind, body, bool(flags & _FIN))
            if frame is not None:
                found.append(frame)
        return found

    def _control(self, first: int, kind: int, flags: int, body: bytes) -> Frame | None:
        if first != _CONTROL | _VERSION:
            raise SpdyError(f"a control frame of version {first & 0x7FFF}, not {_VERSION}")
        try:
            match kind:
                case 1:
                    stream = struct.unpack_from(">I", body)[0] & 0x7FFFFFFF
                    return Opened(stream, self._block(body[10:]), bool(flags & _FIN))
                case 2 | 8:  # headers say nothing here, but they move the compression on
                    self._block(body[4:])
                case 3:
                    stream, status = struct.unpack_from(">II", body)
                    return Reset(stream & 0x7FFFFFFF, status)
                case 6:
                    return Ping(struct.unpack_from(">I", body)[0])
                case _:
                    pass
        except struct.error as why:
            raise SpdyError(f"a control frame of type {kind} is too short") from why
        return None

    def _block(self, packed: bytes) -> dict[str, str]:
        try:
            raw = self._headers.decompress(packed, _LARGEST_HEADERS)
        except zlib.error as why:
            raise SpdyError(f"headers can't be unpacked: {why}") from why
        if self._headers.unconsumed_tail:
            raise SpdyError(f"headers of more than {_LARGEST_HEADERS} bytes")
        (count,), at = struct.unpack_from(">I", raw), 4
        out = {}
        for _ in range(count):
            name, at = _text(raw, at)
            value, at = _text(raw, at)
            out[name.lower()] = value
        return out


def _text(raw: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">I", raw, at)
    end = at + 4 + length
    if end > len(raw):
        raise SpdyError("a header is longer than its block")
    return raw[at + 4 : end].decode("latin-1"), end


class Writer:
    """Frames of one connection as bytes, in the order in which they are sent."""

    def __init__(self) -> None:
        self._headers = zlib.compressobj(zdict=DICTIONARY)

    def opened(self, stream: int, headers: Mapping[str, str]) -> bytes:
        """What a client begins a stream with."""
        return _control(_SYN_STREAM, struct.pack(">IIH", stream, 0, 0) + self._block(headers))

    def reply(self, stream: int) -> bytes:
        """The stream is accepted."""
        return _control(_SYN_REPLY, struct.pack(">I", stream) + self._block({}))

    def _block(self, headers: Mapping[str, str]) -> bytes:
        raw = struct.pack(">I", len(headers)) + b"".join(
            _sized(name.lower().encode("latin-1")) + _sized(value.encode("latin-1"))
            for name, value in headers.items()
        )
        return self._headers.compress(raw) + self._headers.flush(zlib.Z_SYNC_FLUSH)


def sent(stream: int, data: bytes, *, fin: bool = False) -> bytes:
    return struct.pack(">II", stream, (_FIN if fin else 0) << 24 | len(data)) + data


def reset(stream: int, status: int) -> bytes:
    return _control(_RST_STREAM, struct.pack(">II", stream, status))


def ping(number: int) -> bytes:
    return _control(_PING, struct.pack(">I", number))


def _control(kind: int, body: bytes) -> bytes:
    return struct.pack(">HHI", _CONTROL | _VERSION, kind, len(body)) + body
