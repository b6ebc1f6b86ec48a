"""A canary's way up, step by step, while it does as well as the current revision; and back at once
when it doesn't.

Each step waits for a minimum of requests and of time, then looks; what is clearly worse ends the trial
before that. A step that takes longer than its limit ends it too: what nobody asks can't be judged.
Source: ours; the statistics are in `judge.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from tidegate.scaling.errors import BadSpec
from tidegate.scaling.judge import Counts, error_chance, quantile, worse_errors, worse_latency

QUANTILES = (0.99, 0.95, 0.9)  # the highest one that both samples are large enough for is compared
# What a complete but small sample is compared by; an early one may be all first requests.
_MEDIAN = 0.5
# Looks before the sample is complete come every few seconds; each is that much stricter, so that many
# looks together don't call chance an error.
_EARLY = 0.02


class Verdict(StrEnum):
    RUNNING = "running"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled-back"


@dataclass(frozen=True, slots=True)
class PromoteSpec:
    """`steps`: percents of the traffic before the last step, which is all of it. `least_requests`: the
    canary's, in each step. `step_s`: a step's least length; `limit_s`: its greatest.
    `latency_tolerance`: by how much slower is still as good (0.1: 10 %)."""

    steps: tuple[int, ...] = (5, 25, 50)
    least_requests: int = 500
    step_s: float = 30.0
    limit_s: float = 1800.0
    latency_tolerance: float = 0.1

    def __post_init__(self) -> None:
        if not self.steps or list(self.steps) != sorted(set(self.steps)):
            raise BadSpec("steps", self.steps, "must rise")
        if self.steps[0] < 1 or self.steps[-1] > 99:
            raise BadSpec("steps", self.steps, "must be percents from 1 to 99")
        if self.least_requests < 1:
            raise BadSpec("requests", self.least_requests, "must be 1 or more")
        if not 0 <= self.step_s <= self.limit_s:
            raise BadSpec("limit", self.limit_s, "must be no shorter than a step")
        if not 0 <= self.latency_tolerance <= 10:
            raise BadSpec("latency", self.latency_tolerance, "must be from 0% to 1000%")


@dataclass(frozen=True, slots=True)
class Trial:
    """One canary against the current revision. `percent`: its share now. `counting_s`: since when
    this step is counted; None: its share is not in force yet. `*_then`: the counters at that time.
    `why`: the last verdict, or how far it is, in words."""

    current: str
    canary: str
    percent: int
    verdict: Verdict = Verdict.RUNNING
    counting_s: float | None = None
    current_then: Counts = field(default_factory=Counts)
    canary_then: Counts = field(default_factory=Counts)
    why: str = ""


def begun(spec: PromoteSpec, current: str, canary: str) -> Trial:
    """The canary's first step."""
    return Trial(current, canary, spec.steps[0], why=f"{canary} begins with {spec.steps[0]}%")


def judged(
    spec: PromoteSpec,
    was: Trial,
    current: Counts,
    canary: Counts,
    *,
    now_s: float,
    tolerance_buckets: float,
    edges_ms: Callable[[int], tuple[float, float]],
) -> Trial:
    """The trial after one look. `current`, `canary`: the counters as they stand. `edges_ms`: from
    where to where a bucket of their latencies goes."""
    if was.verdict is not Verdict.RUNNING:
        return was
    if was.counting_s is None:
        return replace(was, counting_s=now_s, current_then=current, canary_then=canary)
    old, new = current.since(was.current_then), canary.since(was.canary_then)
    complete = new.requests >= spec.least_requests and now_s - was.counting_s >= spec.step_s
    shares = (*QUANTILES, _MEDIAN) if complete else QUANTILES
    problem = _errors_problem(old, new, complete=complete) or _latency_problem(
        spec, old, new, _comparable(old, new, shares), tolerance_buckets, edges_ms
    )
    if problem is None and not complete and now_s - was.counting_s > spec.limit_s:
        problem = (
            f"only {new.requests} of {spec.least_requests} requests came within "
            f"{spec.limit_s:g} s, too few to judge it"
        )
    if problem is not None:
        why = f"{was.canary} goes back to 0% from {was.percent}%: {problem}"
        return replace(was, percent=0, verdict=Verdict.ROLLED_BACK, why=why)
    if not complete:
        done = f"{new.requests} of {spec.least_requests} requests"
        return replace(was, why=f"{was.canary} has {was.percent}% and {done} so far")
    return _next_step(spec, was, old, new)


def _next_step(spec: PromoteSpec, was: Trial, old: Counts, new: Counts) -> Trial:
    held = f"{_errors(new)} against {_errors(old)}{_slowness(old, new)}"
    higher = [step for step in spec.steps if step > was.percent]
    if not higher:
        why = f"{was.canary} takes all of the traffic: {held}"
        return replace(was, percent=100, verdict=Verdict.PROMOTED, why=why)
    why = f"{was.canary} goes from {was.percent}% to {higher[0]}%: {held}"
    return Trial(was.current, was.canary, higher[0], why=why)


def _errors_problem(old: Counts, new: Counts, *, complete: bool) -> str | None:
    if worse_errors(old, new, strictness=1.0 if complete else _EARLY):
        chance = error_chance(old, new)
        return (
            f"{_errors(new)} against {_errors(old)}; chance alone explains that with a "
            f"probability of {chance:.2g} (Fisher's exact test)"
        )
    return None


def _latency_problem(
    spec: PromoteSpec,
    old: Counts,
    new: Counts,
    share: float | None,
    tolerance_buckets: float,
    edges_ms: Callable[[int], tuple[float, float]],
) -> str | None:
    if share is None or not worse_latency(
        old, new, share=share, tolerance_buckets=tolerance_buckets
    ):
        return None
    ours, theirs = quantile(new.latency, share), quantile(old.latency, share)
    assert ours is not None
    assert theirs is not None
    assert theirs.high is not None
    return (
        f"its p{share * 100:g} is {_ms(edges_ms(ours.middle)[1])} "
        f"(at least {_ms(edges_ms(ours.low)[0])}) against {_ms(edges_ms(theirs.middle)[1])} "
        f"(at most {_ms(edges_ms(theirs.high)[1])}), more than chance and the tolerance of "
        f"{spec.latency_tolerance * 100:g}% explain"
    )


def _ms(time_ms: float) -> str:
    return f"{time_ms:.0f} ms" if time_ms >= 1000 else f"{time_ms:.3g} ms"


def _comparable(old: Counts, new: Counts, shares: tuple[float, ...]) -> float | None:
    for share in shares:
        ours, theirs = quantile(new.latency, share), quantile(old.latency, share)
        if ours is not None and theirs is not None and None not in (ours.high, theirs.high):
            return share
    return None


def _errors(counts: Counts) -> str:
    return f"{counts.errors} errors in {counts.requests} requests ({counts.error_share:.2%})"


def _slowness(old: Counts, new: Counts) -> str:
    share = _comparable(old, new, (*QUANTILES, _MEDIAN))
    return "" if share is None else f", p{share * 100:g} no worse"
