"""What of a pod's volumes a container gets, at the paths of the document.

Reads the volumes as they were made for the pod (`Site.volumes`). Links that the engine laid become mounts
of their own; links that a pod may have put there lead nowhere in the container.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tidegate.kit.home import Home
from tidegate.model.containers import Container
from tidegate.model.pods import Pod
from tidegate.model.volumes import Volume
from tidegate.node.containers.command import Mount
from tidegate.node.errors import VolumeNotReady
from tidegate.node.launch import Site, sub_path
from tidegate.node.termination import message_file
from tidegate.node.views import is_view, links_below
from tidegate.node.volumes import mount_path_of

_MESSAGES = "/dev/termination-log"
_ALL_MAY_WRITE = 0o666
_SCRATCH_MODE = 0o777  # of an emptyDir, as the kubelet makes it


def mounts_of(
    pod: Pod, container: Container, site: Site, env: Mapping[str, str]
) -> tuple[Mount, ...]:
    """The container's mounts, and the file for its termination message. Makes what is missing of them.
    `env` is what subPathExpr is expanded by. Raises `VolumeNotReady`."""
    volumes = {volume.name: volume for volume in pod.spec.volumes}
    found: list[Mount] = []
    for mount in container.volume_mounts:
        real = site.volumes.get(mount.name)
        if real is None:
            continue
        volume = volumes.get(mount.name)
        fetched = is_view(real)
        if volume is not None and volume.empty_dir is not None and not fetched:
            _open_scratch(pod, real)
        below = sub_path(mount, dict(env))
        _check_stays_inside(mount.name, real, below, site.home)
        path = mount_path_of(mount.name, real, below)
        only = fetched or bool(mount.read_only) or (volume is not None and _is_read_only(volume))
        found += _mount(path, mount.mount_path, site.home, only=only)
    found.append(_message_mount(pod, container, site))
    return tuple(found)


def _check_stays_inside(volume: str, root: Path, below: str | None, home: Home) -> None:
    """A pod may have put a link into its volume: a subPath through it would be a way out of the
    container. Raises `VolumeNotReady`."""
    if not below or is_view(root) or _is_laid_by_us(Path(os.path.realpath(root)), home):
        return
    if not Path(os.path.realpath(root / below)).is_relative_to(os.path.realpath(root)):
        raise VolumeNotReady(volume, f'subPath "{below}" leads out of the volume by a link')


def _is_laid_by_us(real: Path, home: Home) -> bool:
    return is_view(real) or real.is_relative_to(os.path.realpath(home.datasets))


def _mount(path: Path, target: str, home: Home, *, only: bool) -> tuple[Mount, ...]:
    """Links of a view or a dataset, which the engine made, lead nowhere in the container: each is a
    mount of its own. Those in other volumes are the pods' and are not followed. Fetched data is
    everybody's, so it is read-only."""
    real = Path(os.path.realpath(path))
    links = links_below(real) if _is_laid_by_us(real, home) and real.is_dir() else {}
    at = target.rstrip("/")
    places = {f"{at}/{inner}": there for inner, there in links.items()} or {target: real}
    cache = os.path.realpath(home.cache)
    return tuple(
        Mount(str(there), place, only or there.is_relative_to(cache))
        for place, there in places.items()
    )


def _is_read_only(volume: Volume) -> bool:
    claim = volume.persistent_volume_claim
    made = (volume.config_map, volume.secret, volume.downward_api, volume.projected)
    return any(made) or bool(claim is not None and claim.read_only)


def _open_scratch(pod: Pod, folder: Path) -> None:
    """Whoever the container runs as may write; the folders above keep other users out."""
    whole = pod.spec.security_context
    group = whole.get("fsGroup") if isinstance(whole, dict) else None
    with suppress(OSError):
        folder.chmod(_SCRATCH_MODE)
        if isinstance(group, int):
            shutil.chown(folder, group=group)
            folder.chmod(0o2775)


def _message_mount(pod: Pod, container: Container, site: Site) -> Mount:
    file = message_file(site.folder(pod), container.name)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch()
    file.chmod(_ALL_MAY_WRITE)
    return Mount(str(file), container.termination_message_path or _MESSAGES)
