"""Handing listening sockets from one process to another.

Whoever connects to `Home.sockets_socket` gets one message: a JSON line `{"fds": ["gateway", "api"]}`
and, in the same sendmsg, those descriptors (SCM_RIGHTS) in that order. The gateway serves it, so
that a keeper started after a `kill -9` gets back what clients are connecting to.
"""

import array
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path

from tidegate.link.unix import connect_unix

_MOST_FDS = 16


def send_sockets(connection: socket.socket, sockets: Mapping[str, socket.socket]) -> None:
    """Give `sockets` to the other side; ours stay open. Raises OSError."""
    names = list(sockets)
    fds = array.array("i", [sockets[name].fileno() for name in names])
    line = json.dumps({"fds": names}).encode() + b"\n"
    connection.sendmsg([line], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])


def receive_sockets(path: Path, *, timeout_s: float) -> dict[str, socket.socket]:
    """The sockets that the process behind `path` holds, non-blocking and ours from now on.

    Raises OSError when nobody listens there, or when what comes is not the message above.
    """
    fds = array.array("i")
    with connect_unix(path, timeout_s=timeout_s) as connection:
        room = socket.CMSG_SPACE(_MOST_FDS * fds.itemsize)
        line, ancillary, _, _ = connection.recvmsg(4096, room, socket.MSG_CMSG_CLOEXEC)
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    try:
        names = [str(name) for name in json.loads(line)["fds"]]
        if len(names) != len(fds):
            raise ValueError(f"{len(names)} names for {len(fds)} descriptors")
    except (ValueError, KeyError, TypeError) as why:
        for fd in fds:
            os.close(fd)
        raise OSError(f"{path} answered with no usable sockets: {why}") from why
    taken = {name: socket.socket(fileno=fd) for name, fd in zip(names, fds, strict=True)}
    for sock in taken.values():
        sock.setblocking(False)
    return taken


def inherited(environ: Mapping[str, str]) -> dict[str, socket.socket]:
    """The listening sockets this process was started with, by name (`TIDEGATE_FDS`, JSON).

    Children of ours don't get them. Raises OSError for a number that is no open socket.
    """
    sockets = {}
    for name, fd in json.loads(environ.get("TIDEGATE_FDS") or "{}").items():
        sock = socket.socket(fileno=int(fd))
        sock.setblocking(False)
        os.set_inheritable(int(fd), False)
        sockets[str(name)] = sock
    return sockets
