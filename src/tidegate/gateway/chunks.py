"""Reading bodies that come in chunks (RFC 9112 section 7.1), strictly. Bytes in, payload out."""

from typing import Final

_MAX_LINE: Final = 4096  # a size with its extensions
_MAX_TRAILERS: Final = 16 * 1024
_HEX: Final = b"0123456789abcdefABCDEF"


class BadChunk(Exception):
    """The chunking can't be read; where the body ends is not known any more."""


class Chunks:
    """Takes a chunked body apart. Feed it until `done`; trailers are read and dropped (they can't be
    passed on without a promise that the receiver takes them)."""

    __slots__ = ("_buffer", "_in_trailers", "_left", "_trailers", "done")

    def __init__(self) -> None:
        self._buffer = b""
        self._left = 0  # bytes of the current chunk still to come, its CR LF included
        self._in_trailers = False
        self._trailers = 0
        self.done = False

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        """The payload in the data, and what follows the body (once `done`). Raises `BadChunk`."""
        if self._buffer:
            data, self._buffer = self._buffer + data, b""
        out: list[bytes] = []
        at, end = 0, len(data)
        while at < end:
            if self._left > 2:
                piece = data[at : at + self._left - 2]
                out.append(piece)
                at += len(piece)
                self._left -= len(piece)
                continue
            if self._left:
                if end - at < 2 and data[at:end] == b"\r":
                    break
                if data[at : at + 2] != b"\r\n":
                    raise BadChunk("a chunk is longer than its size says")
                at, self._left = at + 2, 0
                continue
            line_end = data.find(b"\r\n", at)
            if line_end < 0:
                if end - at > _MAX_LINE:
                    raise BadChunk("a chunk's size line is too long")
                break
            line, at = data[at:line_end], line_end + 2
            if self._in_trailers:
                if not line:
                    self.done = True
                    return out, data[at:]
                self._trailer(line)
            else:
                self._size(line)
        self._buffer = data[at:]
        return out, b""

    def _size(self, line: bytes) -> None:
        digits = line.partition(b";")[0]
        if (
            not 0 < len(digits) <= 15
            or digits.translate(None, _HEX)
            or len(line) > _MAX_LINE
            or b"\n" in line
        ):
            raise BadChunk(f"{line[:40]!r} is not a chunk's size")
        size = int(digits, 16)
        self._left = size + 2 if size else 0
        self._in_trailers = not size

    def _trailer(self, line: bytes) -> None:
        self._trailers += len(line)
        if (
            self._trailers > _MAX_TRAILERS
            or line[:1] in b" \t:"
            or b":" not in line
            or b"\n" in line
        ):
            raise BadChunk("the trailers can't be read or are too long")


def chunk(piece: bytes) -> bytes:
    """The piece as one chunk; it must not be empty, for that would end the body."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


LAST_CHUNK: Final = b"0\r\n\r\n"
