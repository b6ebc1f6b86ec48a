"""NFS exports that this machine has mounted already: found in its table of mounts, used where they are.

Nothing is mounted here: that takes an administrator, and an export that hangs would hang its pod.
"""

from __future__ import annotations

from pathlib import Path

from tidegate.model.volumes import NFSVolumeSource
from tidegate.node.errors import VolumeNotReady

_KINDS = ("nfs", "nfs4")
_MOUNTS = Path("/proc/mounts")


def nfs_path(volume: str, source: NFSVolumeSource, mounts: str | None = None) -> Path:
    """Where `server:path` is mounted, or a folder above it. `mounts`: as /proc/mounts is written; None:
    it is read. Raises `VolumeNotReady` with the way out."""
    text = _MOUNTS.read_text() if mounts is None else mounts
    best: tuple[int, Path] | None = None
    for line in text.splitlines():
        fields = line.split(" ")
        if len(fields) < 3 or fields[2] not in _KINDS:
            continue
        server, _, exported = _plain(fields[0]).rpartition(":")
        inner = _inside(source.path, exported)
        if server.strip("[]") != source.server.strip("[]") or inner is None:
            continue
        if best is None or len(exported) > best[0]:
            best = (len(exported), Path(_plain(fields[1]), inner))
    if best is None:
        what = f"{source.server}:{source.path}"
        raise VolumeNotReady(
            volume,
            f"{what} is not mounted on this machine: mount it (`mount -t nfs {what} /mnt/...`), or use "
            "a hostPath or a folder's claim",
        )
    return best[1]


def _inside(path: str, folder: str) -> str | None:
    path, folder = "/" + path.strip("/"), "/" + folder.strip("/")
    if folder == "/":
        return path.strip("/")
    if path == folder:
        return ""
    return path[len(folder) + 1 :] if path.startswith(f"{folder}/") else None


def _plain(text: str) -> str:
    """Octal escapes of white space and backslashes undone."""
    for escaped, plain in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(escaped, plain)
    return text
