"""Where the output of a container goes: one file per run, and which of them are still wanted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tidegate.model.pods import Pod

_OURS = ("keeper", "gateway", "control-plane")


def log_path(folder: Path, pod: Pod, container: str, attempt: int) -> Path:
    """`<pod>_<namespace>_<container>-<id>.<attempt>.log`; the id keeps pods of one name apart."""
    return folder / f"{_stem(pod, container)}.{attempt}.log"


def drop_log(folder: Path, pod: Pod, container: str, attempt: int) -> None:
    """Remove one run's log and its rotated half."""
    path = log_path(folder, pod, container, attempt)
    for name in (path, Path(f"{path}.1")):
        with suppress(FileNotFoundError):
            name.unlink()


def drop_logs(folder: Path, pod: Pod) -> None:
    """Remove everything that a pod's containers wrote."""
    stems = {_stem(pod, c.name) for c in (*pod.spec.containers, *pod.spec.init_containers)}
    _drop(path for path in folder.glob("*.log*") if _stem_of(path) in stems)


def drop_orphans(folder: Path, pods: Iterable[Pod]) -> None:
    """Remove the logs of pods that are no more."""
    stems = {_stem(p, c.name) for p in pods for c in (*p.spec.containers, *p.spec.init_containers)}
    _drop(
        path
        for path in folder.glob("*_*_*.log*")
        if not path.name.startswith(_OURS) and _stem_of(path) not in stems
    )


def _stem(pod: Pod, container: str) -> str:
    meta = pod.metadata
    mark = hashlib.sha1(f"{meta.uid}/{container}".encode(), usedforsecurity=False).hexdigest()[:8]
    # Kubernetes allows names that are together longer than a file's may be (255).
    return f"{meta.name[:100]}_{meta.namespace or ''}_{container}-{mark}"


def _stem_of(path: Path) -> str:
    return path.name.partition(".log")[0].rpartition(".")[0]


def _drop(paths: Iterable[Path]) -> None:
    for path in list(paths):
        with suppress(FileNotFoundError):
            path.unlink()
