"""The HTTP side of an adapter's process: one small ASGI app, its own port, SIGTERM as an event."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import uvicorn

from tidegate.kit.http_server import http_config

Answer = tuple[int, str, bytes]  # status, content type, body
App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class Server(uvicorn.Server):
    """uvicorn, except that SIGTERM and SIGINT only set `stop`: the adapter ends first, in order."""

    def __init__(self, config: uvicorn.Config, stop: asyncio.Event) -> None:
        super().__init__(config)
        self._stop = stop
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal handler; keeps no signal to raise again, so that we exit with 0."""
        if self._stop.is_set():
            self.should_exit = True
        self._loop.call_soon_threadsafe(self._stop.set)


async def serve_beside(
    app: App, address: tuple[str, int], work: Callable[[asyncio.Event], Awaitable[None]]
) -> None:
    """Serve on `address` while `work` runs; it gets the event that SIGTERM sets."""
    stop = asyncio.Event()
    config = http_config(app, timeout_graceful_shutdown=10)
    server = Server(config, stop)
    listener = listen(address)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve(sockets=[listener]))
        await work(stop)
        server.should_exit = True
        await serving


def listen(address: tuple[str, int]) -> socket.socket:
    """The socket to serve on; raises OSError for a port that is taken."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    return listener


async def answer(send: Any, status: int, content_type: str, body: bytes) -> None:
    """Send a whole answer."""
    headers = [(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
