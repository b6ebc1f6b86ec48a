"""core/v1: the volumes of a pod, and where what is in them comes from."""

from __future__ import annotations

import msgspec

from tidegate.model.containers import ObjectFieldSelector, ResourceFieldSelector
from tidegate.model.wire import NotHonoured, QuantityText, Wire


class KeyToPath(Wire, frozen=True, kw_only=True):
    key: str
    path: str
    mode: int | None = None


class ConfigMapVolumeSource(Wire, frozen=True, kw_only=True):
    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int | None = None
    optional: bool | None = None


class SecretVolumeSource(Wire, frozen=True, kw_only=True):
    secret_name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int | None = None
    optional: bool | None = None


class EmptyDirVolumeSource(Wire, frozen=True, kw_only=True):
    medium: str | None = None
    size_limit: QuantityText | None = None


class HostPathVolumeSource(Wire, frozen=True, kw_only=True):
    path: str
    type: str | None = None


class NFSVolumeSource(Wire, frozen=True, kw_only=True):
    """An export that this machine has mounted already."""

    server: str = ""
    path: str = ""
    read_only: bool | None = None


class PersistentVolumeClaimVolumeSource(Wire, frozen=True, kw_only=True):
    claim_name: str
    read_only: bool | None = None


class DownwardAPIFile(Wire, frozen=True, kw_only=True):
    """Exactly one of the two references."""

    path: str
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    mode: int | None = None


class DownwardAPIVolumeSource(Wire, frozen=True, kw_only=True):
    items: tuple[DownwardAPIFile, ...] = ()
    default_mode: int | None = None


class ProjectedConfigMap(Wire, frozen=True, kw_only=True):
    """A ConfigMap or a Secret inside a projected volume."""

    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    optional: bool | None = None


class ProjectedDownwardAPI(Wire, frozen=True, kw_only=True):
    items: tuple[DownwardAPIFile, ...] = ()


class VolumeProjection(Wire, frozen=True, kw_only=True):
    """One source of a projected volume."""

    config_map: ProjectedConfigMap | None = None
    secret: ProjectedConfigMap | None = None
    downward_api: ProjectedDownwardAPI | None = msgspec.field(default=None, name="downwardAPI")
    service_account_token: NotHonoured = None
    cluster_trust_bundle: NotHonoured = None


class ProjectedVolumeSource(Wire, frozen=True, kw_only=True):
    sources: tuple[VolumeProjection, ...] = ()
    default_mode: int | None = None


class Volume(Wire, frozen=True, kw_only=True):
    name: str
    config_map: ConfigMapVolumeSource | None = None
    secret: SecretVolumeSource | None = None
    empty_dir: EmptyDirVolumeSource | None = None
    host_path: HostPathVolumeSource | None = None
    persistent_volume_claim: PersistentVolumeClaimVolumeSource | None = None
    projected: ProjectedVolumeSource | None = None
    downward_api: DownwardAPIVolumeSource | None = msgspec.field(default=None, name="downwardAPI")
    csi: NotHonoured = None
    nfs: NFSVolumeSource | None = None
    ephemeral: NotHonoured = None
    image: NotHonoured = None
    # Network disks of clusters, and drivers that are gone. A pod that mounts one says so and waits.
    aws_elastic_block_store: NotHonoured = None
    azure_disk: NotHonoured = None
    azure_file: NotHonoured = None
    cephfs: NotHonoured = None
    cinder: NotHonoured = None
    fc: NotHonoured = None
    flex_volume: NotHonoured = None
    flocker: NotHonoured = None
    gce_persistent_disk: NotHonoured = None
    git_repo: NotHonoured = None
    glusterfs: NotHonoured = None
    iscsi: NotHonoured = None
    photon_persistent_disk: NotHonoured = None
    portworx_volume: NotHonoured = None
    quobyte: NotHonoured = None
    rbd: NotHonoured = None
    scale_io: NotHonoured = msgspec.field(default=None, name="scaleIO")
    storageos: NotHonoured = None
    vsphere_volume: NotHonoured = None
