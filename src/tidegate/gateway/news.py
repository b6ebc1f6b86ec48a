"""Whether the kernel has something to read on a connection on which nothing is going on.

There that can only be its end, or word that the end is near; the event loop will tell in a moment, and a
request that is written before would be lost.
"""

from __future__ import annotations

from select import POLLIN, POLLRDHUP, poll
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


class News:
    """Asks about one connection; a system call each time."""

    __slots__ = ("_poll",)

    def __init__(self, transport: asyncio.Transport) -> None:
        sock = transport.get_extra_info("socket")
        self._poll = poll() if sock is not None else None
        if self._poll is not None:
            self._poll.register(sock.fileno(), POLLIN | POLLRDHUP)

    def any(self) -> bool:
        """False also where nobody can tell (a transport without a socket)."""
        return self._poll is not None and bool(self._poll.poll(0))
