"""`v4.channel.k8s.io` and `v5.channel.k8s.io`: several streams in the messages of one WebSocket. Pure.

The first byte of a message is its channel. In v5 the two bytes 0xFF CHANNEL close a channel.

Source: apimachinery pkg/util/remotecommand/constants.go, streaming pkg/httpstream/wsstream.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from tidegate.apiserver.exchange import status_of
from tidegate.model.errors import ApiError

V4, V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"
_CLOSE = 255


class Channel(IntEnum):
    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3
    RESIZE = 4


@dataclass(frozen=True, slots=True)
class Data:
    channel: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """The client sends no more on this channel."""

    channel: int


@dataclass(frozen=True, slots=True)
class Size:
    """Of a terminal, in characters."""

    columns: int
    rows: int


def split(message: bytes) -> Data | Close | None:
    """What a message says; None for one that says nothing."""
    if not message:
        return None
    if message[0] == _CLOSE:
        return Close(message[1]) if len(message) > 1 else None
    return Data(message[0], message[1:])


def joined(channel: int, data: bytes) -> bytes:
    return bytes((channel,)) + data


def size_of(data: bytes) -> Size | None:
    """From a message on RESIZE: `{"Width": 80, "Height": 24}`. None: it makes no sense."""
    try:
        said = json.loads(data)
        columns, rows = int(said["Width"]), int(said["Height"])
    except (ValueError, KeyError, TypeError):
        return None
    return Size(columns, rows) if 0 < columns < 65536 and 0 < rows < 65536 else None


def ended(code: int) -> bytes:
    """The last message, on ERROR: how the command ended."""
    status: dict[str, Any] = {"metadata": {}, "status": "Success"}
    if code:
        status = {
            "metadata": {},
            "status": "Failure",
            "message": f"command terminated with exit code {code}",
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
        }
    return joined(Channel.ERROR, json.dumps(status).encode())


def failed(why: ApiError) -> bytes:
    """The last message, on ERROR: the command could not be run."""
    return joined(Channel.ERROR, json.dumps(status_of(why)).encode())
