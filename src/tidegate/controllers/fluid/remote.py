"""What there is of datasets' mounts on other machines, and how much of it is here."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from tidegate.client.api import Reader
from tidegate.controllers.fluid.caching import DatasetCaches, remote_data
from tidegate.controllers.fluid.folders import Measured
from tidegate.controllers.fluid.sources import DatasetNotReady
from tidegate.kit.clock import Clock
from tidegate.model.fluid import Dataset
from tidegate.model.fluid_runtimes import DataRuntime
from tidegate.model.meta import Key
from tidegate.policy.dataset_parts import remote_mounts

#: The store is asked again so often: each time costs a process, and pods and loads ask by themselves.
_ASK_AGAIN_S = 3600.0
_FETCHING_S = 1.0  # while something is on its way
_RESTING_S = 60.0


@dataclass(frozen=True, slots=True)
class RemoteMeasure:
    """`known` False: the store has not answered yet. `why`: it failed the last time it was asked."""

    known: bool
    size_bytes: int = 0
    files: int = 0
    cached_bytes: int = 0
    hit_ratio: float | None = None
    again_s: float = _FETCHING_S
    why: str | None = None

    def with_local(self, local: Measured) -> Measured:
        """All of the dataset."""
        cached = local.size_bytes + min(self.cached_bytes, self.size_bytes)
        return replace(
            local,
            size_bytes=local.size_bytes + self.size_bytes,
            files=local.files + self.files,
            cached_bytes=cached,
        )


class RemoteDatasets:
    """Asks the caches of datasets. Owned by the dataset controller."""

    def __init__(self, reader: Reader, clock: Clock, caches: DatasetCaches | None) -> None:
        self._reader, self._clock, self._caches = reader, clock, caches
        self._asked_s: dict[Key, float] = {}
        self._was: dict[Key, int] = {}

    def look(self, dataset: Dataset, runtime: DataRuntime) -> RemoteMeasure | None:
        """None: all of it is on this machine. Raises `DatasetNotReady`: it can't be reached, and never
        was; a Secret is missing."""
        if not remote_mounts(dataset):
            return None
        if self._caches is None:
            raise DatasetNotReady("nothing is fetched here: this engine has no model cache")
        key, data = dataset.key, remote_data(self._reader, dataset, runtime)
        now_s = self._clock.monotonic()
        anew = now_s - self._asked_s.setdefault(key, now_s) >= _ASK_AGAIN_S
        if anew:
            self._asked_s[key] = now_s
        size = files = cached = 0
        why: str | None = None
        known = True
        for part in data.parts:
            found = self._caches.listed(data.access[part.place], data.place, anew=anew)
            why = why or found.why
            if found.listing is None:
                known = False
                continue
            size += found.listing.total_bytes
            files += len(found.listing.files)
            cached += min(
                found.listing.total_bytes, self._caches.cached_bytes(part.uri, data.place)
            )
        bound = dataset.status is not None and dataset.status.phase == "Bound"
        if why is not None and not known and not bound:
            raise DatasetNotReady(why)
        moving = not known or self._was.get(key) != cached
        self._was[key] = cached
        again_s = _FETCHING_S if moving else _RESTING_S
        ratio = self._caches.hits(key).ratio
        return RemoteMeasure(known, size, files, cached, ratio, again_s, why)

    async def drop(self, key: Key) -> None:
        """The dataset is not bound any more: what was kept for it goes."""
        self._asked_s.pop(key, None)
        self._was.pop(key, None)
        if self._caches is not None and self._caches.keeps(key):
            await asyncio.to_thread(self._caches.drop, key)
