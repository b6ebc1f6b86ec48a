"""The zygote's loop: a request, two forks, back to waiting.

The first child only makes the second and ends, so that the second one is handed to the keeper (the nearest
subreaper above) and reaped by it like any pod. The second waits until that has happened before it says hello.
"""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from time import sleep
from typing import NoReturn

from tidegate.link.newborn import HELLO, NotSettled, settle, tell_failure, told_to_go
from tidegate.link.zygote import Birth, receive_birth
from tidegate.runtimes.zygote.face import Face, put_on

_LOOK_S = 0.0002


@dataclass(frozen=True, slots=True)
class Born:
    """This process is a child now, and may run."""

    birth: Birth
    channel: socket.socket

    def runs(self) -> None:
        """What exec does for others: the keeper sees the channel close."""
        self.channel.close()


def wait_for_birth(keeper: socket.socket, face: Face) -> Born | None:
    """In the child: who it is. In the zygote: None, once the keeper is gone."""
    while (asked := receive_birth(keeper)) is not None:
        birth, channel = asked
        sys.stdout.flush()  # or the child would write it again
        sys.stderr.flush()
        try:
            first = os.fork()
        except OSError as why:
            sys.stderr.write(f"no child: {why}\n")
            channel.close()
            continue
        if first == 0:
            return _second(birth, channel, keeper, face)
        channel.close()
        os.waitpid(first, 0)
    return None


def _second(birth: Birth, channel: socket.socket, keeper: socket.socket, face: Face) -> Born:
    """In the first child: ends it. In the second: returns once it may run, or ends."""
    between = os.getpid()
    try:
        if os.fork() > 0:
            os._exit(0)
    except OSError:
        os._exit(1)  # the keeper reads the channel's end
    try:
        keeper.close()
        settle(birth.cradle)
        put_on(face, birth.argv, birth.env)
        while os.getppid() == between:
            sleep(_LOOK_S)
        channel.send(HELLO)
        if not told_to_go(channel):
            os._exit(0)
    except NotSettled as why:
        _end(channel, str(why), why.number)
    except BaseException as why:  # noqa: BLE001 - nothing of the zygote may run on in the child
        _end(channel, f"the forked child failed before it began: {why!r}", None)
    return Born(birth, channel)


def _end(channel: socket.socket, sentence: str, number: int | None) -> NoReturn:
    try:
        tell_failure(channel, sentence, number)
    finally:
        os._exit(127)
