"""The columns of volumes, claims, storage classes and service accounts.

Source: kubernetes pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from collections.abc import Iterable

from tidegate.model.accounts import ServiceAccount
from tidegate.model.column import AGE, NAME, number, text, wide
from tidegate.model.storage import (
    PersistentVolume,
    PersistentVolumeClaim,
    StorageClass,
    is_default,
)

_SHORT = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}
_UNSET = "<unset>"


def short_modes(modes: Iterable[str]) -> str:
    """Access modes as kubectl abbreviates them, in its order."""
    given = set(modes)
    return ",".join(short for mode, short in _SHORT.items() if mode in given)


def _volume_status(volume: PersistentVolume, now_s: float) -> str:
    if volume.metadata.deletion_timestamp:
        return "Terminating"
    return (volume.status.phase if volume.status else None) or "Pending"


def _claimed_by(volume: PersistentVolume, now_s: float) -> str:
    ref = volume.spec.claim_ref
    return f"{ref.namespace or ''}/{ref.name or ''}" if ref is not None else ""


def _reason(volume: PersistentVolume, now_s: float) -> str:
    return (volume.status.reason if volume.status else None) or ""


PERSISTENT_VOLUME = (
    NAME,
    text("Capacity", lambda obj, now_s: str(obj.spec.capacity.get("storage", ""))),
    text("Access Modes", lambda obj, now_s: short_modes(obj.spec.access_modes)),
    text("Reclaim Policy", lambda obj, now_s: obj.spec.persistent_volume_reclaim_policy or ""),
    text("Status", _volume_status),
    text("Claim", _claimed_by),
    text("StorageClass", lambda obj, now_s: obj.spec.storage_class_name or ""),
    text(
        "VolumeAttributesClass",
        lambda obj, now_s: obj.spec.volume_attributes_class_name or _UNSET,
    ),
    text("Reason", _reason),
    AGE,
    wide("VolumeMode", lambda obj, now_s: obj.spec.volume_mode or _UNSET),
)


def _claim_status(claim: PersistentVolumeClaim, now_s: float) -> str:
    if claim.metadata.deletion_timestamp:
        return "Terminating"
    return (claim.status.phase if claim.status else None) or "Pending"


def _claim_capacity(claim: PersistentVolumeClaim, now_s: float) -> str:
    if not claim.spec.volume_name or claim.status is None:
        return ""
    return str(claim.status.capacity.get("storage", ""))


def _claim_modes(claim: PersistentVolumeClaim, now_s: float) -> str:
    if not claim.spec.volume_name or claim.status is None:
        return ""
    return short_modes(claim.status.access_modes)


PERSISTENT_VOLUME_CLAIM = (
    NAME,
    text("Status", _claim_status),
    text("Volume", lambda obj, now_s: obj.spec.volume_name or ""),
    text("Capacity", _claim_capacity),
    text("Access Modes", _claim_modes),
    text("StorageClass", lambda obj, now_s: obj.spec.storage_class_name or ""),
    text(
        "VolumeAttributesClass",
        lambda obj, now_s: obj.spec.volume_attributes_class_name or _UNSET,
    ),
    AGE,
    wide("VolumeMode", lambda obj, now_s: obj.spec.volume_mode or _UNSET),
)


def _class_name(class_: StorageClass, now_s: float) -> str:
    return class_.metadata.name + (" (default)" if is_default(class_) else "")


STORAGE_CLASS = (
    text("Name", _class_name),
    text("Provisioner", lambda obj, now_s: obj.provisioner),
    text("ReclaimPolicy", lambda obj, now_s: obj.reclaim_policy or "Delete"),
    text("VolumeBindingMode", lambda obj, now_s: obj.volume_binding_mode or "Immediate"),
    text(
        "AllowVolumeExpansion",
        lambda obj, now_s: "true" if obj.allow_volume_expansion else "false",
    ),
    AGE,
)


def _secrets(account: ServiceAccount, now_s: float) -> int:
    return len(account.secrets)


SERVICE_ACCOUNT = (NAME, number("Secrets", _secrets), AGE)
