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
from tidegate.apiserver.pki import open_pki
from tidegate.apiserver.quotas import Quotas
from tidegate.apiserver.routes import Api
from tidegate.apiserver.server import serve
from tidegate.apiserver.tokens import Tokens
from tidegate.apiserver.writes import Writes
from tidegate.app.images_ahead import CachedImages
from tidegate.app.model_caches import ModelCaches
from tidegate.app.plane import Plane, config_reader
from tidegate.app.settings_maps import ensure_settings
from tidegate.autoscale.hpa.fetch import fetch, get
from tidegate.controllers.fluid import DatasetFolders
from tidegate.controllers.kafka import PodReports
from tidegate.controllers.kserve import ensure_runtimes
from tidegate.controllers.storage import VolumeFolders, ensure_folder_class
from tidegate.ingress.balancers import BALANCERS, GatewayAddress
from tidegate.kit.clock import Clock
from tidegate.kit.home import Home
from tidegate.kit.zone import local_zone
from tidegate.link.gateway_link import GatewayLink
from tidegate.link.keeper_start import KeeperNotStarted, start_keeper
from tidegate.node.agent import NodeAgent
from tidegate.node.commands import PodCommands
from tidegate.node.containers import ContainerRuntime
from tidegate.node.containers.ahead import ImagesAhead
from tidegate.node.dial import PodPorts
from tidegate.node.gpu_usage import GpuUsage
from tidegate.node.keeper_link import KeeperLink
from tidegate.node.logs import PodLogs
from tidegate.node.machine import LocalMachine
from tidegate.node.settings import NodeSettings
from tidegate.node.steady_usage import SteadyUsage
from tidegate.node.usage import PodUsage
from tidegate.policy import config_images
from tidegate.policy.config_containers import NAME as CONTAINERS
from tidegate.policy.config_containers import NAMESPACE as CONTAINERS_NAMESPACE
from tidegate.policy.gpu_cards import Card, simulated_cards
from tidegate.store import Database, Store, ThreadedJournal

log = logging.getLogger(__name__)


class NewKeeper:
    """Starts another keeper when ours is gone, once at a time. The listening sockets are handed along
    in case no gateway lives to give them back."""

    def __init__(self, home: Home, listening: Mapping[str, int]) -> None:
        self._home, self._listening = home, listening

    async def __call__(self) -> None:
        try:
            pid = await asyncio.to_thread(start_keeper, self._home, listening=self._listening)
        except KeeperNotStarted as why:
            log.warning("no new keeper yet: %s", why)
        else:
            log.info("the keeper is process %d now", pid)


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
    link = GatewayLink(home.gateway_socket, clock)
    volumes = VolumeFolders(home.volumes)
    listener = sockets["api"]
    listening = {name: sock.fileno() for name, sock in sockets.items()}
    keeper = KeeperLink(home, clock, on_lost=NewKeeper(home, listening))
    settings = NodeSettings(simulated_gpus=_simulated_gpus(home), gateway=_dialled(sockets))
    machine = LocalMachine()
    config = config_reader(api)
    containers = ContainerRuntime(
        home,
        clock,
        machine.find_program,
        read=lambda: config(f"{CONTAINERS_NAMESPACE}/{CONTAINERS}"),
    )
    caches = ModelCaches(home, clock, config_reader(api))
    agent = NodeAgent(api, keeper, clock, home, settings, containers=containers, fetcher=caches)
    ahead = ImagesAhead(api, containers, clock)
    pki = open_pki(home.pki, clock.now())
    usage = PodUsage(keeper, clock, agent.node_name)
    plane = Plane(
        api,
        clock,
        link,
        boot=boot,
        gateway=_gateway_address(sockets),
        volumes=volumes,
        datasets=DatasetFolders(home.datasets),
        caches=caches,
        issue=HostCertificates(pki, clock),
        usage=SteadyUsage(keeper, clock, agent.node_name),
        gpu=GpuUsage(keeper, clock),
        zone=local_zone(),
        home=home.root,
        images=CachedImages(ahead),
        dialled=_dialled(sockets),
        reports=PodReports(partial(fetch, get)),
    )
    ahead.told = plane.look_at_image_caches
    logs, commands = PodLogs(api, home, clock), PodCommands(agent, machine)
    ports = PodPorts(agent, machine)
    front = Api(
        writes,
        clock,
        logs=logs,
        usage=usage,
        commands=commands,
        ports=ports,
        metrics=plane.metrics,
    )
    http = ApiApp(front, token=pki.token, tokens=Tokens(home.pki))
    write_kubeconfig(home.kubeconfig, pki, port=listener.getsockname()[1])
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(agent.run(), name="node agent"),
            tasks.create_task(plane.run(), name="plane"),
            tasks.create_task(caches.run(), name="model caches"),
            tasks.create_task(ahead.run(), name="images ahead"),
            tasks.create_task(GarbageCollector(writes, clock).run(), name="garbage collector"),
            tasks.create_task(EventExpiry(writes, clock).run(), name="event expiry"),
            tasks.create_task(serve(http, listener, pki, clock), name="API"),
        ]
        log.info("the API listens on %s", json.dumps(listener.getsockname()))
        await stop.wait()
        log.info("the control plane ends; pods and gateway go on")
        for task in running:
            task.cancel()


def _simulated_gpus(home: Home) -> tuple[Card, ...]:
    """What `tidegate up --simulate-gpus` asked for, from the engine's settings; it checked the text."""
    try:
        asked = json.loads(home.settings.read_text()).get("simulate_gpus", "0")
        return simulated_cards(str(asked))
    except (OSError, ValueError) as why:
        log.warning("no GPUs are simulated: %s", why)
        return ()


def _dialled(sockets: Mapping[str, socket.socket]) -> str | None:
    """Where pods reach the gateway."""
    if "gateway" not in sockets:
        return None
    host, port = sockets["gateway"].getsockname()[:2]
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{here}]:{port}" if ":" in here else f"{here}:{port}"


def _gateway_address(sockets: Mapping[str, socket.socket]) -> GatewayAddress | None:
    """Where clients reach the gateway: port 80 of an address of its own where that can be had. The
    keeper hands its sockets to every part."""
    name = "ingress" if "ingress" in sockets else "gateway"
    if name not in sockets:
        return None
    host, port = sockets[name].getsockname()[:2]
    secure = sockets.get(f"{name}-tls")
    return GatewayAddress(host, port, secure.getsockname()[1] if secure is not None else None)
