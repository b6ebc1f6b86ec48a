"""Binds a Dataset and the runtime of its name, and gives pods a claim that leads to the data.

The key is the name that dataset, runtime, claim and volume share. Source: fluid
pkg/controllers/v1alpha1/dataset, pkg/ddc/base (`Setup`, `CreateVolume`), pkg/utils/dataset/volume.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from tidegate.client.api import Api
from tidegate.client.events import NORMAL, WARNING, EventRecorder
from tidegate.controllers.fluid import status as reports
from tidegate.controllers.fluid.caching import DatasetCaches
from tidegate.controllers.fluid.folders import DatasetFolders, Measured, measure
from tidegate.controllers.fluid.giving import DatasetVolumes
from tidegate.controllers.fluid.remote import RemoteDatasets, RemoteMeasure
from tidegate.controllers.fluid.sources import DatasetNotReady, real_paths
from tidegate.kit.clock import Clock
from tidegate.model.core import Secret
from tidegate.model.errors import Forbidden, Invalid
from tidegate.model.fluid import GROUP, DataLoad, Dataset, DatasetStatus
from tidegate.model.fluid_mounts import BadMount, source_of
from tidegate.model.fluid_runtimes import (
    RUNTIMES,
    AlluxioRuntime,
    DataRuntime,
    EFCRuntime,
    JindoRuntime,
)
from tidegate.model.kinds import kind_of
from tidegate.model.meta import Key, OwnerReference, touched
from tidegate.model.pods import Pod
from tidegate.model.storage import PersistentVolume, PersistentVolumeClaim
from tidegate.policy.claimed_volumes import claims_of
from tidegate.policy.dataset_parts import secrets_of
from tidegate.reconcile import Again, Done, Next, Watch, watch_mapped, watch_self
from tidegate.reconcile.apply import write_status
from tidegate.reconcile.finalizers import hold, let_go

_DATASET_FINALIZER = "fluid-dataset-controller-finalizer"
#: How often the data is measured; less often where that takes long.
_MEASURE_EVERY_S = 60.0
_MEASURE_SHARE = 20.0
#: Folders appear without telling anybody.
_LOOK_FOR_DATA_EVERY_S = 5.0
#: What a store has to say comes in the background.
_ASK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class _Known:
    """What was measured, for which paths, and when it should be measured again."""

    paths: dict[str, str]
    measured: Measured
    stale_s: float


class DatasetController:
    """The one writer of datasets' and their runtimes' status, and of the claims they give."""

    name = "fluid-dataset"

    def __init__(
        self,
        api: Api,
        clock: Clock,
        folders: DatasetFolders,
        caches: DatasetCaches | None = None,
    ) -> None:
        """`caches` None: nothing is fetched."""
        self._api, self._clock = api, clock
        self._remote = RemoteDatasets(api, clock, caches)
        self._volumes = DatasetVolumes(api, folders)
        self._events = EventRecorder(api, clock, "Dataset")
        self._known: dict[Key, _Known] = {}
        self._told: dict[Key, str] = {}
        self.watches: Sequence[Watch] = (
            watch_self(Dataset),
            watch_self(JindoRuntime),
            watch_self(AlluxioRuntime),
            watch_self(EFCRuntime),
            watch_mapped(PersistentVolumeClaim, self._of_claim),
            watch_mapped(PersistentVolume, _of_volume),
            watch_mapped(Pod, _of_pod),
            watch_mapped(Secret, self._of_secret),
            watch_mapped(DataLoad, _of_load),
        )

    async def reconcile(self, key: Key) -> Next:
        dataset = self._api.get(Dataset, key.namespace, key.name)
        runtimes = self._runtimes(key)
        chosen = _chosen(dataset, runtimes)
        if dataset is None or chosen is None:
            await self._unbind(key, dataset, runtimes)
            return Done()
        for runtime in runtimes:
            if runtime.metadata.deletion_timestamp:
                await let_go(self._api, runtime, _finalizer(runtime))
            elif runtime is not chosen:
                why = f'dataset "{key.name}" is bound to a {kind_of(chosen).kind} of that name'
                await write_status(self._api, runtime, reports.runtime_unready(why))
        return await self._bind(dataset, chosen)

    def _runtimes(self, key: Key) -> list[DataRuntime]:
        found = (self._api.get(type_, key.namespace, key.name) for type_ in RUNTIMES)
        return [runtime for runtime in found if runtime is not None]

    # --- binding

    async def _bind(self, dataset: Dataset, runtime: DataRuntime) -> Next:
        key = dataset.key
        dataset = await hold(self._api, dataset, _DATASET_FINALIZER)
        runtime = await self._owned(runtime, dataset)
        try:
            remote = self._remote.look(dataset, runtime)
            if remote is not None and not remote.known and not _was_bound(dataset):
                await self._asking(dataset, runtime)
                return Again(_ASK_EVERY_S)
            paths = real_paths(self._api, dataset)
            await self._volumes.give(dataset, paths)
        except (DatasetNotReady, Forbidden, Invalid, OSError) as why:  # a quota, a long name
            await self._unready(dataset, runtime, str(why))
            return Again(_LOOK_FOR_DATA_EVERY_S)
        known = self._known.get(key)
        if known is None or known.paths != paths:
            await self._report(dataset, runtime, None, remote)
            known = await self._measured(key, paths)
        elif known.stale_s <= self._clock.now():
            known = await self._measured(key, paths)
        await self._report_newest(key, known.measured, remote)
        if remote is not None and remote.why is not None:
            await self._say(dataset, "DatasetNotAsked", remote.why)
        else:
            self._told.pop(key, None)
        again_s = max(1.0, known.stale_s - self._clock.now())
        return Again(again_s if remote is None else min(again_s, remote.again_s))

    async def _measured(self, key: Key, paths: dict[str, str]) -> _Known:
        began_s = self._clock.now()
        stop = threading.Event()
        try:
            measured = await asyncio.to_thread(measure, paths, stop)
        finally:
            stop.set()  # cancelled: the thread must not keep the process from ending
        now_s = self._clock.now()
        wait_s = max(_MEASURE_EVERY_S, _MEASURE_SHARE * (now_s - began_s))
        known = self._known[key] = _Known(paths, measured, now_s + wait_s)
        return known

    async def _report_newest(
        self, key: Key, measured: Measured, remote: RemoteMeasure | None
    ) -> None:
        """Measuring took its time: both may have changed."""
        dataset = self._api.get(Dataset, key.namespace, key.name)
        runtime = _chosen(dataset, self._runtimes(key))
        if dataset is not None and runtime is not None:
            await self._report(dataset, runtime, measured, remote)

    async def _report(
        self,
        dataset: Dataset,
        runtime: DataRuntime,
        measured: Measured | None,
        remote: RemoteMeasure | None,
    ) -> None:
        now_s = self._clock.now()
        was = dataset.status.phase if dataset.status is not None else None
        whole = measured if remote is None or measured is None else remote.with_local(measured)
        ratio = remote.hit_ratio if remote is not None else None
        status = reports.bound(dataset, runtime, whole, now_s, hit_ratio=ratio)
        if remote is not None and not remote.known and dataset.status is not None:
            # Bound before this start, and the store has not answered since: what it said then.
            then = dataset.status
            status = replace(
                status,
                ufs_total=then.ufs_total,
                file_num=then.file_num,
                cache_states=then.cache_states,
            )
        await write_status(self._api, dataset, status)
        if was != "Bound":
            how = "read in place" if remote is None else "fetched when it is mounted or loaded"
            why = f'{kind_of(runtime).kind} "{runtime.metadata.name}": data is {how}'
            await self._events.emit(dataset, NORMAL, "Bound", why)
        used = bool(self._volumes.users(dataset.key))
        told = reports.runtime_ready(runtime, status, used=used, now_s=now_s)
        await write_status(self._api, runtime, told)

    async def _asking(self, dataset: Dataset, runtime: DataRuntime) -> None:
        status = reports.asking(dataset, self._clock.now())
        await write_status(self._api, dataset, status)
        why = f'dataset "{dataset.metadata.name}": asking the store what there is'
        await write_status(self._api, runtime, reports.runtime_unready(why))

    async def _unready(self, dataset: Dataset, runtime: DataRuntime, why: str) -> None:
        self._known.pop(dataset.key, None)
        status = reports.unready(dataset, why, self._clock.now())
        await write_status(self._api, dataset, status)
        await write_status(self._api, runtime, reports.runtime_unready(why))
        await self._say(dataset, "DatasetFailedToSetup", why)

    async def _owned(self, runtime: DataRuntime, dataset: Dataset) -> DataRuntime:
        """A runtime goes with its dataset."""
        runtime = await hold(self._api, runtime, _finalizer(runtime))
        meta, uid = runtime.metadata, dataset.metadata.uid or ""
        if any(ref.uid == uid for ref in meta.owner_references):
            return runtime
        ref = OwnerReference(
            api_version=f"{GROUP}/v1alpha1", kind="Dataset", name=dataset.metadata.name, uid=uid
        )
        others = tuple(each for each in meta.owner_references if each.kind != "Dataset")
        changed = touched(meta, owner_references=(*others, ref))
        return await self._api.update(replace(runtime, metadata=changed))

    # --- and back

    async def _unbind(
        self, key: Key, dataset: Dataset | None, runtimes: Sequence[DataRuntime]
    ) -> None:
        going = dataset is not None and dataset.metadata.deletion_timestamp
        if not await self._volumes.take_away(key):
            users = self._volumes.users(key)
            if dataset is not None and users:
                why = f"waits for the pods that use it: {', '.join(users[:5])}"
                await self._say(dataset, "DatasetInUse", why)
            return
        self._known.pop(key, None)
        self._told.pop(key, None)
        await self._remote.drop(key)
        for runtime in runtimes:
            if runtime.metadata.deletion_timestamp:
                await let_go(self._api, runtime, _finalizer(runtime))
            else:
                gone = "is being deleted" if going else "not found"
                why = f'dataset "{key.name}" {gone}: a runtime serves the Dataset of its own name'
                await write_status(self._api, runtime, reports.runtime_unready(why))
        if dataset is None:
            return
        if going:
            await let_go(self._api, dataset, _DATASET_FINALIZER)
            return
        dataset = await hold(self._api, dataset, _DATASET_FINALIZER)
        was: DatasetStatus = dataset.status or DatasetStatus()
        if was.phase != "NotBound" or was.runtimes:
            await write_status(self._api, dataset, reports.not_bound())

    # --- both

    async def _say(self, dataset: Dataset, reason: str, why: str) -> None:
        """Once for as long as it stays so."""
        if self._told.get(dataset.key) != why:
            self._told[dataset.key] = why
            await self._events.emit(dataset, WARNING, reason, why)

    def _of_secret(self, secret: Secret) -> Iterable[Key]:
        """Keys that were mended."""
        for dataset in self._api.list(Dataset, secret.metadata.namespace):
            if secret.metadata.name in secrets_of(dataset):
                yield dataset.key

    def _of_claim(self, claim: PersistentVolumeClaim) -> Iterable[Key]:
        """The dataset that gives it, and those whose data lies in it."""
        yield claim.key
        for dataset in self._api.list(Dataset, claim.metadata.namespace):
            if claim.metadata.name in _claims_read(dataset):
                yield dataset.key


def _claims_read(dataset: Dataset) -> set[str]:
    found = set()
    for mount in dataset.spec.mounts:
        try:
            found.add(source_of(mount).claim or "")
        except BadMount:
            continue
    return found


def _chosen(dataset: Dataset | None, runtimes: Sequence[DataRuntime]) -> DataRuntime | None:
    """The runtime that serves the dataset: the one it is bound to, as long as that stays."""
    if dataset is None or dataset.metadata.deletion_timestamp:
        return None
    staying = [runtime for runtime in runtimes if not runtime.metadata.deletion_timestamp]
    bound = {runtime.type for runtime in dataset.status.runtimes} if dataset.status else set()
    mine = [runtime for runtime in staying if RUNTIMES[type(runtime)] in bound]
    return next(iter(mine or staying), None)


def _finalizer(runtime: DataRuntime) -> str:
    return f"{RUNTIMES[type(runtime)]}-runtime-controller-finalizer"


def _was_bound(dataset: Dataset) -> bool:
    return dataset.status is not None and dataset.status.phase == "Bound"


def _of_load(load: DataLoad) -> Iterable[Key]:
    yield Key(load.metadata.namespace or "", load.spec.dataset.name)


def _of_volume(volume: PersistentVolume) -> Iterable[Key]:
    ref = volume.spec.claim_ref
    if ref is not None:
        yield Key(ref.namespace or "", ref.name or "")


def _of_pod(pod: Pod) -> Iterable[Key]:
    return (Key(pod.metadata.namespace or "", name) for name in claims_of(pod))
