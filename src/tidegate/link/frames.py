"""Messages as lines: one JSON object a line. Standard library only; no I/O."""

import json
from collections.abc import Mapping

LINE_BYTES = (
    4 * 2**20
)  # a spawn with a large environment is some 100 KiB; more than this is a mistake


class LineTooLong(ValueError):
    """The other side sent more than the limit without a newline; the rest can't be trusted."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"a line is longer than {limit} bytes: send one JSON object a line")


class NotAnObject(ValueError):
    """A line that is not one JSON object."""

    def __init__(self, line: bytes, why: str) -> None:
        self.line = line
        shown = line[:60].decode(errors="replace")
        super().__init__(f"{shown!r} is not a JSON object ({why}): send one JSON object a line")


class Lines:
    """Bytes in, whole lines out (without their newline)."""

    def __init__(self, limit: int = LINE_BYTES) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes. Raises `LineTooLong`."""
        head, newline, tail = data.rpartition(b"\n")
        if newline:
            whole = bytes(self._rest) + head
            self._rest = bytearray(tail)
            lines = whole.split(b"\n")
        else:
            self._rest += tail
            lines = []
        if len(self._rest) > self._limit or any(len(line) > self._limit for line in lines):
            raise LineTooLong(self._limit)
        return lines


def encode_line(message: Mapping[str, object]) -> bytes:
    """One line, newline included."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode_line(line: bytes) -> dict[str, object]:
    """The object of one line. Raises `NotAnObject`."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as why:
        raise NotAnObject(line, str(why)) from why
    if not isinstance(message, dict):
        raise NotAnObject(line, type(message).__name__)
    return message
