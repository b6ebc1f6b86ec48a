"""Volumes whose data is on other machines: object storage behind a claim, and datasets.

What a pod mounts of them (a subPath, or all) is fetched before its containers start, and is a view of
links to the model cache from then on: read-only, the same for the pod's whole life.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tidegate.modelcache.errors import CacheError
from tidegate.modelcache.values import Snapshot
from tidegate.node.errors import VolumeNotReady
from tidegate.node.fetching import PodFetches
from tidegate.node.launch import pod_folder
from tidegate.node.record import Around, PodRecord
from tidegate.node.views import known_views, lay_view, view_folder
from tidegate.policy.dataset_parts import Part
from tidegate.policy.pod_fetches import VolumeFetch, volume_fetch
from tidegate.policy.storage_access import BadAccess


class RemoteVolumes:
    """Fills `record.fetched`. Owned by the pod's task."""

    def __init__(self, around: Around, record: PodRecord, fetches: PodFetches) -> None:
        self._around, self._record, self._fetches = around, record, fetches
        self._folder = pod_folder(around.home, record.pod)
        record.fetched = known_views(self._folder)

    async def make(self, show: Callable[[str], None]) -> bool:
        """Fetch what is missing. False: the pod is leaving. Raises `VolumeNotReady`, OSError."""
        pod, api = self._record.pod, self._around.api
        for volume in pod.spec.volumes:
            if volume.name in self._record.fetched:
                continue
            try:
                found = volume_fetch(api, pod.metadata.namespace or "", pod.spec, volume)
                if found is not None and not await self._fetch(volume.name, found, show):
                    return False
            except (CacheError, BadAccess) as why:
                raise VolumeNotReady(volume.name, str(why)) from why
        return True

    async def _fetch(self, name: str, asked: VolumeFetch, show: Callable[[str], None]) -> bool:
        links = {place: Path(path) for place, path in asked.local.items()}
        for part, access in asked.wanted:
            found = await self._fetches.fetch(access, show, place=asked.place)
            if found is None:
                return False
            links[part.place] = _data_of(found, part)
        view = lay_view(view_folder(self._folder, name), links)
        self._record.fetched = {**self._record.fetched, name: view}
        return True


def _data_of(found: Snapshot, part: Part) -> Path:
    """The folder; or the file, where the path of the part is one."""
    if part.inner and found.files == 1:
        file = found.path / part.inner.rpartition("/")[2]
        if file.is_file():
            return file
    return found.path
