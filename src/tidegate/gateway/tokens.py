"""How many tokens an answer of the OpenAI API brings: bytes in, counts out.

Answers pass on as they come; what is counted is what they say themselves. A stream's pieces with text
count as one token each, which is how servers cut them, until the answer's own `usage` corrects that; an
answer in one piece has its `usage`. Compressed answers can't be read and count nothing.
"""

from __future__ import annotations

import re
from typing import Final

_ASKED: Final = (b"/completions", b"/responses")
_USAGE: Final = re.compile(rb'"(?:completion|output)_tokens"\s*:\s*(\d{1,9})')
_TEXT: Final = re.compile(rb'"(?:content|text|reasoning_content|arguments|delta)"\s*:\s*"(?!")')
_EVENT: Final = b"data:"
_KEPT_BYTES: Final = 64 * 1024  # of a line that is not over, or of an answer's end


class Tokens:
    """Counts one answer's tokens. `stream`: it comes as events."""

    __slots__ = ("_counted", "_rest", "_stream")

    def __init__(self, *, stream: bool) -> None:
        self._stream, self._rest, self._counted = stream, b"", 0

    def add(self, piece: bytes) -> int:
        """A piece of the body came; how many tokens are known of since the last."""
        data = self._rest + piece
        if not self._stream:
            self._rest = data[-_KEPT_BYTES:]
            return 0
        lines = data.split(b"\n")
        self._rest = lines.pop()[-_KEPT_BYTES:]
        return sum(self._line(line) for line in lines)

    def end(self) -> int:
        """The answer is over; what its end adds."""
        rest, self._rest = self._rest, b""
        if self._stream:
            return self._line(rest)
        return self._corrected(rest)

    def _line(self, line: bytes) -> int:
        if not line.startswith(_EVENT):
            return 0
        if b"_tokens" in line:
            corrected = self._corrected(line)
            if corrected or _USAGE.search(line):
                return corrected
        if _TEXT.search(line) is None:
            return 0
        self._counted += 1
        return 1

    def _corrected(self, said: bytes) -> int:
        """By the last `usage` in it; never less than was counted already."""
        found = _USAGE.findall(said)
        more = max(int(found[-1]) - self._counted, 0) if found else 0
        self._counted += more
        return more


def tokens_of(target: bytes, status: int, start: bytes) -> Tokens | None:
    """A counter for the answer to a request for this target; `start` is its status line and fields.
    None: it has no tokens to count."""
    if status != 200 or not target.partition(b"?")[0].endswith(_ASKED):
        return None
    fields = start.lower()
    if b"\r\ncontent-encoding:" in fields:
        return None
    if b"text/event-stream" in fields:
        return Tokens(stream=True)
    return Tokens(stream=False) if b"application/json" in fields else None
