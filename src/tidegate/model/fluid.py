"""data.fluid.io/v1alpha1: datasets and loads.

Source: fluid api/v1alpha1 ({dataset,dataload}_types.go).
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from tidegate.model.meta import Condition, Object
from tidegate.model.wire import ClusterOnly, NotHonoured, Wire, always

GROUP = "data.fluid.io"
#: The driver of the volume that a dataset gives, and where on this machine it leads to.
FLUID_DRIVER = "fuse.csi.fluid.io"
FLUID_PATH = "fluid_path"
FLUID_CLASS = "fluid"

IN_PLACE: dict[str, str] = {
    "note": "kept; it has no effect here: data is read in place or fetched, without Fluid's processes"
}
#: About the processes that cache and mount on a cluster.
InPlace = Annotated[Any, msgspec.Meta(extra=IN_PLACE)]


class SecretKeyRef(Wire, frozen=True, kw_only=True):
    name: str = ""
    key: str | None = None


class EncryptOptionSource(Wire, frozen=True, kw_only=True):
    secret_key_ref: SecretKeyRef | None = None


class EncryptOption(Wire, frozen=True, kw_only=True):
    """An option whose value is a Secret's. Never in a status."""

    name: str = ""
    value_from: EncryptOptionSource | None = None


EncryptOptions = tuple[EncryptOption, ...]
Options = dict[str, str]


class DatasetMount(Wire, frozen=True, kw_only=True):
    """`path` in the dataset; absent: `/<name>`; `/`: the dataset itself. What is fetched is read-only
    whatever `read_only` says."""

    mount_point: str = ""
    name: str | None = None
    path: str | None = None
    options: Options = {}
    encrypt_options: EncryptOptions = ()
    read_only: bool | None = None
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
    options: Annotated[dict[str, str], msgspec.Meta(extra=IN_PLACE)] = {}
    policy: str | None = None  # Once or Cron
    schedule: str | None = None  # of policy Cron: five fields, in the engine's zone
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
