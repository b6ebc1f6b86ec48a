"""Sockets and uvicorn: bind early, listen late, drain before leaving.

The port is bound before the model loads, so that a taken port fails at once, but nothing listens
until the model answers: a TCP or HTTP probe that succeeds means a model that predicts.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine
from types import FrameType
from typing import Any

import uvicorn
import uvloop

from tidegate.kit.clock import Clock
from tidegate.kit.http_server import http_config
from tidegate.runtimes.drain import Drain, wait_to_close

CLOSE_AFTER_S = 5.0
"""How long a draining server still takes new connections: kube-proxy and gateways hear of an
endpoint's removal within a second or two; the node gives 30 s before SIGKILL."""


class DrainingServer(uvicorn.Server):
    """uvicorn, except that a first SIGTERM or SIGINT starts the drain and a second one leaves."""

    def __init__(self, config: uvicorn.Config, drain: Drain, on_listening: Callable[[], None]):
        super().__init__(config)
        self._drain, self._on_listening = drain, on_listening
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._on_listening()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal handler. Unlike uvicorn's it keeps no signal to raise again: we exit 0."""
        if self._drain.draining or self._loop is None:
            os._exit(128 + sig)
        self._loop.call_soon_threadsafe(self._drain.begin)


def serve(
    app: Callable[..., Any],
    listener: socket.socket,
    *,
    drain: Drain,
    clock: Clock,
    on_listening: Callable[[], None],
    beside: Callable[[], Coroutine[Any, Any, None]] | None = None,
    first: Callable[[], Awaitable[Callable[[], Awaitable[None]]]] | None = None,
) -> None:
    """Serve until drained. `on_listening` is called when connections are accepted; `beside` runs as
    long as the server, and may finish its work when it is cancelled. `first` is awaited before
    connections are accepted, and what it gives after the last one."""
    server = DrainingServer(http_config(app), drain, on_listening)

    async def run() -> None:
        last = None if first is None else await first()
        async with asyncio.TaskGroup() as tasks:
            others = [tasks.create_task(_close_when_drained(server, drain, clock))]
            if beside is not None:
                others.append(tasks.create_task(beside()))
            await server.serve(sockets=[listener])
            for other in others:
                other.cancel()
        if last is not None:
            await last()

    uvloop.run(run())


async def _close_when_drained(server: uvicorn.Server, drain: Drain, clock: Clock) -> None:
    await wait_to_close(drain, clock, at_most_s=CLOSE_AFTER_S)
    server.should_exit = True


async def end_connections(listeners: list[socket.socket]) -> None:
    """Take connections and end them, until cancelled. For ports of protocols that aren't served here:
    a TCP probe of a document may ask whether the server is alive there."""

    def end(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    servers = [await asyncio.start_server(end, sock=each) for each in listeners]
    async with asyncio.TaskGroup() as tasks:
        for server in servers:
            tasks.create_task(server.serve_forever())
