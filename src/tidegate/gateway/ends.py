"""The two ends of an exchange, as it sees them: who asked, and what works on it.

Each is an HTTP/1 connection or one stream of an HTTP/2 connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tidegate.gateway.answers import Refusal
    from tidegate.gateway.exchange import Exchange
    from tidegate.gateway.heads import AnswerHead
    from tidegate.gateway.hub import Hub
    from tidegate.gateway.origin import Origin


class Asker(Protocol):
    """Who asked, and gets the answer. An answer is `answer_head`, any number of `answer_body` and
    `answer_end`; or one `answer`; then `done`. One that had begun can be broken off."""

    hub: Hub
    origin: Origin

    def hold_reading(self) -> None:
        """Take no more of the request's body for now."""

    def go_on_reading(self) -> None:
        """There is room for more."""

    def answer_head(
        self, exchange: Exchange, answer: AnswerHead, *, bodiless: bool, body: bytes, ends: bool
    ) -> None:
        """The answer begins with `body`. `bodiless`: it has none whatever its head says; `ends`: nothing
        follows."""

    def answer_body(self, piece: bytes) -> None:
        """More of the answer."""

    def answer_end(self, trailers: Sequence[bytes]) -> None:
        """The answer is whole. `trailers` are lines without their ends."""

    def switch(self, exchange: Exchange, answer: AnswerHead, data: bytes) -> None:
        """The replica changed the protocol: from here on bytes go both ways; `data` came already."""

    def write_eof(self) -> None:
        """The replica has said its last (in a tunnel)."""

    def answer(self, exchange: Exchange, refusal: Refusal) -> None:
        """Our own answer to the exchange, which has ended."""

    def done(self, exchange: Exchange) -> None:
        """The exchange was answered."""

    def break_off(self, refusal: Refusal | None = None) -> None:
        """End an answer that had begun so that it can't be taken for a whole one; with the reason, where
        the protocol has a place for it."""


class Worker(Protocol):
    """What works on it. Its answer comes by the exchange's `answer_...`, its failure by `lost`."""

    @property
    def endpoint(self) -> str:
        """The replica's id."""

    @property
    def served(self) -> int:
        """Answers that came by its connection so far."""

    @property
    def full(self) -> bool:
        """Whether some of the request waits here for room."""

    def begin(self, exchange: Exchange) -> None:
        """Send what there is of the request; from now on what comes is its answer."""

    def send_body(self, piece: bytes) -> None:
        """More of the request's body; in a tunnel, whatever the client says."""

    def end_body(self) -> None:
        """The request's body is complete."""

    def write_eof(self) -> None:
        """The client has said its last (in a tunnel)."""

    def pause(self) -> None:
        """The client is slow: take no more of the answer for now."""

    def resume(self) -> None:
        """The client took what there was."""

    def finish(self) -> None:
        """Both have said their last (in a tunnel): close once all is written."""

    def abandon(self) -> None:
        """Nobody wants the answer: let the replica notice."""

    def unused(self) -> None:
        """It was made for a request that is gone."""
