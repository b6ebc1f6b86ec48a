"""The whole control plane in one process on virtual time, with a fake node and a fake gateway.

The store, the API, admission, every controller and the autoscaler are the real ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec

from tidegate.apiserver.garbage import GarbageCollector
from tidegate.apiserver.local import LocalApi, ensure_namespaces
from tidegate.app.plane import Plane
from tidegate.app.surroundings import Surroundings
from tidegate.autoscale.keda import OffsetSource
from tidegate.controllers.fluid import DatasetFolders
from tidegate.controllers.kafka import Reports
from tidegate.model.apps import Deployment
from tidegate.model.conditions import find
from tidegate.model.meta import Condition, Object
from tidegate.model.pods import Pod
from tidegate.model.serving import Revision, Service
from tidegate.testing.api import make_guarded_api
from tidegate.testing.clocks import LoopClock
from tidegate.testing.fake_caches import FakeCaches
from tidegate.testing.fake_gateway import FakeGateway
from tidegate.testing.fake_node import FakeNode
from tidegate.testing.fake_usage import FakeUsage

T = TypeVar("T", bound=Object)


class World:
    """Owner of everything in it. Made by `world()`."""

    def __init__(self, *, start_s: float = 1.0, cpu: str = "64") -> None:
        self.clock = LoopClock()
        self.api: LocalApi = make_guarded_api(self.clock)
        self.node = FakeNode(self.api, self.clock, start_s=start_s, cpu=cpu)
        self.gateway = FakeGateway(self.clock)
        self.usage = FakeUsage(self.api, self.clock)
        self.datasets: DatasetFolders | None = None
        self.caches: FakeCaches | None = None
        self.dialled: str | None = None
        self.reports: Reports | None = None
        self.offsets: OffsetSource | None = None
        self._plane_task: asyncio.Task[None] | None = None
        self.plane: Plane

    async def start_plane(self) -> None:
        """A (new) control plane over the same store and gateway."""
        around = Surroundings(
            usage=self.usage,
            datasets=self.datasets,
            caches=self.caches,
            dialled=self.dialled,
            reports=self.reports,
            offsets=self.offsets,
        )
        self.plane = Plane(self.api, self.clock, self.gateway, around, boot="boot-1")
        self._plane_task = asyncio.get_running_loop().create_task(self.plane.run())
        await self.plane.engine.primed.wait()

    async def kill_plane(self) -> None:
        """The control plane ends at once, remembering nothing but the store."""
        assert self._plane_task is not None
        self._plane_task.cancel()
        await asyncio.gather(self._plane_task, return_exceptions=True)
        self.gateway.forget_listeners()

    async def given(self, *objects: Object) -> None:
        """Create or replace objects, as a user would, and let things settle."""
        for obj in objects:
            existing = self.api.get(type(obj), obj.metadata.namespace or "", obj.metadata.name)
            if existing is None:
                await self.api.create(obj)
            else:
                meta = msgspec.structs.replace(
                    existing.metadata,
                    labels=obj.metadata.labels or existing.metadata.labels,
                    annotations={**existing.metadata.annotations, **obj.metadata.annotations},
                )
                await self.api.update(msgspec.structs.replace(obj, metadata=meta))
        await self.settle()

    async def settle(self, for_s: float = 3.0) -> None:
        """Let so much (virtual) time pass: enough for starts, probes and one evaluation."""
        await self.clock.sleep(for_s)

    def the(self, type_: type[T], name: str, namespace: str = "default") -> T:
        """An object that must be there."""
        found = self.api.get(type_, namespace, name)
        assert found is not None, f"{type_.__name__} {name} is not there"
        return found

    def names(self, type_: type[Object]) -> list[str]:
        return [obj.metadata.name for obj in self.api.list(type_)]

    def condition(self, obj: Service | Revision | Deployment, type_: str) -> Condition:
        assert obj.status is not None
        found = find(obj.status.conditions, type_)
        assert found is not None
        return found

    def pods(self, revision: str) -> list[Pod]:
        """A revision's pods that are not going."""
        return [
            pod
            for pod in self.api.list(Pod, labels={"serving.knative.dev/revision": revision})
            if pod.metadata.deletion_timestamp is None
        ]

    def traffic(self, service: str) -> dict[str, int]:
        """What the gateway does with the service's host."""
        return self.gateway.serving(f"{service}.default.localhost")

    def load(self, revision: str, in_flight: float, arrivals: int = 10) -> None:
        """From now on so many requests are in flight at a revision."""
        self.gateway.load[f"default/{revision}"] = (in_flight, arrivals)


@asynccontextmanager
async def world(
    *,
    start_s: float = 1.0,
    cpu: str = "64",
    datasets: DatasetFolders | None = None,
    caches: FakeCaches | None = None,
    dialled: str | None = None,
    reports: Reports | None = None,
    offsets: OffsetSource | None = None,
) -> AsyncIterator[World]:
    """A running world; everything in it ends with the block."""
    it = World(start_s=start_s, cpu=cpu)
    it.caches = caches
    it.datasets, it.dialled, it.reports, it.offsets = datasets, dialled, reports, offsets
    await ensure_namespaces(it.api)
    loop = asyncio.get_running_loop()
    garbage = GarbageCollector(it.api.writes, it.clock)
    others = [loop.create_task(task) for task in (it.node.run(), it.gateway.live(), garbage.run())]
    await it.start_plane()
    try:
        yield it
    finally:
        await it.kill_plane()
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
