"""Which volume suits a claim. Pure.

Source: kubernetes pkg/controller/volume/persistentvolume (`findMatchingVolume`,
`checkVolumeSatisfyClaim`).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from tidegate.kit.quantity import parse_quantity
from tidegate.model.meta import ObjectReference
from tidegate.model.storage import PersistentVolume, PersistentVolumeClaim

_STORAGE = "storage"


def best_volume(
    claim: PersistentVolumeClaim, volumes: Iterable[PersistentVolume]
) -> PersistentVolume | None:
    """The one kept for this claim, else the smallest free one that is large enough; None: there is none."""
    kept: PersistentVolume | None = None
    free: list[tuple[Decimal, str, PersistentVolume]] = []
    for volume in volumes:
        if volume.metadata.deletion_timestamp or mismatch(claim, volume) is not None:
            continue
        ref = volume.spec.claim_ref
        if ref is not None and is_for(ref, claim):
            kept = kept or volume
        elif ref is None and _selected(claim, volume) and volume_phase(volume) == "Available":
            free.append((capacity_of(volume), volume.metadata.name, volume))
    if kept is not None:
        return kept
    return min(free, key=lambda each: each[:2])[2] if free else None


def mismatch(claim: PersistentVolumeClaim, volume: PersistentVolume) -> str | None:
    """What the claim asks for and the volume isn't, in Kubernetes' words; None: nothing."""
    if capacity_of(volume) < requested(claim):
        return "requested PV is too small"
    if (volume.spec.storage_class_name or "") != (claim.spec.storage_class_name or ""):
        return "storageClassName does not match"
    if (volume.spec.volume_mode or "Filesystem") != (claim.spec.volume_mode or "Filesystem"):
        return "incompatible volumeMode"
    if not set(claim.spec.access_modes) <= set(volume.spec.access_modes):
        return "incompatible accessMode"
    return None


def is_for(ref: ObjectReference, claim: PersistentVolumeClaim) -> bool:
    """Whether a volume's claimRef means this claim: by name, and by uid where it has one."""
    meta = claim.metadata
    same = (ref.namespace or "", ref.name) == (meta.namespace or "", meta.name)
    return same and (not ref.uid or ref.uid == meta.uid)


def requested(claim: PersistentVolumeClaim) -> Decimal:
    resources = claim.spec.resources
    text = resources.requests.get(_STORAGE) if resources is not None else None
    return parse_quantity(text) if text is not None else Decimal(0)


def capacity_of(volume: PersistentVolume) -> Decimal:
    return parse_quantity(volume.spec.capacity.get(_STORAGE, 0))


def volume_phase(volume: PersistentVolume) -> str:
    return (volume.status.phase if volume.status else None) or "Pending"


def _selected(claim: PersistentVolumeClaim, volume: PersistentVolume) -> bool:
    selector = claim.spec.selector
    return selector is None or selector.matches(volume.metadata.labels)
