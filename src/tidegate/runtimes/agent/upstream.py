"""One HTTP/1.1 request to somewhere near, with h11: a connection for each, the answer as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import h11

Headers = Sequence[tuple[bytes, bytes]]
_READ = 64 * 1024
_HOP = (b"connection", b"keep-alive", b"transfer-encoding", b"te", b"upgrade", b"content-length")


class UpstreamFailed(Exception):
    """No (whole) answer. The sentence says from where and why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`chunks` is read to its end, or the connection closed, by whoever opened it."""

    status: int
    headers: Headers
    chunks: AsyncIterator[bytes]

    async def body(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks])


def end_to_end(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Without those that are about one connection only."""
    return [(name.lower(), value) for name, value in headers if name.lower() not in _HOP]


@asynccontextmanager
async def exchange(
    host: str, port: int, method: bytes, target: bytes, headers: Headers, body: bytes
) -> AsyncIterator[Answer]:
    """Send a request; the answer within the block. Raises `UpstreamFailed`."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError as why:
        raise UpstreamFailed(f"nobody at {host}:{port}: {why.strerror or why}") from why
    try:
        connection = h11.Connection(h11.CLIENT)
        sent = [*end_to_end(headers), (b"connection", b"close")]
        if body or method not in (b"GET", b"HEAD"):
            sent.append((b"content-length", str(len(body)).encode()))
        if not any(name == b"host" for name, _ in sent):
            sent.append((b"host", f"{host}:{port}".encode()))
        request = h11.Request(method=method, target=target, headers=sent)
        writer.write(connection.send(request) or b"")
        if body:
            writer.write(connection.send(h11.Data(data=body)) or b"")
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        await writer.drain()
        head = await _next(connection, reader)
        while isinstance(head, h11.InformationalResponse):
            head = await _next(connection, reader)
        assert isinstance(head, h11.Response)
        yield Answer(head.status_code, list(head.headers), _chunks(connection, reader))
    except h11.LocalProtocolError as why:
        raise UpstreamFailed(f"{host}:{port} can't be asked for {target!r}: {why}") from why
    except (OSError, h11.RemoteProtocolError) as why:
        raise UpstreamFailed(f"{host}:{port} broke off: {why}") from why
    finally:
        writer.close()


async def _chunks(connection: h11.Connection, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        event = await _next(connection, reader)
        if isinstance(event, h11.EndOfMessage):
            return
        assert isinstance(event, h11.Data)
        yield bytes(event.data)


async def _next(connection: h11.Connection, reader: asyncio.StreamReader) -> h11.Event:
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_READ))
            continue
        assert isinstance(event, h11.Event)
        return event
