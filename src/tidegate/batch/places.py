"""Where inputs and outputs are: files of this machine, standard input, objects in an S3 store.

The store's address and keys come from the environment, under AWS's names (AWS_ENDPOINT_URL,
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION) or from the run's options.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final, Protocol
from urllib.parse import urlsplit

from tidegate.batch.errors import BadPlan, InputFailed, OutputFailed

_CHUNK: Final = 1 << 20
STDIN: Final = "-"
Seekable = io.BufferedIOBase | IO[bytes]


@dataclass(frozen=True, slots=True)
class StoreAccess:
    """How to reach an S3 store. None: as the environment says."""

    endpoint: str | None = None
    region: str | None = None
    anonymous: bool = False


class Source(Protocol):
    """An input. `identity` changes when its content may have; `size` None: not known before its end."""

    identity: str
    size: int | None

    def chunks(self, offset: int) -> Iterator[bytes]:
        """Its bytes from there on. Raises `InputFailed`."""

    def seekable(self) -> Seekable:
        """All of it, to be read anywhere. Raises `InputFailed`."""


def is_object(text: str) -> bool:
    """Whether a place is in a store."""
    return text.startswith("s3://")


def source_of(text: str, access: StoreAccess) -> Source:
    """The input of this name. Raises `InputFailed`, `BadPlan`."""
    if text == STDIN:
        return Stdin()
    if is_object(text):
        return ObjectSource(text, access)
    if "://" in text and not text.startswith("file://"):
        raise BadPlan(f"input {text}: a file, s3://BUCKET/KEY, or - for standard input")
    return FileSource(Path(text.removeprefix("file://")))


class FileSource:
    """A file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open("rb"):
                pass
            found = path.stat()
        except OSError as why:
            raise InputFailed(f"input {path}: {why.strerror}") from why
        self.size: int | None = found.st_size
        self.identity = f"{path.resolve()} {found.st_size} {found.st_mtime_ns}"

    def chunks(self, offset: int) -> Iterator[bytes]:
        with self.seekable() as file:
            file.seek(offset)
            while True:
                try:
                    chunk = file.read(_CHUNK)
                except OSError as why:
                    raise InputFailed(f"input {self._path}: {why.strerror}") from why
                if not chunk:
                    return
                yield chunk

    def seekable(self) -> Seekable:
        try:
            return self._path.open("rb")
        except OSError as why:
            raise InputFailed(f"input {self._path}: {why.strerror}") from why


class Stdin:
    """Standard input: read once, from its beginning; a resumed run must be given the same again."""

    identity = STDIN
    size: int | None = None

    def chunks(self, offset: int) -> Iterator[bytes]:
        read = 0
        while chunk := os.read(sys.stdin.fileno(), _CHUNK):
            read += len(chunk)
            if read > offset:
                yield chunk[-(read - offset) :] if read - offset < len(chunk) else chunk

    def seekable(self) -> Seekable:
        raise InputFailed("Parquet can't be read from standard input: give a file")


