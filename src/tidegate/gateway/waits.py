"""Why a request waited, in stages, for clients that ask: `Tidegate-Explain: 1`.

The answer's `Tidegate-Explain` has the form of Server-Timing (W3C): stages in the order in which they
ended, each with its milliseconds, so that their sum is the time until the first byte; `total` at the end.
Of a cold start these are the stages of the replica that then served it, as its node recorded them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tidegate.routing.rules import headers

_NAME: Final = b"tidegate-explain"
_NO: Final = frozenset((b"", b"0", b"false", b"no"))


def wants_explanation(fields: Sequence[bytes]) -> bool:
    """Whether the client of a request with these header lines asks why it waits."""
    return any(value.lower() not in _NO for value in headers(fields, _NAME))


class Wait:
    """The wait of one request so far. All times are on the monotonic clock, in seconds."""

    __slots__ = ("_arrived_s", "_marks", "_replica", "_why")

    def __init__(self, arrived_s: float, *, before: int | None) -> None:
        """`before`: how many were in line already; None: it waits because there is no replica."""
        self._arrived_s = arrived_s
        self._marks: list[tuple[str, float]] = []
        self._replica: str | None = None
        self._why = "no replica was there" if before is None else f"{before} were in line before it"

    def started(self, now_s: float, replica: str, stages: Mapping[str, float]) -> None:
        """A replica has room for it. `stages`: when that one reached each stage of its own start."""
        self._replica = replica
        cold = sorted((at, name) for name, at in stages.items() if self._arrived_s < at <= now_s)
        self._marks = [(name, at) for at, name in cold]
        self._marks.append(("routed" if cold else "queued", now_s))

    def connected(self, now_s: float) -> None:
        """There is a new connection to the replica for it."""
        self._marks.append(("connected", now_s))

    def line(self, now_s: float) -> bytes:
        """The header line of the answer, which begins now."""
        end = "first-byte" if self._replica is not None else "given-up"
        parts, before = [], self._arrived_s
        for name, at in (*self._marks, (end, now_s)):
            parts.append(f"{name};dur={(at - before) * 1000:.1f}")
            before = at
        by = f"; served by {self._replica}" if self._replica is not None else ""
        total = (now_s - self._arrived_s) * 1000
        parts.append(f'total;dur={total:.1f};desc="{self._why}{by}"')
        return f"{_NAME.decode()}: {', '.join(parts)}\r\n".encode("latin-1", "replace")
