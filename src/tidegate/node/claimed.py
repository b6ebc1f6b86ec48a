"""Where the volume that a claim is bound to really lies on this machine."""

from __future__ import annotations

from pathlib import Path

from tidegate.client.api import Reader
from tidegate.model.fluid import FLUID_DRIVER, FLUID_PATH
from tidegate.model.storage import VOLUME_KINDS, PersistentVolume, PersistentVolumeClaim
from tidegate.model.volumes import HostPathVolumeSource
from tidegate.node.errors import VolumeNotReady
from tidegate.node.host_path import host_path
from tidegate.node.nfs import nfs_path
from tidegate.policy.claimed_volumes import is_bound
from tidegate.policy.storage_access import BUCKET_DRIVERS


def claimed_path(reader: Reader, namespace: str, volume: str, claim_name: str) -> Path:
    """The folder (or file) of a claim. Raises `VolumeNotReady` with what is missing and the way out.

    `volume` is the pod's name for it, for the message.
    """
    claim = reader.get(PersistentVolumeClaim, namespace, claim_name)
    if claim is None:
        raise VolumeNotReady(volume, f'persistentvolumeclaim "{claim_name}" not found')
    if not is_bound(claim):
        raise VolumeNotReady(
            volume,
            f'persistentvolumeclaim "{claim_name}" is not bound: `kubectl describe pvc {claim_name} '
            f"-n {namespace}` says what it waits for",
        )
    found = reader.get(PersistentVolume, "", claim.spec.volume_name or "")
    if found is None:
        raise VolumeNotReady(volume, f'persistentvolume "{claim.spec.volume_name}" not found')
    return _path_of(volume, found)


def _path_of(volume: str, found: PersistentVolume) -> Path:
    spec, name = found.spec, found.metadata.name
    if spec.host_path is not None:
        source = HostPathVolumeSource(path=spec.host_path.path, type=spec.host_path.type)
        return host_path(volume, source)
    if spec.local is not None:
        path = Path(spec.local.path)
        if not path.exists():
            raise VolumeNotReady(
                volume, f'path "{path}" of persistentvolume "{name}" does not exist'
            )
        return path
    if spec.csi is not None and spec.csi.driver == FLUID_DRIVER:
        path = Path(spec.csi.volume_attributes.get(FLUID_PATH, ""))
        if not path.is_absolute() or not path.exists():
            raise VolumeNotReady(
                volume,
                f'the data of persistentvolume "{name}" is not there: `kubectl describe dataset` '
                "says what it waits for",
            )
        return path
    if spec.nfs is not None:
        return nfs_path(volume, spec.nfs)
    way_out = (
        "copy what it holds into a folder of this machine and bind the claim to a PersistentVolume "
        "with `hostPath`"
    )
    if spec.csi is not None:
        raise VolumeNotReady(
            volume,
            f'persistentvolume "{name}" is of the storage driver {spec.csi.driver}, which is not '
            f"served on this machine (of object stores {', '.join(BUCKET_DRIVERS)} are): {way_out}",
        )
    kind = next(
        (wire for wire, field in VOLUME_KINDS.items() if getattr(spec, field) is not None),
        "nothing",
    )
    raise VolumeNotReady(
        volume,
        f'persistentvolume "{name}" is of type {kind}, which this machine has not: {way_out}',
    )
