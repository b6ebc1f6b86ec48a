"""data.fluid.io/v1alpha1: data sets, the runtimes that would cache them, and loads.

Source: fluid api/v1alpha1 ({dataset,jindoruntime,alluxioruntime,efcruntime,dataload}_types.go).
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from tidegate.model.meta import Condition, Object
from tidegate.model.wire import ClusterOnly, NotHonoured, QuantityText, Wire, always

GROUP = "data.fluid.io"
#: The driver of the volume that a dataset gives, and where on this machine it leads to.
FLUID_DRIVER = "fuse.csi.fluid.io"
FLUID_PATH = "fluid_path"
FLUID_CLASS = "fluid"

_IN_PLACE = {"note": "kept; it has no effect on data that is read in place"}
#: About caching: there is nothing to cache of data on this machine.
InPlace = Annotated[Any, msgspec.Meta(extra=_IN_PLACE)]


class SecretKeyRef(Wire, frozen=True, kw_only=True):
    name: str = ""
    key: str | None = None


class EncryptOptionSource(Wire, frozen=True, kw_only=True):
    secret_key_ref: SecretKeyRef | None = None


class EncryptOption(Wire, frozen=True, kw_only=True):
    """An option whose value is a Secret's. Never in a status."""

    name: str = ""
    value_from: EncryptOptionSource | None = None


EncryptOptions = Annotated[tuple[EncryptOption, ...], msgspec.Meta(extra=_IN_PLACE)]
Options = Annotated[dict[str, str], msgspec.Meta(extra=_IN_PLACE)]


class DatasetMount(Wire, frozen=True, kw_only=True):
    """`path` in the dataset; absent: `/<name>`; `/`: the dataset itself."""

    mount_point: str = ""
    name: str | None = None
    path: str | None = None
    options: Options = {}
    encrypt_options: EncryptOptions = ()
    read_only: NotHonoured = None
    shared: NotHonoured = None


class DatasetRuntime(Wire, frozen=True, kw_only=True):
    name: str | None = None
    namespace: str | None = None
    category: str | None = None
    type: str | None = None
    master_replicas: int | None = None


class DatasetSpec(Wire, frozen=True, kw_only=True):
    """`access_modes` empty: ReadOnlyMany."""

    mounts: tuple[DatasetMount, ...] = ()
    access_modes: tuple[str, ...] = ()
    shared_options: Options = {}
    shared_encrypt_options: EncryptOptions = ()
    placement: Annotated[
        str | None,
        msgspec.Meta(extra={"note": "kept, but it only has an effect on a cluster"}),
    ] = None
    node_affinity: ClusterOnly = None
    tolerations: ClusterOnly = None
    owner: NotHonoured = None
    runtimes: NotHonoured = None
    data_restore_location: NotHonoured = None


class HcfsStatus(Wire, frozen=True, kw_only=True):
    endpoint: str | None = None
    underlayer_file_system_version: str | None = None


class DatasetStatus(Wire, frozen=True, kw_only=True):
    """`phase`: NotBound, Bound or Failed. `ufs_total`: `[Calculating]` until it is measured.

    `mounts` carry no encrypt options. `cache_states` of data that is read in place: all of it.
    """

    phase: str | None = None
    conditions: tuple[Condition, ...] = always(())
    mounts: tuple[DatasetMount, ...] = ()
    ufs_total: str | None = None
    file_num: str | None = None
    cache_states: dict[str, str] = {}
    runtimes: tuple[DatasetRuntime, ...] = ()
    hcfs: HcfsStatus | None = None
    dataset_ref: tuple[str, ...] = ()
    operation_ref: dict[str, str] = {}
    data_load_ref: str | None = None
    data_backup_ref: str | None = None


class Dataset(Object, frozen=True, kw_only=True):
    spec: DatasetSpec = DatasetSpec()
    status: DatasetStatus | None = None


class TierLevel(Wire, frozen=True, kw_only=True):
    """`quota` is shared by the paths of `path` (comma separated); `quota_list` gives each its own."""

    mediumtype: str = ""
    volume_type: InPlace = None
    volume_source: InPlace = None
    path: InPlace = None
    quota: QuantityText | None = None
    quota_list: str | None = None
    high: Annotated[str | None, msgspec.Meta(extra=_IN_PLACE)] = None
    low: Annotated[str | None, msgspec.Meta(extra=_IN_PLACE)] = None


class TieredStore(Wire, frozen=True, kw_only=True):
    levels: tuple[TierLevel, ...] = ()


class RuntimePart(Wire, frozen=True, kw_only=True):
    """Master, worker or fuse: no such pods run here, so only `replicas` of a master counts."""

    replicas: int | None = None
    disabled: ClusterOnly = None
    enabled: ClusterOnly = None
    env: ClusterOnly = None
    labels: ClusterOnly = None
    image: ClusterOnly = None
    image_tag: ClusterOnly = None
    image_pull_policy: ClusterOnly = None
    image_pull_secrets: ClusterOnly = None
    jvm_options: ClusterOnly = None
    log_config: ClusterOnly = None
    metrics: ClusterOnly = None
    network_mode: ClusterOnly = None
    node_selector: ClusterOnly = None
    pod_metadata: ClusterOnly = None
    ports: ClusterOnly = None
    properties: InPlace = None
    resources: ClusterOnly = None
    tolerations: ClusterOnly = None
    version: ClusterOnly = None
    volume_mounts: ClusterOnly = None


class FusePart(RuntimePart, frozen=True, kw_only=True):
    args: InPlace = None
    clean_policy: InPlace = None


