"""A node agent over the true API, with fake processes, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tidegate.apiserver.local import LocalApi, ensure_namespaces
from tidegate.kit.home import Home
from tidegate.model.changes import Change
from tidegate.model.conditions import find
from tidegate.model.containers import Container, ContainerPort
from tidegate.model.core import Event, Node
from tidegate.model.meta import ObjectMeta
from tidegate.model.pods import (
    ContainerStatus,
    Pod,
    PodSpec,
    PodStatus,
)
from tidegate.node import NodeAgent, NodeSettings
from tidegate.testing.api import make_api
from tidegate.testing.clocks import LoopClock
from tidegate.testing.fake_containers import FakeContainers
from tidegate.testing.fake_fetcher import FakeFetcher
from tidegate.testing.fake_keeper import FakeKeeper, FakeMachine, Script

MAIN = Container(
    name="main",
    image="python:3",
    command=("python", "app.py"),
    ports=(ContainerPort(container_port=8080),),
)


def main(**changes: Any) -> Container:
    """A container that listens on 8080."""
    return msgspec.structs.replace(MAIN, **changes)


@dataclass
class NodeWorld:
    """One agent, its keeper and machine, and what the API has seen of its pods."""

    api: LocalApi
    home: Home
    keeper: FakeKeeper = field(default_factory=FakeKeeper)

    def __post_init__(self) -> None:
        self.machine = FakeMachine(self.keeper)
        self.written: list[tuple[float, Pod]] = []
        self.api.subscribe([Pod], self._write_down)
        self._committed = asyncio.Event()
        self.api.subscribe([Pod, Event, Node], lambda _: self._committed.set())
        self._task: asyncio.Task[None] | None = None
        self.fetcher: FakeFetcher | None = None  # given to the next agent that starts
        self.containers: FakeContainers | None = None  # the same

    def _write_down(self, change: Change) -> None:
        assert isinstance(change.object, Pod)
        self.written.append((self.now(), change.object))

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def scripted(self, script: Script) -> None:
        self.keeper.script = lambda _: script

    async def start_agent(self) -> None:
        settings = NodeSettings(name="node")
        agent = NodeAgent(
            self.api,
            self.keeper,
            LoopClock(),
            self.home,
            settings,
            machine=self.machine,
            fetcher=self.fetcher,
            containers=self.containers,
        )
        self.zygotes = agent.zygotes
        self._task = asyncio.get_running_loop().create_task(agent.run())
        await LoopClock().sleep(0)

    async def stop_agent(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def given(
        self,
        *containers: Container,
        name: str = "p",
        labels: dict[str, str] | None = None,
        annotations: dict[str, str] | None = None,
        **spec: Any,
    ) -> Pod:
        return await self.api.create(
            Pod(
                metadata=ObjectMeta(
                    name=name,
                    namespace="default",
                    labels=labels or {},
                    annotations=annotations or {},
                ),
                spec=PodSpec(node_name="node", containers=containers or (MAIN,), **spec),
            )
        )

    async def until(self, claim: Callable[[], object], within_s: float = 500.0) -> float:
        """When it became so, in virtual seconds: looks after each commit, and now and then."""
        end_s = self.now() + within_s
        while not claim():
            assert self.now() < end_s, "it never became so"
            self._committed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._committed.wait(), min(1.0, within_s / 10))
        return self.now()

    async def clock_to(self, at_s: float) -> None:
        """Let time pass until then, in virtual seconds."""
        await LoopClock().sleep(max(0.0, at_s - self.now()))

    def pod(self, name: str = "p") -> Pod | None:
        return self.api.get(Pod, "default", name)

    def status(self, name: str = "p") -> PodStatus:
        pod = self.pod(name)
        return (pod.status if pod else None) or PodStatus()

    def main(self, name: str = "p") -> ContainerStatus:
        return next(iter(self.status(name).container_statuses), ContainerStatus(name="main"))

    def is_ready(self, name: str = "p") -> bool:
        ready = find(self.status(name).conditions, "Ready")
        return ready is not None and ready.status == "True"

    def waiting(self) -> tuple[str | None, str | None]:
        state = self.main().state
        waiting = state.waiting if state else None
        return (waiting.reason, waiting.message) if waiting else (None, None)

    def events(self, reason: str) -> list[str]:
        return [e.message or "" for e in self.api.list(Event) if e.reason == reason]


@asynccontextmanager
async def node_world(root: Path) -> AsyncIterator[NodeWorld]:
    """Ended with the block; its pods' folders lie below `root`."""
    home = Home(root)
    home.make()
    api = make_api(LoopClock())
    await ensure_namespaces(api)
    world = NodeWorld(api, home)
    await world.start_agent()
    try:
        yield world
    finally:
        await world.stop_agent()
