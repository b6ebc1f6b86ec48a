"""When a part that ended is started again. Pure.

At once the first time, then after 0.1 s doubling to 5 s; a part that lived 10 s starts afresh.
"""

from dataclasses import dataclass

FIRST_S, MOST_S, CALM_S = 0.1, 5.0, 10.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """`ends`: how often the part ended in a row without having lived for CALM_S."""

    ends: int = 0


def restart_after(was: Backoff, lived_s: float) -> tuple[float, Backoff]:
    """How long to wait before the next start, and what to remember."""
    ends = 0 if lived_s >= CALM_S else was.ends
    wait_s = 0.0 if ends == 0 else min(MOST_S, FIRST_S * 2 ** min(ends - 1, 16))
    return wait_s, Backoff(ends + 1)
