"""Where requests come from, as replicas are told: X-Forwarded-For, -Proto and -Host.

Only a proxy on this very machine is believed about where a request came from before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tidegate.gateway.heads import RequestHead
from tidegate.routing import is_loopback

_PROTO: Final = b"X-Forwarded-Proto: http"


class Origin:
    """The other end of one connection from a client."""

    __slots__ = ("_for", "_host", "_lines", "_trusted")

    def __init__(self, peer: object) -> None:
        """`peer` is what the socket says; None: unknown."""
        address = str(peer[0]) if isinstance(peer, tuple) and peer else "unknown"
        self._for = address.encode("latin-1")
        self._trusted = is_loopback(address.removeprefix("::ffff:"))
        self._lines: Sequence[bytes] = ()  # the usual lines, with this host
        self._host: bytes | None = None

    def lines(self, head: RequestHead) -> Sequence[bytes]:
        """The header lines for a request, without their ends."""
        if not self._trusted or not (head.forwarded_for or head.forwarded):
            if head.host is not self._host:
                told = b"X-Forwarded-Host: " + head.host
                self._lines = (b"X-Forwarded-For: " + self._for, _PROTO, told)
                self._host = head.host
            return self._lines
        before = head.forwarded_for + b", " if head.forwarded_for else b""
        lines = [b"X-Forwarded-For: " + before + self._for, *head.forwarded]
        named = {line.partition(b":")[0].lower() for line in head.forwarded}
        if b"x-forwarded-proto" not in named:
            lines.append(_PROTO)
        if b"x-forwarded-host" not in named:
            lines.append(b"X-Forwarded-Host: " + head.host)
        return lines
