"""Where the objects of a prefix land in a snapshot."""

from __future__ import annotations

from collections.abc import Iterable

from tidegate.modelcache.errors import BadSource
from tidegate.modelcache.source import Source
from tidegate.modelcache.values import RemoteFile


def below(prefix: str, key: str) -> str | None:
    """The path of an object in the snapshot; None: it is no part of the source.

    The object of exactly that name keeps its last part; others are taken when they are below
    it as a folder: `models/iris` never takes `models/iris-2/x`. Names that end in a slash are
    folders' marks, and no files.
    """
    if key.endswith("/"):
        return None
    if not prefix:
        return key
    if key == prefix:
        return key.rpartition("/")[2]
    folder = prefix if prefix.endswith("/") else prefix + "/"
    return key[len(folder) :] if key.startswith(folder) else None


def chosen(source: Source, found: Iterable[tuple[str, RemoteFile]]) -> tuple[RemoteFile, ...]:
    """The files of a source among (key, file with its path), in order.

    An object of exactly the source's name is the source, whatever lies below it. Raises
    `BadSource` when a name can't be a path here, or one name is both a file and a folder.
    """
    files = list(found)
    exact = [file for key, file in files if key == source.path]
    picked = sorted(exact or [file for _, file in files], key=lambda file: file.path)
    folders: set[str] = set()
    for file in picked:
        steps = file.path.split("/")
        if any(step in ("", ".", "..") for step in steps) or "\0" in file.path:
            raise BadSource(f"{source.shown}: {file.path!r} can't be the path of a file: rename it")
        folders.update("/".join(steps[:count]) for count in range(1, len(steps)))
    clash = next((file.path for file in picked if file.path in folders), None)
    if clash is not None:
        raise BadSource(
            f"{source.shown}: {clash!r} is an object and has objects below it: "
            "a folder here can't hold both, rename one"
        )
    return tuple(picked)
