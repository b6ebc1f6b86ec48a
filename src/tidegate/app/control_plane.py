"""The control plane's process: what it opens, in which order, and how it ends.

Everything is built here and handed down; nothing below makes a clock, a socket or a store. The
process may be killed at any moment: pods, gateway and keeper live on, and the next control plane
finds them again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
from collections.abc import Mapping
from functools import partial

from tidegate.apiserver.admission import Admission
from tidegate.apiserver.asgi import ApiApp
from tidegate.apiserver.expiry import EventExpiry
from tidegate.apiserver.garbage import GarbageCollector
from tidegate.apiserver.host_certificates import HostCertificates
from tidegate.apiserver.kubeconfig import write_kubeconfig
from tidegate.apiserver.local import LocalApi, ensure_namespaces
from tidegate.apiserver.pki import Pki, open_pki
from tidegate.apiserver.quotas import Quotas
from tidegate.apiserver.routes import Api
from tidegate.apiserver.server import serve
from tidegate.apiserver.tokens import Tokens
from tidegate.apiserver.writes import Writes
from tidegate.app.addresses import dialled, gateway_address
from tidegate.app.images_ahead import CachedImages
from tidegate.app.node_side import NodeSide
from tidegate.app.plane import Plane
from tidegate.app.settings_maps import config_reader, ensure_settings
from tidegate.app.surroundings import Surroundings
from tidegate.autoscale.hpa.fetch import fetch, get
from tidegate.controllers.fluid import DatasetFolders
from tidegate.controllers.kafka import PodReports
from tidegate.controllers.kserve import ensure_runtimes
from tidegate.controllers.storage import VolumeFolders, ensure_folder_class
from tidegate.ingress.balancers import BALANCERS
from tidegate.kit.clock import Clock
from tidegate.kit.home import Home
from tidegate.kit.zone import local_zone
from tidegate.link.gateway_link import GatewayLink
from tidegate.node.commands import PodCommands
from tidegate.node.dial import PodPorts
from tidegate.node.gpu_usage import GpuUsage
from tidegate.node.logs import PodLogs
from tidegate.node.steady_usage import SteadyUsage
from tidegate.node.usage import PodUsage
from tidegate.policy import config_images
from tidegate.store import Database, Store, ThreadedJournal

log = logging.getLogger(__name__)


async def run(home: Home, sockets: Mapping[str, socket.socket], clock: Clock, *, boot: str) -> None:
    """Serve until SIGTERM or SIGINT. `boot` is the id of this boot of the machine."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    store = Store(ThreadedJournal(Database(home.database)))
    writes = Writes(store, Admission(config_reader(store), Quotas(store)), clock)
    api = LocalApi(writes)
    try:
        await ensure_namespaces(api)
        await ensure_namespaces(api, {key.namespace for key in BALANCERS})
        await ensure_namespaces(api, {config_images.NAMESPACE})
        await ensure_settings(api)
        await ensure_folder_class(api)
        await ensure_runtimes(api)
        await _run_parts(home, sockets, clock, writes, api, boot, stop)
    finally:
        await store.close()


async def _run_parts(
    home: Home,
    sockets: Mapping[str, socket.socket],
    clock: Clock,
    writes: Writes,
    api: LocalApi,
    boot: str,
    stop: asyncio.Event,
) -> None:
    node = NodeSide(home, sockets, clock, api)
    pki = open_pki(home.pki, clock.now())
    link = GatewayLink(home.gateway_socket, clock)
    plane = Plane(api, clock, link, _around(home, sockets, clock, node, pki), boot=boot)
    node.ahead.told = plane.look_at_image_caches
    front = Api(
        writes,
        clock,
        logs=PodLogs(api, home, clock),
        usage=PodUsage(node.keeper, clock, node.agent.node_name),
        commands=PodCommands(node.agent, node.machine),
        ports=PodPorts(node.agent, node.machine),
        metrics=plane.metrics,
    )
    http = ApiApp(front, token=pki.token, tokens=Tokens(home.pki))
    listener = sockets["api"]
    write_kubeconfig(home.kubeconfig, pki, port=listener.getsockname()[1])
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(node.agent.run(), name="node agent"),
            tasks.create_task(plane.run(), name="plane"),
            tasks.create_task(node.caches.run(), name="model caches"),
            tasks.create_task(node.ahead.run(), name="images ahead"),
            tasks.create_task(GarbageCollector(writes, clock).run(), name="garbage collector"),
            tasks.create_task(EventExpiry(writes, clock).run(), name="event expiry"),
            tasks.create_task(serve(http, listener, pki, clock), name="API"),
        ]
        log.info("the API listens on %s", json.dumps(listener.getsockname()))
        await stop.wait()
        log.info("the control plane ends; pods and gateway go on")
        for task in running:
            task.cancel()


def _around(
    home: Home, sockets: Mapping[str, socket.socket], clock: Clock, node: NodeSide, pki: Pki
) -> Surroundings:
    return Surroundings(
        gateway=gateway_address(sockets),
        dialled=dialled(sockets),
        issue=HostCertificates(pki, clock),
        home=home.root,
        volumes=VolumeFolders(home.volumes),
        datasets=DatasetFolders(home.datasets),
        caches=node.caches,
        images=CachedImages(node.ahead),
        usage=SteadyUsage(node.keeper, clock, node.agent.node_name),
        gpu=GpuUsage(node.keeper, clock),
        reports=PodReports(partial(fetch, get)),
        zone=local_zone(),
    )
