"""When an event is sent again, after how long, and when it is given up. Values in, values out.

Source: Knative's DeliverySpec and what its senders retry (no answer, 404, 408, 409, 429, 5xx).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

from tidegate.sources.kafka.notes import Tries

RETRIED: Final = frozenset((404, 408, 409, 429))
_LONGEST_S: Final = 86_400.0


class Backoff(StrEnum):
    """How the wait grows: delay x n, delay x 2^n, or not."""

    LINEAR = "linear"
    EXPONENTIAL = "exponential"
    CONSTANT = "constant"


@dataclass(frozen=True, slots=True)
class Delivery:
    """The rules of a source. The defaults are Knative's."""

    retry: int = 10
    """Tries after the first one."""
    backoff: Backoff = Backoff.EXPONENTIAL
    delay_s: float = 0.3
    timeout_s: float = 600.0
    """For each try."""
    retry_after_most_s: float | None = None
    """Longest wait that a Retry-After header may ask for. 0 or None: the header is not heeded."""

    @property
    def tries(self) -> int:
        return self.retry + 1


@dataclass(frozen=True, slots=True)
class Failure:
    """A try that failed. `status` None: no answer came."""

    status: int | None
    why: str
    body: bytes = b""
    retry_after_s: float | None = None

    @property
    def lasting(self) -> bool:
        """Whether sending the same again is known to be of no use."""
        return self.status is not None and self.status < 500 and self.status not in RETRIED


def is_success(status: int) -> bool:
    """Only 2xx is: a redirection isn't followed."""
    return 200 <= status < 300


def wait_before_next(rules: Delivery, made: int, failure: Failure) -> float | None:
    """Seconds until the next try after `made` of them; None: given up."""
    if failure.lasting or made >= rules.tries:
        return None
    wait = backoff_s(rules, made)
    most_s = rules.retry_after_most_s
    if failure.retry_after_s is not None and most_s and failure.status in (429, 503):
        wait = max(wait, min(failure.retry_after_s, most_s))
    return min(wait, _LONGEST_S)


def backoff_s(rules: Delivery, made: int) -> float:
    """The wait after so many tries (at least 1)."""
    match rules.backoff:
        case Backoff.LINEAR:
            return min(rules.delay_s * made, _LONGEST_S)
        case Backoff.EXPONENTIAL:
            return min(rules.delay_s * 2.0 ** min(made, 40), _LONGEST_S)
        case Backoff.CONSTANT:
            return rules.delay_s


def used_up(rules: Delivery, before: Tries) -> bool:
    """Whether an event that comes with these tries (from before a crash or a rebalance) has had all.

    A try that was under way counts, whatever became of it. The one exception: if it was the only one
    that is allowed, it may never have left, and an event is not given up without one sending.
    """
    if before.made < rules.tries:
        return False
    return not (before.under_way and before.made == 1)


def retry_after_s(header: str | None, now_s: float) -> float | None:
    """A Retry-After header, seconds or a date. None: not there or not understood."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now_s)
