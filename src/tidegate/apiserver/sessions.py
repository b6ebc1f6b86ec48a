"""Answers that are conversations: WebSocket requests as values, like `exchange` for plain ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tidegate.model.errors import BadRequest


class Closed(Exception):
    """The client closed the connection or is gone."""


class Socket(Protocol):
    """An accepted WebSocket. `protocol` is the subprotocol that both sides speak."""

    @property
    def protocol(self) -> str: ...

    async def receive(self) -> bytes:
        """The next message. Raises Closed."""
        ...

    async def send(self, message: bytes) -> None:
        """Waits while the client is slow to read. Raises Closed."""
        ...


@dataclass(frozen=True, slots=True)
class Session:
    """`protocols` that are spoken, best first; `run` ends when all is said, then the socket is closed.

    `run` must keep receiving, so that it learns of a client that leaves, and may raise Closed.
    """

    protocols: tuple[str, ...]
    run: Callable[[Socket], Awaitable[None]]
    unnamed: str | None = None  # what a client means that names none; None: it must name one

    def protocol_for(self, offered: Sequence[str]) -> str:
        """Raises BadRequest."""
        for protocol in self.protocols:
            if protocol in offered:
                return protocol
        if not offered and self.unnamed is not None:
            return self.unnamed
        raise BadRequest(
            f"the client offers the WebSocket protocols [{' '.join(offered)}], "
            f"this server speaks [{' '.join(self.protocols)}]"
        )
