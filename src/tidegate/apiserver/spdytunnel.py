"""Port forwarding in SPDY streams that are tunnelled through a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tidegate.apiserver import spdy
from tidegate.apiserver.sessions import Socket
from tidegate.model.errors import ApiError

TUNNEL = "SPDY/3.1+portforward.k8s.io"
_CHUNK = 32 * 1024
_MOST_STREAMS = 2000  # open at a time: a thousand connections
_HELD_FRAMES = 64  # per connection, while its pod reads slowly; then all of the tunnel waits
_REFUSED = 3  # status of RST_STREAM: REFUSED_STREAM

Dial = Callable[[int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@dataclass(slots=True)
class _Stream:
    """`arrived`: what the client sent; None: its end."""

    port: int
    error_stream: int | None  # None: this is one
    arrived: asyncio.Queue[bytes | None] = field(
        default_factory=lambda: asyncio.Queue(_HELD_FRAMES)
    )
    task: asyncio.Task[None] | None = None


class Tunnel:
    """One WebSocket's streams. `run` owns them; it ends by Closed."""

    def __init__(self, socket: Socket, dial: Dial) -> None:
        self._socket, self._dial = socket, dial
        self._reader, self._writer = spdy.Reader(), spdy.Writer()
        self._streams: dict[int, _Stream] = {}
        self._errors: dict[str, int] = {}  # request id -> its error stream

    async def run(self) -> None:
        """Until the client closes, or sends what is no SPDY. Raises groups of Closed."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                message = await self._socket.receive()
                try:
                    frames = self._reader.feed(message)
                except spdy.SpdyError:
                    break
                for frame in frames:
                    await self._heard(frame, tasks)
            for stream in self._streams.values():
                if stream.task is not None:
                    stream.task.cancel()

    async def _heard(self, frame: spdy.Frame, tasks: asyncio.TaskGroup) -> None:
        match frame:
            case spdy.Opened():
                await self._opened(frame, tasks)
            case spdy.Sent(number, data, fin):
                stream = self._streams.get(number)
                if stream is not None and stream.task is not None and not stream.task.done():
                    if data:
                        await stream.arrived.put(data)
                    if fin:
                        await stream.arrived.put(None)
            case spdy.Reset(number):
                stream = self._streams.pop(number, None)
                if stream is not None and stream.task is not None:
                    stream.task.cancel()
                    await self._end_error_stream(stream, "")  # kubectl waits for it
            case spdy.Ping(number):
                await self._socket.send(spdy.ping(number))

    async def _opened(self, frame: spdy.Opened, tasks: asyncio.TaskGroup) -> None:
        headers, number = frame.headers, frame.stream
        port, request = headers.get("port", ""), headers.get("requestid", "")
        kind = headers.get("streamtype")
        known = port.isdecimal() and 0 < int(port) < 65536 and kind in ("error", "data")
        if not known or len(self._streams) >= _MOST_STREAMS or number in self._streams:
            await self._socket.send(spdy.reset(number, _REFUSED))
            return
        await self._socket.send(self._writer.reply(number))
        if kind == "error":
            self._streams[number] = _Stream(int(port), None)
            self._errors[request] = number
            return
        stream = _Stream(int(port), self._errors.pop(request, None))
        self._streams[number] = stream
        stream.task = tasks.create_task(self._forward(number, stream))

    async def _forward(self, number: int, stream: _Stream) -> None:
        """One connection, from dialling to its end."""
        said = ""
        try:
            reader, writer = await self._dial(stream.port)
        except ApiError as why:
            said = why.message
        else:
            try:
                said = await self._copy(number, stream, reader, writer)
            finally:
                writer.close()
        self._streams.pop(number, None)
        while not stream.arrived.empty():  # lets go whoever waits for room in it
            stream.arrived.get_nowait()
        await self._socket.send(spdy.sent(number, b"", fin=True))
        await self._end_error_stream(stream, said)

    async def _end_error_stream(self, stream: _Stream, said: str) -> None:
        if stream.error_stream is not None:
            self._streams.pop(stream.error_stream, None)
            await self._socket.send(spdy.sent(stream.error_stream, said.encode(), fin=True))

    async def _copy(
        self,
        number: int,
        stream: _Stream,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> str:
        """Both ways until the pod has said all. What went wrong, empty for nothing."""
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(_write(stream.arrived, writer))
            try:
                while data := await reader.read(_CHUNK):
                    await self._socket.send(spdy.sent(number, data))
            except OSError as why:
                return f"port {stream.port}: {why}"
            finally:
                writing.cancel()
        return ""


async def _write(arrived: asyncio.Queue[bytes | None], writer: asyncio.StreamWriter) -> None:
    """To the client's end of input, then on until cancelled, so that nobody waits for room."""
    broken = False
    while True:
        data = await arrived.get()
        try:
            if data is None and not broken:
                writer.write_eof()
            elif data and not broken:
                writer.write(data)
                await writer.drain()
        except (OSError, RuntimeError):
            broken = True  # the reading side tells of it
