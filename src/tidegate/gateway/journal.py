"""The gateway's table on disk, so that a new gateway serves before any control plane has spoken.

A file of messages as the control plane sent them, one a line: a snapshot and the changes since. A
change costs one short append instead of writing the whole table again (with 1,000 services that would
stop traffic for milliseconds at each change); when many have gathered the file is written anew, beside
the old one and renamed over it. A line cut short by a crash was never acknowledged and is ignored. Written
for surviving our own death, not the machine's: after a boot no endpoint is alive, so nothing is synced.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final

import msgspec

from tidegate.link.gateway import (
    Certificate,
    CertificateChanged,
    Revision,
    RevisionChanged,
    Route,
    RouteChanged,
    Snapshot,
    ToGateway,
    decode_to_gateway,
    encode,
)

log = logging.getLogger(__name__)

_COMPACT_AFTER: Final = 2000  # changes


class Journal:
    """The table as last acknowledged, in memory and in a file. Owned by the control link."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._revisions: dict[str, Revision] = {}
        self._routes: dict[str, Route] = {}
        self._certificates: dict[str, Certificate] = {}
        self._changes = 0
        self._fd: int | None = None
        self.seq = 0  # of the last message kept; 0: none ever

    def load(self) -> Snapshot | None:
        """The table that was in force when the last gateway ended; None: there is none."""
        self._drop_unfinished()
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return None
        for line in lines[:-1]:  # what follows the last line end is nothing, or a line cut short
            try:
                self._take(decode_to_gateway(line))
            except msgspec.DecodeError as why:
                log.warning(
                    "%s has a line that can't be read, the rest is left out: %s", self._path, why
                )
                break
        if not self.seq:
            return None
        return self._whole()

    def keep(self, message: ToGateway) -> None:
        """Remember one message, on disk before this returns. Raises OSError."""
        self._take(message)
        self._changes += 1
        if isinstance(message, Snapshot) or self._fd is None or self._changes >= _COMPACT_AFTER:
            self._rewrite()
        else:
            _write_all(self._fd, encode(message))

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _take(self, message: ToGateway) -> None:
        match message:
            case Snapshot():
                self._revisions = {revision.key: revision for revision in message.revisions}
                self._routes = {route.key: route for route in message.routes}
                self._certificates = {one.key: one for one in message.certificates}
            case RevisionChanged(key=key, revision=revision):
                self._revisions.pop(key, None)
                if revision is not None:
                    self._revisions[key] = revision
            case RouteChanged(key=key, route=route):
                self._routes.pop(key, None)
                if route is not None:
                    self._routes[key] = route
            case CertificateChanged(key=key, certificate=certificate):
                self._certificates.pop(key, None)
                if certificate is not None:
                    self._certificates[key] = certificate
        self.seq = message.seq

    def _whole(self) -> Snapshot:
        return Snapshot(
            seq=self.seq,
            revisions=tuple(self._revisions.values()),
            routes=tuple(self._routes.values()),
            certificates=tuple(self._certificates.values()),
        )

    def _rewrite(self) -> None:
        self.close()
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        fd = os.open(
            beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        try:
            _write_all(fd, encode(self._whole()))
            os.rename(beside, self._path)
        except OSError:
            os.close(fd)
            beside.unlink(missing_ok=True)  # on a full disk it would take what room there is
            raise
        self._fd, self._changes = fd, 0

    def _drop_unfinished(self) -> None:
        """What a gateway that was killed while it wrote left beside the file."""
        for beside in self._path.parent.glob(f"{self._path.name}.*"):
            pid = beside.suffix[1:]
            if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
                beside.unlink(missing_ok=True)


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
