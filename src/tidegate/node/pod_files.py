"""What lies in a pod's folder besides volumes, and its removal.

`ports.json` is written before the process that uses those ports is started: an agent that is killed
between the two finds them again, although the pod's status never told.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection
from pathlib import Path

import msgspec

from tidegate.model.pods import LocalPort

_PORTS = "ports.json"
_decoder = msgspec.json.Decoder(tuple[LocalPort, ...])


def remember_ports(folder: Path, ports: tuple[LocalPort, ...]) -> None:
    """Write them, whole or not at all."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = folder / f".{_PORTS}"
    fresh.write_text(json.dumps(msgspec.to_builtins(ports)))
    fresh.replace(folder / _PORTS)


def recall_ports(folder: Path) -> tuple[LocalPort, ...]:
    """Empty when there are none, or none that can be read."""
    try:
        return _decoder.decode((folder / _PORTS).read_bytes())
    except (OSError, msgspec.DecodeError):
        return ()


def remove_pod_folder(folder: Path) -> None:
    """All of it; links are not followed. Nothing there: nothing happens."""
    shutil.rmtree(folder, onerror=_unlock)


def remove_orphan_folders(pods: Path, uids: Collection[str]) -> None:
    """The folders of pods that are no more. Dot folders are the keeper's."""
    for entry in pods.iterdir():
        if not entry.name.startswith(".") and entry.name not in uids:
            remove_pod_folder(entry)


def _unlock(function: object, path: str, error: object) -> None:
    """A pod may have made a folder read-only: make its parent writable and try once more."""
    try:
        os.chmod(Path(path).parent, 0o700)
        if os.path.isdir(path) and not os.path.islink(path):
            os.chmod(path, 0o700)
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)
    except OSError:
        return
