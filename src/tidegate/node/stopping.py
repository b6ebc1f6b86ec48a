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
    number = int(signal.SIGTERM)
    if lifecycle is not None and lifecycle.stop_signal in signal.Signals.__members__:
        number = int(signal.Signals[lifecycle.stop_signal or "SIGTERM"])
    await around.keeper.signal(subject.process.name, number)
