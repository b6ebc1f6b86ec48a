"""Runs the API on a listening socket: HTTPS, in a task of the caller's."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn

from tidegate.apiserver.asgi import ApiApp
from tidegate.apiserver.connection import Connection
from tidegate.apiserver.pki import Pki
from tidegate.kit.clock import Clock

#: How long a stop waits for answers that are on their way.
_DRAIN_S = 3
#: Of a WebSocket: clients send 32 KiB at a time.
_LARGEST_MESSAGE = 2**20
_LOOK_AT_CERTIFICATE_EVERY_S = 12 * 3600.0


class NotLoopback(ValueError):
    """The socket would let other machines in."""


async def serve(app: ApiApp, listener: socket.socket, pki: Pki, clock: Clock) -> None:
    """Serve until cancelled. `listener` is bound to loopback and listening; it stays open
    afterwards, because whoever handed it in may start another server on it.

    Raises NotLoopback.
    """
    host = listener.getsockname()[0]
    if not ipaddress.ip_address(host).is_loopback:
        raise NotLoopback(f"the API may only listen on loopback, this socket is on {host}")
    server = _server(app, pki)
    assert server.config.ssl is not None
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve(sockets=[listener.dup()]))
        renewing = group.create_task(_renew(pki, server.config.ssl, clock))
        try:
            await asyncio.shield(serving)
        finally:
            renewing.cancel()
            app.close()
            server.stop()
            await asyncio.wait([serving], timeout=_DRAIN_S + 2)


class _Server(uvicorn.Server):
    """Signals are the process's business, not the server's."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        self.should_exit = True
        self._stopped.set()

    async def main_loop(self) -> None:
        """Once a second, for the answers' Date. uvicorn's own looks ten times a second whether it is
        to end, which was a quarter of what an idle engine did."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._stopped.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(app: ApiApp, pki: Pki) -> _Server:
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="wsproto",
        ws_max_size=_LARGEST_MESSAGE,
        # A client that sends more than a pod reads is left waiting, its pongs with it: that is no
        # reason to end it. One that is gone is known by its connection.
        ws_ping_interval=None,
        ws_ping_timeout=None,
        ws_per_message_deflate=False,
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_DRAIN_S,
        backlog=512,
        ssl_certfile=str(pki.certificate),
        ssl_keyfile=str(pki.key),
    )
    config.load()
    assert config.ssl is not None
    config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return _Server(config)


async def _renew(pki: Pki, context: ssl.SSLContext, clock: Clock) -> None:
    """New connections get the new certificate; those that are open keep theirs."""
    while True:
        await clock.sleep(_LOOK_AT_CERTIFICATE_EVERY_S)
        if pki.renew(clock.now()):
            context.load_cert_chain(pki.certificate, pki.key)
