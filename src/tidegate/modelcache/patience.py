"""Trying again: as long as something comes, and no longer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from tidegate.modelcache.errors import Interrupted
from tidegate.modelcache.web import Cut, Patience, gave_up

Answer = TypeVar("Answer")


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
            raise gave_up(self._what, str(why), self._failed)
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
