"""What a pod's volumes need from other machines before it starts. Pure but for reads of objects.

The node agent fetches it when the pod starts; before a scheduled scale-up it is fetched ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from tidegate.model.core import Secret
from tidegate.model.fluid import FLUID_DRIVER, FLUID_PATH, Dataset, DatasetMount
from tidegate.model.fluid_runtimes import RUNTIMES, DataRuntime
from tidegate.model.meta import Key, Object
from tidegate.model.pods import PodSpec
from tidegate.model.storage import CSISource, PersistentVolume, PersistentVolumeClaim
from tidegate.model.volumes import Volume
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

T = TypeVar("T", bound=Object)


class Gets(Protocol):
    """Reads of objects, such as the API's."""

    def get(self, type_: type[T], namespace: str, name: str) -> T | None: ...


@dataclass(frozen=True, slots=True)
class VolumeFetch:
    """`wanted`: each part with how it is reached. `local`: places of it that are on this machine, and
    where. `place` None: the default cache."""

    wanted: tuple[tuple[Part, Access], ...]
    local: Mapping[str, str]
    place: CachePlace | None


def volume_fetch(gets: Gets, namespace: str, spec: PodSpec, volume: Volume) -> VolumeFetch | None:
    """None: nothing of the volume has to be fetched, as far as can be seen now. Raises `BadAccess`."""
    source, paths = volume.persistent_volume_claim, paths_mounted(spec, volume.name)
    if source is None or not paths:
        return None
    claim = gets.get(PersistentVolumeClaim, namespace, source.claim_name)
    if claim is None or not is_bound(claim):
        return None
    found = gets.get(PersistentVolume, "", claim.spec.volume_name or "")
    csi = found.spec.csi if found is not None else None
    if found is None or csi is None:
        return None
    if csi.driver in BUCKET_DRIVERS:
        return VolumeFetch(_of_bucket(gets, namespace, csi, paths), {}, None)
    ref = found.spec.claim_ref
    if csi.driver != FLUID_DRIVER or ref is None:
        return None
    dataset = gets.get(Dataset, ref.namespace or "", ref.name or "")
    if dataset is None or not remote_mounts(dataset):
        return None  # its data is on this machine: a folder
    secrets = secrets_in(gets, dataset.metadata.namespace or "")
    wanted = tuple(
        (part, access_of(dataset, part, secrets))
        for part in parts_of(remote_mounts(dataset), paths)
    )
    place = cache_place(dataset.key, runtime_of(gets, dataset))
    return VolumeFetch(wanted, _local(dataset, csi), place)


def runtime_of(gets: Gets, dataset: Dataset) -> DataRuntime | None:
    """The runtime that the dataset is bound to, or the first of its name."""
    bound = {runtime.type for runtime in dataset.status.runtimes} if dataset.status else set()
    key: Key = dataset.key
    for type_, word in RUNTIMES.items():
        found: DataRuntime | None = gets.get(type_, key.namespace, key.name)
        if found is not None and (word in bound or not bound):
            return found
    return None


def _of_bucket(
    gets: Gets, namespace: str, csi: CSISource, paths: tuple[str, ...]
) -> tuple[tuple[Part, Access], ...]:
    keys: Mapping[str, str] = {}
    ref = csi.node_publish_secret_ref or csi.node_stage_secret_ref
    if ref is not None:
        found = secrets_in(gets, ref.namespace or namespace)(ref.name or "")
        if found is None:
            raise BadAccess(
                f'secret "{ref.name}" not found in namespace {ref.namespace or namespace} '
                "(spec.csi.nodePublishSecretRef)"
            )
        keys = found
    access = of_volume(csi.driver, csi.volume_handle, csi.volume_attributes, keys)
    whole = RemoteMount("", DatasetMount(mount_point=access.uri), access.uri)
    return tuple(
        (part, Access(part.uri, access.options, access.secrets))
        for part in parts_of((whole,), paths)
    )


def secrets_in(gets: Gets, namespace: str) -> Callable[[str], Mapping[str, str] | None]:
    """What the Secrets of a namespace hold, by their names; None: there is none."""

    def values(name: str) -> Mapping[str, str] | None:
        secret = gets.get(Secret, namespace, name)
        return None if secret is None else secret_values(secret)

    return values


def _local(dataset: Dataset, csi: CSISource) -> dict[str, str]:
    """Mounts of this machine beside the remote ones: through the dataset's own links, so that a change
    of the mount is seen."""
    root = csi.volume_attributes.get(FLUID_PATH)
    if root is None:
        return {}
    remote = {mount.place for mount in remote_mounts(dataset)}
    return {place: f"{root}/{place}" for place in places_of(dataset) if place not in remote}
