"""The deciding half of the control plane: controllers, autoscaler, and what programs the gateway.

Built over an `Api`, a clock and a gateway link, whatever they are: the real process and the test
world run the same plane.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from tidegate.app.controllers import Ground, object_controllers
from tidegate.app.gateway_program import GatewayProgram
from tidegate.app.settings_maps import config_reader
from tidegate.app.surroundings import Surroundings
from tidegate.autoscale.cron import CronHpaController
from tidegate.autoscale.hpa.controller import HpaController
from tidegate.autoscale.hpa.sources import Sources
from tidegate.autoscale.hpa.traffic import Traffic
from tidegate.autoscale.keda import (
    BrokerOffsets,
    GroupLags,
    KedaMetrics,
    ScaledObjectController,
)
from tidegate.autoscale.loop import Autoscaler
from tidegate.autoscale.revision_hpa import RevisionHpaController
from tidegate.autoscale.traffic import TrafficRecorder
from tidegate.client.api import Api
from tidegate.controllers.image_cache import ImageCacheController
from tidegate.kit.clock import Clock
from tidegate.link.gateway import FromGateway, Snapshot, ToGateway
from tidegate.model.image_cache import ImageCache
from tidegate.policy.cluster_config import ClusterConfig
from tidegate.reconcile import Controller, Engine


class Link(Protocol):
    """What the plane needs of `link.gateway_link.GatewayLink`."""

    @property
    def connected(self) -> bool: ...
    def send(self, message: ToGateway) -> None: ...
    def listen(self, listener: Callable[[FromGateway], None]) -> None: ...
    async def run(self, snapshot: Callable[[], Snapshot]) -> None: ...


class Plane:
    """Owner of the engine, the autoscaler and the gateway's program. `boot` is this boot's id."""

    def __init__(
        self, api: Api, clock: Clock, link: Link, around: Surroundings, *, boot: str
    ) -> None:
        self._api, self._link = api, link
        on = Ground(api, clock, ClusterConfig(config_reader(api)), around)
        self._gateway = GatewayProgram(on, link.send)
        self.autoscaler = Autoscaler(
            api,
            clock,
            on.config,
            boot=boot,
            poke=lambda key: self.engine.look_at(Autoscaler.name, key),
            gateway_answers=lambda: link.connected,
        )
        traffic, self._traffic = Traffic(), TrafficRecorder(api, clock)
        keda = KedaMetrics(api, clock, GroupLags(api, around.offsets or BrokerOffsets()))
        self.metrics = Sources(
            api, clock, on.config, traffic, usage=around.usage, gpu=around.gpu, others=(keda,)
        )
        controllers: list[Controller] = [
            *object_controllers(on),
            self.autoscaler,
            HpaController(api, clock, on.config, self.metrics),
            CronHpaController(api, clock, around.zone),
            ScaledObjectController(api, clock, keda),
            RevisionHpaController(api, clock, on.config),
            *self._gateway.controllers,
        ]
        self.engine = Engine(api, clock, controllers)
        for listener in self._gateway.listeners(self.engine.look_at):
            link.listen(listener)
        for hears in (self.autoscaler, self._traffic, traffic):
            link.listen(hears.on_message)

    def look_at_image_caches(self) -> None:
        """An image came, or could not."""
        for cache in self._api.list(ImageCache):
            self.engine.look_at(ImageCacheController.name, cache.key)

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.engine.run(), name="controllers")
            await self.engine.primed.wait()
            # The first table the gateway gets must be whole: what it lacks would be drained.
            tasks.create_task(self._link.run(self._snapshot), name="gateway link")
            tasks.create_task(self.autoscaler.run(), name="autoscaler")
            tasks.create_task(self._traffic.run(), name="traffic reports")

    def _snapshot(self) -> Snapshot:
        return self._gateway.table.snapshot(self.autoscaler.samples_since_s)
