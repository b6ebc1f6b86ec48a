"""When to probe, and what a row of results means. Pure.

A probe is *counted* on Kubernetes' rhythm (initial delay, then every period): only those attempts
count as failures. Until the first success there are *eager* attempts in between, every 3 ms while a forked
server would come up, then every 10 ms, growing to a quarter of a second, which count only when they succeed: a
cold start should not wait for the next tick. Eager attempts are left out where the document asks for patience: an initial
delay, or more than one success in a row at a period of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from tidegate.model.containers import Probe

EAGER_S = 0.010
EAGER_FIRST_S, EAGER_FIRST = (
    0.003,
    15,
)  # a forked server listens after some 10 ms; an attempt costs 0.2 ms
EAGER_EXEC_S = 0.100  # each one is a process
EAGER_ROW = 100  # attempts at the first pace, then a tenth slower each time
EAGER_MOST_S = 0.250
EAGER_EXEC_MOST_S = 1.0


class Kind(StrEnum):
    STARTUP = "Startup"
    READINESS = "Readiness"
    LIVENESS = "Liveness"


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A probe's numbers with Kubernetes' defaults filled in."""

    delay_s: float = 0.0
    period_s: float = 10.0
    timeout_s: float = 1.0
    successes: int = 1
    failures: int = 3
    eager_s: float | None = EAGER_S  # None: counted attempts only


def rhythm_of(probe: Probe | None, kind: Kind) -> Rhythm:
    """The rhythm of a probe; None: that of the check we make on our own (does the port listen?).

    Period 0 is Knative's aggressive mode: eager until ready; afterwards Kubernetes' 10 s.
    """
    if probe is None:
        return Rhythm()
    delay_s = float(probe.initial_delay_seconds or 0)
    period_s = float(probe.period_seconds or 10)
    successes = probe.success_threshold or 1
    patient = delay_s > 0 or (successes > 1 and bool(probe.period_seconds))
    eager_s = EAGER_EXEC_S if probe.exec is not None else EAGER_S
    return Rhythm(
        delay_s=delay_s,
        period_s=period_s,
        timeout_s=float(probe.timeout_seconds or 1),
        successes=successes,
        failures=probe.failure_threshold or 3,
        eager_s=None if patient or kind is Kind.LIVENESS else eager_s,
    )


@dataclass(frozen=True, slots=True)
class Row:
    """Results so far. `verdict` None: not decided yet (a readiness probe then reads as not ready)."""

    counted_at_s: float  # when the next counted attempt is due
    verdict: bool | None = None
    successes: int = 0
    failures: int = 0
    eager: int = 0  # attempts made before the first success
    ever: bool = False  # succeeded once: no more hurry, also when it fails later


def first_row(rhythm: Rhythm, *, started_at_s: float) -> Row:
    """Before the first attempt on a container started then."""
    return Row(counted_at_s=started_at_s + rhythm.delay_s)


def next_attempt_s(rhythm: Rhythm, row: Row, *, now_s: float) -> float:
    """When to probe next, on the same clock; may be in the past (now, then)."""
    if row.ever or rhythm.eager_s is None or not row.eager:
        return row.counted_at_s
    most_s = EAGER_MOST_S if rhythm.eager_s == EAGER_S else EAGER_EXEC_MOST_S
    slower = min(max(0, row.eager - EAGER_ROW), 100)  # 1.1 ** 100 is past every limit
    pace_s = min(most_s, rhythm.eager_s * 1.1**slower)
    if rhythm.eager_s == EAGER_S and row.eager <= EAGER_FIRST:
        pace_s = EAGER_FIRST_S
    return min(row.counted_at_s, now_s + min(pace_s, rhythm.period_s))


def after(rhythm: Rhythm, row: Row, *, ok: bool, began_at_s: float) -> Row:
    """The row after an attempt that began at `began_at_s`."""
    counted = began_at_s >= row.counted_at_s
    next_at_s = began_at_s + rhythm.period_s if counted else row.counted_at_s
    eager = row.eager if row.ever else row.eager + 1
    if ok:
        successes = row.successes + 1
        verdict = True if successes >= rhythm.successes else row.verdict
        return Row(
            next_at_s if verdict is None or counted else began_at_s + rhythm.period_s,
            verdict,
            successes=successes,
            eager=eager,
            ever=row.ever or verdict is True,
        )
    if not counted:
        return replace(row, successes=0, eager=eager)
    failures = row.failures + 1
    verdict = False if failures >= rhythm.failures else row.verdict
    return replace(
        row, counted_at_s=next_at_s, verdict=verdict, successes=0, failures=failures, eager=eager
    )
