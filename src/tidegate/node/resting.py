"""Pods at rest: loaded, then stopped, asleep or only kept from traffic, until their label goes.

The label `tidegate.dev/standby` is the wish; this brings the pod's processes in line with it once its
containers are ready, and back when it goes, or when they are to stop. A frozen process answers no
probe, so probing pauses on `PodRecord.awake`. Waking trusts what was ready before.
"""

from __future__ import annotations

import asyncio
from signal import SIGCONT, SIGSTOP

from tidegate.model import serving_names as names
from tidegate.model.conditions import is_true
from tidegate.node.containers.command import runs_in_container
from tidegate.node.containers.strays import signal_marked
from tidegate.node.machine import HttpGet
from tidegate.node.record import NORMAL, WARNING, Around, PodRecord
from tidegate.policy.standby import LEVEL, Level

_ENGINE_S = 60.0  # an engine that moves its weights away, or back
_SLEEP, _WAKE_UP = "/sleep?level=1", "/wake_up"
#: What the Ready condition says of each level.
RESTS = {
    Level.FROZEN: "loaded and frozen: it wakes when it is needed",
    Level.SLEEP: "loaded, its engine sleeps: it wakes when it is needed",
    Level.WARM: "loaded and warm: it gets requests when it is needed",
}


def wished(record: PodRecord) -> Level | None:
    """The level that the pod's label asks for; None: it is a replica, or on its way out."""
    said = record.pod.metadata.labels.get(names.STANDBY)
    if said is None or record.stopping:
        return None
    return Level(said) if said in RESTS else Level.WARM


class Resting:
    """Owned by the pod's worker, which runs `run` and calls `look` when something has changed."""

    def __init__(self, around: Around, record: PodRecord) -> None:
        self._around, self._record = around, record
        self._looked = asyncio.Event()

    def look(self) -> None:
        self._looked.set()

    async def run(self) -> None:
        """Until cancelled."""
        was_frozen = self._record.pod.metadata.annotations.get(LEVEL) == Level.FROZEN
        if was_frozen and wished(self._record) is None:
            await self._signal(SIGCONT)  # an agent before us may have frozen it and gone
        while True:
            self._looked.clear()
            await self._settle()
            await self._looked.wait()

    async def _settle(self) -> None:
        record, level = self._record, wished(self._record)
        loaded = all(c.ready for c in (*record.containers, *record.sidecars))
        if level is None:
            if record.resting is not None:
                await self._wake(record.resting)
        elif record.resting is not None and not loaded:  # it ended, and starts again
            self._up()
        elif record.resting is None and loaded and self._has_drained():
            await self._lay_down(level)

    def _has_drained(self) -> bool:
        """It may have been a replica: what it was sent is answered first."""
        pod = self._record.pod
        if names.REVISION not in pod.metadata.labels:
            return True
        return pod.status is not None and is_true(pod.status.conditions, names.DRAINED)

    async def _lay_down(self, level: Level) -> None:
        if level is Level.SLEEP and not await self._engine(_SLEEP):
            level = Level.WARM
        if wished(self._record) is None:  # wanted meanwhile
            return
        self._record.resting = level
        if level is Level.FROZEN:
            self._record.awake.clear()
        self._record.changed()
        if level is Level.FROZEN:
            await self._signal(SIGSTOP)

    async def _wake(self, level: Level) -> None:
        if level is Level.FROZEN:
            await self._signal(SIGCONT)
        elif level is Level.SLEEP and not self._record.stopping:
            await self._engine(_WAKE_UP)
        if not self._record.stopping:
            self._record.reached("woken", self._around.clock.monotonic())
        self._up()

    def _up(self) -> None:
        self._record.resting = None
        self._record.awake.set()
        self._record.changed()

    async def _signal(self, number: int) -> None:
        """To all process groups of the pod."""
        for container in (*self._record.sidecars, *self._record.containers):
            if container.process is not None and not container.process.ended:
                name = container.process.name
                await self._around.keeper.signal(name, number)
                if runs_in_container(container.container_id):  # whose processes are no child's
                    await asyncio.to_thread(signal_marked, name, number)

    async def _engine(self, path: str) -> bool:
        """Tell the engine; False (and an event) if it can't."""
        port = self._record.ports[0].local_port if self._record.ports else 0
        request = HttpGet(port, path, method="POST")
        outcome = await self._around.machine.http_get(request, timeout_s=_ENGINE_S)
        if not outcome.ok:
            why = f"its engine can't sleep or wake (POST {path}: {outcome.detail})"
            if path == _SLEEP:
                why += ": it is kept warm instead"
            self._around.say(self._record.pod, WARNING, "StandbyFailed", why)
        else:
            self._around.say(self._record.pod, NORMAL, "Standby", f"POST {path} to its engine")
        return outcome.ok
