"""What is logged, kept short; and aiokafka's log read, the only place that says why a broker can't be reached."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Final

from tidegate.sources.kafka.status import LastError

_QUIET_S: Final = 30.0
#: How the library shows its objects, which says nothing to a person.
_INSIDE: Final = re.compile(r":? ?<AIOKafka\w+ [^>]*>")


class LibraryLog(logging.Filter):
    """Lets the same message of the library, or the same warning of ours, through once in `_QUIET_S`, and
    remembers the library's last one. Errors of ours (an event dropped) are all let through."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._said: dict[str, float] = {}
        self.last = ""

    def filter(self, record: logging.LogRecord) -> bool:
        """Called for each record."""
        library = record.name.startswith("aiokafka")
        if record.levelno < logging.WARNING or not (library or record.levelno == logging.WARNING):
            return True
        if library:
            self.last = record.getMessage()
        now_s = self._monotonic()
        if now_s - self._said.get(record.msg, -_QUIET_S) < _QUIET_S:
            return False
        self._said[record.msg] = now_s
        return True


def explain(
    error: BaseException, said: str, servers: str, user: str | None, *, lacks: str = ""
) -> LastError:
    """An error of the library in our words. `said`: the last line of its log, which says nothing of a
    broker that only is silent. `lacks`: what a broker that hangs up at once may want and isn't given."""
    if isinstance(error, TimeoutError):
        return LastError("BrokerUnreachable", f"{servers} cannot be reached: {_unsaid(error)}")
    text = f"{type(error).__name__} {error} {said}".lower()
    detail = _INSIDE.sub("", said or str(error)) or _unsaid(error)
    if "unsupportedsaslmechanism" in text:
        return LastError(
            "AuthenticationFailed", f"{servers} does not offer this SASL type: {detail}"
        )
    if "authentication" in text or "sasl" in text:
        return LastError(
            "AuthenticationFailed", f"{servers} refused user {user!r}: check the secret: {detail}"
        )
    if "authorization" in text:
        who = "this client" if user is None else f"user {user!r}"
        return LastError("AuthorizationFailed", f"{servers}: {who} may not do this: {error}")
    if "ssl" in text or "certificate" in text:
        return LastError("TlsFailed", f"no trusted connection to {servers}: {detail}")
    if "connection" in text or "connect" in text or "timeout" in text or "timed out" in text:
        if lacks and "closed" in detail:
            detail += f": perhaps it asks for {lacks}, which is not configured"
        return LastError("BrokerUnreachable", f"{servers} cannot be reached: {detail}")
    return LastError("KafkaError", f"{servers}: {type(error).__name__}: {error}")


def _unsaid(error: BaseException) -> str:
    return "it does not answer" if isinstance(error, TimeoutError) else type(error).__name__
