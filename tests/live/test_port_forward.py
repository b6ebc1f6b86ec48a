"""Port forwarding with the two channels a port that simple clients use, to a real listener."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator

import pytest

from tidegate.apiserver import spdy
from tidegate.apiserver.admission import Admission
from tidegate.apiserver.channels import V4, V5, Close, Data, joined, split
from tidegate.apiserver.exchange import Ask, parse_query
from tidegate.apiserver.local import ensure_namespaces
from tidegate.apiserver.routes import Api
from tidegate.apiserver.sessions import Closed, Session
from tidegate.apiserver.spdytunnel import TUNNEL
from tidegate.model.containers import Container
from tidegate.model.errors import BadRequest
from tidegate.model.meta import ObjectMeta
from tidegate.model.pods import Pod, PodSpec
from tidegate.testing.api import make_api
from tidegate.testing.clocks import LoopClock

pytestmark = pytest.mark.live


class Ports:
    """Port 80 is a real listener that repeats a line in capitals; nothing is on other ports."""

    def __init__(self, number: int) -> None:
        self._number = number

    async def connect(
        self, namespace: str, pod: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if port != 80:
            raise BadRequest(f"nothing on {port}")
        return await asyncio.open_connection("127.0.0.1", self._number)


@pytest.fixture
async def ports() -> AsyncIterator[Ports]:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line.upper())
        writer.write(b"end\n")
        writer.close()

    async with await asyncio.start_server(shout, "127.0.0.1", 0) as server:
        yield Ports(server.sockets[0].getsockname()[1])


async def connect(query: str, ports: Ports) -> Session:
    clock = LoopClock()
    local = make_api(clock, Admission(lambda name: {}))
    await ensure_namespaces(local)
    spec = PodSpec(containers=(Container(name="c", image="x:1"),))
    await local.create(Pod(metadata=ObjectMeta(name="p", namespace="default"), spec=spec))
    path = "/api/v1/namespaces/default/pods/p/portforward"
    ask = Ask("GET", path, parse_query(query), query_string=query)
    return await Api(local.writes, clock, ports=ports).connect(ask)


class Client:
    def __init__(self, protocol: str, *sends: bytes) -> None:
        self.protocol, self.sends = protocol, list(sends)
        self.told: list[bytes] = []
        self.leave = asyncio.Event()

    async def receive(self) -> bytes:
        if self.sends:
            return self.sends.pop(0)
        await self.leave.wait()
        raise Closed

    async def send(self, message: bytes) -> None:
        self.told.append(message)

    def on(self, channel: int) -> bytes:
        said = [split(message) for message in self.told]
        return b"".join(s.data for s in said if isinstance(s, Data) and s.channel == channel)


async def test_two_channels_a_port_carry_data_and_errors(ports):
    session = await connect("ports=80,81", ports)
    client = Client(V5, joined(0, b"hello\n"), b"\xff\x00")
    assert split(b"\xff\x00") == Close(0)
    async with asyncio.timeout(10):
        await session.run(client)
    assert client.on(0) == struct.pack("<H", 80) + b"HELLO\nend\n"
    assert client.on(1) == struct.pack("<H", 80)
    assert client.on(3) == struct.pack("<H", 81) + b"nothing on 81"


async def test_a_client_that_names_no_protocol_gets_channels(ports):
    session = await connect("ports=80", ports)
    assert session.protocol_for([]) == V4
    assert session.protocol_for([TUNNEL]) == TUNNEL


@pytest.mark.parametrize("query", ["ports=0", "ports=http", "ports=80,", "ports=70000"])
async def test_what_is_no_port_is_refused(ports, query):
    with pytest.raises(BadRequest, match="no number between 1 and 65535"):
        await connect(query, ports)


async def test_a_tunnel_carries_a_connection_both_ways_to_its_end(ports):
    writer = spdy.Writer()
    head = {"port": "80", "requestid": "7"}
    client = Client(
        TUNNEL,
        writer.opened(1, head | {"streamtype": "error"}) + spdy.sent(1, b"", fin=True),
        writer.opened(3, head | {"streamtype": "data"}) + spdy.sent(3, b"hel"),
        spdy.sent(3, b"lo\n", fin=True),
    )
    session = await connect("", ports)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(_until_closed(session, client))
        while spdy.sent(1, b"", fin=True) not in client.told:
            await asyncio.sleep(0.01)
        client.leave.set()
        await running
    data = b"".join(m[8:] for m in client.told if m[:4] == struct.pack(">I", 3))
    assert data == b"HELLO\nend\n"
    assert spdy.sent(3, b"", fin=True) in client.told


async def _until_closed(session: Session, client: Client) -> None:
    with pytest.raises(Closed):
        await session.run(client)
