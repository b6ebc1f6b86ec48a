"""What an answer means for the row that asked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

import msgspec


class _Error(msgspec.Struct, frozen=True):
    message: str


class _Said(msgspec.Struct, frozen=True):
    error: _Error


class Verdict(Enum):
    """What becomes of a row after an answer."""

    DONE = "done"
    AGAIN = "again"  # it may be the row's fault: so many tries, then it has failed
    LATER = "later"  # it isn't the row's fault: there is no room, or nobody there, for now
    FAILED = "failed"  # the same request would get the same answer


_LATER: Final = frozenset((425, 429, 503))
_AGAIN: Final = frozenset((408, 500, 502, 504))
_NOT_THERE: Final = frozenset((404, 410))
_SHOWN: Final = 300  # bytes of an answer in a reason
YIELDED: Final = "yielded"


def judge(status: int, headers: Mapping[str, str]) -> Verdict:
    """The verdict on an answer; header names in lower case. A 404 of the gateway's says that the
    service isn't there (any more, or yet), one of the model's that the request is wrong."""
    if 200 <= status < 300:
        return Verdict.DONE
    if status in _LATER or (status in _NOT_THERE and "tidegate-error" in headers):
        return Verdict.LATER
    return Verdict.AGAIN if status in _AGAIN else Verdict.FAILED


def is_yield(status: int, headers: Mapping[str, str]) -> bool:
    """Whether the gateway took the place back for an online request."""
    return status == 503 and headers.get("tidegate-error", "").endswith(YIELDED)


def words_of(status: int, headers: Mapping[str, str], body: bytes) -> str:
    """What an answer that didn't serve said, in one line; of the gateway's, its sentence alone."""
    if status in _NOT_THERE and "tidegate-error" in headers:
        return f"{status}, the service isn't there"
    said = _sentence(body) if "tidegate-error" in headers else None
    shown = " ".join((said or body[:_SHOWN].decode("utf-8", "replace")).split())
    return f"{status} {shown[:_SHOWN]}".strip()


def _sentence(body: bytes) -> str | None:
    try:
        return msgspec.json.decode(body, type=_Said).error.message
    except msgspec.DecodeError:
        return None


def pause_s(tries: int, *, retry_after: str | None, most_s: float = 10.0) -> float:
    """How long to wait before the next try: longer each time, and at least what the answer asks for
    (seconds; a date isn't read), within `most_s`."""
    wait_s = 0.1 * 2.0 ** min(tries, 10)
    if retry_after is not None and retry_after.strip().isdigit():
        wait_s = max(wait_s, float(retry_after))
    return min(wait_s, most_s)
