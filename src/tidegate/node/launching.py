"""What the runs of one container are started with: worked out before each, and once more for a process
that another agent had started.

Between the runner, which decides when there is a run, and the keeper, which has it.
"""

from __future__ import annotations

import asyncio

from tidegate.link.keeper import Process
from tidegate.node.containers.boxed import Boxed, Fate
from tidegate.node.errors import (
    CommandNotFound,
    ConfigMissing,
    ContainerNotStarted,
    ImageNotRunnable,
    NotSupported,
    VolumeNotReady,
)
from tidegate.node.launch import Launch, Site, plan_launch
from tidegate.node.record import Around, ContainerRecord, PodRecord
from tidegate.node.zygotes import Started
from tidegate.policy.config_zygotes import ANNOTATION, NEVER


class Launching:
    """Owned by the runner of the container."""

    def __init__(self, around: Around, pod: PodRecord, record: ContainerRecord) -> None:
        self._around, self._pod, self._record = around, pod, record
        self._boxed = Boxed(around, pod, record)
        self._launch: Launch | None = None  # of the run there is
        self._patience: asyncio.Timeout | None = None  # of a wait; None: nothing is waited for
        self.image = record.spec.image  # of the run that begins

    def hurry(self) -> None:
        """Wait no longer: neither for an image, nor for a container to begin."""
        patience, self._patience = self._patience, None
        if patience is not None:
            patience.reschedule(asyncio.get_running_loop().time())

    async def next(self) -> Launch | None:
        """Of the run that is to begin. None: hurried, or it is another image by now. Raises `ImageMissing`,
        `CommandNotFound`, OSError, and what keeps it from starting until something changes."""
        self.image = self._record.spec.image
        planned: list[Launch] = []
        try:
            async with asyncio.timeout(None) as self._patience:
                launch = await self._boxed.plan(self._site(), lambda: planned.append(self._plan()))
        except TimeoutError:
            return None
        finally:
            self._patience = None
        if self._record.spec.image != self.image:
            return None
        self._launch = launch or (planned[0] if planned else self._plan())
        return self._launch

    async def spawn(self, launch: Launch) -> Started:
        """Forked from a zygote where that can be. Raises `KeeperRefused`."""
        wanted = self._pod.pod.metadata.annotations.get(ANNOTATION)
        zygotes = self._around.zygotes
        kind = None if wanted == NEVER else zygotes.kind_of(launch.spec)
        return await zygotes.spawn(launch.spec, kind)

    async def failure(self, process: Process, launch: Launch) -> ContainerNotStarted | None:
        """Why a container never began, which has its own process later than the keeper has its own; None: it
        did, it is no container, or hurried."""
        if launch.inside is None:
            return None
        try:
            async with asyncio.timeout(None) as self._patience:
                return await self._boxed.begun(process, launch)
        except TimeoutError:
            return None
        finally:
            self._patience = None

    def current(self) -> Launch | None:
        """Of the run there is; for a process that was adopted, what it must have been started with. None:
        that can't be worked out any more."""
        if self._launch is None:
            try:
                self._launch = self._boxed.again(self._site(), self._plan) or self._plan()
            except (ConfigMissing, NotSupported, ImageNotRunnable, VolumeNotReady, CommandNotFound):
                return None
            except OSError:  # no room to make its folders again
                return None
        return self._launch

    async def fate(self, process: Process) -> Fate | None:
        """What became of a container; None: it was none."""
        return await self._boxed.fate(process, self.current())

    def _plan(self) -> Launch:
        record = self._record
        return plan_launch(
            self._around.api, self._pod.pod, record.spec, attempt=record.runs, site=self._site()
        )

    def _site(self) -> Site:
        around, pod = self._around, self._pod
        return Site(
            home=around.home,
            machine=around.machine,
            volumes=pod.volumes or {},
            ports=pod.ports,
            log_bytes=around.settings.log_bytes,
            cards=around.cards,
            gateway=around.settings.gateway,
        )
