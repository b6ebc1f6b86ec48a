"""Files of this machine as a source: listed by size and time, copied by the kernel."""

from __future__ import annotations

import os
from pathlib import Path

from tidegate.modelcache.errors import NotThere, Refused
from tidegate.modelcache.source import Source
from tidegate.modelcache.values import Listing, RemoteFile


class Local:
    """A file, or a folder and what is below it. Links to files are followed, links to folders not."""

    def __init__(self, source: Source) -> None:
        self._source, self._root = source, Path(source.path)

    def place(self, file: RemoteFile) -> Path:
        """Where a listed file is."""
        return self._root if file.whole else self._root / file.path

    def listing(self) -> Listing:
        """Raises `NotThere`, `Refused`."""
        try:
            if self._root.is_file():
                return Listing((_file(self._root, self._root.name, whole=True),))
            if not self._root.is_dir():
                raise NotThere(
                    f"{self._source.shown}: there is no such file or folder: mend the path"
                )
            found = [
                _file(Path(folder, name), os.path.relpath(os.path.join(folder, name), self._root))
                for folder, _, names in os.walk(self._root, onerror=_raise)
                for name in names
                if os.path.isfile(os.path.join(folder, name))
            ]
        except PermissionError as why:
            raise Refused(
                f"{self._source.shown}: {why.filename} can't be read: mend its mode"
            ) from why
        if not found:
            raise NotThere(f"{self._source.shown}: the folder is empty")
        return Listing(tuple(sorted(found, key=lambda file: file.path)))


def _raise(why: OSError) -> None:
    raise why


def _file(place: Path, path: str, *, whole: bool = False) -> RemoteFile:
    about = place.stat()
    return RemoteFile(
        path=path,
        size=about.st_size,
        etag=f"{about.st_dev:x}-{about.st_ino:x}-{about.st_mtime_ns:x}-{about.st_ctime_ns:x}",
        whole=whole,
    )
