"""Volumes whose data is on other machines: object storage behind a claim, and datasets.

What a pod mounts of them (a subPath, or all) is fetched before its containers start, and is a view of
links to the model cache from then on: read-only, the same for the pod's whole life.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tidegate.model.core import Pod, Secret, Volume
from tidegate.model.fluid import FLUID_DRIVER, FLUID_PATH, Dataset, DatasetMount
from tidegate.model.fluid_runtimes import RUNTIMES, DataRuntime
from tidegate.model.meta import Key
from tidegate.model.storage import CSISource, PersistentVolume, PersistentVolumeClaim
from tidegate.modelcache.errors import CacheError
from tidegate.modelcache.values import Snapshot
from tidegate.node.errors import VolumeNotReady
from tidegate.node.fetching import PodFetches
from tidegate.node.launch import pod_folder
from tidegate.node.record import Around, PodRecord
from tidegate.node.views import known_views, lay_view, view_folder
from tidegate.policy.cache_place import CachePlace, cache_place
from tidegate.policy.claimed_volumes import is_bound
from tidegate.policy.dataset_parts import (
    Part,
    RemoteMount,
    access_of,
    parts_of,
    paths_mounted,
    places_of,
    remote_mounts,
)
from tidegate.policy.kserve_credentials import secret_values
from tidegate.policy.storage_access import BUCKET_DRIVERS, Access, BadAccess, of_volume


class RemoteVolumes:
    """Fills `record.fetched`. Owned by the pod's task."""

    def __init__(self, around: Around, record: PodRecord, fetches: PodFetches) -> None:
        self._around, self._record, self._fetches = around, record, fetches
        self._folder = pod_folder(around.home, record.pod)
        record.fetched = known_views(self._folder)

    async def make(self, show: Callable[[str], None]) -> bool:
        """Fetch what is missing. False: the pod is leaving. Raises `VolumeNotReady`, OSError."""
        pod = self._record.pod
        for volume in pod.spec.volumes:
            if volume.name in self._record.fetched or not paths_mounted(pod, volume.name):
                continue
            found = self._volume_of(volume)
            if found is None or found.spec.csi is None:
                continue
            try:
                done = await self._make(volume.name, found, found.spec.csi, show)
            except (CacheError, BadAccess) as why:
                raise VolumeNotReady(volume.name, str(why)) from why
            if not done:
                return False
        return True

    def _volume_of(self, volume: Volume) -> PersistentVolume | None:
        """The bound volume of a claim; what is missing is told when volumes are made."""
        source, api = volume.persistent_volume_claim, self._around.api
        if source is None:
            return None
        space = self._record.pod.metadata.namespace or ""
        claim = api.get(PersistentVolumeClaim, space, source.claim_name)
        if claim is None or not is_bound(claim):
            return None
        return api.get(PersistentVolume, "", claim.spec.volume_name or "")

    async def _make(
        self, name: str, volume: PersistentVolume, csi: CSISource, show: Callable[[str], None]
    ) -> bool:
        pod = self._record.pod
        if csi.driver in BUCKET_DRIVERS:
            wanted = self._of_bucket(pod, name, csi)
            return await self._fetch(name, wanted, {}, None, show)
        if csi.driver != FLUID_DRIVER or volume.spec.claim_ref is None:
            return True
        ref = volume.spec.claim_ref
        key = Key(ref.namespace or "", ref.name or "")
        dataset = self._around.api.get(Dataset, *key)
        if dataset is None or not remote_mounts(dataset):
            return True  # its data is on this machine: a folder
        parts = parts_of(remote_mounts(dataset), paths_mounted(pod, name))
        wanted = {
            part.place: (part, access_of(dataset, part, self._secrets(key.namespace)))
            for part in parts
        }
        local = _local_places(dataset, csi)
        return await self._fetch(name, wanted, local, self._place_of(dataset), show)

    def _of_bucket(self, pod: Pod, name: str, csi: CSISource) -> dict[str, tuple[Part, Access]]:
        keys: Mapping[str, str] = {}
        ref = csi.node_publish_secret_ref or csi.node_stage_secret_ref
        if ref is not None:
            found = self._secrets(ref.namespace or pod.metadata.namespace or "")(ref.name or "")
            if found is None:
                raise BadAccess(
                    f'secret "{ref.name}" not found in namespace {ref.namespace} '
                    "(spec.csi.nodePublishSecretRef)"
                )
            keys = found
        access = of_volume(csi.driver, csi.volume_handle, csi.volume_attributes, keys)
        whole = RemoteMount("", DatasetMount(mount_point=access.uri), access.uri)
        return {
            part.place: (part, Access(part.uri, access.options, access.secrets))
            for part in parts_of((whole,), paths_mounted(pod, name))
        }

    async def _fetch(
        self,
        name: str,
        wanted: Mapping[str, tuple[Part, Access]],
        local: Mapping[str, Path],
        place: CachePlace | None,
        show: Callable[[str], None],
    ) -> bool:
        links = dict(local)
        for at, (part, access) in wanted.items():
            found = await self._fetches.fetch(access, show, place=place)
            if found is None:
                return False
            links[at] = _data_of(found, part)
        folder = view_folder(self._folder, name)
        self._record.fetched = {**self._record.fetched, name: lay_view(folder, links)}
        return True

    def _secrets(self, namespace: str) -> Callable[[str], Mapping[str, str] | None]:
        def values(name: str) -> Mapping[str, str] | None:
            secret = self._around.api.get(Secret, namespace, name)
            return None if secret is None else secret_values(secret)

        return values

    def _place_of(self, dataset: Dataset) -> CachePlace | None:
        bound = {runtime.type for runtime in dataset.status.runtimes} if dataset.status else set()
        for type_, word in RUNTIMES.items():
            runtime: DataRuntime | None = self._around.api.get(type_, *dataset.key)
            if runtime is not None and (word in bound or not bound):
                return cache_place(dataset.key, runtime)
        return None


def _data_of(found: Snapshot, part: Part) -> Path:
    """The folder; or the file, where the path of the part is one."""
    if part.inner and found.files == 1:
        file = found.path / part.inner.rpartition("/")[2]
        if file.is_file():
            return file
    return found.path


def _local_places(dataset: Dataset, csi: CSISource) -> dict[str, Path]:
    """Mounts of this machine beside the remote ones: through the dataset's own links, so that a change
    of the mount is seen."""
    root = csi.volume_attributes.get(FLUID_PATH)
    if root is None:
        return {}
    remote = {mount.place for mount in remote_mounts(dataset)}
    return {place: Path(root, place) for place in places_of(dataset) if place not in remote}
