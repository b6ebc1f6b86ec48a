"""A pod's volumes as folders: `<pods>/<uid>/volumes/<name>`.

ConfigMaps and Secrets are written as the kubelet writes them: files in a hidden folder, a `..data`
link to it that is swapped by rename, and one link per top-level name through `..data`; so a later
change of the ConfigMap appears whole or not at all. They are 1 MiB at most, which is why this is
plain blocking code. What is missing raises `VolumeNotReady`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tidegate.client.api import Reader
from tidegate.model.core import ConfigMap, KeyToPath, Pod, Secret, Volume
from tidegate.node.claimed import claimed_path
from tidegate.node.environment import config_data, secret_data
from tidegate.node.errors import VolumeNotReady
from tidegate.node.host_path import host_path

_FILE_MODE = 0o644


def make_volumes(
    reader: Reader, pod: Pod, volumes: Sequence[Volume], folder: Path
) -> dict[str, Path]:
    """Make or refresh these volumes of the pod under `folder`; name -> real path.

    Running it again changes only what a changed ConfigMap or Secret changes. Raises `VolumeNotReady`.
    """
    return {volume.name: _make(reader, pod, volume, folder) for volume in volumes}


def mount_path_of(volume: str, real: Path, sub_path: str | None) -> Path:
    """Where a mount of a volume really is. Makes a missing subPath folder, as the kubelet does.

    Raises `VolumeNotReady` for a subPath that leaves the volume.
    """
    if not sub_path:
        return real
    parts = Path(sub_path).parts
    if Path(sub_path).is_absolute() or ".." in parts:
        raise VolumeNotReady(volume, f'subPath "{sub_path}" must be relative and not contain ".."')
    path = real / sub_path
    if not path.exists():
        with suppress(FileExistsError):
            path.mkdir(parents=True)
    return path


def references(pod: Pod) -> frozenset[tuple[type[ConfigMap] | type[Secret], str]]:
    """The ConfigMaps and Secrets that the pod's volumes show, whose changes must be written."""
    found: set[tuple[type[ConfigMap] | type[Secret], str]] = set()
    for volume in pod.spec.volumes:
        if volume.config_map is not None:
            found.add((ConfigMap, volume.config_map.name))
        if volume.secret is not None:
            found.add((Secret, volume.secret.secret_name))
    return frozenset(found)


def _make(reader: Reader, pod: Pod, volume: Volume, folder: Path) -> Path:
    path, space = folder / volume.name, pod.metadata.namespace or ""
    if volume.config_map is not None:
        config_source = volume.config_map
        config = reader.get(ConfigMap, space, config_source.name)
        if config is None and not config_source.optional:
            raise VolumeNotReady(volume.name, f'configmap "{config_source.name}" not found')
        data = {} if config is None else config_data(config)
        what = f"configmap {space}/{config_source.name}"
        files = _projected(
            volume.name, what, data, config_source.items, bool(config_source.optional)
        )
        _write(path, files, config_source.default_mode)
    elif volume.secret is not None:
        secret_source = volume.secret
        secret = reader.get(Secret, space, secret_source.secret_name)
        if secret is None and not secret_source.optional:
            raise VolumeNotReady(volume.name, f'secret "{secret_source.secret_name}" not found')
        data = {} if secret is None else secret_data(secret)
        what = f"secret {space}/{secret_source.secret_name}"
        files = _projected(
            volume.name, what, data, secret_source.items, bool(secret_source.optional)
        )
        _write(path, files, secret_source.default_mode)
    elif volume.host_path is not None:
        return host_path(volume.name, volume.host_path)
    elif volume.persistent_volume_claim is not None:
        claim = volume.persistent_volume_claim.claim_name
        return claimed_path(reader, space, volume.name, claim)
    else:
        kind = _refused_kind(volume)
        if kind is not None:
            raise VolumeNotReady(
                volume.name,
                f"volumes of type {kind} are not supported on this machine: use configMap, secret, "
                "emptyDir, hostPath or persistentVolumeClaim",
            )
        path.mkdir(mode=0o700, parents=True, exist_ok=True)  # emptyDir, or nothing said
    return path


def _refused_kind(volume: Volume) -> str | None:
    others = {
        "projected": volume.projected,
        "downwardAPI": volume.downward_api,
        "csi": volume.csi,
        "nfs": volume.nfs,
        "ephemeral": volume.ephemeral,
        "image": volume.image,
    }
    return next((kind for kind, value in others.items() if value is not None), None)


def _projected(
    volume: str, what: str, data: Mapping[str, bytes], items: Sequence[KeyToPath], optional: bool
) -> dict[str, tuple[bytes, int | None]]:
    """Relative path -> content and own mode."""
    if not items:
        return {key: (value, None) for key, value in data.items()}
    files: dict[str, tuple[bytes, int | None]] = {}
    for item in items:
        if Path(item.path).is_absolute() or ".." in Path(item.path).parts:
            raise VolumeNotReady(
                volume, f'path "{item.path}" must be relative and not contain ".."'
            )
        if item.key in data:
            files[item.path] = (data[item.key], item.mode)
        elif not optional:
            raise VolumeNotReady(volume, f"{what} references non-existent config key: {item.key}")
    return files


def _write(
    path: Path, files: Mapping[str, tuple[bytes, int | None]], default_mode: int | None
) -> None:
    mode = _FILE_MODE if default_mode is None else default_mode
    digest = hashlib.sha256()
    for name, (content, own_mode) in sorted(files.items()):
        digest.update(f"{name}\0{own_mode or mode}\0{len(content)}\0".encode() + content)
    payload = path / f"..{digest.hexdigest()[:16]}"
    data, old = path / "..data", None
    with suppress(OSError):
        old = os.readlink(data)
    if old == payload.name:
        return
    if payload.exists():  # half written by an agent that was killed
        shutil.rmtree(payload)
    payload.mkdir(parents=True)
    for name, (content, own_mode) in files.items():
        file = payload / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(mode if own_mode is None else own_mode)
    _link(data, payload.name)
    tops = {Path(name).parts[0] for name in files}
    for top in tops:
        if not (path / top).is_symlink():
            _link(path / top, f"..data/{top}")
    for entry in path.iterdir():
        if not entry.name.startswith("..") and entry.name not in tops:
            entry.unlink()
    if old is not None:
        shutil.rmtree(path / old, ignore_errors=True)


def _link(at: Path, target: str) -> None:
    new = at.parent / f"..new-{at.name}"
    with suppress(FileNotFoundError):
        new.unlink()
    new.symlink_to(target)
    new.replace(at)
