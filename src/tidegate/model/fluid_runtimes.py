"""data.fluid.io/v1alpha1: the runtimes that would cache a dataset of their name.

Source: fluid api/v1alpha1 ({jindoruntime,alluxioruntime,efcruntime}_types.go).
"""

from __future__ import annotations

from typing import Any

from tidegate.model.fluid import DatasetMount, HcfsStatus, InPlace
from tidegate.model.meta import Condition, Object
from tidegate.model.wire import ClusterOnly, QuantityText, Wire, always


class TierLevel(Wire, frozen=True, kw_only=True):
    """`quota` is shared by the paths of `path` (comma separated); `quota_list` gives each its own."""

    mediumtype: str = ""
    volume_type: str | None = None  # emptyDir: a folder of the engine's own, whatever `path` says
    volume_source: InPlace = None
    path: str | None = None
    quota: QuantityText | None = None
    quota_list: str | None = None
    high: str | None = None  # share of the quota above which the oldest go, until `low` is reached
    low: str | None = None


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
