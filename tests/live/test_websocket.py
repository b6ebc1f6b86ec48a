"""WebSockets through a real gateway: from zero, counted, both ways, cut when their time is over."""

import asyncio
import ssl
import time
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tidegate.apiserver.pki import open_pki
from tidegate.link.gateway import Certificate, Drained, Endpoint, Sample, Wake
from tidegate.testing.gateway import HOST, gateway, replica, request, revision

pytestmark = pytest.mark.live

WITHIN_S = 30
UPGRADE = "Connection: upgrade\r\nUpgrade: lines\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n"


async def echo(connection):
    async for message in connection:
        await connection.send(message)


@asynccontextmanager
async def websocket_replica(name="pod-a", behave=echo):
    """A replica that speaks WebSocket; an `Endpoint`."""
    async with serve(behave, "127.0.0.1", 0, max_size=2**26) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield Endpoint(id=name, host="127.0.0.1", port=port)


def opened(gate, **options):
    """A client that asks for `HOST` at the gateway."""
    return connect(
        f"ws://{HOST}/chat?room=1",
        host="127.0.0.1",
        port=gate.port,
        proxy=None,
        open_timeout=WITHIN_S,
        max_size=2**26,
        **options,
    )


async def test_a_websocket_waits_at_zero_and_then_talks_both_ways(tmp_path):
    async with gateway(tmp_path) as gate, websocket_replica() as pod, asyncio.TaskGroup() as tasks:
        control = await gate.control()
        await control.tell(revision())

        async def talk():
            async with opened(gate) as client:
                await client.send("hello")
                await client.send(b"\x00" * 1_000_000)
                assert await client.recv() == "hello"
                assert len(await client.recv()) == 1_000_000

        talking = tasks.create_task(talk())
        assert (await control.hear(Wake)).waiting == 1
        await control.change(revision(pod))
        await talking


async def test_the_replica_sees_path_host_subprotocol_and_where_it_came_from(tmp_path):
    seen = {}

    async def look(connection):
        seen.update(connection.request.headers.raw_items(), path=connection.request.path)

    async with (
        gateway(tmp_path) as gate,
        serve(look, "127.0.0.1", 0, subprotocols=["v2.chat"]) as server,
    ):
        port = next(iter(server.sockets)).getsockname()[1]
        control = await gate.control()
        await control.tell(revision(Endpoint(id="a", host="127.0.0.1", port=port)))
        async with opened(gate, subprotocols=["v1.chat", "v2.chat"]) as client:
            assert client.subprotocol == "v2.chat"
            await client.wait_closed()
    assert (seen["path"], seen["Host"]) == ("/chat?room=1", HOST)
    assert (seen["X-Forwarded-For"], seen["X-Forwarded-Proto"]) == ("127.0.0.1", "http")


async def test_an_open_websocket_holds_its_slot_and_counts_as_concurrency(tmp_path):
    async with gateway(tmp_path) as gate, websocket_replica() as pod, asyncio.TaskGroup() as tasks:
        control = await gate.control()
        await control.tell(revision(pod, container_concurrency=1))
        async with opened(gate) as first:
            await first.send("mine")
            assert await first.recv() == "mine"

            async def second():
                async with opened(gate) as client:
                    await client.send("now")
                    return await client.recv()

            waiting = tasks.create_task(second())
            sample = await control.hear(Sample, lambda one: one.waiting == 1 and one.running == 1)
            assert sample.concurrency > 0
            assert not waiting.done()
        assert await waiting == "now"
        await control.hear(Sample, lambda one: one.running == 0)


async def test_a_refused_upgrade_is_an_answer_like_any_other(tmp_path):
    async with gateway(tmp_path) as gate, replica() as plain:
        control = await gate.control()
        await control.tell(revision(plain))
        with pytest.raises(InvalidStatus) as refused:
            await opened(gate)
        assert refused.value.response.status_code == 200
        wire = await gate.client()
        upgrade = "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
        await wire.send(request(extra=upgrade))
        assert (await wire.answer()).status == 200, "h2c goes by prior knowledge only"
        assert plain.got[-1].header("upgrade") is None


async def test_a_websocket_is_cut_when_the_revisions_time_is_over(tmp_path):
    async with gateway(tmp_path) as gate, websocket_replica() as pod:
        control = await gate.control()
        await control.tell(revision(pod, timeout_s=2.0))
        async with opened(gate) as client:
            with pytest.raises(ConnectionClosed):
                async with asyncio.timeout(WITHIN_S):
                    await client.recv()


async def test_idle_time_begins_anew_with_every_byte_of_either_side(tmp_path):
    async with gateway(tmp_path) as gate, websocket_replica() as pod:
        control = await gate.control()
        await control.tell(revision(pod, idle_timeout_s=5.0))
        async with opened(gate, ping_interval=None) as client:
            for _ in range(5):
                await asyncio.sleep(1)
                await client.send("still here")
                assert await client.recv() == "still here"
            with pytest.raises(ConnectionClosed):
                async with asyncio.timeout(WITHIN_S):
                    await client.recv()


