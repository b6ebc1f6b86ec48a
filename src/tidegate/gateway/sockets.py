"""Sockets that outlive processes: bound by rename, inherited by number, handed on to a new keeper."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Mapping
from pathlib import Path

from tidegate.link.sockets import send_sockets

log = logging.getLogger(__name__)


def bind_unix(path: Path) -> socket.socket:
    """A listening Unix socket at this path, also a long one, whatever was there before. Raises OSError.

    Bound beside it and renamed over, so that a stale socket never blocks and another process's is
    never missing. A socket's address holds 107 bytes at most: the folder goes by /proc/self/fd.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        beside = f".{os.getpid():x}.{path.name[:32]}"
        try:
            os.unlink(beside, dir_fd=folder)
        except FileNotFoundError:
            pass
        sock.bind(f"/proc/self/fd/{folder}/{beside}")
        os.chmod(f"/proc/self/fd/{folder}/{beside}", 0o600)
        sock.listen(64)
        os.rename(beside, path.name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        sock.close()
        raise
    finally:
        os.close(folder)
    sock.setblocking(False)
    return sock


def connect_unix(path: Path) -> socket.socket:
    """Connected to the Unix socket at this path, also a long one. Raises OSError."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sock.connect(f"/proc/self/fd/{folder}/{path.name}")
    except OSError:
        sock.close()
        raise
    finally:
        os.close(folder)
    return sock


def listen_tcp(address: str) -> socket.socket:
    """A listening TCP socket at `host:port`; port 0 chooses a free one. Raises OSError, ValueError."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, int(port)), family=family, backlog=4096)


class SocketGiver:
    """Hands duplicates of our listening sockets to whoever connects (a keeper that lost its own).

    A connection gets one JSON line, `{"fds": [names]}`, with the descriptors in that order as SCM_RIGHTS,
    and is closed. The socket file is readable by this user only.
    """

    def __init__(self, sockets: Mapping[str, socket.socket]) -> None:
        self._sockets = dict(sockets)
        self._server: socket.socket | None = None

    def serve(self, path: Path) -> None:
        """Begin. Raises OSError."""
        self._server = bind_unix(path)
        asyncio.get_running_loop().add_reader(self._server, self._give)

    def close(self) -> None:
        """End; the file stays, for it may be our successor's already."""
        if self._server is not None:
            asyncio.get_running_loop().remove_reader(self._server)
            self._server.close()
            self._server = None

    def _give(self) -> None:
        assert self._server is not None
        try:
            peer, _ = self._server.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        with peer:
            try:
                send_sockets(peer, self._sockets)
            except OSError as why:
                log.warning("the sockets could not be handed on: %s", why)
