"""DataLoad: fetches what a dataset has on other machines into its cache, and pins it there.

Data of this machine is read in place: there is nothing to load of it. What was loaded stays pinned for
as long as the DataLoad is there.
Source: fluid pkg/dataoperation, pkg/utils/dataload.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, tzinfo

from msgspec.structs import replace

from tidegate.client.api import Api
from tidegate.client.events import NORMAL, WARNING, EventRecorder
from tidegate.controllers.fluid.caching import DatasetCaches, Loading, RemoteData, remote_parts
from tidegate.controllers.fluid.folders import DatasetFolders
from tidegate.controllers.fluid.sources import DatasetNotReady
from tidegate.kit.clock import Clock
from tidegate.kit.duration import format_duration
from tidegate.kit.schedule import parse_five_fields
from tidegate.kit.sizes import bytes_text
from tidegate.model.conditions import seconds_of, timestamp
from tidegate.model.fluid import DataLoad, Dataset, OperationStatus
from tidegate.model.meta import Condition, Key
from tidegate.policy.dataset_parts import remote_mounts
from tidegate.policy.pod_fetches import runtime_of
from tidegate.reconcile import Again, Done, Next, Watch, watch_mapped, watch_self
from tidegate.reconcile.apply import write_status
from tidegate.reconcile.finalizers import hold, let_go

_ENDED = ("Complete", "Failed")
_FINALIZER = "fluid-dataload-controller-finalizer"
_LOOK_EVERY_S = 1.0
_LOOK_AGAIN_S = 3600.0  # the wall clock may be set
_TELL_EVERY = 25  # per cent, as events
#: Fluid's job has a back-off limit of 3; what time alone may mend is tried so long.
_PATIENCE_S = 300.0


class DataLoadController:
    """The one writer of loads' status. `caches` None: nothing is fetched."""

    name = "fluid-dataload"

    def __init__(
        self,
        api: Api,
        clock: Clock,
        folders: DatasetFolders,
        caches: DatasetCaches | None = None,
        zone: tzinfo = UTC,
    ) -> None:
        """`zone`: what schedules are in."""
        self._zone = zone
        self._api, self._clock, self._folders, self._caches = api, clock, folders, caches
        self._events = EventRecorder(api, clock, "DataLoad")
        self._told: dict[Key, int] = {}
        self._listed: set[Key] = set()  # loads whose store has been asked anew
        self.watches: Sequence[Watch] = (
            watch_self(DataLoad),
            watch_mapped(Dataset, self._of_dataset),
        )

    async def reconcile(self, key: Key) -> Next:
        load = self._api.get(DataLoad, key.namespace, key.name)
        if load is None or load.metadata.deletion_timestamp:
            self._let_go(key)
            if load is not None:
                await let_go(self._api, load, _FINALIZER)
            return Done()
        if load.spec.policy == "Cron":
            if not _runs(load):
                return await self._until_its_time(load)
        elif load.status is not None and load.status.phase in _ENDED:
            return await self._ended(load, load.status)
        dataset = self._api.get(Dataset, key.namespace, load.spec.dataset.name)
        if dataset is None or dataset.status is None or dataset.status.phase != "Bound":
            if load.spec.policy == "Cron":
                why = f'dataset "{load.spec.dataset.name}" is not bound'
                await self._end(load, "Failed", "DatasetNotBound", why)
                return Done()
            await self._waits(load, dataset)
            return Done()
        absent = await asyncio.to_thread(self._absent, dataset, load)
        if absent is not None:
            why = f'dataset "{dataset.metadata.name}" has nothing at {absent}'
            await self._end(load, "Failed", "TargetPathNotFound", why)
            return Done()
        try:
            paths = tuple(target.path for target in load.spec.target) or ("",)
            data = remote_parts(self._api, dataset, runtime_of(self._api, dataset), paths)
        except DatasetNotReady as missing:
            await self._end(load, "Failed", "DataLoadFailed", str(missing))
            return Done()
        if not data.parts or self._caches is None:
            why = "the data is on this machine and read in place: nothing had to be loaded"
            await self._end(load, "Complete", "DataLoadComplete", why)
            return Done()  # our own write brings us back for the time to live
        # Before anything is pinned: deleted while nobody looked, it would stay pinned for ever.
        load = await hold(self._api, load, _FINALIZER)
        return await self._load(load, data, self._caches)

    async def _waits(self, load: DataLoad, dataset: Dataset | None) -> None:
        """For its dataset, and says so: nothing else tells a misspelt name from a slow store."""
        why = f'dataset "{load.spec.dataset.name}" ' + (
            "not found" if dataset is None else "is not bound"
        )
        was = load.status or OperationStatus()
        waits = replace(was, phase="Pending", duration="Unfinished", infos={"Waiting": why})
        await write_status(self._api, load, waits)
        if was.infos != waits.infos:
            await self._events.emit(load, NORMAL, "DatasetNotReady", why)

    async def _until_its_time(self, load: DataLoad) -> Next:
        """Of policy Cron: wait for the next run, or begin it."""
        now_s, was = self._clock.now(), load.status or OperationStatus()
        began = was.last_schedule_time or load.metadata.creation_timestamp
        schedule = parse_five_fields(load.spec.schedule or "", self._zone)
        due_s = schedule.after(seconds_of(began) if began else now_s)
        if due_s is None:
            return Done()
        if due_s > now_s:
            if not was.phase:
                waits = replace(was, phase="Pending", duration="Unfinished")
                await write_status(self._api, load, waits)
            return Again(min(due_s - now_s, _LOOK_AGAIN_S))
        self._listed.discard(load.key)
        self._told.pop(load.key, None)
        runs = replace(
            was,
            phase="Executing",
            duration="Unfinished",
            conditions=(),
            infos={},
            last_schedule_time=timestamp(now_s),
        )
        await write_status(self._api, load, runs)
        return Done()  # our own write brings us back

    # --- what is fetched

    async def _load(self, load: DataLoad, data: RemoteData, caches: DatasetCaches) -> Next:
        key, owner = load.key, _owner(load.key)
        if load.spec.load_metadata and key not in self._listed:
            self._listed.add(key)
            for part in data.parts:
                caches.listed(data.access[part.place], data.place, anew=True)
        states = [caches.load(owner, data.access[part.place], data.place) for part in data.parts]
        if all(state.done for state in states):
            size = sum(caches.cached_bytes(part.uri, data.place) for part in data.parts)
            await self._end(load, "Complete", "DataLoadComplete", f"{bytes_text(size)} loaded")
            return Done()
        failed = next((s for s in states if s.why is not None), None)
        if failed is not None and (not failed.again or self._age_s(load) > _PATIENCE_S):
            await self._end(load, "Failed", "DataLoadFailed", failed.why or "")
            return Done()
        await self._executing(load, states)
        return Again(_LOOK_EVERY_S)

    async def _executing(self, load: DataLoad, states: Sequence[Loading]) -> None:
        known = [s.progress for s in states if s.progress is not None]
        total = sum(p.total_bytes or 0 for p in known)
        done = sum(p.done_bytes for p in known)
        infos = {}
        if total:
            share = 100 * done // total
            infos["Progress"] = f"{bytes_text(done)} of {bytes_text(total)} ({share}%)"
            step = share // _TELL_EVERY
            if step > self._told.get(load.key, -1):
                self._told[load.key] = step
                await self._events.emit(load, NORMAL, "DataLoadProgress", infos["Progress"])
        waits = next((s.why for s in states if s.why is not None), None)
        if waits is not None:
            infos["Waiting"] = waits
        was = load.status or OperationStatus()
        if was.phase != "Executing":
            await self._events.emit(load, NORMAL, "DataLoadJobStarted", "the fetch has begun")
        status = replace(was, phase="Executing", duration="Unfinished", infos=infos)
        await write_status(self._api, load, status)

    def _let_go(self, key: Key) -> None:
        """It was deleted: what it pinned may be evicted."""
        self._told.pop(key, None)
        self._listed.discard(key)
        if self._caches is not None:
            self._caches.forget(_owner(key))
            self._caches.unpin(_owner(key), key.namespace)

    def _age_s(self, load: DataLoad) -> float:
        """Since it was made, or since this run of it began."""
        run = load.status.last_schedule_time if load.status is not None else None
        began = run or load.metadata.creation_timestamp
        return self._clock.now() - seconds_of(began) if began else 0.0

    # --- all of it

    def _absent(self, dataset: Dataset, load: DataLoad) -> str | None:
        """The first target that is nowhere; what is fetched is known when it is asked for."""
        remote = [mount.place for mount in remote_mounts(dataset)]
        for target in load.spec.target:
            path = target.path.strip("/")
            if any(_meets(path, place) for place in remote):
                continue
            if not self._folders.has(dataset.key, target.path):
                return target.path
        return None

    async def _end(self, load: DataLoad, phase: str, reason: str, why: str) -> None:
        now_s = self._clock.now()
        stamp = timestamp(now_s)
        condition = Condition(
            type=phase,
            status="True",
            reason=reason,
            message=why,
            last_probe_time=stamp,
            last_transition_time=stamp,
        )
        was = load.status or OperationStatus()
        status = OperationStatus(
            phase=phase,
            duration=format_duration(max(0, round(self._age_s(load)))),
            conditions=(condition,),
            last_schedule_time=was.last_schedule_time,
            last_successful_time=stamp if phase == "Complete" else was.last_successful_time,
        )
        if self._caches is not None:
            self._caches.forget(_owner(load.key))
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


def _runs(load: DataLoad) -> bool:
    return load.status is not None and load.status.phase == "Executing"


def _owner(key: Key) -> str:
    """Who pins, in the cache's lists."""
    return f"dataload/{key.namespace}/{key.name}"


def _meets(path: str, place: str) -> bool:
    """Whether one lies in the other; empty: the whole dataset."""
    return (
        not path
        or not place
        or f"{path}/".startswith(f"{place}/")
        or f"{place}/".startswith(f"{path}/")
    )
