"""The volume and the claim through which pods get a dataset. Pure.

Source: fluid pkg/utils/dataset/volume/create.go.
"""

from __future__ import annotations

from tidegate.model.fluid import FLUID_CLASS, FLUID_DRIVER, FLUID_PATH, Dataset
from tidegate.model.meta import Key, ObjectMeta, ObjectReference
from tidegate.model.storage import (
    CSISource,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeSpec,
    VolumeResources,
)

_CREATED_BY = {"CreatedBy": "fluid"}
_SIZE = "100Pi"
_LONGEST_LABEL = 63
_WRITING = {"ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"}


def volume_name(key: Key) -> str:
    return f"{key.namespace}-{key.name}"


def is_ours(obj: PersistentVolume | PersistentVolumeClaim, key: Key) -> bool:
    """Whether it was made for the dataset of that key."""
    if obj.metadata.annotations.get("CreatedBy") != "fluid":
        return False
    if isinstance(obj, PersistentVolumeClaim):
        return obj.spec.volume_name == volume_name(key)
    ref = obj.spec.claim_ref
    return ref is not None and (ref.namespace, ref.name) == (key.namespace, key.name)


def volume_of(dataset: Dataset, path: str) -> PersistentVolume:
    key, modes = dataset.key, dataset.spec.access_modes
    return PersistentVolume(
        metadata=ObjectMeta(
            name=volume_name(key), labels=_labels(key), annotations=dict(_CREATED_BY)
        ),
        spec=PersistentVolumeSpec(
            capacity={"storage": _SIZE},
            access_modes=modes,
            claim_ref=ObjectReference(
                api_version="v1",
                kind="PersistentVolumeClaim",
                namespace=key.namespace,
                name=key.name,
            ),
            persistent_volume_reclaim_policy="Retain",
            storage_class_name=FLUID_CLASS,
            csi=CSISource(
                driver=FLUID_DRIVER,
                volume_handle=volume_name(key),
                read_only=None if _WRITING & set(modes) else True,
                volume_attributes={FLUID_PATH: path},
            ),
        ),
    )


def claim_of(dataset: Dataset) -> PersistentVolumeClaim:
    key = dataset.key
    return PersistentVolumeClaim(
        metadata=ObjectMeta(
            name=key.name,
            namespace=key.namespace,
            labels=_labels(key),
            annotations=dict(_CREATED_BY),
        ),
        spec=PersistentVolumeClaimSpec(
            access_modes=dataset.spec.access_modes,
            resources=VolumeResources(requests={"storage": _SIZE}),
            storage_class_name=FLUID_CLASS,
            volume_name=volume_name(key),
        ),
    )


def _labels(key: Key) -> dict[str, str]:
    name = f"s-{volume_name(key)}"
    return {f"fluid.io/{name}": "true"} if len(name) <= _LONGEST_LABEL else {}
