"""What a pod sees of fetched data: links to folders of the model cache, `<pods>/<uid>/.fetched/<volume>`.

A view is made whole and moved into its place, so one that is there is all there; an agent that starts
again finds it and asks nobody. The links are dropped with the pod's folder, the data stays.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_FOLDER = ".fetched"  # no folder of a user's has such a name


def view_folder(pod: Path, volume: str) -> Path:
    return pod / _FOLDER / volume


def is_view(path: Path | None) -> bool:
    """Whether a volume's path is a view of fetched data."""
    return path is not None and path.parent.name == _FOLDER


def links_below(path: Path) -> dict[str, Path]:
    """A folder of links, in a view: path in it -> where the data is. For mounts of their own, where the
    links would lead nowhere."""
    return {inner: target.resolve() for inner, target in _links_in(path).items()}


def known_views(pod: Path) -> dict[str, Path]:
    """Volume -> its view, as made before; those whose data is gone are left out."""
    root = pod / _FOLDER
    if not root.is_dir():
        return {}
    return {
        entry.name: entry
        for entry in root.iterdir()
        if not entry.name.startswith(".") and entry.exists() and not _broken(entry)
    }


def lay_view(at: Path, links: Mapping[str, Path]) -> Path:
    """`links`: path in the view (empty: the view itself) -> where the data is. Adds to a view that is
    there. Returns `at`. Raises OSError."""
    at.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = at.parent / f".new-{at.name}"
    with suppress(FileNotFoundError):
        if new.is_symlink():
            new.unlink()
        else:
            shutil.rmtree(new)
    if set(links) == {""}:
        new.symlink_to(links[""])
    else:
        known = _links_in(at) if at.is_dir() and not at.is_symlink() else {}
        new.mkdir(mode=0o755)
        for place, target in {**known, **{k.strip("/"): v for k, v in links.items()}}.items():
            link = new / place
            link.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            link.symlink_to(target)
    _swap(new, at)
    return at


def _links_in(folder: Path) -> dict[str, Path]:
    return {
        str(entry.relative_to(folder)): entry.readlink()
        for entry in folder.rglob("*")
        if entry.is_symlink()
    }


def _swap(new: Path, at: Path) -> None:
    if at.is_dir() and not at.is_symlink():
        old = at.parent / f".old-{at.name}"
        shutil.rmtree(old, ignore_errors=True)
        at.rename(old)
        new.rename(at)
        shutil.rmtree(old)
    else:
        new.replace(at)


def _broken(view: Path) -> bool:
    if view.is_symlink():
        return False
    return any(entry.is_symlink() and not entry.exists() for entry in view.rglob("*"))