async def test_a_side_that_reads_nothing_stops_the_other(tmp_path):
    go = asyncio.Event()
    heard = []

    async def behave(got, wire):
        await wire.send(SWITCHED)
        await go.wait()
        while piece := await wire.reader.read(2**20):
            heard.append(len(piece))
        wire.close()

    async with gateway(tmp_path) as gate, replica("a", behave) as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        wire = await gate.client()
        await wire.send(request(extra=UPGRADE))
        assert (await wire.answer()).status == 101
        sent, piece = 0, b"x" * 2**18
        try:
            async with asyncio.timeout(3):
                while sent < 2**29:
                    sent += len(piece)
                    await wire.send(piece)
        except TimeoutError:
            pass
        assert sent < 2**26, "the gateway took it all into its memory"
        go.set()
        wire.writer.write_eof()
        assert await wire.ended() == b""
        assert sum(heard) == sent


async def test_each_side_may_end_its_direction_first(tmp_path):
    async def behave(got, wire):
        await wire.send(SWITCHED + b"early;")
        heard = await wire.reader.read()  # until the client has ended its direction
        await wire.send(b"heard " + heard)
        wire.close()

    async with gateway(tmp_path) as gate, replica("a", behave) as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        wire = await gate.client()
        await wire.send(request(extra=UPGRADE) + b"one ")  # does not wait for the 101
        answer = await wire.answer()
        assert (answer.status, answer.header("upgrade")) == (101, "lines")
        await wire.send(b"two")
        wire.writer.write_eof()
        assert await wire.ended() == b"early;heard one two"
        await control.hear(Sample, lambda one: one.running == 0 and one.requests == 0)


async def test_a_draining_replica_keeps_its_websocket_until_it_ends(tmp_path):
    async with gateway(tmp_path) as gate, websocket_replica("old") as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        async with opened(gate) as client:
            await client.send("a")
            assert await client.recv() == "a"
            going = Endpoint(id=pod.id, host=pod.host, port=pod.port, draining=True)
            await control.change(revision(going))
            await client.send("b")
            assert await client.recv() == "b"
            assert not [one for one in control.heard if isinstance(one, Drained)]
        assert (await control.hear(Drained)).endpoint == "old"


async def test_a_replica_that_dies_takes_its_websocket_along(tmp_path):
    async def dies(connection):
        await connection.recv()
        connection.transport.abort()

    async with gateway(tmp_path) as gate, websocket_replica("a", dies) as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        async with opened(gate) as client:
            await client.send("die")
            with pytest.raises(ConnectionClosed):
                async with asyncio.timeout(WITHIN_S):
                    await client.recv()
        await control.hear(Sample, lambda one: one.running == 0)


async def test_an_upgrade_goes_by_http1_to_a_replica_that_speaks_http2_otherwise(tmp_path):
    async with gateway(tmp_path) as gate, websocket_replica() as pod:
        control = await gate.control()
        await control.tell(revision(pod, protocol="h2c"))
        async with opened(gate) as client:
            await client.send("hello")
            assert await client.recv() == "hello"


async def test_a_websocket_by_tls_talks_and_ends_like_others(tmp_path):
    pki = open_pki(tmp_path / "pki", time.time())
    chain, key = pki.issue([HOST], time.time(), called=HOST)
    shown = Certificate(key="a", hosts=(HOST,), chain=chain.decode(), private_key=key.decode())
    heard = []

    async def listen(connection):
        async for message in connection:
            heard.append(message)
            await connection.send("taken")

    async with gateway(tmp_path) as gate, websocket_replica(behave=listen) as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        await control.show("a", shown)
        async with connect(
            f"wss://{HOST}/chat",
            host="127.0.0.1",
            port=gate.https_port,
            ssl=ssl.create_default_context(cafile=str(pki.ca)),
            proxy=None,
            open_timeout=WITHIN_S,
        ) as client:
            await client.send("b" * 500_000)
            assert await client.recv() == "taken"
        await control.hear(Sample, lambda one: one.running == 0)
        assert [len(message) for message in heard] == [500_000]


async def test_a_gateway_that_ends_keeps_its_open_websockets(tmp_path):
    async with gateway(tmp_path) as gate, websocket_replica() as pod:
        control = await gate.control()
        await control.tell(revision(pod))
        async with opened(gate) as client:
            await client.send("before")
            assert await client.recv() == "before"
            before = gate.process
            await gate.start()
            before.terminate()
            control = await gate.control()
            await control.tell(revision(pod))
            async with opened(gate) as other:
                await other.send("at the next one")
                assert await other.recv() == "at the next one"
            await client.send("after")
            assert await client.recv() == "after"
            assert before.returncode is None
        async with asyncio.timeout(WITHIN_S):
            assert await before.wait() == 0
