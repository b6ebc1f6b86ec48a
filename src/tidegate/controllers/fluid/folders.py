"""A dataset as one path: links to where its mounts really are. Plain blocking code.

    <root>/<namespace>/<name>/data      a link: to the one mount at `/`, or to
    <root>/<namespace>/<name>/<digest>  a folder with a link for each mount

`data` never moves: a change of the mounts swaps the link, so pods that have it see old or new.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tidegate.model.meta import Key


@dataclass(frozen=True, slots=True)
class Measured:
    """Bytes of the data (what is linked twice counts once) and how many files it has.

    `cached_bytes` None: all of it is here."""

    size_bytes: int
    files: int
    cached_bytes: int | None = None


class DatasetFolders:
    """Folders below `root`, one per dataset. Touches nothing outside of it. Raises OSError."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path_of(self, key: Key) -> str:
        return str(self._folder(key) / "data")

    def lay(self, key: Key, links: Mapping[str, str]) -> None:
        """Make the dataset's path lead to these: place (empty: the dataset itself) -> real path."""
        folder = self._folder(key)
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        target = links[""] if "" in links else _view(folder, links)
        _link(folder / "data", target)
        for entry in folder.iterdir():
            if not entry.is_symlink() and entry.name != target:
                shutil.rmtree(entry)

    def remove(self, key: Key) -> None:
        """The links; what they lead to stays. Nothing there: nothing happens."""
        folder = self._folder(key)
        if folder.exists():
            shutil.rmtree(folder)  # removes links, never follows them
        with suppress(OSError):  # other datasets of the namespace are in it
            folder.parent.rmdir()

    def laid(self, key: Key) -> bool:
        return self._folder(key).exists()

    def has(self, key: Key, path: str) -> bool:
        """Whether there is something at a path of the dataset."""
        return os.path.exists(os.path.join(self.path_of(key), path.strip("/")))

    def _folder(self, key: Key) -> Path:
        return self._root / key.namespace / key.name


def missing(paths: Mapping[str, str]) -> str | None:
    """The first of the real paths that is not there."""
    return next((path for path in paths.values() if not os.path.exists(path)), None)


def measure(paths: Mapping[str, str], stop: threading.Event | None = None) -> Measured:
    """How much there is at these paths. What vanishes or can't be read meanwhile doesn't count.

    Long for a large tree: once `stop` is set, whatever was counted by then comes back.
    """
    seen: set[tuple[int, int]] = set()
    size = files = 0
    for path in paths.values():
        for file in _files(path):
            if stop is not None and stop.is_set():
                break
            with suppress(OSError):
                about = os.stat(file)
                if not stat.S_ISREG(about.st_mode):
                    continue
                files += 1
                if (about.st_dev, about.st_ino) not in seen:
                    seen.add((about.st_dev, about.st_ino))
                    size += about.st_size
    return Measured(size, files)


def _files(path: str) -> Iterator[str]:
    if not os.path.isdir(path):
        yield path
    for at, _, names in os.walk(path):
        for name in names:
            yield os.path.join(at, name)


def _view(folder: Path, links: Mapping[str, str]) -> str:
    """The name of the folder with these links; made if it is missing."""
    digest = hashlib.sha256(repr(sorted(links.items())).encode()).hexdigest()[:16]
    view = folder / digest
    for place, real in links.items():
        at = view / place
        at.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        _link(at, real)
    return digest


def _link(at: Path, target: str) -> None:
    with suppress(OSError):
        if os.readlink(at) == target:
            return
    new = at.parent / f".new-{at.name}"
    with suppress(FileNotFoundError):
        new.unlink()
    new.symlink_to(target)
    new.replace(at)
