"""A pod's output as log records: bytes in, JSON lines out. Pure.

A record is a line with its newline, or 16 KiB of a longer line without one (as container runtimes
split). Bytes that are not UTF-8 become U+FFFD.
"""

import json
from collections.abc import Iterable

PARTIAL_BYTES = 16 * 1024


class Joiner:
    """Joins what one stream's reads bring into records. A character is never cut in two."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The records that `data` completes; the last partial line is kept for later."""
        whole, newline, tail = data.rpartition(b"\n")
        if newline:
            lines = (self._rest + whole).split(b"\n")
            self._rest = tail
        else:
            lines = []
            self._rest += tail
        records: list[bytes] = []
        for line in lines:
            if len(line) >= PARTIAL_BYTES:
                *pieces, line = _pieces(line)
                records += pieces
            records.append(line + b"\n")
        if len(self._rest) > PARTIAL_BYTES:
            *pieces, self._rest = _pieces(self._rest)
            records += pieces
        return records

    def flush(self) -> list[bytes]:
        """What is left when the stream has ended."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []


def _pieces(line: bytes) -> list[bytes]:
    """`line` in pieces of at most PARTIAL_BYTES, cut before a character's first byte."""
    pieces, at = [], 0
    while len(line) - at > PARTIAL_BYTES:
        end = at + PARTIAL_BYTES
        for back in range(4):  # a character has at most three bytes after its first
            if line[end - back] & 0xC0 != 0x80:
                end -= back
                break
        pieces.append(line[at:end])
        at = end
    pieces.append(line[at:])
    return pieces


def render(records: Iterable[bytes], stream: str, time: str) -> list[bytes]:
    """Each record as a JSON line `{"log", "stream", "time"}`."""
    tail = f',"stream":"{stream}","time":"{time}"}}\n'
    quote = (
        json.encoder.encode_basestring_ascii
    )  # what json.dumps does to a str, without its set-up
    return [
        f'{{"log":{quote(record.decode(errors="replace"))}{tail}'.encode() for record in records
    ]


def timestamp(now_ns: int) -> str:
    """RFC 3339 in UTC with nanoseconds, from nanoseconds since the epoch."""
    seconds, nanos = divmod(now_ns, 10**9)
    days, of_day = divmod(seconds, 86_400)
    year, month, day = _date(days)
    hour, rest = divmod(of_day, 3600)
    minute, second = divmod(rest, 60)
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z"


def _date(days: int) -> tuple[int, int, int]:
    """Year, month, day of a count of days since 1970-01-01 (Howard Hinnant, `civil_from_days`)."""
    days += 719_468
    era, of_era = divmod(days, 146_097)
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    day = of_year - (153 * shifted + 2) // 5 + 1
    return year + era * 400 + (month <= 2), month, day
