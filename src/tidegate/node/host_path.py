"""A path of this machine as a volume: what its type asks for is checked, or made.

Source: kubernetes pkg/volume/host_path.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

from tidegate.model.volumes import HostPathVolumeSource
from tidegate.node.errors import VolumeNotReady

_TYPES: dict[str, tuple[Callable[[int], bool], str]] = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "FileOrCreate": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket file"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


def host_path(volume: str, source: HostPathVolumeSource) -> Path:
    """The path, checked and made as its type asks. Raises `VolumeNotReady`."""
    path, type_ = Path(source.path), source.type or ""
    if not type_:
        return path
    if type_ not in _TYPES:
        raise VolumeNotReady(
            volume, f'hostPath type "{type_}" is not known: one of {", ".join(_TYPES)}'
        )
    check, name = _TYPES[type_]
    try:
        if type_ == "DirectoryOrCreate":
            path.mkdir(mode=0o755, parents=True, exist_ok=True)
        elif type_ == "FileOrCreate" and not path.exists():
            path.touch(mode=0o644)
        mode = path.stat().st_mode
    except OSError as why:
        raise VolumeNotReady(
            volume, f"hostPath type check failed: {path} is not {name} ({why.strerror})"
        ) from why
    if not check(mode):
        raise VolumeNotReady(volume, f"hostPath type check failed: {path} is not {name}")
    return path
