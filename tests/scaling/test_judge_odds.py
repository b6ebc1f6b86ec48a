"""How often judged rollouts are wrong, on drawn lots: the odds that docs/decisions/0013 promises."""

from __future__ import annotations

from random import Random

from tidegate.routing.latency import GROWTH, bucket_of_s, edges_ms
from tidegate.scaling.judge import Counts, buckets_of
from tidegate.scaling.judged_rollout import PromoteSpec, Trial, Verdict, begun, judged

SPEC = PromoteSpec(steps=(5, 25, 50), least_requests=500, step_s=30)
TRIALS = 30
LOOK_S = 5
ASKED = 400  # requests of both revisions together between two looks


class Traffic:
    """Draws answers of one revision: an error rate, and log-normal latencies around a median."""

    def __init__(self, lots: Random, errors: float, median_s: float) -> None:
        self._lots, self._errors, self._median_s = lots, errors, median_s
        self.counts = Counts()

    def serve(self, requests: int) -> None:
        latency = dict(self.counts.latency)
        errors = self.counts.errors
        for _ in range(requests):
            errors += self._lots.random() < self._errors
            bucket = bucket_of_s(self._median_s * self._lots.lognormvariate(0, 0.4))
            latency[bucket] = latency.get(bucket, 0) + 1
        self.counts = Counts(self.counts.requests + requests, errors, latency)


def trial(lots: Random, *, errors: tuple[float, float], median_s: tuple[float, float]) -> Trial:
    """One rollout to its end; the first of each pair is the current revision's."""
    old, new = (Traffic(lots, *pair) for pair in zip(errors, median_s, strict=True))
    at, state = 0.0, begun(SPEC, "a-1", "a-2")
    while state.verdict is Verdict.RUNNING:
        state = judged(
            SPEC,
            state,
            old.counts,
            new.counts,
            now_s=at,
            tolerance_buckets=buckets_of(SPEC.latency_tolerance, GROWTH),
            edges_ms=edges_ms,
        )
        part = round(ASKED * state.percent / 100)
        old.serve(ASKED - part)
        new.serve(part)
        at += LOOK_S
    return state


def rolled_back(*, errors: tuple[float, float], median_s: tuple[float, float]) -> float:
    """The share of trials that end with the canary at 0 %."""
    lots = Random(20261122)
    ended = [trial(lots, errors=errors, median_s=median_s) for _ in range(TRIALS)]
    return sum(one.verdict is Verdict.ROLLED_BACK for one in ended) / TRIALS


def test_a_canary_that_is_as_good_is_nearly_always_promoted() -> None:
    assert rolled_back(errors=(0.01, 0.01), median_s=(0.1, 0.1)) <= 0.04


def test_five_times_the_errors_are_nearly_always_seen() -> None:
    assert rolled_back(errors=(0.01, 0.05), median_s=(0.1, 0.1)) >= 0.95


def test_half_as_slow_again_is_nearly_always_seen() -> None:
    assert rolled_back(errors=(0.0, 0.0), median_s=(0.1, 0.15)) >= 0.95


def test_a_little_slower_is_within_the_tolerance() -> None:
    assert rolled_back(errors=(0.0, 0.0), median_s=(0.1, 0.105)) <= 0.04
