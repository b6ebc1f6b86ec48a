"""Where requests come from, as replicas are told: X-Forwarded-For, -Proto and -Host, and Forwarded.

Only a proxy on this very machine is believed about where a request came from before. `Forwarded` (RFC
7239) is made of the other three where nobody made one yet, as Knative's queue-proxy does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tidegate.gateway.fields import is_token
from tidegate.gateway.heads import RequestHead
from tidegate.routing import is_loopback

_HTTP: Final = b"http"
_HTTPS: Final = b"https"


class Origin:
    """The other end of one connection from a client."""

    __slots__ = ("_for", "_host", "_lines", "_proto", "_trusted")

    def __init__(self, peer: object, *, secure: bool = False) -> None:
        """`peer` is what the socket says; None: unknown. `secure`: it came by TLS."""
        address = str(peer[0]) if isinstance(peer, tuple) and peer else "unknown"
        self._for = address.encode("latin-1")
        self._proto = _HTTPS if secure else _HTTP
        self._trusted = is_loopback(address.removeprefix("::ffff:"))
        self._lines: Sequence[bytes] = ()  # the usual lines, with this host
        self._host: bytes | None = None

    def lines(self, head: RequestHead) -> Sequence[bytes]:
        """The header lines for a request, without their ends."""
        if not self._trusted or not (head.forwarded_for or head.forwarded):
            if head.host is not self._host:
                self._lines = _told(self._for, head.host, self._proto)
                self._host = head.host
            return self._lines
        before = head.forwarded_for + b", " if head.forwarded_for else b""
        said = dict(_halves(line) for line in head.forwarded)
        whole = _told(
            before + self._for,
            said.get(b"x-forwarded-host", head.host),
            said.get(b"x-forwarded-proto", self._proto),
        )
        if b"forwarded" not in said:
            return whole
        return [*whole[:3], *(line for line in head.forwarded if _halves(line)[0] == b"forwarded")]

    def is_secure(self, head: RequestHead) -> bool:
        """Whether the client spoke TLS, with us or with a proxy that is believed."""
        if self._proto is _HTTPS:
            return True
        said = dict(_halves(line) for line in head.forwarded) if self._trusted else {}
        return said.get(b"x-forwarded-proto", b"").lower() == _HTTPS


def _told(came_by: bytes, host: bytes, proto: bytes) -> list[bytes]:
    first, *rest = (_node(one.strip()) for one in came_by.split(b","))
    pairs = b"for=%b;host=%b;proto=%b" % (first, _quoted(host), _quoted(proto))
    return [
        b"X-Forwarded-For: " + came_by,
        b"X-Forwarded-Proto: " + proto,
        b"X-Forwarded-Host: " + host,
        b"Forwarded: " + b", ".join((pairs, *(b"for=" + one for one in rest))),
    ]


def _node(address: bytes) -> bytes:
    return b'"[%b]"' % address if b":" in address and b"[" not in address else _quoted(address)


def _quoted(value: bytes) -> bytes:
    """As RFC 7239 has values that are no words: a host with its port, for one."""
    return value if is_token(value) else b'"%b"' % value.replace(b"\\", b"").replace(b'"', b"")


def _halves(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.lower(), value.strip(b" \t")
