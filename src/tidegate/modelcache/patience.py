"""Trying again: as long as something comes, and no longer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tidegate.modelcache.errors import Interrupted, Unreachable

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long we wait for a store before we try again, and how often we do.

    Four tries over some seconds ride out a restarting server; whoever asked tries again later.
    """

    connect_s: float = 10.0
    stall_s: float = 20.0  # without a single byte
    slow_bytes: int = 16 * 1024  # fewer than these within stall_s is a stall too
    attempts: int = 5  # in a row without progress
    backoff_s: float = 0.5  # doubles with each try
    backoff_most_s: float = 8.0


class Cut(Exception):
    """A connection that failed, stalled or ended early: worth another try."""


class Tries:
    """Counts failures in a row of one read. `stop` ends the waiting at once."""

    def __init__(
        self,
        what: str,
        patience: Patience,
        stop: threading.Event,
        note: Callable[[str], None] = lambda why: None,
    ) -> None:
        self._what, self._patience, self._stop, self._note = what, patience, stop, note
        self._failed = 0

    def progress(self) -> None:
        """Something came: the count starts anew."""
        self._failed = 0

    def wait(self, why: Cut | str, after_s: float | None = None) -> None:
        """Pause before the next try. Raises `Unreachable` after the last, `Interrupted` when stopped.

        `after_s`: what the server asks for (Retry-After); None: back off by ourselves.
        """
        self._failed += 1
        if self._failed >= self._patience.attempts:
            raise Unreachable(
                f"{self._what}: {why}, {self._failed} times in a row: check the endpoint and that its "
                "server runs"
            )
        self._note(f"{why}; try {self._failed + 1} of {self._patience.attempts}")
        pause = self._patience.backoff_s * 2 ** (self._failed - 1)
        pause = min(max(pause, after_s or 0), self._patience.backoff_most_s)
        if self._stop.wait(pause):
            raise Interrupted(f"{self._what}: the fetch was ended; what came is kept")


def until_answered(tries: Tries, ask: Callable[[], Answer | str]) -> Answer:
    """What `ask` returns; a string is why the server could not answer now, and is tried again."""
    while True:
        try:
            answer = ask()
        except Cut as why:
            tries.wait(why)
            continue
        if not isinstance(answer, str):
            return answer
        tries.wait(answer)
