"""What is known of a pod and its containers while the agent runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.client.api import Api
from tidegate.kit.clock import Clock
from tidegate.kit.home import Home
from tidegate.link.keeper import Process
from tidegate.model.containers import Container
from tidegate.model.pods import ContainerStateTerminated, LocalPort, Pod
from tidegate.node.containers import Containers, NoContainers
from tidegate.node.keeper_link import Keeper
from tidegate.node.lifecycle import BackOff, Happened, Phase, moved
from tidegate.node.machine import Machine
from tidegate.node.ports import PortRange
from tidegate.node.settings import NodeSettings
from tidegate.node.zygotes import Zygotes
from tidegate.policy.gpu_cards import Card
from tidegate.policy.standby import Level

if TYPE_CHECKING:
    from tidegate.node.fetching import Fetcher

NORMAL, WARNING = "Normal", "Warning"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a container has no process."""

    reason: str
    message: str | None = None


CREATING = Waiting("ContainerCreating")
INITIALIZING = Waiting("PodInitializing")


@dataclass(slots=True)
class ContainerRecord:
    """One container over all its runs. Owned by its runner; the pod's status is read off it.

    Always: `process` is set exactly while phase is Starting, Ready or Draining (or its end has not
    been looked at yet); `terminated` is how the last run ended, `before` the one before that.
    """

    spec: Container
    phase: Phase = Phase.PENDING
    runs: int = 0  # processes asked for so far; the next one's attempt number
    process: Process | None = None
    waiting: Waiting | None = CREATING
    container_id: str | None = None
    started_at: str | None = None
    ready: bool = False
    started: bool = False
    terminated: ContainerStateTerminated | None = None
    before: ContainerStateTerminated | None = None
    ended_at_s: float = 0.0  # monotonic, of the last run
    back_off: BackOff = field(default_factory=BackOff)
    rewritten: tuple[str, ...] = ()
    not_enforced: tuple[str, ...] = ()
    origin: str | None = None  # how this run was started, where that is worth saying
    trouble: str | None = None  # why this run isn't ready, as far as probing has found out
    image_id: str = ""  # of a container's image; a process has none
    image: str | None = None  # of the run; None: there was none yet
    stale: bool = False  # the run has another image than the document by now

    @property
    def is_sidecar(self) -> bool:
        """Only asked of init containers: one that runs beside the others for the pod's whole life."""
        return self.spec.restart_policy == "Always"

    @property
    def restarts(self) -> int:
        return max(0, self.runs - 1)

    def on(self, happened: Happened) -> None:
        """Move along the table. Raises `IllegalMove`."""
        self.phase = moved(self.phase, happened)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the whole pod failed, whatever its containers' exit codes: the status' reason and message."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Around:
    """What a pod's tasks use of the node. `say` records an event: pod, Normal/Warning, reason, message."""

    api: Api
    keeper: Keeper
    clock: Clock
    home: Home
    machine: Machine
    settings: NodeSettings
    node_name: str
    ports: PortRange
    cards: tuple[Card, ...]
    zygotes: Zygotes
    say: Callable[[Pod, str, str, str], None]
    containers: Containers = field(default_factory=NoContainers)
    fetcher: Fetcher | None = None  # None: there is no model cache, what would be fetched waits


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(slots=True)
class PodRecord:
    """A pod's latest object and what has been made for it. Owned by the pod's task.

    `changed` is called after every change that its status shows.
    """

    pod: Pod
    changed: Callable[[], None]
    inits: list[ContainerRecord] = field(default_factory=list)
    containers: list[ContainerRecord] = field(default_factory=list)
    ports: tuple[LocalPort, ...] = ()
    volumes: dict[str, Path] | None = None  # None: not made yet
    fetched: dict[str, Path] = field(default_factory=dict)  # those of them that the cache holds
    stages: dict[str, float] = field(default_factory=dict)
    stopping: bool = False
    failure: Failure | None = None  # set before its containers are stopped
    resting: Level | None = None  # how it is kept from traffic just now; None: it isn't
    awake: asyncio.Event = field(default_factory=_set)  # clear: frozen, it would answer no probe

    @property
    def sidecars(self) -> list[ContainerRecord]:
        return [init for init in self.inits if init.is_sidecar]

    @property
    def has_begun(self) -> bool:
        """A container (no init container) has been started: initialisation was over once."""
        return any(container.container_id is not None for container in self.containers)

    @property
    def uid(self) -> str:
        return self.pod.metadata.uid or ""

    def reached(self, stage: str, now_s: float) -> None:
        """Note the first time a stage of the cold start was reached."""
        self.stages.setdefault(stage, now_s)
