"""Gives a dataset to pods as a claim, and takes it back: links, volume, claim."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from tidegate.client.api import Api
from tidegate.controllers.fluid.folders import DatasetFolders, missing
from tidegate.controllers.fluid.sources import DatasetNotReady
from tidegate.controllers.fluid.volumes import claim_of, is_ours, volume_name, volume_of
from tidegate.model.fluid import Dataset
from tidegate.model.kinds import kind_of
from tidegate.model.meta import Key
from tidegate.model.pods import Pod
from tidegate.model.storage import PersistentVolume, PersistentVolumeClaim
from tidegate.policy.claimed_volumes import claims_of


class DatasetVolumes:
    """The one maker of datasets' volumes, claims and folders."""

    def __init__(self, api: Api, folders: DatasetFolders) -> None:
        self._api, self._folders = api, folders

    async def give(self, dataset: Dataset, paths: dict[str, str]) -> None:
        """`paths`: place in the dataset -> real path. Raises `DatasetNotReady`, OSError,
        Forbidden (a quota), Invalid."""
        key = dataset.key
        absent = await asyncio.to_thread(missing, paths)
        if absent is not None:
            raise DatasetNotReady(f"{absent} does not exist on this machine")
        volume = self._volume(key)
        claim = self._claim(key)
        for there in (volume, claim):
            if there is not None:
                _check(there, key)
        await asyncio.to_thread(self._folders.lay, key, paths)
        if volume is None:
            await self._api.create(volume_of(dataset, self._folders.path_of(key)))
        if claim is None:
            if volume is not None:
                await self._keep_for_next(volume)
            await self._api.create(claim_of(dataset))

    async def take_away(self, key: Key) -> bool:
        """Whether all of it is gone; False: not yet, and its objects or pods change when it goes on."""
        claim = self._claim(key)
        if claim is not None and is_ours(claim, key):
            if self.users(key):
                return False
            if not claim.metadata.deletion_timestamp:
                await self._api.delete(PersistentVolumeClaim, key.namespace, key.name)
            if self._claim(key) is not None:
                return False
        volume = self._volume(key)
        if volume is not None and is_ours(volume, key):
            if not volume.metadata.deletion_timestamp:
                await self._api.delete(PersistentVolume, "", volume.metadata.name)
            if self._volume(key) is not None:
                return False
        if self._folders.laid(key):  # most claims that pods use are no dataset's
            await asyncio.to_thread(self._folders.remove, key)
        return True

    def users(self, key: Key) -> list[str]:
        """Pods that mount the claim and have not ended."""
        return [
            pod.metadata.name
            for pod in self._api.list(Pod, key.namespace)
            if key.name in claims_of(pod)
            and not (pod.status and pod.status.phase in ("Succeeded", "Failed"))
        ]

    async def _keep_for_next(self, volume: PersistentVolume) -> None:
        """Somebody deleted the claim: the volume must not wait for that one."""
        ref = volume.spec.claim_ref
        if ref is not None and ref.uid:
            kept = replace(ref, uid=None, resource_version=None)
            await self._api.update(replace(volume, spec=replace(volume.spec, claim_ref=kept)))

    def _claim(self, key: Key) -> PersistentVolumeClaim | None:
        return self._api.get(PersistentVolumeClaim, key.namespace, key.name)

    def _volume(self, key: Key) -> PersistentVolume | None:
        return self._api.get(PersistentVolume, "", volume_name(key))


def _check(there: PersistentVolume | PersistentVolumeClaim, key: Key) -> None:
    kind, name = kind_of(there).kind, there.metadata.name
    if not is_ours(there, key):
        raise DatasetNotReady(
            f'a {kind} "{name}" is there that this dataset did not make: delete it, or give the '
            "dataset another name"
        )
    if there.metadata.deletion_timestamp:
        raise DatasetNotReady(
            f'the former {kind} "{name}" is still being deleted: it waits for those that use it'
        )
