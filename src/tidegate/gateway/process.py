"""The gateway's process: what it opens, in which order, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Mapping

from tidegate.gateway.client import ClientConnection
from tidegate.gateway.control import Control
from tidegate.gateway.farewell import Farewell, busy_elsewhere
from tidegate.gateway.hub import C, Hub
from tidegate.gateway.journal import Journal
from tidegate.gateway.keeper_watch import watch_keeper
from tidegate.gateway.settings import Settings
from tidegate.gateway.sockets import SocketGiver, bind_unix
from tidegate.gateway.tls import HANDSHAKE_S
from tidegate.kit.clock import Clock
from tidegate.kit.home import Home

log = logging.getLogger(__name__)

_BACKLOG = 4096
_PLAIN = ("gateway", "ingress")  # sockets that clients connect to: HTTP
_SECURE = ("gateway-tls", "ingress-tls")  # and HTTPS
_TLS_GOODBYE_S = 2.0  # for a client to answer the end of TLS


async def serve(
    home: Home, sockets: Mapping[str, socket.socket], *, clock: Clock, settings: Settings
) -> None:
    """Serve on `sockets["gateway"]`, and on those of `_PLAIN` and `_SECURE` that are there, until SIGTERM
    or SIGINT; then finish what there is and return."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as tasks:
        hub = Hub(clock=clock, settings=settings, tasks=tasks, dial=dial)
        hub.busy_elsewhere = lambda: busy_elsewhere(home.run)
        control = Control(hub, Journal(home.gateway_table))
        control.restore()
        giver = SocketGiver(sockets)
        giver.serve(home.sockets_socket)  # before the link: who finds that finds this too
        link = await loop.create_unix_server(
            control.connection, sock=bind_unix(home.gateway_socket)
        )
        fronts = {name: sock for name, sock in sockets.items() if name in (*_PLAIN, *_SECURE)}
        hub.https_ports = {
            name: sock.getsockname()[1] for name, sock in fronts.items() if name in _SECURE
        }
        servers = [await _listen(hub, name, front) for name, front in fronts.items()]
        rhythm = [tasks.create_task(hub.beat()), tasks.create_task(hub.watch_clients())]
        watching = tasks.create_task(
            watch_keeper(home, sockets, clock, has_control_plane=lambda: control.connected)
        )
        for name, front in fronts.items():
            log.info("%s listens on %s", name, front.getsockname())
        await stop.wait()

        log.info("gateway ends: %d clients are connected", len(hub.clients))
        watching.cancel()
        address = _local_address(sockets["gateway"])
        for server in servers:
            server.close()
        for front in fronts.values():
            front.close()  # the keeper has it; if nobody has, who connects is to be refused
        link.close()
        giver.close()
        control.close()
        hub.leave(address)
        with Farewell(home.run) as farewell:
            await _until_empty(hub, farewell, clock, settings.drain_s)
        for task in rhythm:
            task.cancel()


async def _listen(hub: Hub, name: str, front: socket.socket) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    if name in _PLAIN:
        return await loop.create_server(
            lambda: ClientConnection(hub), sock=front.dup(), backlog=_BACKLOG
        )
    return await loop.create_server(
        lambda: ClientConnection(hub),
        sock=front.dup(),
        backlog=_BACKLOG,
        ssl=hub.certificates.context,
        ssl_handshake_timeout=HANDSHAKE_S,
        ssl_shutdown_timeout=_TLS_GOODBYE_S,
    )


async def dial(factory: Callable[[], C], host: str, port: int) -> C:
    """Connect to a replica over TCP."""
    _, conn = await asyncio.get_running_loop().create_connection(factory, host, port)
    return conn


def _local_address(sock: socket.socket) -> tuple[str, int]:
    """Where this machine reaches the socket; one that listens on all addresses is on loopback too."""
    host, port = sock.getsockname()[:2]
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port


async def _until_empty(hub: Hub, farewell: Farewell, clock: Clock, within_s: float) -> None:
    """Wait until every client has its answer, or the time is over."""
    end_s = clock.monotonic() + within_s
    while hub.clients and clock.monotonic() < end_s:
        farewell.say(hub.busy_endpoints())
        await clock.sleep(0.02)
    if hub.clients:
        log.warning("%d clients still had no answer after %g s", len(hub.clients), within_s)
        for client in list(hub.clients):
            client.break_off()
