"""Persistent volumes, claims and storage classes: defaults, checks, and what may change.

Source: kubernetes pkg/apis/core/validation/validation.go (`ValidatePersistentVolume*`),
pkg/apis/storage/validation, plugin/pkg/admission/storage/storageobjectinuseprotection.
"""

from __future__ import annotations

import posixpath
from decimal import Decimal

from msgspec.structs import replace

from tidegate.kit.quantity import parse_quantity
from tidegate.model import labels
from tidegate.model.admission.metadata import check_selector
from tidegate.model.admission.problems import (
    IMMUTABLE,
    Problems,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    one_of,
    required,
)
from tidegate.model.admission.resources import check_quantities
from tidegate.model.admission.volumes import check_nfs
from tidegate.model.meta import ObjectMeta, touched
from tidegate.model.storage import (
    PV_PROTECTION,
    PVC_PROTECTION,
    VOLUME_KINDS,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeClaimStatus,
    PersistentVolumeSpec,
    PersistentVolumeStatus,
    StorageClass,
    VolumeResources,
)

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_RECLAIM = ("Delete", "Recycle", "Retain")
_VOLUME_MODES = ("Block", "Filesystem")
_BINDING = ("Immediate", "WaitForFirstConsumer")
_STORAGE = "storage"
_SPEC_IS_FIXED = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for "
    "bound claims"
)


# --- volumes


def default_volume(volume: PersistentVolume, old: PersistentVolume | None) -> PersistentVolume:
    spec = volume.spec
    host_path = spec.host_path
    spec = replace(
        spec,
        persistent_volume_reclaim_policy=spec.persistent_volume_reclaim_policy or "Retain",
        volume_mode=spec.volume_mode or "Filesystem",
        host_path=host_path and replace(host_path, type=host_path.type or ""),
    )
    status = volume.status
    if old is None and (status is None or status.phase is None):
        status = replace(status or PersistentVolumeStatus(), phase="Pending")
    meta = _protected(volume.metadata, PV_PROTECTION) if old is None else volume.metadata
    return replace(volume, metadata=meta, spec=spec, status=status)


def check_volume(volume: PersistentVolume) -> Problems:
    spec = volume.spec
    found = _check_modes(spec.access_modes, "spec.accessModes")
    if not spec.capacity:
        found.append(required("spec.capacity"))
    elif set(spec.capacity) != {_STORAGE}:
        found.append(not_supported("spec.capacity", sorted(spec.capacity), (_STORAGE,)))
    found += check_quantities(spec.capacity, "spec.capacity")
    found += one_of(
        "spec.persistentVolumeReclaimPolicy", spec.persistent_volume_reclaim_policy, _RECLAIM
    )
    found += one_of("spec.volumeMode", spec.volume_mode, _VOLUME_MODES)
    found += _check_class(spec.storage_class_name)
    return found + _check_volume_source(spec)


def _check_volume_source(spec: PersistentVolumeSpec) -> Problems:
    given = [name for name, field in VOLUME_KINDS.items() if getattr(spec, field) is not None]
    if not given:
        return [required("spec", "must specify a volume type")]
    found: Problems = [
        forbidden(f"spec.{extra}", "may not specify more than 1 volume type") for extra in given[1:]
    ]
    if spec.host_path is not None:
        found += _check_path(spec.host_path.path, "spec.hostPath.path")
        if (
            spec.host_path.path
            and posixpath.normpath(spec.host_path.path) == "/"
            and (spec.persistent_volume_reclaim_policy == "Recycle")
        ):
            detail = "may not be 'recycle' for a hostPath mount of '/'"
            found.append(forbidden("spec.persistentVolumeReclaimPolicy", detail))
    if spec.local is not None:
        found += _check_path(spec.local.path, "spec.local.path")
        if spec.node_affinity is None or spec.node_affinity.required is None:
            found.append(required("spec.nodeAffinity", "Local volume requires node affinity"))
    if spec.nfs is not None:
        found += check_nfs(spec.nfs, "spec.nfs")
    if spec.csi is not None:
        if not spec.csi.driver:
            found.append(required("spec.csi.driver"))
        if not spec.csi.volume_handle:
            found.append(required("spec.csi.volumeHandle"))
    return found


def _check_path(text: str, path: str) -> Problems:
    if not text:
        return [required(path)]
    if ".." in text.split("/"):
        return [invalid(path, text, "must not contain '..'")]
    return []


def check_volume_change(volume: PersistentVolume, old: PersistentVolume) -> Problems:
    found: Problems = []
    for field in VOLUME_KINDS.values():
        if getattr(volume.spec, field) != getattr(old.spec, field):
            detail = "spec.persistentvolumesource is immutable after creation"
            found.append(forbidden("spec.persistentvolumesource", detail))
            break
    if volume.spec.volume_mode != old.spec.volume_mode:
        found.append(invalid("spec.volumeMode", volume.spec.volume_mode, IMMUTABLE))
    return found


# --- claims


