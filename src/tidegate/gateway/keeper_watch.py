"""The last one standing starts a keeper: without one nobody would ever be woken or restarted again.

A dead keeper is replaced by the control plane, within half a second. When the control plane is gone
too, only the gateway is left to notice: it starts the keeper, and that one starts the control plane.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from typing import Final

from tidegate.kit.clock import Clock
from tidegate.kit.home import Home
from tidegate.link.unix import connect_unix

log = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 0.5
_LOOKS: Final = 2  # in a row with neither: one alone may be a restart that is under way
_AFTER_FAILURE_S: Final = 5.0


async def watch_keeper(
    home: Home,
    sockets: Mapping[str, socket.socket],
    clock: Clock,
    *,
    has_control_plane: Callable[[], bool],
) -> None:
    """Until cancelled. `sockets` are handed to the new keeper.

    Does nothing in a home without settings: that gateway was started by hand, not by `tidegate up`.
    """
    alone = 0
    while True:
        await clock.sleep(_LOOK_EVERY_S)
        if has_control_plane() or not home.settings.exists() or _keeper_listens(home):
            alone = 0
            continue
        alone += 1
        if alone >= _LOOKS:
            alone = 0
            if not await _start(home, sockets):
                await clock.sleep(_AFTER_FAILURE_S)


def _keeper_listens(home: Home) -> bool:
    """Nobody behind the socket: killed. No socket at all: shut down in order, it takes that along. A
    full backlog (EAGAIN) is a keeper too."""
    try:
        connect_unix(home.keeper_socket, timeout_s=0.2).close()
    except ConnectionRefusedError:
        return False
    except OSError:
        return True
    return True


async def _start(home: Home, sockets: Mapping[str, socket.socket]) -> bool:
    # Imported when needed: a gateway that never needs it has `subprocess` to spare.
    from tidegate.link.keeper_start import KeeperNotStarted, start_keeper

    listening = {name: sock.fileno() for name, sock in sockets.items()}
    try:
        pid = await asyncio.to_thread(start_keeper, home, listening=listening)
    except (KeeperNotStarted, OSError) as why:
        log.warning("keeper and control plane are gone, and no new keeper yet: %s", why)
        return False
    log.warning("keeper and control plane were gone: the keeper is process %d now", pid)
    return True
