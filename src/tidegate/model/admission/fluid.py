"""Fluid's kinds: defaults, and what is wrong with one.

Upstream finds out when a pod mounts; here a mount that can't be served is refused when it is written.
Source: the CRDs of fluid (enums, required fields); pkg/utils/tieredstore.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import TypeVar

from msgspec.structs import replace

from tidegate.kit.quantity import BadQuantity, parse_quantity
from tidegate.kit.schedule import BadSchedule, parse_five_fields
from tidegate.model.admission.problems import (
    IMMUTABLE,
    Problems,
    duplicate,
    forbidden,
    invalid,
    not_negative,
    one_of,
    required,
)
from tidegate.model.admission.storage import ACCESS_MODES
from tidegate.model.fluid import DataLoad, Dataset, EncryptOption
from tidegate.model.fluid_mounts import BadMount, place_of, source_of
from tidegate.model.fluid_runtimes import DataRuntime, TierLevel

_MEDIUMS = ("MEM", "SSD", "HDD")
RuntimeT = TypeVar("RuntimeT", bound=DataRuntime)


def default_dataset(dataset: Dataset, old: Dataset | None) -> Dataset:
    modes = dataset.spec.access_modes or ("ReadOnlyMany",)
    return replace(dataset, spec=replace(dataset.spec, access_modes=modes))


def check_dataset(dataset: Dataset) -> Problems:
    spec = dataset.spec
    found = one_of("spec.placement", spec.placement or None, ("Exclusive", "Shared"))
    for i, mode in enumerate(spec.access_modes):
        found += one_of(f"spec.accessModes[{i}]", mode, ACCESS_MODES)
    if not spec.mounts:
        found.append(required("spec.mounts", "at least one"))
    places: dict[str, int] = {}
    for i, mount in enumerate(spec.mounts):
        path = f"spec.mounts[{i}]"
        if not mount.mount_point:
            found.append(required(f"{path}.mountPoint"))
            continue
        try:
            source_of(mount)
            place = place_of(mount)
        except BadMount as why:
            found.append(invalid(f"{path}.{why.field}", why.value, why.why))
            continue
        found += _check_encrypted(mount.encrypt_options, f"{path}.encryptOptions")
        if place in places:
            found.append(duplicate(f"{path}.path", f"/{place}"))
        places.setdefault(place, i)
    found += _check_encrypted(spec.shared_encrypt_options, "spec.sharedEncryptOptions")
    return found + _nested(places)


def _check_encrypted(options: Sequence[EncryptOption], path: str) -> Problems:
    found: Problems = []
    for i, option in enumerate(options):
        ref = option.value_from.secret_key_ref if option.value_from is not None else None
        if not option.name:
            found.append(required(f"{path}[{i}].name"))
        if ref is None or not ref.name or not ref.key:
            found.append(required(f"{path}[{i}].valueFrom.secretKeyRef", "with name and key"))
    return found


def check_dataset_change(dataset: Dataset, old: Dataset) -> Problems:
    """The claim is made with them, and a claim keeps its modes."""
    if dataset.spec.access_modes == old.spec.access_modes:
        return []
    return [invalid("spec.accessModes", list(dataset.spec.access_modes), IMMUTABLE)]


def _nested(places: dict[str, int]) -> Problems:
    """One mount inside of another would be made in the other's data."""
    found: Problems = []
    for inner, i in places.items():
        for outer in places:
            if inner != outer and (not outer or inner.startswith(outer + "/")):
                why = f'lies in the mount at "/{outer}": give each a path of its own'
                found.append(invalid(f"spec.mounts[{i}].path", f"/{inner}", why))
                break
    return found


def default_runtime(runtime: RuntimeT, old: RuntimeT | None) -> RuntimeT:
    replicas = 1 if runtime.spec.replicas is None else runtime.spec.replicas
    return replace(runtime, spec=replace(runtime.spec, replicas=replicas))


