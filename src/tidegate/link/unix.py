"""Unix sockets under folders of any length.

A socket's path may be 107 bytes long; homes can be longer. Binding and connecting through an open
descriptor of the folder (`/proc/self/fd/<n>/<name>`) has no such limit. Used by all our processes.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A name for `path` that fits a socket address; valid inside the `with` only.

    Raises OSError when the folder is missing. The file itself need not be there.
    """
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def listen_unix(path: Path, *, backlog: int = 128) -> socket.socket:
    """A non-blocking listening socket at `path`; what lay there before is removed.

    The caller must own the place (hold the home's lock, or be the only gateway).
    """
    with suppress(FileNotFoundError):
        path.unlink()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_path(path) as short:
            sock.bind(short)
        path.chmod(0o600)
        sock.listen(backlog)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def connect_unix(path: Path, *, timeout_s: float) -> socket.socket:
    """A connected blocking socket with that timeout. Raises OSError (nobody listens: refused or missing)."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout_s)
        with short_path(path) as short:
            sock.connect(short)
    except OSError:
        sock.close()
        raise
    return sock
