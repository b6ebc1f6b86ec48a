"""Header lines as HPACK (RFC 7541), and blocks of HPACK as header lines.

Writing is done without the dynamic table: what a line looks like on the wire is then always the same, so
a line that was written once is looked up. It costs some bytes more and a tenth of the CPU. Reading needs
the table; `hpack` does it. A block of indexed fields only (what clients send again and again) leaves the
table as it is, so as long as nothing else comes, what it meant is remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, TypeVar

import hpack
from hpack.table import HeaderTable

from tidegate.gateway.h2.frames import Code, Fault

T = TypeVar("T")
U = TypeVar("U")
Fields = Sequence[tuple[bytes, bytes]]

#: Said once, before anything else: the table that we write with has no room. Whatever limit the other
#: side sets later, we are within it.
NO_TABLE: Final = b"\x20"

_KNOWN: Final = 4096  # lines, or blocks of answers; clients can invent them, so bounded
_KNOWN_BYTES: Final = 160  # of one of the lines
_KNOWN_BLOCKS: Final = 64  # of one connection
_MOST_LIST: Final = 128 * 1024  # bytes of one block's fields; beyond it nothing is read on
_SECRET: Final = frozenset((b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"))

_PAIRS: Final = {pair: at for at, pair in reversed(list(enumerate(HeaderTable.STATIC_TABLE, 1)))}
_NAMES: Final = {name: at for (name, _), at in reversed(list(_PAIRS.items()))}
_lines: dict[bytes, bytes] = {}


def encoded(name: bytes, value: bytes) -> bytes:
    """One field; the name in lower case."""
    at = _PAIRS.get((name, value))
    if at is not None and value:
        return _number(at, 7, 0x80)
    first = 0x10 if name in _SECRET else 0x00  # never to be indexed, or just not by us
    known = _NAMES.get(name)
    if known is not None:
        return _number(known, 4, first) + _number(len(value), 7, 0) + value
    return b"%c%b%b%b%b" % (first, _number(len(name), 7, 0), name, _number(len(value), 7, 0), value)


def encoded_lines(lines: Iterable[bytes]) -> bytes:
    """Lines as HTTP/1 has them (`Name: value`, without their ends)."""
    return b"".join([_lines.get(line) or _encode_line(line) for line in lines])


def _encode_line(line: bytes) -> bytes:
    name, _, value = line.partition(b":")
    out = encoded(name.lower(), value.strip(b" \t"))
    if len(line) <= _KNOWN_BYTES:
        if len(_lines) >= _KNOWN:
            _lines.clear()
        _lines[line] = out
    return out


def _number(value: int, bits: int, first: int) -> bytes:
    most = (1 << bits) - 1
    if value < most:
        return bytes((first | value,))
    out = bytearray((first | most,))
    value -= most
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


class Reader(Generic[T]):
    """Reads the header blocks of one connection."""

    __slots__ = ("_decoder", "_known", "_parse", "_parse_trailers", "_trailers")

    def __init__(
        self,
        parse: Callable[[Fields, bool], T],
        parse_trailers: Callable[[Fields, bool], tuple[bytes, ...]],
    ) -> None:
        """Both get the fields and whether the stream ends with them; what they give must be such that it
        can be given again."""
        self._parse, self._parse_trailers = parse, parse_trailers
        self._decoder = hpack.Decoder(max_header_list_size=_MOST_LIST)
        self._known: dict[tuple[bytes, bool], T] = {}
        self._trailers: dict[tuple[bytes, bool], tuple[bytes, ...]] = {}

    def head(self, block: bytes, ends: bool) -> T:
        """A head. Raises `Fault` if the block can't be read, and what `parse` raises."""
        known = self._known.get((block, ends))
        return self._learn(block, ends, self._parse, self._known) if known is None else known

    def trailers(self, block: bytes, ends: bool) -> tuple[bytes, ...]:
        """Fields behind a body, as lines. Raises as `head` does."""
        known = self._trailers.get((block, ends))
        if known is not None:
            return known
        return self._learn(block, ends, self._parse_trailers, self._trailers)

    def skip(self, block: bytes) -> None:
        """A block that nobody wants; the table may change by it. Raises `Fault`."""
        self._fields(block)

    def _learn(
        self,
        block: bytes,
        ends: bool,
        parse: Callable[[Fields, bool], U],
        known: dict[tuple[bytes, bool], U],
    ) -> U:
        out = parse(self._fields(block), ends)
        if not _may_change_table(block):
            if len(known) >= _KNOWN_BLOCKS:
                known.clear()
            known[block, ends] = out
        return out

    def _fields(self, block: bytes) -> Fields:
        if _may_change_table(block):
            self._known.clear()
            self._trailers.clear()
        try:
            return [(field[0], field[1]) for field in self._decoder.decode(block, raw=True)]
        except hpack.OversizedHeaderListError:
            raise Fault(
                Code.ENHANCE_YOUR_CALM, f"headers of more than {_MOST_LIST} bytes"
            ) from None
        except (hpack.HPACKError, UnicodeDecodeError) as why:
            raise Fault(Code.COMPRESSION_ERROR, f"headers that can't be read: {why}") from None


def _may_change_table(block: bytes) -> bool:
    """False for a block of indexed fields only, each of one byte."""
    return not block or min(block) <= 0x80 or max(block) == 0xFF
