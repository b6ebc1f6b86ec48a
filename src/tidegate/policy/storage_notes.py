"""What of datasets' and object storage volumes' documents changes nothing here, in words for their author."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.model.fluid import Dataset
from tidegate.model.meta import Object
from tidegate.model.storage import PersistentVolume
from tidegate.model.storage_uris import is_fetched
from tidegate.policy.storage_access import BUCKET_DRIVERS, FLUID_KNOWN, OSS_DRIVER

#: Attributes of object storage volumes that are read; others are the mounting program's business.
_READ = {
    OSS_DRIVER: ("bucket", "url", "path", "akId", "akSecret"),
    "": ("bucket", "bucketName", "prefix", "endpoint", "endpointURL", "region"),
}
_WRITING = ("ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod")


def storage_notes(obj: Object) -> tuple[str, ...]:
    """Nothing for other kinds."""
    if isinstance(obj, Dataset):
        return tuple(_of_dataset(obj))
    if isinstance(obj, PersistentVolume):
        return tuple(_of_volume(obj))
    return ()


def _of_dataset(dataset: Dataset) -> Iterator[str]:
    fetched = False
    for i, mount in enumerate(dataset.spec.mounts):
        path = f"spec.mounts[{i}]"
        if not is_fetched(mount.mount_point):
            if mount.options:
                yield f"{path}.options: no effect on data that is read in place"
            if mount.encrypt_options:
                yield f"{path}.encryptOptions: no effect on data that is read in place"
            if mount.read_only:
                yield f"{path}.readOnly: not enforced for data that is read in place"
            continue
        fetched = True
        for name in mount.options:
            if name not in FLUID_KNOWN:
                yield f"{path}.options[{name}]: not read here: kept, without an effect"
        for option in mount.encrypt_options:
            if option.name not in FLUID_KNOWN:
                yield f"{path}.encryptOptions: {option.name} is not read here: kept, without an effect"
    for name in dataset.spec.shared_options:
        if not fetched or name not in FLUID_KNOWN:
            yield f"spec.sharedOptions[{name}]: no effect here"
    for option in dataset.spec.shared_encrypt_options:
        if not fetched or option.name not in FLUID_KNOWN:
            yield f"spec.sharedEncryptOptions: {option.name} has no effect here"
    if fetched and any(mode in _WRITING for mode in dataset.spec.access_modes):
        yield "spec.accessModes: what is fetched is read-only here: nothing is written back"


def _of_volume(volume: PersistentVolume) -> Iterator[str]:
    csi = volume.spec.csi
    if csi is None or csi.driver not in BUCKET_DRIVERS:
        return
    read = _READ.get(csi.driver, _READ[""])
    for name in csi.volume_attributes:
        if name not in read:
            yield (
                f"spec.csi.volumeAttributes[{name}]: kept, without an effect: the bucket is fetched into "
                "the model cache, nothing mounts it"
            )
    if any(mode in _WRITING for mode in volume.spec.access_modes):
        yield "spec.accessModes: a bucket is fetched and read-only here: nothing is written back"
