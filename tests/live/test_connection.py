"""The ends of a connection's patience, with seconds instead of minutes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from tidegate.apiserver.connection import LONGEST_HEAD, Connection

pytestmark = pytest.mark.live

SMALL = b"GET /small HTTP/1.1\r\nhost: a\r\n\r\n"


class Hasty(Connection):
    whole_request_s = 0.3
    standstill_s = 0.3


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers with what it was sent, or with more than any buffer holds."""
    body = b"x" * 50_000_000
    if scope["path"] != "/large":
        body = (await receive())["body"] or b"small"
    length = str(len(body)).encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]}
    )
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def connected(
    kind: type[Connection] = Hasty, *, limit: int = 1000
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    config = uvicorn.Config(app, http=kind, lifespan="off", log_config=None, timeout_keep_alive=60)
    config.load()
    state = ServerState()
    made = lambda: kind(config=config, server_state=state, app_state={})  # noqa: E731
    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=limit)
    try:
        yield reader, writer
    finally:
        writer.close()
        server.close()
        await asyncio.gather(*state.tasks, return_exceptions=True)


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Until the server ends the connection, which it does within any test's time."""
    out = b""
    async with asyncio.timeout(30):
        try:
            while more := await reader.read(65536):
                out += more
        except ConnectionError:
            pass
    return out


@pytest.mark.parametrize("begun", [b"", b"GET /small HT", SMALL[:-2], b"\r\n" * 10])
async def test_who_does_not_finish_a_request_is_let_go(begun):
    async with connected() as (reader, writer):
        writer.write(begun)
        assert await rest(reader) == b""


async def test_who_sends_a_request_byte_by_byte_is_let_go():
    async with connected() as (reader, writer):

        async def trickle() -> None:
            while True:
                writer.write(b"x-a: b\r\n")
                await asyncio.sleep(0.05)

        writer.write(SMALL[:-2])
        slow = asyncio.get_running_loop().create_task(trickle())
        assert await rest(reader) == b""
        slow.cancel()


async def test_a_request_that_ends_is_answered_and_the_next_one_has_its_own_time():
    async with connected() as (reader, writer):
        for _ in range(3):
            writer.write(SMALL)
            assert (await reader.readuntil(b"small")).startswith(b"HTTP/1.1 200")
        writer.write(b"GET /half")
        assert await rest(reader) == b""


async def test_between_requests_there_is_the_keep_alive_time():
    async with connected() as (reader, writer):
        writer.write(SMALL)
        await reader.readuntil(b"small")
        await asyncio.sleep(1.0)
        writer.write(SMALL)
        assert (await reader.readuntil(b"small")).startswith(b"HTTP/1.1 200")


async def test_who_does_not_read_is_let_go():
    async with connected() as (reader, writer):
        writer.write(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(2)
        assert len(await rest(reader)) < 50_000_000


class Unhurried(Connection):
    standstill_s = 3.0


async def test_who_reads_slowly_gets_everything():
    async with connected(Unhurried, limit=2_000_000) as (reader, writer):
        writer.write(b"GET /large HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        got = 0
        for _ in range(25):
            got += len(await reader.readexactly(1_900_000))
            await asyncio.sleep(0.25)
        assert got + len(await rest(reader)) == 50_000_000


async def test_a_head_beyond_the_limit_is_refused():
    async with connected(Connection) as (reader, writer):
        writer.write(b"GET /small HTTP/1.1\r\nx: " + b"y" * (LONGEST_HEAD + 100))
        assert (await rest(reader)).startswith(b"HTTP/1.1 431")


async def test_a_body_may_be_longer_than_a_head():
    async with connected(Connection) as (reader, writer):
        body = b"z" * (LONGEST_HEAD * 2)
        head = f"POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        assert (await rest(reader)).startswith(b"HTTP/1.1 200")
