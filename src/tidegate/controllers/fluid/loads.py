"""DataLoad: there is nothing to fetch of data on this machine, so it ends as soon as that is bound.

Source: fluid pkg/dataoperation, pkg/utils/dataload.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from tidegate.client.api import Api
from tidegate.client.events import NORMAL, WARNING, EventRecorder
from tidegate.controllers.fluid.folders import DatasetFolders
from tidegate.kit.clock import Clock
from tidegate.kit.duration import format_duration
from tidegate.model.conditions import seconds_of, timestamp
from tidegate.model.fluid import DataLoad, Dataset, OperationStatus
from tidegate.model.meta import Condition, Key
from tidegate.reconcile import Again, Done, Next, Watch, watch_mapped, watch_self
from tidegate.reconcile.apply import write_status

_ENDED = ("Complete", "Failed")


class DataLoadController:
    """The one writer of loads' status."""

    name = "fluid-dataload"

    def __init__(self, api: Api, clock: Clock, folders: DatasetFolders) -> None:
        self._api, self._clock, self._folders = api, clock, folders
        self._events = EventRecorder(api, clock, "DataLoad")
        self.watches: Sequence[Watch] = (
            watch_self(DataLoad),
            watch_mapped(Dataset, self._of_dataset),
        )

    async def reconcile(self, key: Key) -> Next:
        load = self._api.get(DataLoad, key.namespace, key.name)
        if load is None or load.metadata.deletion_timestamp:
            return Done()
        if load.status is not None and load.status.phase in _ENDED:
            return await self._ended(load, load.status)
        dataset = self._api.get(Dataset, key.namespace, load.spec.dataset.name)
        if dataset is None or dataset.status is None or dataset.status.phase != "Bound":
            waits = replace(
                load.status or OperationStatus(), phase="Pending", duration="Unfinished"
            )
            await write_status(self._api, load, waits)
            return Done()
        absent = await asyncio.to_thread(self._absent, dataset.key, load)
        if absent is None:
            why = "the data is on this machine and read in place: nothing had to be loaded"
            await self._end(load, "Complete", "DataLoadComplete", why)
        else:
            why = f'dataset "{dataset.metadata.name}" has nothing at {absent}'
            await self._end(load, "Failed", "TargetPathNotFound", why)
        return Done()  # our own write brings us back for the time to live

    def _absent(self, dataset: Key, load: DataLoad) -> str | None:
        paths = [target.path for target in load.spec.target]
        return next((path for path in paths if not self._folders.has(dataset, path)), None)

    async def _end(self, load: DataLoad, phase: str, reason: str, why: str) -> None:
        now_s = self._clock.now()
        stamp = timestamp(now_s)
        began = load.metadata.creation_timestamp
        took_s = now_s - seconds_of(began) if began else 0.0
        condition = Condition(
            type=phase,
            status="True",
            reason=reason,
            message=why,
            last_probe_time=stamp,
            last_transition_time=stamp,
        )
        status = OperationStatus(
            phase=phase,
            duration=format_duration(max(0, round(took_s))),
            conditions=(condition,),
        )
        await write_status(self._api, load, status)
        type_ = NORMAL if phase == "Complete" else WARNING
        await self._events.emit(load, type_, reason, why)

    async def _ended(self, load: DataLoad, status: OperationStatus) -> Next:
        """Goes when its time to live is over; None: it stays."""
        ttl_s = load.spec.ttl_seconds_after_finished
        ended = next((c.last_transition_time for c in status.conditions), None)
        if ttl_s is None or ended is None:
            return Done()
        left_s = seconds_of(ended) + ttl_s - self._clock.now()
        if left_s > 0:
            return Again(left_s)
        meta = load.metadata
        await self._api.delete(DataLoad, meta.namespace or "", meta.name, uid=meta.uid)
        return Done()

    def _of_dataset(self, dataset: Dataset) -> Iterable[Key]:
        for load in self._api.list(DataLoad, dataset.metadata.namespace):
            if load.spec.dataset.name == dataset.metadata.name:
                yield load.key
