"""The zygote's loop: a request, a child for it, back to waiting.

A child is made by two forks: the first one only makes the second and ends, so that the second is handed to
the keeper (the nearest subreaper above) and reaped by it like any pod. Two forks of a process with a hundred MiB take
some eight milliseconds, so one child is made ahead, while nobody waits, and kept until it is asked for. It has the
zygote's mark and session until then, and ends with it.
"""

from __future__ import annotations

import os
import select
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from time import sleep
from typing import NoReturn

from tidegate.link.newborn import HELLO, NotSettled, settle, tell_failure, told_to_go
from tidegate.link.zygote import Birth, receive_birth, send_birth
from tidegate.runtimes.zygote.face import Face, put_on

_QUIET_S = (
    0.05  # after a birth: the child that was just born needs the processor more than the next one
)
_LOOK_S = 0.0002


@dataclass(frozen=True, slots=True)
class Born:
    """This process is a child now, and may run."""

    birth: Birth
    channel: socket.socket

    def runs(self) -> None:
        """What exec does for others: the keeper sees the channel close."""
        self.channel.close()


@dataclass(frozen=True, slots=True)
class Spare:
    """A child that nobody has asked for yet, seen from the zygote. It ends when `line` is closed."""

    line: socket.socket

    def gets(self, birth: Birth, channel: socket.socket) -> bool:
        """False: it is gone."""
        try:
            send_birth(self.line, birth, channel)
        except OSError:
            return False
        finally:
            self.line.close()
        return True


def wait_for_birth(keeper: socket.socket, face: Face, warm: Callable[[], None]) -> Born | None:
    """In a child: who it is. In the zygote: None, once the keeper is gone.

    `warm` is run in each child before it is asked for: what it touches is then its own.
    """
    spare: Spare | None = None
    while True:
        if spare is None and not select.select([keeper], [], [], _QUIET_S)[0]:
            made = _make(keeper, face, warm)
            if isinstance(made, Born):
                return made
            spare = made
        asked = receive_birth(keeper)
        if asked is None:
            return None
        with asked[1]:
            if spare is not None and spare.gets(*asked):
                spare = None
                continue
            made = _make(keeper, face, warm)
            if isinstance(made, Born):
                return made
            spare = None
            if made is not None:
                made.gets(*asked)  # else the keeper reads the channel's end


def _make(keeper: socket.socket, face: Face, warm: Callable[[], None]) -> Spare | Born | None:
    """In the zygote a spare, or None: no process can be made. In the child: returns once it may run."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sys.stdout.flush()  # or the child would write it again
    sys.stderr.flush()
    try:
        first = os.fork()
    except OSError as why:
        sys.stderr.write(f"no child: {why}\n")
        ours.close()
        theirs.close()
        return None
    if first == 0:
        keeper.close()
        ours.close()
        return _second(theirs, face, warm)
    theirs.close()
    os.waitpid(first, 0)
    return Spare(ours)


def _second(line: socket.socket, face: Face, warm: Callable[[], None]) -> Born:
    """In the first child: ends it. In the second: returns once it may run, or ends."""
    between = os.getpid()
    try:
        if os.fork() > 0:
            os._exit(0)
        while os.getppid() == between:
            sleep(_LOOK_S)
        warm()
        asked = receive_birth(line)
    except BaseException as why:  # noqa: BLE001 - nothing of the zygote may run on in the child
        sys.stderr.write(f"no child: {why!r}\n")
        os._exit(1)
    if asked is None:
        os._exit(0)
    line.close()
    return _begin(*asked, face)


def _begin(birth: Birth, channel: socket.socket, face: Face) -> Born:
    try:
        settle(birth.cradle)
        put_on(face, birth.argv, birth.env)
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
