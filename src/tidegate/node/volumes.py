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
from tidegate.model.admission.volumes import sources_of
from tidegate.model.pods import Pod
from tidegate.model.volumes import Volume
from tidegate.node.claimed import claimed_path
from tidegate.node.errors import VolumeNotReady
from tidegate.node.host_path import host_path
from tidegate.node.memory_folders import memory_folder
from tidegate.node.nfs import nfs_path
from tidegate.node.views import is_view
from tidegate.node.volume_files import Content, content_of


def make_volumes(
    reader: Reader,
    pod: Pod,
    volumes: Sequence[Volume],
    folder: Path,
    *,
    memory: Path | None = None,
    fetched: Mapping[str, Path] | None = None,
) -> dict[str, Path]:
    """Make or refresh these volumes of the pod under `folder`; name -> real path.

    `memory`: where folders on a tmpfs go; None: there is none. `fetched`: volumes that are views of
    the model cache. Running it again changes only what a
    changed ConfigMap, Secret or pod changes. Raises `VolumeNotReady`.
    """
    known = fetched or {}
    return {
        volume.name: known.get(volume.name) or _make(reader, pod, volume, folder, memory)
        for volume in volumes
    }


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
    if is_view(real) and not path.exists():
        raise VolumeNotReady(volume, f'subPath "{sub_path}" is not in what was fetched')
    if not path.exists():
        with suppress(FileExistsError):
            path.mkdir(parents=True)
    return path


def _make(reader: Reader, pod: Pod, volume: Volume, folder: Path, memory: Path | None) -> Path:
    path = folder / volume.name
    content = content_of(reader, pod, volume)
    if content is not None:
        _write(path, content)
        return path
    if volume.host_path is not None:
        return host_path(volume.name, volume.host_path)
    if volume.persistent_volume_claim is not None:
        claim = volume.persistent_volume_claim.claim_name
        return claimed_path(reader, pod.metadata.namespace or "", volume.name, claim)
    if volume.nfs is not None:
        return nfs_path(volume.name, volume.nfs)
    kind = next((source for source in sources_of(volume) if source != "emptyDir"), None)
    if kind is not None:
        raise VolumeNotReady(
            volume.name,
            f"volumes of type {kind} are not supported on this machine: use configMap, secret, "
            "projected, downwardAPI, emptyDir, hostPath, nfs or persistentVolumeClaim",
        )
    if volume.empty_dir is not None and volume.empty_dir.medium == "Memory" and memory is not None:
        quick = memory_folder(memory, pod.metadata.uid or "", volume.name)
        if quick is not None:
            return quick
    path.mkdir(mode=0o700, parents=True, exist_ok=True)  # emptyDir, or nothing said
    return path


def _write(path: Path, made: Content) -> None:
    files, mode = made.files, made.mode
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
