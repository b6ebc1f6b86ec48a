"""Persistent volumes, the claims that bind them, and storage classes."""

from __future__ import annotations

from tidegate.model.meta import Condition, LabelSelector, Object, ObjectReference
from tidegate.model.volumes import NFSVolumeSource
from tidegate.model.wire import ClusterOnly, NotHonoured, QuantityText, Wire

#: Where a claim that names no class gets its volume: a folder of this machine.
FOLDER_CLASS = "tidegate"
FOLDER_PROVISIONER = "tidegate.dev/folder"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
PV_PROTECTION = "kubernetes.io/pv-protection"
PVC_PROTECTION = "kubernetes.io/pvc-protection"


class HostPathSource(Wire, frozen=True, kw_only=True):
    path: str = ""
    type: str | None = None


class LocalSource(Wire, frozen=True, kw_only=True):
    path: str = ""
    fs_type: str | None = None


class SecretReference(Wire, frozen=True, kw_only=True):
    name: str | None = None
    namespace: str | None = None


class CSISource(Wire, frozen=True, kw_only=True):
    """A storage driver's volume, such as a bucket (`ossplugin.csi.alibabacloud.com`)."""

    driver: str = ""
    volume_handle: str = ""
    read_only: bool | None = None
    fs_type: str | None = None
    volume_attributes: dict[str, str] = {}
    controller_publish_secret_ref: SecretReference | None = None
    node_stage_secret_ref: SecretReference | None = None
    node_publish_secret_ref: SecretReference | None = None
    controller_expand_secret_ref: ClusterOnly = None
    node_expand_secret_ref: ClusterOnly = None


class NodeSelectorRequirement(Wire, frozen=True, kw_only=True):
    key: str
    operator: str
    values: tuple[str, ...] = ()


class NodeSelectorTerm(Wire, frozen=True, kw_only=True):
    """All requirements must hold."""

    match_expressions: tuple[NodeSelectorRequirement, ...] = ()
    match_fields: tuple[NodeSelectorRequirement, ...] = ()


class NodeSelector(Wire, frozen=True, kw_only=True):
    """One term is enough."""

    node_selector_terms: tuple[NodeSelectorTerm, ...] = ()


class VolumeNodeAffinity(Wire, frozen=True, kw_only=True):
    required: NodeSelector | None = None


class PersistentVolumeSpec(Wire, frozen=True, kw_only=True):
    """Exactly one source. `claim_ref` without a uid: kept for that claim; with one: bound to it."""

    capacity: dict[str, QuantityText] = {}
    access_modes: tuple[str, ...] = ()
    claim_ref: ObjectReference | None = None
    persistent_volume_reclaim_policy: str | None = None
    storage_class_name: str | None = None
    volume_attributes_class_name: ClusterOnly = None
    mount_options: ClusterOnly = None
    volume_mode: str | None = None
    node_affinity: VolumeNodeAffinity | None = None
    host_path: HostPathSource | None = None
    local: LocalSource | None = None
    csi: CSISource | None = None
    nfs: NFSVolumeSource | None = None
    iscsi: NotHonoured = None
    fc: NotHonoured = None
    cephfs: NotHonoured = None
    rbd: NotHonoured = None
    glusterfs: NotHonoured = None
    azure_file: NotHonoured = None
    azure_disk: NotHonoured = None
    aws_elastic_block_store: NotHonoured = None
    gce_persistent_disk: NotHonoured = None
    flex_volume: NotHonoured = None


#: Wire name -> attribute, of every kind of source.
VOLUME_KINDS: dict[str, str] = {
    "hostPath": "host_path",
    "local": "local",
    "csi": "csi",
    "nfs": "nfs",
    "iscsi": "iscsi",
    "fc": "fc",
    "cephfs": "cephfs",
    "rbd": "rbd",
    "glusterfs": "glusterfs",
    "azureFile": "azure_file",
    "azureDisk": "azure_disk",
    "awsElasticBlockStore": "aws_elastic_block_store",
    "gcePersistentDisk": "gce_persistent_disk",
    "flexVolume": "flex_volume",
}


class PersistentVolumeStatus(Wire, frozen=True, kw_only=True):
    """`phase`: Pending, Available, Bound, Released or Failed."""

    phase: str | None = None
    message: str | None = None
    reason: str | None = None
    last_phase_transition_time: str | None = None


class PersistentVolume(Object, frozen=True, kw_only=True):
    spec: PersistentVolumeSpec = PersistentVolumeSpec()
    status: PersistentVolumeStatus | None = None


class VolumeResources(Wire, frozen=True, kw_only=True):
    requests: dict[str, QuantityText] = {}
    limits: dict[str, QuantityText] = {}


class PersistentVolumeClaimSpec(Wire, frozen=True, kw_only=True):
    """`storage_class_name` None: the default class may serve it; empty: only a volume of no class."""

    access_modes: tuple[str, ...] = ()
    selector: LabelSelector | None = None
    resources: VolumeResources | None = None
    volume_name: str | None = None
    storage_class_name: str | None = None
    volume_mode: str | None = None
    data_source: NotHonoured = None
    data_source_ref: NotHonoured = None
    volume_attributes_class_name: ClusterOnly = None


class PersistentVolumeClaimStatus(Wire, frozen=True, kw_only=True):
    """`phase`: Pending, Bound or Lost."""

    phase: str | None = None
    access_modes: tuple[str, ...] = ()
    capacity: dict[str, QuantityText] = {}
    conditions: tuple[Condition, ...] = ()


class PersistentVolumeClaim(Object, frozen=True, kw_only=True):
    spec: PersistentVolumeClaimSpec = PersistentVolumeClaimSpec()
    status: PersistentVolumeClaimStatus | None = None


class StorageClass(Object, frozen=True, kw_only=True):
    """`provisioner` `tidegate.dev/folder` makes folders; any other makes nothing here."""

    provisioner: str = ""
    parameters: dict[str, str] = {}
    reclaim_policy: str | None = None
    volume_binding_mode: str | None = None
    allow_volume_expansion: bool | None = None
    mount_options: ClusterOnly = None
    allowed_topologies: ClusterOnly = None


def is_default(class_: StorageClass) -> bool:
    return class_.metadata.annotations.get(DEFAULT_CLASS) == "true"
