"""Asking one run of a container to stop: the preStop hook, then the stop signal."""

from __future__ import annotations

import signal
from collections.abc import Callable

from tidegate.node.probing import Subject, act
from tidegate.node.record import WARNING, Around

_LONGEST_HOOK_S = 3600.0  # the kill at the end of the grace period comes sooner


async def ask_to_stop(
    around: Around, subject: Subject, say: Callable[[str, str, str], None]
) -> None:
    """Returns when the signal was sent. `say` records an event: Normal/Warning, reason, message."""
    lifecycle = subject.container.lifecycle
    if lifecycle is not None and lifecycle.pre_stop is not None:
        outcome = await act(around, subject, lifecycle.pre_stop, timeout_s=_LONGEST_HOOK_S)
        if not outcome.ok:
            say(WARNING, "FailedPreStopHook", f"PreStopHook failed: {outcome.detail}")
    asked = lifecycle.stop_signal if lifecycle is not None else None
    launch = subject.launch()
    inside = launch.inside if launch is not None else None
    number = stop_number(asked or (inside.stop_signal if inside is not None else ""))
    await around.keeper.signal(subject.process.name, number)


def stop_number(written: str) -> int:
    """`SIGQUIT`, `QUIT`, `3` or `SIGRTMIN+3`; SIGTERM for anything that is no signal."""
    name = written.strip().upper()
    if name.isdecimal() and 0 < int(name) < signal.NSIG:
        return int(name)
    name, _, more = (name if name.startswith("SIG") else f"SIG{name}").partition("+")
    if name not in signal.Signals.__members__:
        return int(signal.SIGTERM)
    return int(signal.Signals[name]) + (int(more) if more.isdecimal() else 0)
