"""Arena's log lines, `INFO[0002] text`, on stderr."""

from __future__ import annotations

import sys

from tidegate.kit.clock import Clock

LEVELS = ("debug", "info", "warn", "error")


class Log:
    """The number is the seconds since the command began."""

    def __init__(self, clock: Clock, level: str = "info") -> None:
        self._clock, self._began_s = clock, clock.monotonic()
        self._level = LEVELS.index(level)

    def say(self, text: str) -> None:
        if self._level <= LEVELS.index("info"):
            seconds = int(self._clock.monotonic() - self._began_s)
            print(f"INFO[{seconds:04d}] {text}", file=sys.stderr, flush=True)
