"""Children from zygotes: the keeper asks, a child says hello, and is recorded before it may run.

A zygote is a process like any pod's, that reads requests from a socket the keeper holds the other end
of. It forks twice, so that its child becomes ours (we are its subreaper) and we reap it as one that we forked.
The child's word comes with its pid as the kernel knows it. No answer in time, or the end of the channel
(the kernel closes it with the last process that has it), means that nothing was started and nothing will be.
"""

import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from tidegate.keeper.errors import CannotRun, KeeperError, ZygoteFailed
from tidegate.keeper.fork import Newborn, Plan, identified
from tidegate.keeper.loop import Loop, Timer
from tidegate.keeper.proc import read_stat
from tidegate.link.newborn import HELLO, read_failure
from tidegate.link.zygote import Birth, send_birth

OnBorn = Callable[[Newborn | KeeperError], None]
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid


@dataclass(slots=True)
class _Asked:
    zygote: str
    channel: socket.socket
    then: OnBorn
    timer: Timer | None = None


class Zygotes:
    """Owned by the loop. Names are those of the zygotes' processes."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._sockets: dict[str, socket.socket] = {}
        self._asked: dict[int, _Asked] = {}  # by the channel's descriptor

    def open(self, name: str) -> socket.socket:
        """The end for the zygote that is about to be started; ours is kept."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._sockets[name] = ours
        return theirs

    def close(self, name: str) -> None:
        """It has ended. Not a zygote: nothing happens."""
        sock = self._sockets.pop(name, None)
        if sock is not None:
            sock.close()

    def fork(self, name: str, plan: Plan, *, patience_s: float, then: OnBorn) -> None:
        """Ask for a child; `then` gets it, waiting for `release`, or why there is none. Raises
        `ZygoteFailed`."""
        zygote = self._sockets.get(name)
        if zygote is None:
            raise ZygoteFailed(name, "is not there")
        ours, theirs = socket.socketpair()
        try:
            ours.setblocking(False)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            with theirs:
                send_birth(zygote, Birth(plan.argv, plan.env, plan.cradle), theirs)
        except OSError as why:
            ours.close()
            raise ZygoteFailed(name, f"can't be asked ({why.strerror or why})") from why
        asked = _Asked(name, ours, then)
        late = ZygoteFailed(name, f"did not answer within {patience_s:g} s")
        asked.timer = self._loop.after(patience_s, lambda: self._settle(asked, late))
        self._asked[ours.fileno()] = asked
        self._loop.watch(ours.fileno(), lambda _: self._heard(asked))

    def cancel_all(self) -> None:
        """Who has not said hello yet never runs."""
        for asked in list(self._asked.values()):
            self._settle(asked, ZygoteFailed(asked.zygote, "was asked too late"))

    def _heard(self, asked: _Asked) -> None:
        room = socket.CMSG_SPACE(_CREDENTIALS.size)
        try:
            said, ancillary, _, _ = asked.channel.recvmsg(65536, room)
        except BlockingIOError:
            return
        except OSError:
            said, ancillary = b"", []
        if said == HELLO:
            self._settle(asked, self._newborn(asked, ancillary))
        elif said:
            self._settle(asked, CannotRun(*read_failure(said)))
        else:
            self._settle(asked, ZygoteFailed(asked.zygote, "died, or its child did"))

    def _newborn(
        self, asked: _Asked, ancillary: list[tuple[int, int, bytes]]
    ) -> Newborn | KeeperError:
        pid = 0
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                pid, _, _ = _CREDENTIALS.unpack(data[: _CREDENTIALS.size])
        try:
            stat = read_stat(pid) if pid else None
            if stat is None or stat.dead:
                return ZygoteFailed(asked.zygote, "made a child that ended at once")
            if stat.parent != os.getpid() or stat.session != pid:
                strange = f"made a child (pid {pid}) that is not the keeper's"
                return ZygoteFailed(asked.zygote, strange)
            start, pidfd = identified(pid)
        except OSError as why:
            return CannotRun(f"Can't watch a child: {why}", why.errno)
        asked.channel.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
        return Newborn(pid, start, pidfd, asked.channel)

    def _settle(self, asked: _Asked, result: Newborn | KeeperError) -> None:
        fd = asked.channel.fileno()
        if self._asked.pop(fd, None) is None:
            return
        if asked.timer is not None:
            asked.timer.cancel()
        self._loop.unwatch(fd)
        if not isinstance(result, Newborn):
            asked.channel.close()  # a child that comes late reads the end, and ends
        asked.then(result)
