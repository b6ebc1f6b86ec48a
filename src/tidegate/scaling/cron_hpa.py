"""What a CronHorizontalPodAutoscaler does when one of its jobs is due. Pure.

Source: kubernetes-cronhpa-controller (pkg/controller/cronhpa/{cronjob,scaler}.go), as ack.md tells it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """An HPA that is the target: its bounds and the replicas that its own target has."""

    name: str
    low: int
    high: int
    current: int


@dataclass(frozen=True, slots=True)
class Change:
    """What to write, each None: leave it. `message` is the job's row in the status."""

    message: str
    low: int | None = None
    high: int | None = None
    replicas: int | None = None


def beside_hpa(job: str, want: int, seen: Bounds) -> Change:
    """A schedule raises what an HPA keeps, and never pulls it below what load needs."""
    low, high = seen.low, seen.high
    if want > high:
        high = want
    if want < low:
        low = want
    if seen.current == low and want < seen.current:
        low = want
    if seen.current < want:
        low = want
    skip = seen.current >= want
    message = (
        f"Skip scale replicas because HPA {seen.name} current replicas:{seen.current} "
        f">= desired replicas:{want}."
        if skip
        else succeeded(job, seen.current, want)
    )
    return Change(
        message,
        low=low if low != seen.low else None,
        high=high if high != seen.high else None,
        replicas=None if skip else want,
    )


def alone(job: str, want: int, current: int) -> Change:
    """The target itself is set."""
    return Change(succeeded(job, current, want), replicas=want if want != current else None)


def succeeded(job: str, current: int, want: int) -> str:
    return (
        f"cron hpa job {job} executed successfully. current replicas:{current}, "
        f"desired replicas:{want}."
    )


def failed(why: str) -> str:
    return f"cron hpa failed to execute, because of {why}"


def skipped(expression: str) -> str:
    return f"skip scaling activity,because of excludeDate ({expression})."


def missed(late_s: float) -> str:
    return (
        f"the engine was not running when this was due, {int(late_s)} s ago: not caught up, "
        "the next time counts"
    )
