"""When revisions are evaluated, and what of it survives the control plane."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

from tidegate.scaling import KpaState, KpaStatus, Mode

MAKE_UP_S = 60
"""How long a control plane may be away and still make up the evaluations it missed. The gateway keeps its
samples for that much longer than the window, so that the oldest of them has a whole window too."""

TICK_S = 2.0
TICK_PHASE_S = 0.5


def next_tick(now_s: float) -> float:
    """When the next evaluation is due, strictly later.

    Half a second after even seconds of the clock: a restarted control plane keeps the rhythm, and
    the gateway's samples, which come at whole seconds, are there for the shortest window.
    """
    return floor((now_s - TICK_PHASE_S) / TICK_S + 1) * TICK_S + TICK_PHASE_S


@dataclass(frozen=True, slots=True)
class Saved:
    """What a restarted control plane must know besides the samples. `boot` names the boot that the
    monotonic times belong to; on another boot it is worthless. `evaluated_s`: the evaluation that the
    state is of, 0: none. `wakes`: those that are still in the window."""

    boot: str
    state: KpaState
    status: KpaStatus
    mode: Mode
    proxy_since_s: float
    evaluated_s: float = 0.0
    wakes: tuple[float, ...] = ()
