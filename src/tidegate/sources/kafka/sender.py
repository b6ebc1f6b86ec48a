"""Sends events to a destination and says how it went, in the words of `retries`."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Protocol

from tidegate.kit.clock import Clock
from tidegate.kit.http_client import HttpAnswer, HttpClient, NoAnswer
from tidegate.sources.cloudevents import CloudEvent, to_http
from tidegate.sources.kafka.retries import Failure, is_success, retry_after_s
from tidegate.sources.kafka.settings import Destination, tls_context

_MOST_ANSWER_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Accepted:
    """The destination took the event; what it answered."""

    answer: HttpAnswer


class Takes(Protocol):
    """Something that takes events."""

    name: str
    """Its URL as people know it."""

    async def send(self, event: CloudEvent, *, timeout_s: float) -> Accepted | Failure: ...


class Sender:
    """POSTs events in the binary mode on kept connections."""

    def __init__(self, to: Destination, clock: Clock) -> None:
        self.name, self._target, self._clock = to.uri or to.url, to.target, clock
        self._host = (("host", to.host),) if to.host else ()
        self._client = HttpClient(
            to.origin, most_answer_bytes=_MOST_ANSWER_BYTES, tls=_trust(to.ca_certs)
        )

    async def send(self, event: CloudEvent, *, timeout_s: float) -> Accepted | Failure:
        """One try."""
        headers, body = to_http(event)
        try:
            answer = await self._client.send(
                "POST", self._target, (*self._host, *headers), body, timeout_s=timeout_s, once=True
            )
        except NoAnswer as why:
            return Failure(None, str(why))
        except ValueError as why:  # what HTTP can't carry: never will
            return Failure(400, str(why))
        if is_success(answer.status):
            return Accepted(answer)
        return Failure(
            answer.status,
            f"answered {answer.status}",
            answer.body,
            retry_after_s(answer.headers.get("retry-after"), self._clock.now()),
        )

    def close(self) -> None:
        """Close the connections; what is under way fails."""
        self._client.close()


def _trust(ca_certs: str | None) -> ssl.SSLContext | None:
    return tls_context(ca_certs) if ca_certs else None