class RuntimeSpec(Wire, frozen=True, kw_only=True):
    """What all runtimes have. `replicas`: workers; each would have the whole `tieredstore`."""

    replicas: int | None = None
    tieredstore: TieredStore = TieredStore()
    master: RuntimePart | None = None
    worker: RuntimePart | None = None
    fuse: FusePart | None = None
    pod_metadata: ClusterOnly = None


class JindoRuntimeSpec(RuntimeSpec, frozen=True, kw_only=True):
    jindo_version: ClusterOnly = None
    properties: InPlace = None
    run_as: ClusterOnly = None
    user: ClusterOnly = None
    labels: ClusterOnly = None
    secret: InPlace = None
    hadoop_config: InPlace = None
    log_config: ClusterOnly = None
    networkmode: ClusterOnly = None
    clean_cache_policy: InPlace = None
    image_pull_secrets: ClusterOnly = None
    volumes: ClusterOnly = None


class AlluxioRuntimeSpec(RuntimeSpec, frozen=True, kw_only=True):
    alluxio_version: ClusterOnly = None
    job_master: ClusterOnly = None
    job_worker: ClusterOnly = None
    api_gateway: ClusterOnly = None
    init_users: ClusterOnly = None
    properties: InPlace = None
    jvm_options: ClusterOnly = None
    data: InPlace = None
    run_as: ClusterOnly = None
    disable_prometheus: ClusterOnly = None
    hadoop_config: InPlace = None
    management: InPlace = None
    image_pull_secrets: ClusterOnly = None
    volumes: ClusterOnly = None


class EFCRuntimeSpec(RuntimeSpec, frozen=True, kw_only=True):
    init_fuse: ClusterOnly = None
    os_advise: ClusterOnly = None
    clean_cache_policy: InPlace = None


class RuntimeStatus(Wire, frozen=True, kw_only=True):
    """Phases: NotReady, PartialReady or Ready. Counts are of pods that a cluster would have."""

    master_phase: str = always("")
    worker_phase: str = always("")
    fuse_phase: str = always("")
    master_reason: str | None = None
    worker_reason: str | None = None
    fuse_reason: str | None = None
    value_file: str = always("")
    desired_master_number_scheduled: int = always(0)
    current_master_number_scheduled: int = always(0)
    master_number_ready: int = always(0)
    desired_worker_number_scheduled: int = always(0)
    current_worker_number_scheduled: int = always(0)
    worker_number_ready: int = always(0)
    worker_number_available: int | None = None
    worker_number_unavailable: int | None = None
    desired_fuse_number_scheduled: int = always(0)
    current_fuse_number_scheduled: int = always(0)
    fuse_number_ready: int = always(0)
    fuse_number_available: int | None = None
    fuse_number_unavailable: int | None = None
    setup_duration: str | None = None
    mount_time: str | None = None
    conditions: tuple[Condition, ...] = ()
    cache_states: dict[str, str] = {}
    mounts: tuple[DatasetMount, ...] = ()
    selector: str | None = None
    api_gateway: HcfsStatus | None = None
    cache_affinity: Any = None


class DataRuntime(Object, frozen=True, kw_only=True):
    """What the kinds of runtimes share; not a kind itself."""

    spec: RuntimeSpec = RuntimeSpec()
    status: RuntimeStatus | None = None


class JindoRuntime(DataRuntime, frozen=True, kw_only=True):
    spec: JindoRuntimeSpec = JindoRuntimeSpec()


class AlluxioRuntime(DataRuntime, frozen=True, kw_only=True):
    spec: AlluxioRuntimeSpec = AlluxioRuntimeSpec()


class EFCRuntime(DataRuntime, frozen=True, kw_only=True):
    spec: EFCRuntimeSpec = EFCRuntimeSpec()


#: Kinds of runtimes, and their type as a Dataset's status names it.
RUNTIMES: dict[type[DataRuntime], str] = {
    JindoRuntime: "jindo",
    AlluxioRuntime: "alluxio",
    EFCRuntime: "efc",
}


class TargetDataset(Wire, frozen=True, kw_only=True):
    """`namespace` empty: the load's own."""

    name: str = ""
    namespace: str | None = None


class LoadTarget(Wire, frozen=True, kw_only=True):
    path: str = "/"
    replicas: InPlace = None


class DataLoadSpec(Wire, frozen=True, kw_only=True):
    """`target` empty: the whole dataset. `load_metadata`: sizes are measured anyway."""

    dataset: TargetDataset = TargetDataset()
    load_metadata: bool | None = None
    target: tuple[LoadTarget, ...] = ()
    options: Options = {}
    policy: str | None = None
    schedule: NotHonoured = None
    run_after: NotHonoured = None
    ttl_seconds_after_finished: int | None = None
    affinity: ClusterOnly = None
    node_selector: ClusterOnly = None
    pod_metadata: ClusterOnly = None
    resources: ClusterOnly = None
    scheduler_name: ClusterOnly = None
    tolerations: ClusterOnly = None


class OperationStatus(Wire, frozen=True, kw_only=True):
    """`phase`: Pending, Complete or Failed. `duration`: `Unfinished` until it has ended."""

    phase: str = always("")
    duration: str = always("")
    conditions: tuple[Condition, ...] = always(())
    infos: dict[str, str] = {}
    last_schedule_time: str | None = None
    last_successful_time: str | None = None
    node_affinity: Any = None
    waiting_for: Any = None


class DataLoad(Object, frozen=True, kw_only=True):
    spec: DataLoadSpec = DataLoadSpec()
    status: OperationStatus | None = None