class ObjectSource:
    """An object in a store."""

    def __init__(self, url: str, access: StoreAccess) -> None:
        import obstore

        self._url, self._store, self._key = url, *_opened(url, access)
        try:
            found = obstore.head(self._store, self._key)
        except (obstore.exceptions.BaseError, OSError) as why:
            raise InputFailed(f"input {url}: {_said(why)}") from why
        self.size: int | None = found["size"]
        self.identity = f"{url} {found['size']} {found['e_tag'] or found['last_modified']}"

    def chunks(self, offset: int) -> Iterator[bytes]:
        import obstore

        if offset >= (self.size or 0):
            return
        ranges = offset > 0 and self._gives_ranges()
        options: Any = {"range": {"offset": offset}} if ranges else {}
        skip = 0 if ranges else offset
        try:
            answer = obstore.get(self._store, self._key, options=options)
            for chunk in answer.stream(min_chunk_size=_CHUNK):
                if skip < len(chunk):
                    yield bytes(chunk)[skip:]
                skip = max(0, skip - len(chunk))
        except (obstore.exceptions.BaseError, OSError) as why:
            raise InputFailed(f"input {self._url}: {_said(why)}") from why

    def seekable(self) -> Seekable:
        import obstore

        if not self._gives_ranges():
            return self._copied()
        try:
            return _Seekable(obstore.open_reader(self._store, self._key, buffer_size=_CHUNK))
        except (obstore.exceptions.BaseError, OSError) as why:
            raise InputFailed(f"input {self._url}: {_said(why)}") from why

    def _gives_ranges(self) -> bool:
        """Whether the store sends a part of an object where one is asked for: some send all of it."""
        import obstore

        try:
            obstore.get_range(self._store, self._key, start=1, length=1)
        except (obstore.exceptions.BaseError, OSError):
            return False
        return True

    def _copied(self) -> Seekable:
        copy = TemporaryFile()  # noqa: SIM115 - closed by who reads it
        try:
            for chunk in self.chunks(0):
                copy.write(chunk)
            copy.seek(0)
        except OSError as why:
            raise InputFailed(f"input {self._url} can't be copied: {why.strerror}") from why
        return copy


class _Seekable(io.BufferedIOBase):
    """A reader of the store as Python's files are: what Parquet is read through."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        return bytes(self._reader.read(None if size is None or size < 0 else size))

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._reader.seek(offset, whence))

    def tell(self) -> int:
        return int(self._reader.tell())


def exists(url: str, access: StoreAccess) -> bool:
    """Whether an object is there. Raises `OutputFailed` when that can't be told."""
    import obstore

    store, key = _opened(url, access)
    try:
        obstore.head(store, key)
    except (FileNotFoundError, obstore.exceptions.NotFoundError):
        return False
    except (obstore.exceptions.BaseError, OSError) as why:
        raise OutputFailed(f"output {url}: {_said(why)}") from why
    return True


def upload(path: Path, url: str, access: StoreAccess) -> None:
    """Put a file into a store, in parts where it is large; it appears whole or not at all.
    Raises `OutputFailed`."""
    import obstore

    store, key = _opened(url, access)
    try:
        obstore.put(store, key, path)
    except (obstore.exceptions.BaseError, OSError) as why:
        raise OutputFailed(f"output {url} can't be uploaded: {_said(why)}") from why


def _opened(url: str, access: StoreAccess) -> tuple[Any, str]:
    from obstore.store import S3Store

    parts = urlsplit(url)
    key = parts.path.lstrip("/")
    if not parts.netloc or not key:
        raise BadPlan(f"{url}: write s3://BUCKET/KEY")
    return S3Store(parts.netloc, **settings_of(access, os.environ)), key


def settings_of(access: StoreAccess, environ: Mapping[str, str]) -> dict[str, Any]:
    """What the store's client is told; keys it finds in the environment itself. Plain HTTP is allowed
    where the address says so."""
    endpoint = access.endpoint or environ.get("AWS_ENDPOINT_URL") or environ.get("AWS_ENDPOINT")
    region = access.region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    out: dict[str, Any] = {"region": region or "us-east-1"}
    if endpoint:
        out |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
        if endpoint.startswith("http://"):
            out["client_options"] = {"allow_http": True}
    if access.anonymous:
        out["skip_signature"] = True
    return out


def _said(why: Exception) -> str:
    """What a store's client says in a person's words, or its first line; the rest is its inside."""
    from obstore import exceptions

    if isinstance(why, (exceptions.NotFoundError, FileNotFoundError)):
        return "the store has no such bucket or object"
    refused = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, PermissionError)
    if isinstance(why, refused):
        return (
            "the store refuses these keys: see AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or"
            " --s3-anonymous"
        )
    lines = [line.strip() for line in str(why).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(why).__name__


def as_stream(chunks: Iterable[bytes]) -> io.BufferedReader:
    """Chunks as a file that is read from front to back."""
    return io.BufferedReader(_Chunks(iter(chunks)), _CHUNK)


class _Chunks(io.RawIOBase):
    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            found = next(self._chunks, None)
            if found is None:
                return 0
            self._rest = found
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size
