"""What a zygote is asked: one message a child, over the socket that the keeper left it.

A SOCK_SEQPACKET pair: a message is whole or not there, and its one descriptor (SCM_RIGHTS) is the
child's channel to the keeper (`link.newborn`). The zygote never answers on it; the child does, on its channel.
When the keeper dies the zygote reads the end and ends too. Standard library only: the keeper imports this.
"""

import array
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.link.newborn import Cradle

MESSAGE_BYTES = 192 * 1024  # what fits a socket's buffer as Linux has it


@dataclass(frozen=True, slots=True)
class Birth:
    """A child to make: the command line and environment that it would have had by exec."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cradle: Cradle


def send_birth(zygote: socket.socket, birth: Birth, channel: socket.socket) -> None:
    """Raises OSError: it is gone, it doesn't read (BlockingIOError), or the message is too long."""
    cradle = birth.cradle
    message = json.dumps(
        {
            "argv": birth.argv,
            "env": dict(birth.env),
            "stdout": cradle.stdout,
            "stderr": cradle.stderr,
            "cwd": cradle.cwd,
            "limits": [[number, *pair] for number, pair in cradle.limits.items()],
        }
    ).encode()
    fds = array.array("i", [channel.fileno()])
    zygote.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])


def receive_birth(keeper: socket.socket) -> tuple[Birth, socket.socket] | None:
    """Wait for one. None: the keeper is gone, or said what can't be understood."""
    fds = array.array("i")
    try:
        room = socket.CMSG_SPACE(fds.itemsize)
        message, ancillary, flags, _ = keeper.recvmsg(
            MESSAGE_BYTES + 4096, room, socket.MSG_CMSG_CLOEXEC
        )
    except ConnectionError:
        return None
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    if not message or len(fds) != 1 or flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        for fd in fds:
            os.close(fd)
        return None
    raw = json.loads(message)
    limits = {number: (soft, hard) for number, soft, hard in raw["limits"]}
    cradle = Cradle(raw["stdout"], raw["stderr"], raw["cwd"], limits)
    return Birth(tuple(raw["argv"]), raw["env"], cradle), socket.socket(fileno=fds[0])
