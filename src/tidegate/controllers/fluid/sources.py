"""Where the mounts of a dataset really are on this machine."""

from __future__ import annotations

import posixpath

from tidegate.client.api import Reader
from tidegate.model.fluid import FLUID_DRIVER, FLUID_PATH, Dataset
from tidegate.model.fluid_mounts import BadMount, place_of, source_of
from tidegate.model.storage import PersistentVolume, PersistentVolumeClaim
from tidegate.policy.claimed_volumes import is_bound


class DatasetNotReady(Exception):
    """A dataset can't be served (yet); the sentence says why and the way out."""


def real_paths(reader: Reader, dataset: Dataset) -> dict[str, str]:
    """Place in the dataset -> real path, of mounts that are on this machine. Raises `DatasetNotReady`."""
    found: dict[str, str] = {}
    for mount in dataset.spec.mounts:
        try:
            source, place = source_of(mount), place_of(mount)
        except BadMount as why:  # stored before this was refused
            raise DatasetNotReady(str(why)) from why
        if source.uri is not None:
            continue
        if source.claim is None:
            found[place] = source.path
        else:
            root = _path_of_claim(reader, dataset, source.claim)
            found[place] = posixpath.join(root, source.path) if source.path else root
    return found


def _path_of_claim(reader: Reader, dataset: Dataset, name: str) -> str:
    meta = dataset.metadata
    if name == meta.name:
        raise DatasetNotReady(f"pvc://{name} is the claim that this dataset gives: name another")
    claim = reader.get(PersistentVolumeClaim, meta.namespace or "", name)
    if claim is None:
        raise DatasetNotReady(f'persistentvolumeclaim "{name}" not found')
    volume = reader.get(PersistentVolume, "", claim.spec.volume_name or "")
    if not is_bound(claim) or volume is None:
        raise DatasetNotReady(f'persistentvolumeclaim "{name}" is not bound')
    path = _path_of_volume(volume)
    if path is None:
        raise DatasetNotReady(
            f'persistentvolume "{volume.metadata.name}" of claim "{name}" is no folder of this '
            "machine: use one with hostPath or local"
        )
    return path


def _path_of_volume(volume: PersistentVolume) -> str | None:
    spec = volume.spec
    if spec.host_path is not None:
        return spec.host_path.path
    if spec.local is not None:
        return spec.local.path
    if spec.csi is not None and spec.csi.driver == FLUID_DRIVER:
        return spec.csi.volume_attributes.get(FLUID_PATH)
    return None
