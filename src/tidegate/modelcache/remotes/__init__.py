"""One file per kind of store: how it lists, and what to send to read a file of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tidegate.modelcache.patience import Patience
from tidegate.modelcache.source import Kind, Source
from tidegate.modelcache.values import Listing, RemoteFile
from tidegate.modelcache.web import Request, Tls


@dataclass(frozen=True, slots=True)
class Context:
    """What reading a store needs besides its address."""

    patience: Patience
    stop: threading.Event  # set: give up at the next opportunity
    now: Callable[[], float]  # Unix seconds, for signatures
    note: Callable[[str], None]  # told why something is tried again


class Remote(Protocol):
    """A source in its store."""

    @property
    def signs(self) -> bool:
        """Whether requests carry keys: says which way out a refusal names."""
        ...

    @property
    def tls(self) -> Tls:
        """Whom to trust when files are read."""
        ...

    @property
    def tells_etags(self) -> bool:
        """Whether answers carry the ETag that was listed: reads ask with If-Match and compare."""
        ...

    def listing(self) -> Listing:
        """All files of the source, now. Raises `CacheError`: an empty source is `NotThere`."""
        ...

    def request(self, file: RemoteFile) -> Request:
        """A GET of the whole file; the reader adds Range and If-Match. Signed for a few minutes."""
        ...

    def what(self, file: RemoteFile) -> str:
        """The file and its store, for people."""
        ...


def remote_of(source: Source, context: Context) -> Remote:
    """How to read a source. Imports what its kind needs, and no more."""
    match source.kind:
        case Kind.S3:
            from tidegate.modelcache.remotes.s3 import S3

            return S3(source, context)
        case Kind.GCS | Kind.AZURE:
            from tidegate.modelcache.remotes.clouds import Cloud

            return Cloud(source, context)
        case Kind.HTTP:
            from tidegate.modelcache.remotes.https import Https

            return Https(source, context)
        case Kind.HF:
            from tidegate.modelcache.remotes.hub import Hub

            return Hub(source, context)
        case Kind.FILE:
            raise ValueError(f"{source.shown} is on this machine: remotes.local copies it")
