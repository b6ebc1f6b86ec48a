"""The life of one container, as a table, and how long to wait before starting it again.

Pure: time comes in as seconds on the caller's monotonic clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    PENDING = "Pending"  # no process: not started yet, or waiting to be started again
    STARTING = "Starting"  # a process runs, no traffic
    READY = "Ready"
    DRAINING = "Draining"  # asked to stop: finishing what it has
    ENDED = "Ended"


class Happened(StrEnum):
    SPAWNED = "spawned"
    PROBE_OK = "probe ok"
    PROBE_FAILED = "probe failed"
    EXITED_AGAIN = "exited, to be started again"
    EXITED_FOR_GOOD = "exited for good"
    STOP_ASKED = "stop asked"


MOVES: Mapping[Phase, Mapping[Happened, Phase]] = {
    Phase.PENDING: {
        Happened.SPAWNED: Phase.STARTING,
        Happened.STOP_ASKED: Phase.ENDED,
        Happened.EXITED_AGAIN: Phase.PENDING,  # exec failed: there was no process to speak of
        Happened.EXITED_FOR_GOOD: Phase.ENDED,
    },
    Phase.STARTING: {
        Happened.PROBE_OK: Phase.READY,
        Happened.PROBE_FAILED: Phase.STARTING,
        Happened.EXITED_AGAIN: Phase.PENDING,
        Happened.EXITED_FOR_GOOD: Phase.ENDED,
        Happened.STOP_ASKED: Phase.DRAINING,
    },
    Phase.READY: {
        Happened.PROBE_OK: Phase.READY,
        Happened.PROBE_FAILED: Phase.STARTING,
        Happened.EXITED_AGAIN: Phase.PENDING,
        Happened.EXITED_FOR_GOOD: Phase.ENDED,
        Happened.STOP_ASKED: Phase.DRAINING,
    },
    Phase.DRAINING: {Happened.EXITED_FOR_GOOD: Phase.ENDED, Happened.STOP_ASKED: Phase.DRAINING},
    Phase.ENDED: {Happened.STOP_ASKED: Phase.ENDED},
}


class IllegalMove(Exception):
    """A mistake of ours: something happened that can't happen in that phase."""

    def __init__(self, phase: Phase, happened: Happened) -> None:
        self.phase, self.happened = phase, happened
        legal = ", ".join(MOVES[phase]) or "nothing"
        super().__init__(f"a container that is {phase} can't have {happened!s} (only: {legal})")


def moved(phase: Phase, happened: Happened) -> Phase:
    """The phase after. Raises `IllegalMove`."""
    try:
        return MOVES[phase][happened]
    except KeyError:
        raise IllegalMove(phase, happened) from None


def starts_again(restart_policy: str, exit_code: int) -> bool:
    """Whether a container that ended is to be started again. `exit_code` -1: unknown, a failure."""
    if restart_policy == "Never":
        return False
    return restart_policy != "OnFailure" or exit_code != 0


FIRST_DELAY_S = 10.0
LONGEST_DELAY_S = 300.0
FORGET_AFTER_S = 600.0


@dataclass(frozen=True, slots=True)
class BackOff:
    """What a crash loop remembers: the delay before the next start, and when the last start was.

    Source: kubelet pkg/kubelet/kuberuntime `doBackOff` over client-go util/flowcontrol `Backoff`.
    """

    delay_s: float = 0.0  # counted from the end of the last run; 0: start at once
    started_at_s: float | None = None  # None: never restarted

    def wait_s(self, *, ended_at_s: float, now_s: float) -> float:
        """How long to wait before starting again a container that ended at `ended_at_s`."""
        if self._forgotten(ended_at_s):
            return 0.0
        return max(0.0, ended_at_s + self.delay_s - now_s)

    def started(self, now_s: float) -> BackOff:
        """After a restart at `now_s`. The first restart is immediate, the ones after wait 10 s, 20 s, ... 5 min."""
        if self.started_at_s is None or self._forgotten(now_s):
            return BackOff(FIRST_DELAY_S, now_s)
        return BackOff(min(LONGEST_DELAY_S, self.delay_s * 2), now_s)

    def _forgotten(self, now_s: float) -> bool:
        return self.started_at_s is None or now_s - self.started_at_s > FORGET_AFTER_S


def back_off_after(restarts: int, started_at_s: float) -> BackOff:
    """What to remember of a container found with so many restarts, the last one at `started_at_s`."""
    if restarts <= 0:
        return BackOff()
    doubled = FIRST_DELAY_S * 2 ** min(restarts - 1, 10)
    return BackOff(min(LONGEST_DELAY_S, doubled), started_at_s)
