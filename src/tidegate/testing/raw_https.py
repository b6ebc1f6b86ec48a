"""A client that does what no library lets one do: bytes over TLS, as they are."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tidegate.client.http import Access


@contextmanager
def connected(access: Access, *, receive_buffer: int | None = None) -> Iterator[ssl.SSLSocket]:
    """A TLS connection. `receive_buffer`: bytes that the kernel keeps for a client that doesn't read."""
    parts = urlsplit(access.server)
    plain = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if receive_buffer is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    plain.settimeout(60)
    assert parts.hostname is not None
    assert parts.port is not None
    plain.connect((parts.hostname, parts.port))
    context = ssl.create_default_context(cadata=access.ca)
    with context.wrap_socket(plain, server_hostname=parts.hostname) as wrapped:
        yield wrapped


def head(access: Access, method: str, path: str, **headers: str) -> bytes:
    """A request's head, with the token."""
    fields = {"host": "localhost", "authorization": f"Bearer {access.token}", **headers}
    lines = [
        f"{method} {path} HTTP/1.1",
        *(f"{k.replace('_', '-')}: {v}" for k, v in fields.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def all_of(connection: ssl.SSLSocket) -> bytes:
    """Everything until the server closes."""
    out = b""
    while True:
        try:
            more = connection.recv(65536)
        except ssl.SSLError:  # closed without a goodbye
            return out
        except ConnectionResetError:
            return out
        if not more:
            return out
        out += more