def default_claim(
    claim: PersistentVolumeClaim, old: PersistentVolumeClaim | None
) -> PersistentVolumeClaim:
    """The default class is given by the volume controller, once no volume of no class fits."""
    spec = replace(claim.spec, volume_mode=claim.spec.volume_mode or "Filesystem")
    status = claim.status
    if old is None and (status is None or status.phase is None):
        status = replace(status or PersistentVolumeClaimStatus(), phase="Pending")
    meta = _protected(claim.metadata, PVC_PROTECTION) if old is None else claim.metadata
    return replace(claim, metadata=meta, spec=spec, status=status)


def check_claim(claim: PersistentVolumeClaim) -> Problems:
    spec = claim.spec
    found = _check_modes(spec.access_modes, "spec.accessModes")
    if spec.selector is not None:
        found += check_selector(spec.selector, "spec.selector")
    requests = spec.resources.requests if spec.resources else {}
    if _STORAGE not in requests:
        found.append(required(f"spec.resources[{_STORAGE}]"))
    else:
        found += check_quantities(requests, "spec.resources.requests")
    found += _check_class(spec.storage_class_name)
    return found + one_of("spec.volumeMode", spec.volume_mode, _VOLUME_MODES)


def check_claim_change(claim: PersistentVolumeClaim, old: PersistentVolumeClaim) -> Problems:
    """A claim is bound once and given a class once; a bound one may ask for more room."""
    was, now = old.spec, claim.spec
    allowed = was
    if not was.volume_name:
        allowed = replace(allowed, volume_name=now.volume_name)
    if was.storage_class_name is None:
        allowed = replace(allowed, storage_class_name=now.storage_class_name)
    bound = old.status is not None and old.status.phase == "Bound"
    if bound:
        requests = {**_requests(was), _STORAGE: _requests(now).get(_STORAGE, "")}
        resources = replace(was.resources or VolumeResources(), requests=requests)
        allowed = replace(allowed, resources=resources)
        if _size(now) < _size(was):
            path = "spec.resources.requests.storage"
            return [forbidden(path, "field can not be less than previous value")]
    return [] if allowed == now else [forbidden("spec", _SPEC_IS_FIXED)]


def _requests(spec: PersistentVolumeClaimSpec) -> dict[str, str | int | float]:
    return dict(spec.resources.requests) if spec.resources else {}


def _size(spec: PersistentVolumeClaimSpec) -> Decimal:
    text = _requests(spec).get(_STORAGE)
    return parse_quantity(text) if text is not None else Decimal(0)


# --- classes


def default_class(class_: StorageClass, old: StorageClass | None) -> StorageClass:
    return replace(
        class_,
        reclaim_policy=class_.reclaim_policy or "Delete",
        volume_binding_mode=class_.volume_binding_mode or "Immediate",
    )


def check_class(class_: StorageClass) -> Problems:
    found: Problems = []
    if not class_.provisioner:
        found.append(required("provisioner"))
    else:
        problems = labels.qualified_name(class_.provisioner.lower())
        found += each_invalid("provisioner", class_.provisioner, problems)
    found += one_of("reclaimPolicy", class_.reclaim_policy, ("Delete", "Retain"))
    return found + one_of("volumeBindingMode", class_.volume_binding_mode, _BINDING)


def check_class_change(class_: StorageClass, old: StorageClass) -> Problems:
    found: Problems = []
    if class_.parameters != old.parameters:
        found.append(forbidden("parameters", "updates to parameters are forbidden."))
    if class_.provisioner != old.provisioner:
        found.append(forbidden("provisioner", "updates to provisioner are forbidden."))
    if class_.reclaim_policy != old.reclaim_policy:
        found.append(forbidden("reclaimPolicy", "updates to reclaimPolicy are forbidden."))
    if class_.volume_binding_mode != old.volume_binding_mode:
        found.append(invalid("volumeBindingMode", class_.volume_binding_mode, IMMUTABLE))
    return found


# --- shared


def _check_modes(modes: tuple[str, ...], path: str) -> Problems:
    if not modes:
        return [required(path, "at least 1 access mode is required")]
    found: Problems = [
        not_supported(path, mode, ACCESS_MODES) for mode in modes if mode not in ACCESS_MODES
    ]
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        detail = "may not use ReadWriteOncePod with other access modes"
        found.append(forbidden(path, detail))
    return found


def _check_class(name: str | None) -> Problems:
    if not name:
        return []
    return each_invalid("spec.storageClassName", name, labels.dns1123_subdomain(name))


def _protected(meta: ObjectMeta, finalizer: str) -> ObjectMeta:
    """In use means not gone: the volume controller takes this off when it may."""
    if finalizer in meta.finalizers:
        return meta
    return touched(meta, finalizers=(*meta.finalizers, finalizer))


def source_kind(spec: PersistentVolumeSpec) -> str:
    """The wire name of the volume's source; empty if it has none."""
    given = (name for name, field in VOLUME_KINDS.items() if getattr(spec, field) is not None)
    return next(given, "")


__all__ = [
    "check_claim",
    "check_claim_change",
    "check_class",
    "check_class_change",
    "check_volume",
    "check_volume_change",
    "default_claim",
    "default_class",
    "default_volume",
    "source_kind",
]
