"""emptyDir volumes of medium Memory: folders on the machine's own tmpfs.

`<Home.memory>/<uid>/<volume>`; the engines of one machine don't meet there, and the keeper takes all of
it away when the engine ends. Where there is no tmpfs to write to, such a volume is a folder on disk, and
the pod's status says so.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path


def memory_folder(root: Path, uid: str, volume: str) -> Path | None:
    """Made if it is missing. None: there is no tmpfs for us."""
    path = root / uid / volume
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    return path


def remove_memory(root: Path, uid: str) -> None:
    """What a pod had."""
    shutil.rmtree(root / uid, ignore_errors=True)
    with suppress(OSError):
        root.rmdir()  # of the last pod that had one


def remove_orphan_memory(root: Path, uids: Collection[str]) -> None:
    """What pods had that are no more."""
    if root.is_dir():
        for entry in root.iterdir():
            if entry.name not in uids and not entry.name.startswith("."):  # datasets' tiers
                remove_memory(root, entry.name)
