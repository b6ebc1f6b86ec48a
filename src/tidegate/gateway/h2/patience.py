"""How much work for nothing a peer may make us do before we hang up. Pure.

Streams opened and reset at once, pings, settings, empty frames: each costs points, and points are
forgotten at a rate that no honest client comes near.
"""

from __future__ import annotations

from typing import Final

from tidegate.gateway.h2.frames import Code, Fault

_MOST: Final = 10_000.0
_FORGOTTEN_PER_S: Final = 1_000.0
COSTLY: Final = 10  # points for what makes us begin something


class Patience:
    """One peer's points. Times are seconds on the caller's monotonic clock."""

    __slots__ = ("_points", "_since_s")

    def __init__(self, now_s: float) -> None:
        self._points = 0.0
        self._since_s = now_s

    def wear(self, points: int, now_s: float) -> None:
        """The peer made us work for nothing. Raises `Fault` when it is too much."""
        self._points += points
        if self._points > _MOST:
            forgotten = (now_s - self._since_s) * _FORGOTTEN_PER_S
            self._points, self._since_s = max(0.0, self._points - forgotten), now_s
            if self._points > _MOST:
                raise Fault(Code.ENHANCE_YOUR_CALM, "too many resets, pings or empty frames")
