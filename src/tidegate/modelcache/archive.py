"""Archives of models, unpacked with suspicion.

Paths that climb out, absolute paths, links that lead out, devices and pipes are refused, whole: an
archive that tries one of them is not a model. Links inside become the files they mean. Modes, owners and times are
dropped: what is unpacked is read-only data.
Source: KServe's storage initializer unpacks `.zip .tar .tgz .tar.gz`, one archive alone, wherever it is from.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import IO

from tidegate.modelcache.errors import BadArchive

_CHUNK = 1 << 20

Take = Callable[[str, Path, str], object]
"""(path in the snapshot, file, sha256): one unpacked file."""


def unpack(archive: Path, name: str, folder: Path, take: Take, grew: Callable[[int], None]) -> int:
    """Unpack into `folder` file by file, giving each to `take`; how many there were.

    `grew` is told the bytes that are about to be written, and may raise. Raises `BadArchive`.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    members = _zip_members if name.lower().endswith(".zip") else _tar_members
    seen: dict[str, str] = {}
    links: list[tuple[str, str]] = []
    try:
        for path, content in members(archive, name):
            if isinstance(content, str):
                links.append((path, content))
                continue
            staged = folder / f"{len(seen)}"
            digest = _write(content, staged, grew)
            if path in seen:
                raise BadArchive(f"{name}: {path!r} is in it twice: pack it again")
            seen[path] = digest
            take(path, staged, digest)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as why:
        raise BadArchive(f"{name}: it can't be unpacked ({why}): pack it again") from why
    except (RuntimeError, NotImplementedError) as why:  # zipfile: encrypted, unknown compression
        raise BadArchive(f"{name}: it can't be unpacked ({why}): pack it again") from why
    for path, target in links:
        if target not in seen or path in seen:
            raise BadArchive(f"{name}: {path!r} links to {target!r}, which is no file of it")
        seen[path] = seen[target]
        take(path, folder / "link", seen[target])
    _no_clashes(name, seen)
    if not seen:
        raise BadArchive(f"{name}: there are no files in it")
    return len(seen)


def _no_clashes(name: str, paths: dict[str, str]) -> None:
    for path in paths:
        above = dirname(path)
        while above:
            if above in paths:
                raise BadArchive(f"{name}: {above!r} is a file and a folder in it")
            above = dirname(above)


def _write(content: IO[bytes], staged: Path, grew: Callable[[int], None]) -> str:
    digest = hashlib.sha256()
    staged.unlink(missing_ok=True)
    with staged.open("xb") as out:
        while chunk := content.read(_CHUNK):
            grew(len(chunk))
            out.write(chunk)
            digest.update(chunk)
    return digest.hexdigest()


def _inside(name: str, path: str) -> str:
    """The path of a member, made plain. Raises `BadArchive` when it climbs out."""
    plain = normpath(path)
    if path.startswith("/") or plain == ".." or plain.startswith("../") or "\0" in path:
        raise BadArchive(f"{name}: {path!r} leads out of the folder it is unpacked to: refused")
    return plain


def _zip_members(archive: Path, name: str) -> Iterator[tuple[str, IO[bytes] | str]]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            path = _inside(name, info.filename)
            kind = (info.external_attr >> 16) & 0o170000
            if info.is_dir():
                continue
            if kind == 0o120000:
                yield path, _target(name, path, file.read(info).decode(errors="replace"))
            elif kind in (0, 0o100000):
                with file.open(info) as content:
                    yield path, content
            else:
                raise BadArchive(f"{name}: {path!r} is a device or a pipe: refused")


def _tar_members(archive: Path, name: str) -> Iterator[tuple[str, IO[bytes] | str]]:
    with tarfile.open(archive) as file:
        for info in file:
            path = _inside(name, info.name)
            if info.isdir():
                continue
            if info.issym():
                yield path, _target(name, path, info.linkname)
            elif info.islnk():
                yield path, _inside(name, info.linkname)
            elif info.isfile() and (content := file.extractfile(info)) is not None:
                yield path, content
            else:
                raise BadArchive(f"{name}: {path!r} is a device or a pipe: refused")


def _target(name: str, path: str, link: str) -> str:
    if os.path.isabs(link):
        raise BadArchive(f"{name}: {path!r} links to {link!r}, out of the folder: refused")
    return _inside(name, join(dirname(path), link))
