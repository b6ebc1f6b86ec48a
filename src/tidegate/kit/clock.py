"""Time as a thing you are handed.

Code that waits or looks at the time takes a `Clock`; only `app` and process entry points make a
real one (`kit.realtime`), so tests and the simulator can hand in virtual time.
"""

from typing import Protocol


class Clock(Protocol):
    """Wall time for people, monotonic time for deciding, and sleep."""

    def now(self) -> float:
        """Seconds since the Unix epoch. For timestamps that people read; may step."""
        ...

    def monotonic(self) -> float:
        """Seconds on the system-wide monotonic clock: the same in every process of this boot."""
        ...

    async def sleep(self, after_s: float) -> None:
        """Return after so many seconds; zero or less yields once."""
        ...
