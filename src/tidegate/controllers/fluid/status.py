"""What datasets and their runtimes report. Pure.

Source: fluid pkg/ddc/jindofsx/{dataset,runtime_info,ufs,cache}.go.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from tidegate.controllers.fluid.folders import Measured
from tidegate.kit.sizes import bytes_text
from tidegate.model.conditions import merged, timestamp
from tidegate.model.fluid import Dataset, DatasetRuntime, DatasetStatus
from tidegate.model.fluid_runtimes import RUNTIMES, DataRuntime, RuntimeStatus
from tidegate.model.meta import Condition
from tidegate.policy.cache_place import level_quota

CALCULATING = "[Calculating]"


def capacity_bytes(runtime: DataRuntime) -> Decimal:
    """What its workers' tiers hold together."""
    workers = 1 if runtime.spec.replicas is None else runtime.spec.replicas
    quotas = (level_quota(level) or Decimal(0) for level in runtime.spec.tieredstore.levels)
    return workers * sum(quotas, Decimal(0))


def cache_states(
    runtime: DataRuntime, measured: Measured | None, hit_ratio: float | None = None
) -> dict[str, str]:
    """Data of this machine counts as cached. `hit_ratio` None: nothing was asked of the cache yet."""
    found = {"cacheCapacity": bytes_text(capacity_bytes(runtime))}
    if measured is None:
        return found
    cached = measured.size_bytes if measured.cached_bytes is None else measured.cached_bytes
    share = cached / measured.size_bytes if measured.size_bytes else 1.0
    found |= {"cached": bytes_text(cached), "cachedPercentage": _percent(share)}
    if hit_ratio is not None:
        found |= {"cacheHitRatio": _percent(hit_ratio), "localHitRatio": _percent(hit_ratio)}
        found["remoteHitRatio"] = _percent(0.0)  # no other worker has a cache of its own
    return found


def _percent(share: float) -> str:
    """Rounded down: 100.0% is all of it."""
    return f"{int(share * 1000) / 10:.1f}%"


def bound(
    dataset: Dataset,
    runtime: DataRuntime,
    measured: Measured | None,
    now_s: float,
    *,
    hit_ratio: float | None = None,
) -> DatasetStatus:
    """`measured` None: it is being counted."""
    was = dataset.status or DatasetStatus()
    master = runtime.spec.master
    return replace(
        was,
        phase="Bound",
        conditions=_ready(was, "Ready", "DatasetReady", "The ddc runtime is ready.", now_s),
        mounts=tuple(replace(mount, encrypt_options=()) for mount in dataset.spec.mounts),
        ufs_total=CALCULATING if measured is None else bytes_text(measured.size_bytes),
        file_num=CALCULATING if measured is None else str(measured.files),
        cache_states={**_ratios(was), **cache_states(runtime, measured, hit_ratio)},
        runtimes=(
            DatasetRuntime(
                name=runtime.metadata.name,
                namespace=runtime.metadata.namespace,
                category="Accelerate",
                type=RUNTIMES[type(runtime)],
                master_replicas=master.replicas if master is not None else None,
            ),
        ),
    )


def _ratios(was: DatasetStatus) -> dict[str, str]:
    """What was counted before the last start of the engine stays until there is more to count."""
    return {key: value for key, value in was.cache_states.items() if key.endswith("HitRatio")}


def asking(dataset: Dataset, now_s: float) -> DatasetStatus:
    """The store has not yet said what there is."""
    was = dataset.status or DatasetStatus()
    why = "asking the store what there is"
    conditions = _ready(was, "NotReady", "DatasetNotReady", why, now_s)
    return replace(was, phase="NotBound", conditions=conditions, ufs_total=CALCULATING)


def not_bound() -> DatasetStatus:
    """No runtime of its name is there."""
    return DatasetStatus(phase="NotBound")


def unready(dataset: Dataset, why: str, now_s: float) -> DatasetStatus:
    """A runtime is there, the data is not. A dataset that was bound has failed."""
    was = dataset.status or DatasetStatus()
    phase = "Failed" if was.phase in ("Bound", "Failed") else "NotBound"
    conditions = _ready(was, "NotReady", "DatasetFailedToSetup", why, now_s)
    return replace(was, phase=phase, conditions=conditions)


def _ready(
    was: DatasetStatus, type_: str, reason: str, message: str, now_s: float
) -> tuple[Condition, ...]:
    condition = Condition(type=type_, status="True", reason=reason, message=message)
    now = merged(was.conditions, (condition,), now_s=now_s)
    return tuple(replace(c, last_update_time=c.last_transition_time) for c in now)


def runtime_ready(
    runtime: DataRuntime, status: DatasetStatus, *, used: bool, now_s: float
) -> RuntimeStatus:
    """What the parts would report: a master, the workers, and a fuse where a pod mounts the claim."""
    was = runtime.status or RuntimeStatus()
    masters = (runtime.spec.master.replicas if runtime.spec.master else None) or 1
    workers, fuses = runtime.spec.replicas or 0, int(used)
    return RuntimeStatus(
        master_phase="Ready",
        worker_phase="Ready",
        fuse_phase="Ready",
        desired_master_number_scheduled=masters,
        current_master_number_scheduled=masters,
        master_number_ready=masters,
        desired_worker_number_scheduled=workers,
        current_worker_number_scheduled=workers,
        worker_number_ready=workers,
        worker_number_available=workers,
        desired_fuse_number_scheduled=fuses,
        current_fuse_number_scheduled=fuses,
        fuse_number_ready=fuses,
        fuse_number_available=fuses,
        cache_states=status.cache_states,
        mounts=status.mounts,
        mount_time=was.mount_time or timestamp(now_s),
    )


def runtime_unready(why: str) -> RuntimeStatus:
    return RuntimeStatus(
        master_phase="NotReady",
        worker_phase="NotReady",
        fuse_phase="NotReady",
        master_reason=why,
    )
