"""The control plane's end of the link, at a gateway that behaves badly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tidegate.link import gateway_link
from tidegate.link.gateway import Hello, RevisionChanged, Snapshot, encode
from tidegate.link.gateway_link import GatewayLink
from tidegate.link.unix import listen_unix

HELLO = encode(Hello(pid=1, boot="b", seq=0))


class Impatient:
    """A clock on which every pause is over at once, and noted."""

    def __init__(self, enough: int) -> None:
        self.pauses: list[float] = []
        self.done = asyncio.Event()
        self._enough = enough

    def now(self) -> float:
        return 0.0

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, after_s: float) -> None:
        self.pauses.append(after_s)
        if len(self.pauses) >= self._enough:
            self.done.set()
        await asyncio.sleep(0)


@asynccontextmanager
async def a_gateway(path: Path, *, hangs_up: bool, says: bytes = HELLO) -> AsyncIterator[None]:
    """Says hello (or what it is to say), and then hangs up at once or never reads."""
    writers = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(says)
        writer.transport.pause_reading()
        if hangs_up:
            writer.close()

    server = await asyncio.start_unix_server(serve, sock=listen_unix(path))
    try:
        yield
    finally:
        server.close()
        for writer in writers:
            writer.close()


def nothing() -> Snapshot:
    return Snapshot(seq=1, revisions=(), routes=())


async def test_a_gateway_that_hangs_up_each_time_is_asked_less_and_less_often(tmp_path):
    clock = Impatient(enough=7)
    link = GatewayLink(tmp_path / "gateway.sock", clock)
    async with a_gateway(tmp_path / "gateway.sock", hangs_up=True):
        running = asyncio.ensure_future(link.run(nothing))
        async with asyncio.timeout(20):
            await clock.done.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert clock.pauses[:7] == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


async def test_a_gateway_killed_in_the_middle_of_a_line_is_asked_again(tmp_path):
    """Half a line was taken for a message; the whole control plane ended with that."""
    clock = Impatient(enough=3)
    link = GatewayLink(tmp_path / "gateway.sock", clock)
    async with a_gateway(tmp_path / "gateway.sock", hangs_up=True, says=HELLO + HELLO[:20]):
        running = asyncio.ensure_future(link.run(nothing))
        async with asyncio.timeout(20):
            await clock.done.wait()
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_gateway_that_reads_nothing_is_not_buffered_for_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(gateway_link, "MAX_UNREAD", 100_000)
    link = GatewayLink(tmp_path / "gateway.sock", Impatient(enough=1))
    change = RevisionChanged(seq=2, key="d/" + "r" * 10_000, revision=None)
    async with a_gateway(tmp_path / "gateway.sock", hangs_up=False):
        running = asyncio.ensure_future(link.run(nothing))
        async with asyncio.timeout(20):
            while not link.connected:
                await asyncio.sleep(0)
            for _ in range(100):
                link.send(change)
            assert not link.connected
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
