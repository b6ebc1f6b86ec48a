"""The listening sockets of an engine that starts, or that lost its keeper.

Tried in this order: what the starter handed over; what a living gateway gives back; the recorded
ports, bound anew. A part of ours that holds a port and can't give it back is ended: it will be
started again, on the new socket.
"""

import os
import signal
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import sleep

from tidegate.keeper import proc
from tidegate.keeper.errors import PortTaken
from tidegate.keeper.listen import from_gateway, from_starter, listen_at, usable
from tidegate.keeper.settings import Address
from tidegate.link.keeper import Process

GATEWAY_S = 3.0  # a gateway that has just started needs some 0.5 s until it serves
_TERM_S = 2.0  # for a part that holds a port and can't give it back
_PAUSE_S = 0.01


@dataclass(frozen=True, slots=True)
class Living:
    """Parts that the keeper before left running. `gateway`: the recorded gateway is among them."""

    processes: tuple[Process, ...]
    gateway: bool


def living(parts: Mapping[str, Process], retired: Iterable[Process], boot_id: str) -> Living:
    found = tuple(process for process in (*parts.values(), *retired) if _lives(process, boot_id))
    return Living(found, gateway=parts.get("gateway") in found)


def regain(
    wanted: Mapping[str, Address],
    optional: Mapping[str, Address],
    *,
    given: Mapping[str, int],
    gateway: Path,
    alive: Living,
    monotonic: Callable[[], float],
    report: Callable[[str], None],
) -> dict[str, socket.socket]:
    """A listening socket for each wanted address, and for those optional ones that can be had. Raises
    `PortTaken`."""
    known = {**wanted, **optional}
    held = usable(from_starter(given), known)
    until_s = monotonic() + (GATEWAY_S if alive.gateway else 0.0)
    while any(name not in held for name in wanted):
        missing = {name: at for name, at in known.items() if name not in held}
        held |= usable(from_gateway(gateway, timeout_s=0.5), missing)
        if monotonic() >= until_s:
            break
        sleep(_PAUSE_S)
    for name, address in wanted.items():
        if name not in held:
            try:
                held[name] = listen_at(name, address)
            except PortTaken as why:
                if not alive.processes:
                    raise
                report(f"{why}; ending our own parts, which may hold it")
                _end_all(alive.processes, monotonic)
                held[name] = listen_at(name, address)
    for name, address in optional.items():
        if name not in held:
            try:
                held[name] = listen_at(name, address)
            except PortTaken as why:
                report(f"done without: {why}")
    return held


def _lives(process: Process, boot_id: str) -> bool:
    stat = proc.read_stat(process.pid)
    return (
        process.boot_id == boot_id
        and stat is not None
        and stat.start == process.start
        and not stat.dead
    )


def _end_all(processes: Iterable[Process], monotonic: Callable[[], float]) -> None:
    """SIGTERM to the groups of living parts, SIGKILL to those that stay; they are gone afterwards."""
    left = list(processes)
    for number, patience_s in ((signal.SIGTERM, _TERM_S), (signal.SIGKILL, _TERM_S)):
        left = [process for process in left if _lives(process, process.boot_id)]
        for process in left:
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                pass
        until_s = monotonic() + patience_s
        while any(_lives(one, one.boot_id) for one in left) and monotonic() < until_s:
            sleep(_PAUSE_S)
