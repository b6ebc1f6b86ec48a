"""The node's half of the control plane's process: the agent and what it works with."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Mapping

from tidegate.apiserver.local import LocalApi
from tidegate.app.addresses import dialled
from tidegate.app.model_caches import ModelCaches
from tidegate.app.settings_maps import config_reader
from tidegate.kit.clock import Clock
from tidegate.kit.home import Home
from tidegate.link.keeper_start import KeeperNotStarted, start_keeper
from tidegate.node.agent import NodeAgent
from tidegate.node.containers import ContainerRuntime
from tidegate.node.containers.ahead import ImagesAhead
from tidegate.node.keeper_link import KeeperLink
from tidegate.node.machine import LocalMachine
from tidegate.node.settings import NodeSettings
from tidegate.policy.config_containers import NAME as CONTAINERS
from tidegate.policy.config_containers import NAMESPACE as CONTAINERS_NAMESPACE
from tidegate.policy.gpu_cards import Card, simulated_cards

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


class NodeSide:
    """What the node consists of. `sockets` are those of the keeper, by name."""

    def __init__(
        self, home: Home, sockets: Mapping[str, socket.socket], clock: Clock, api: LocalApi
    ) -> None:
        listening = {name: sock.fileno() for name, sock in sockets.items()}
        read = config_reader(api)
        self.keeper = KeeperLink(home, clock, on_lost=NewKeeper(home, listening))
        self.machine = LocalMachine()
        self.caches = ModelCaches(home, clock, read)
        containers = ContainerRuntime(
            home,
            clock,
            self.machine.find_program,
            read=lambda: read(f"{CONTAINERS_NAMESPACE}/{CONTAINERS}"),
        )
        self.agent = NodeAgent(
            api,
            self.keeper,
            clock,
            home,
            NodeSettings(simulated_gpus=_simulated_gpus(home), gateway=dialled(sockets)),
            containers=containers,
            fetcher=self.caches,
        )
        self.ahead = ImagesAhead(api, containers, clock)


def _simulated_gpus(home: Home) -> tuple[Card, ...]:
    """What `tidegate up --simulate-gpus` asked for, from the engine's settings; it checked the text."""
    try:
        asked = json.loads(home.settings.read_text()).get("simulate_gpus", "0")
        return simulated_cards(str(asked))
    except (OSError, ValueError) as why:
        log.warning("no GPUs are simulated: %s", why)
        return ()
