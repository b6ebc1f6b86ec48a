"""Binds claims to volumes, makes folders for those that ask a class for one, and takes back what is free.

Source: kubernetes pkg/controller/volume/persistentvolume/pv_controller.go (states, reasons, words),
pkg/controller/volume/{pvcprotection,pvprotection}.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from tidegate.client.api import Api
from tidegate.client.events import NORMAL, WARNING, EventRecorder
from tidegate.controllers.storage.folders import VolumeFolders
from tidegate.controllers.storage.matching import (
    best_volume,
    capacity_of,
    is_for,
    mismatch,
    requested,
    volume_phase,
)
from tidegate.kit.clock import Clock
from tidegate.model.conditions import timestamp
from tidegate.model.meta import Key, Object, ObjectMeta, ObjectReference, touched
from tidegate.model.pods import Pod
from tidegate.model.storage import (
    FOLDER_PROVISIONER,
    PV_PROTECTION,
    PVC_PROTECTION,
    HostPathSource,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimStatus,
    PersistentVolumeSpec,
    PersistentVolumeStatus,
    StorageClass,
    is_default,
)
from tidegate.policy.claimed_volumes import claims_of
from tidegate.reconcile import Done, Next, Watch, watch_mapped
from tidegate.reconcile.apply import write_status
from tidegate.reconcile.finalizers import let_go

#: The one key: claims compete for volumes, so they are served one after the other.
ALL = Key("", "volumes-and-claims")
_BOUND_BY_US = "pv.kubernetes.io/bound-by-controller"
_BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
_NOTHING_FITS = "no persistent volumes available for this claim and no storage class is set"


class VolumeBinder:
    """The one writer of claims' volumes and of both kinds' phases.

    `folders` None: no volumes are made here, so that claims wait for ones that somebody creates.
    """

    name = "persistentvolume-binder"

    def __init__(self, api: Api, clock: Clock, folders: VolumeFolders | None) -> None:
        self._api, self._clock, self._folders = api, clock, folders
        self._events = EventRecorder(api, clock, "persistentvolume-controller")
        self._told: dict[str, str] = {}
        self.watches: Sequence[Watch] = (
            watch_mapped(PersistentVolumeClaim, lambda _: (ALL,)),
            watch_mapped(PersistentVolume, lambda _: (ALL,)),
            watch_mapped(StorageClass, lambda _: (ALL,)),
            watch_mapped(Pod, _of_pod),
        )

    async def reconcile(self, key: Key) -> Next:
        claims = self._api.list(PersistentVolumeClaim)
        for volume in self._api.list(PersistentVolume):
            await self._look_at_volume(volume)
        for claim in claims:
            await self._look_at_claim(claim)
        self._told = {
            uid: text
            for uid, text in self._told.items()
            if any(uid == c.metadata.uid for c in claims)
        }
        return Done()

    # --- claims

    async def _look_at_claim(self, claim: PersistentVolumeClaim) -> None:
        if claim.metadata.deletion_timestamp:
            await self._let_go(claim)
        elif _BIND_COMPLETED in claim.metadata.annotations:
            await self._check_bound(claim)
        elif claim.spec.volume_name:
            await self._bind_named(claim, claim.spec.volume_name)
        else:
            await self._bind_any(claim)

    async def _check_bound(self, claim: PersistentVolumeClaim) -> None:
        volume = self._api.get(PersistentVolume, "", claim.spec.volume_name or "")
        ref = volume.spec.claim_ref if volume is not None else None
        if volume is not None and ref is not None and ref.uid == claim.metadata.uid:
            await self._say_bound(claim, await self._grown(claim, volume))
            return
        status = claim.status or PersistentVolumeClaimStatus()
        if status.phase != "Lost":
            await write_status(self._api, claim, replace(status, phase="Lost"))
            why = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
            await self._events.emit(claim, WARNING, "ClaimLost", why)

    async def _grown(
        self, claim: PersistentVolumeClaim, volume: PersistentVolume
    ) -> PersistentVolume:
        """A claim that asks for more gets it where the volume is a folder of ours: those have no size."""
        if requested(claim) <= capacity_of(volume):
            return volume
        if volume.metadata.annotations.get(_PROVISIONED_BY) != FOLDER_PROVISIONER:
            why = (
                f'persistentvolume "{volume.metadata.name}" was not made here, so it does not grow: '
                "make a larger one and another claim"
            )
            await self._say(claim, WARNING, "VolumeResizeFailed", why)
            return volume
        size = dict(claim.spec.resources.requests) if claim.spec.resources else {}
        spec = replace(volume.spec, capacity=size)
        return await self._api.update(replace(volume, spec=spec))

    async def _bind_named(self, claim: PersistentVolumeClaim, name: str) -> None:
        volume = self._api.get(PersistentVolume, "", name)
        if volume is None:
            await self._say(claim, WARNING, "FailedBinding", f'volume "{name}" not found')
            return
        ref = volume.spec.claim_ref
        if ref is not None and not is_for(ref, claim):
            why = f'volume "{name}" already bound to a different claim.'
            await self._say(claim, WARNING, "FailedBinding", why)
            return
        problem = mismatch(claim, volume)
        if problem is not None:
            why = f'Cannot bind to requested volume "{name}": {problem}'
            await self._say(claim, WARNING, "VolumeMismatch", why)
            return
        await self._bind(claim, volume)

    async def _bind_any(self, claim: PersistentVolumeClaim) -> None:
        class_ = self._class_of(claim)
        late = class_ is not None and class_.volume_binding_mode == "WaitForFirstConsumer"
        if late and not self._pods_of(claim):
            why = "waiting for first consumer to be created before binding"
            await self._say(claim, NORMAL, "WaitForFirstConsumer", why)
            return
        volume = best_volume(claim, self._api.list(PersistentVolume))
        if volume is not None:
            await self._bind(claim, volume)
        elif claim.spec.storage_class_name is None:
            await self._give_default_class(claim)
        elif not claim.spec.storage_class_name:
            await self._say(claim, NORMAL, "FailedBinding", _NOTHING_FITS)
        elif class_ is None:
            missing = f'storageclass.storage.k8s.io "{claim.spec.storage_class_name}" not found'
            await self._say(claim, WARNING, "ProvisioningFailed", missing)
        else:
            await self._provision(claim, class_)

    async def _give_default_class(self, claim: PersistentVolumeClaim) -> None:
        """The newest of the default classes; the write brings us back here."""
        classes = [class_ for class_ in self._api.list(StorageClass) if is_default(class_)]
        if not classes:
            await self._say(claim, NORMAL, "FailedBinding", _NOTHING_FITS)
            return
        newest = max(classes, key=lambda c: (c.metadata.creation_timestamp or "", c.metadata.name))
        spec = replace(claim.spec, storage_class_name=newest.metadata.name)
        await self._bind_any(await self._api.update(replace(claim, spec=spec)))

    async def _bind(self, claim: PersistentVolumeClaim, volume: PersistentVolume) -> None:
        """The volume first: a claim that names a volume which doesn't name it back waits."""
        meta = claim.metadata
        ref = ObjectReference(
            kind="PersistentVolumeClaim",
            api_version="v1",
            namespace=meta.namespace,
            name=meta.name,
            uid=meta.uid,
        )
        had = volume.spec.claim_ref
        if had is None or had.uid != meta.uid:
            noted = volume.metadata
            if had is None:
                noted = touched(noted, annotations={**noted.annotations, _BOUND_BY_US: "yes"})
            spec = replace(volume.spec, claim_ref=ref)
            volume = await self._api.update(replace(volume, metadata=noted, spec=spec))
        await self._volume_is(volume, "Bound")
        annotations = {**meta.annotations, _BIND_COMPLETED: "yes"}
        if not claim.spec.volume_name:
            annotations[_BOUND_BY_US] = "yes"
        spec_ = replace(claim.spec, volume_name=volume.metadata.name)
        claim = await self._api.update(
            replace(claim, metadata=touched(meta, annotations=annotations), spec=spec_)
        )
        await self._say_bound(claim, volume)

    async def _say_bound(self, claim: PersistentVolumeClaim, volume: PersistentVolume) -> None:
        status = replace(
            claim.status or PersistentVolumeClaimStatus(),
            phase="Bound",
            access_modes=volume.spec.access_modes,
            capacity=volume.spec.capacity,
        )
        await write_status(self._api, claim, status)

    async def _let_go(self, claim: PersistentVolumeClaim) -> None:
        """Deleted, and no pod uses it: it may go."""
        if PVC_PROTECTION in claim.metadata.finalizers and not self._pods_of(claim):
            await let_go(self._api, claim, PVC_PROTECTION)

    def _class_of(self, claim: PersistentVolumeClaim) -> StorageClass | None:
        name = claim.spec.storage_class_name
        return self._api.get(StorageClass, "", name) if name else None

    def _pods_of(self, claim: PersistentVolumeClaim) -> list[Pod]:
        """Those that mount it and have not ended."""
        return [
            pod
            for pod in self._api.list(Pod, claim.metadata.namespace)
            if claim.metadata.name in claims_of(pod)
            and not (pod.status and pod.status.phase in ("Succeeded", "Failed"))
        ]

    # --- making volumes

    async def _provision(self, claim: PersistentVolumeClaim, class_: StorageClass) -> None:
        if class_.provisioner != FOLDER_PROVISIONER or self._folders is None:
            why = (
                "Waiting for a volume to be created either by the external provisioner "
                f"'{class_.provisioner}' or manually by the system administrator. On this machine "
                f"nothing makes volumes but '{FOLDER_PROVISIONER}': create a PersistentVolume, or "
                "name no storage class"
            )
            await self._say(claim, NORMAL, "ExternalProvisioning", why)
            return
        name = f"pvc-{claim.metadata.uid}"
        try:
            path = self._folders.make(name)
        except OSError as why_not:
            await self._say(claim, WARNING, "ProvisioningFailed", f"no folder for it: {why_not}")
            return
        volume = self._api.get(PersistentVolume, "", name)
        if volume is None:
            volume = await self._api.create(_folder_volume(name, path, claim, class_))
            await self._say(
                claim, NORMAL, "ProvisioningSucceeded", f"Successfully provisioned volume {name}"
            )
        await self._bind(claim, volume)

    # --- volumes

    async def _look_at_volume(self, volume: PersistentVolume) -> None:
        ref = volume.spec.claim_ref
        if volume.metadata.deletion_timestamp:
            bound = ref is not None and self._claim_of(ref) is not None
            if PV_PROTECTION in volume.metadata.finalizers and not bound:
                await let_go(self._api, volume, PV_PROTECTION)
        elif ref is None or not ref.uid:
            await self._volume_is(volume, "Available")
        elif self._claim_of(ref) is None:
            await self._reclaim(volume)

    def _claim_of(self, ref: ObjectReference) -> PersistentVolumeClaim | None:
        claim = self._api.get(PersistentVolumeClaim, ref.namespace or "", ref.name or "")
        return claim if claim is not None and is_for(ref, claim) else None

    async def _reclaim(self, volume: PersistentVolume) -> None:
        """Its claim is gone. Retain: kept as it is, for a person to look at."""
        if volume_phase(volume) == "Failed":
            return
        volume = await self._volume_is(volume, "Released")
        if volume.spec.persistent_volume_reclaim_policy != "Delete":
            return
        path = volume.spec.host_path.path if volume.spec.host_path is not None else ""
        if self._folders is not None and self._folders.owns(path):
            try:
                await asyncio.to_thread(self._folders.remove, path)
            except OSError as why_not:
                await self._failed_to_delete(volume, f"{path} can't be removed: {why_not}")
                return
            await self._api.delete(PersistentVolume, "", volume.metadata.name)
        else:
            why = (
                f'error getting deleter volume plugin for volume "{volume.metadata.name}": no '
                "deletable volume plugin matched: only folders that were made here are removed; "
                "delete what it holds yourself, then the PersistentVolume"
            )
            await self._failed_to_delete(volume, why)

    async def _failed_to_delete(self, volume: PersistentVolume, why: str) -> None:
        await self._volume_is(volume, "Failed", message=why)
        await self._events.emit(volume, WARNING, "VolumeFailedDelete", why)

    async def _volume_is(
        self, volume: PersistentVolume, phase: str, *, message: str | None = None
    ) -> PersistentVolume:
        was = volume.status or PersistentVolumeStatus()
        if was.phase == phase and was.message == message:
            return volume
        now = timestamp(self._clock.now())
        status = replace(was, phase=phase, message=message, last_phase_transition_time=now)
        return await write_status(self._api, volume, status)

    # --- both

    async def _say(self, about: Object, type_: str, reason: str, message: str) -> None:
        """Once for as long as it stays so: we come by whenever anything changes."""
        uid = about.metadata.uid or ""
        if self._told.get(uid) != message:
            self._told[uid] = message
            await self._events.emit(about, type_, reason, message)


def _of_pod(pod: Pod) -> Iterable[Key]:
    """A pod may be the first to use a claim, or the last one."""
    return (ALL,) if claims_of(pod) else ()


def _folder_volume(
    name: str, path: str, claim: PersistentVolumeClaim, class_: StorageClass
) -> PersistentVolume:
    meta = claim.metadata
    return PersistentVolume(
        metadata=ObjectMeta(name=name, annotations={_PROVISIONED_BY: FOLDER_PROVISIONER}),
        spec=PersistentVolumeSpec(
            capacity=dict(claim.spec.resources.requests) if claim.spec.resources else {},
            access_modes=claim.spec.access_modes,
            claim_ref=ObjectReference(
                kind="PersistentVolumeClaim",
                api_version="v1",
                namespace=meta.namespace,
                name=meta.name,
                uid=meta.uid,
            ),
            persistent_volume_reclaim_policy=class_.reclaim_policy or "Delete",
            storage_class_name=class_.metadata.name,
            volume_mode=claim.spec.volume_mode,
            host_path=HostPathSource(path=path, type="DirectoryOrCreate"),
        ),
    )
