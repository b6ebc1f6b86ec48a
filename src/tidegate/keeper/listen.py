"""The listening sockets: made once, handed to the parts, got back after our own death.

They are non-blocking, bound with SO_REUSEADDR and a backlog of 4096, so that connections wait in the
kernel while a part is replaced.
"""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tidegate.keeper.errors import PortTaken
from tidegate.keeper.settings import Address
from tidegate.link.sockets import receive_sockets

BACKLOG = 4096  # clamped by net.core.somaxconn


def listen_at(name: str, address: Address) -> socket.socket:
    """A new listening socket. Raises `PortTaken`."""
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except (OSError, OverflowError) as why:
        sock.close()
        number = why.errno if isinstance(why, OSError) and why.errno else 22
        raise PortTaken(name, host, port, number) from why
    return sock


def address_of(sock: socket.socket) -> Address:
    host, port = sock.getsockname()[:2]
    return host, port


def from_gateway(path: Path, *, timeout_s: float) -> dict[str, socket.socket]:
    """What a living gateway gives back; nothing when there is none."""
    try:
        return receive_sockets(path, timeout_s=timeout_s)
    except OSError:
        return {}


def from_starter(fds: Mapping[str, int]) -> dict[str, socket.socket]:
    """Sockets that whoever started us handed over as descriptors."""
    held = {}
    for name, fd in fds.items():
        with suppress(OSError):
            os.set_inheritable(fd, False)
            held[name] = socket.socket(fileno=fd)
            held[name].setblocking(False)
    return held


def usable(
    sockets: Mapping[str, socket.socket], wanted: Mapping[str, Address]
) -> dict[str, socket.socket]:
    """Those of `sockets` that listen where they should; the others are closed.

    A wanted port of 0 takes any: it was to be picked, and this is the pick.
    """
    kept = {}
    for name, sock in sockets.items():
        try:
            listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            host, port = address_of(sock)
        except (OSError, ValueError):
            listens, host, port = 0, "", 0
        if listens and name in wanted and wanted[name] in ((host, port), (host, 0)):
            kept[name] = sock
        else:
            sock.close()
    return kept