def check_runtime(runtime: DataRuntime) -> Problems:
    spec = runtime.spec
    found = not_negative("spec.replicas", spec.replicas)
    master = spec.master
    if master is not None and master.replicas is not None and master.replicas < 1:
        found.append(
            invalid("spec.master.replicas", master.replicas, "must be greater than or equal to 1")
        )
    for i, level in enumerate(spec.tieredstore.levels):
        found += _check_level(level, f"spec.tieredstore.levels[{i}]")
    return found


def _check_level(level: TierLevel, path: str) -> Problems:
    if not level.mediumtype:
        return [required(f"{path}.mediumtype")]
    found = one_of(f"{path}.mediumtype", level.mediumtype, _MEDIUMS)
    found += one_of(f"{path}.volumeType", level.volume_type, ("hostPath", "emptyDir"))
    given = [] if level.quota is None else [("quota", level.quota)]
    given += [("quotaList", text) for text in (level.quota_list or "").split(",") if text]
    for field, text in given:
        try:
            if parse_quantity(text) < 0:
                found.append(invalid(f"{path}.{field}", text, "must not be negative"))
        except BadQuantity as why:
            found.append(invalid(f"{path}.{field}", text, str(why)))
    for field, ratio in (("high", level.high), ("low", level.low)):
        if ratio is not None and not _is_ratio(ratio):
            found.append(invalid(f"{path}.{field}", ratio, "must be a number from 0 to 1"))
    given_both = level.high is not None and level.low is not None
    if not found and given_both and float(level.low or 0) > float(level.high or 0):
        found.append(invalid(f"{path}.low", level.low or "", f"is above high, {level.high}"))
    return found + _check_paths(level, path)


def _check_paths(level: TierLevel, path: str) -> Problems:
    """Folders that are made for the cache: full paths, each with a quota of its own if they are listed."""
    paths = [each.strip() for each in (level.path or "").split(",") if each.strip()]
    found: Problems = []
    for each in paths:
        if not each.startswith("/") or not each.strip("/") or ".." in each.split("/"):
            why = 'must be full paths below /, without ".."'
            found.append(invalid(f"{path}.path", level.path or "", why))
    quotas = [text for text in (level.quota_list or "").split(",") if text]
    if quotas and paths and len(quotas) != len(paths):
        why = f"has {len(quotas)} quotas for {len(paths)} paths"
        found.append(invalid(f"{path}.quotaList", level.quota_list or "", why))
    return found


def _is_ratio(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False


def default_load(load: DataLoad, old: DataLoad | None) -> DataLoad:
    return replace(load, spec=replace(load.spec, policy=load.spec.policy or "Once"))


def _check_schedule(schedule: str | None) -> Problems:
    if not schedule:
        return [required("spec.schedule", "when `policy` is Cron")]
    try:
        parse_five_fields(schedule, UTC)
    except BadSchedule as why:
        return [invalid("spec.schedule", schedule, str(why))]
    return []


def check_load(load: DataLoad) -> Problems:
    spec = load.spec
    found: Problems = []
    if not spec.dataset.name:
        found.append(required("spec.dataset.name"))
    if spec.dataset.namespace and spec.dataset.namespace != load.metadata.namespace:
        why = "must be the DataLoad's own namespace: create it where the Dataset is"
        found.append(invalid("spec.dataset.namespace", spec.dataset.namespace, why))
    found += one_of("spec.policy", spec.policy, ("Once", "Cron", "OnEvent"))
    if spec.policy == "OnEvent":
        why = "OnEvent is not served here: say Cron, or create a DataLoad when there is new data"
        found.append(forbidden("spec.policy", why))
    if spec.policy == "Cron":
        found += _check_schedule(spec.schedule)
    elif spec.schedule:
        found.append(forbidden("spec.schedule", "may only be set when `policy` is Cron"))
    for i, target in enumerate(spec.target):
        if ".." in target.path.split("/"):
            found.append(invalid(f"spec.target[{i}].path", target.path, 'must not contain ".."'))
    return found + not_negative("spec.ttlSecondsAfterFinished", spec.ttl_seconds_after_finished)
