"""`pods/NAME/portforward`: TCP connections to a pod through one WebSocket.

Two ways: kubectl tunnels SPDY and opens two streams per connection, `data` and `error`; simple clients
name the ports in the query and get two channels each. Source: kubelet pkg/cri/streaming/portforward.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import parse_qsl

from tidegate.apiserver.channels import V4, V5, Close, Data, joined, split
from tidegate.apiserver.exchange import Ask
from tidegate.apiserver.sessions import Closed, Session, Socket
from tidegate.apiserver.spdytunnel import TUNNEL, Tunnel
from tidegate.apiserver.targets import Target
from tidegate.model.errors import ApiError, BadRequest, NotFound
from tidegate.model.pods import Pod
from tidegate.store import Store

_CHUNK = 32 * 1024
_MOST_PORTS = 64
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class PortSource(Protocol):
    """Who dials pods; `app` hands in the node agent's."""

    async def connect(self, namespace: str, pod: str, port: int) -> Connection:
        """Raises ApiError."""
        ...


class PortForward:
    def __init__(self, store: Store, source: PortSource | None) -> None:
        self._store, self._source = store, source

    async def open(self, ask: Ask, target: Target) -> Session:
        """Raises NotFound, BadRequest."""
        namespace, name = target.namespace or "", target.name or ""
        if self._store.get(Pod, namespace, name) is None:
            raise NotFound("pods", name)
        source = self._source
        if source is None:
            raise BadRequest("this API server runs without a node, so there is nothing to dial")
        ports = _ports(ask.query_string)

        async def dial(port: int) -> Connection:
            return await source.connect(namespace, name, port)

        async def run(socket: Socket) -> None:
            try:
                if socket.protocol == TUNNEL:
                    await Tunnel(socket, dial).run()
                else:
                    await _Channels(socket, ports).run(dial)
            except* Closed as why:
                raise Closed from why

        return Session((TUNNEL, V4, V5) if ports else (TUNNEL,), run, unnamed=V4 if ports else None)


def _ports(query: str) -> tuple[int, ...]:
    """`ports=80&ports=81,82`. Raises BadRequest."""
    said = [n for k, v in parse_qsl(query) if k == "ports" for n in v.split(",")]
    wrong = [n for n in said if not n.isdecimal() or not 0 < int(n) < 65536]
    if wrong:
        raise BadRequest(f"port {wrong[0]!r} is no number between 1 and 65535")
    if len(said) > _MOST_PORTS:
        raise BadRequest(f"{len(said)} ports at once: at most {_MOST_PORTS}")
    return tuple(map(int, said))


class Dial(Protocol):
    async def __call__(self, port: int, /) -> Connection: ...


class _Channels:
    """Channel 2i carries the data of the i-th port, 2i+1 its error; each begins with the port."""

    def __init__(self, socket: Socket, ports: Sequence[int]) -> None:
        self._socket, self._ports = socket, ports
        self._writers: dict[int, asyncio.StreamWriter] = {}

    async def run(self, dial: Dial) -> None:
        async with asyncio.TaskGroup() as tasks:
            pumps = []
            for number, port in enumerate(self._ports):
                for channel in (2 * number, 2 * number + 1):
                    await self._socket.send(joined(channel, struct.pack("<H", port)))
                try:
                    reader, self._writers[2 * number] = await dial(port)
                except ApiError as why:
                    await self._socket.send(joined(2 * number + 1, why.message.encode()))
                else:
                    pumps.append(tasks.create_task(self._tell(2 * number, reader)))
            listening = tasks.create_task(self._listen())
            try:
                if pumps:
                    await asyncio.wait(pumps)
            finally:
                listening.cancel()
                for writer in self._writers.values():
                    writer.close()

    async def _tell(self, channel: int, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(_CHUNK):
                await self._socket.send(joined(channel, data))
        except OSError as why:
            await self._socket.send(joined(channel + 1, str(why).encode()))

    async def _listen(self) -> None:
        while True:
            match split(await self._socket.receive()):
                case Data(channel, data) if channel in self._writers:
                    await _write(self._writers[channel], data)
                case Close(channel) if channel in self._writers:
                    _finish(self._writers[channel])
                case _:
                    pass


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    try:
        writer.write(data)
        await writer.drain()
    except OSError:
        pass  # the reading side tells of it


def _finish(writer: asyncio.StreamWriter) -> None:
    if writer.can_write_eof() and not writer.is_closing():
        writer.write_eof()
