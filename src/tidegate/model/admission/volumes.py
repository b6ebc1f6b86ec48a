"""Volumes and the mounts that use them.

Source: kubernetes pkg/apis/core/validation/validation.go (`ValidateVolumes`,
`ValidateVolumeMounts`).
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from tidegate.model import labels
from tidegate.model.admission.downward import check_downward, check_projected
from tidegate.model.admission.pod_defaults import VOLUME_SOURCES
from tidegate.model.admission.problems import (
    Problems,
    each_invalid,
    forbidden,
    invalid,
    not_found,
    one_of,
    repeated,
    required,
)
from tidegate.model.admission.resources import check_quantity
from tidegate.model.containers import VolumeMount
from tidegate.model.volumes import (
    ConfigMapVolumeSource,
    KeyToPath,
    NFSVolumeSource,
    SecretVolumeSource,
    Volume,
)

_MODE_MOST = 0o777
_HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)


def sources_of(volume: Volume) -> list[str]:
    """The wire names of the sources that are set."""
    return [name for name, field in VOLUME_SOURCES.items() if getattr(volume, field) is not None]


def check_volumes(volumes: Sequence[Volume], path: str) -> Problems:
    found: Problems = []
    for i, volume in enumerate(volumes):
        here = f"{path}[{i}]"
        if not volume.name:
            found.append(required(f"{here}.name"))
        else:
            problems = labels.dns1123_label(volume.name)
            found += each_invalid(f"{here}.name", volume.name, problems)
        found += _check_source(volume, here)
    return found + repeated((f"{path}[{i}].name", v.name) for i, v in enumerate(volumes))


def _check_source(volume: Volume, path: str) -> Problems:
    given = sources_of(volume)
    if not given:
        return [required(path, "must specify a volume type")]
    found: Problems = [
        forbidden(f"{path}.{extra}", "may not specify more than 1 volume type")
        for extra in given[1:]
    ]
    if volume.host_path is not None:
        found += _check_host_path(volume.host_path.path, f"{path}.hostPath.path")
        found += one_of(f"{path}.hostPath.type", volume.host_path.type, _HOST_PATH_TYPES)
    if volume.nfs is not None:
        found += check_nfs(volume.nfs, f"{path}.nfs")
    if volume.config_map is not None:
        if not volume.config_map.name:
            found.append(required(f"{path}.configMap.name"))
        found += _check_files(volume.config_map, f"{path}.configMap")
    if volume.secret is not None:
        if not volume.secret.secret_name:
            found.append(required(f"{path}.secret.secretName"))
        found += _check_files(volume.secret, f"{path}.secret")
    if volume.empty_dir is not None:
        found += check_quantity(volume.empty_dir.size_limit, f"{path}.emptyDir.sizeLimit")
    if volume.downward_api is not None:
        found += _check_mode(volume.downward_api.default_mode, f"{path}.downwardAPI.defaultMode")
        found += check_downward(volume.downward_api.items, f"{path}.downwardAPI")
    if volume.projected is not None:
        found += _check_mode(volume.projected.default_mode, f"{path}.projected.defaultMode")
        found += check_projected(volume.projected, f"{path}.projected")
    claim = volume.persistent_volume_claim
    if claim is not None and not claim.claim_name:
        found.append(required(f"{path}.persistentVolumeClaim.claimName"))
    return found


def _check_host_path(text: str, path: str) -> Problems:
    if not text:
        return [required(path)]
    if ".." in text.split("/"):
        return [invalid(path, text, "must not contain '..'")]
    return []


def check_nfs(source: NFSVolumeSource, path: str) -> Problems:
    found: Problems = []
    if not source.server:
        found.append(required(f"{path}.server"))
    if not source.path:
        found.append(required(f"{path}.path"))
    elif not source.path.startswith("/"):
        found.append(invalid(f"{path}.path", source.path, "must be an absolute path"))
    return found


def _check_files(source: ConfigMapVolumeSource | SecretVolumeSource, path: str) -> Problems:
    found = _check_mode(source.default_mode, f"{path}.defaultMode")
    for i, item in enumerate(source.items):
        found += _check_item(item, f"{path}.items[{i}]")
    return found


def _check_item(item: KeyToPath, path: str) -> Problems:
    found: Problems = []
    if not item.key:
        found.append(required(f"{path}.key"))
    if not item.path:
        found.append(required(f"{path}.path"))
    else:
        found += _check_inside(item.path, f"{path}.path")
    return found + _check_mode(item.mode, f"{path}.mode")


def _check_mode(mode: int | None, path: str) -> Problems:
    if mode is None or 0 <= mode <= _MODE_MOST:
        return []
    detail = "must be a number between 0 and 0777 (octal), both inclusive"
    return [invalid(path, mode, detail)]


def _check_inside(text: str, path: str) -> Problems:
    """A path that stays below its folder."""
    if posixpath.isabs(text):
        return [invalid(path, text, "must be a relative path")]
    if ".." in text.split("/"):
        return [invalid(path, text, "must not contain '..'")]
    return []


def check_mounts(mounts: Sequence[VolumeMount], volumes: Sequence[Volume], path: str) -> Problems:
    known = {volume.name for volume in volumes}
    seen: set[str] = set()
    found: Problems = []
    for i, mount in enumerate(mounts):
        here = f"{path}[{i}]"
        if not mount.name:
            found.append(required(f"{here}.name"))
        elif mount.name not in known:
            found.append(not_found(f"{here}.name", mount.name))
        if not mount.mount_path:
            found.append(required(f"{here}.mountPath"))
        elif mount.mount_path in seen:
            found.append(invalid(f"{here}.mountPath", mount.mount_path, "must be unique"))
        seen.add(mount.mount_path)
        if mount.sub_path:
            found += _check_inside(mount.sub_path, f"{here}.subPath")
        if mount.sub_path_expr:
            found += _check_inside(mount.sub_path_expr, f"{here}.subPathExpr")
            if mount.sub_path:
                detail = "subPathExpr and subPath are mutually exclusive"
                found.append(invalid(f"{here}.subPathExpr", mount.sub_path_expr, detail))
    return found
