"""Whether a canary does worse than the current revision: the statistics behind judged rollouts.

Errors: Fisher's exact test, one-sided, on the two error counts (no assumption about how many there are;
conservative). The canary is worse when errors as many as it had would come to it by chance with a
probability below `ERROR_ALPHA`.

Latency: a confidence interval of each revision's p99 by order statistics (no assumption about the
shape of the latencies; the ranks come from the binomial distribution of how many answers lie below
the true quantile). The canary is worse when the lower bound of its p99 lies above the upper bound of
the current one's by more than the tolerance. Each bound holds with `CONFIDENCE`; that both fail at
once is rarer still.

Source: Fisher, The Design of Experiments (1935); Conover, Practical Nonparametric Statistics, 3.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, exp, floor, lgamma, log, sqrt

ERROR_ALPHA = 0.005
CONFIDENCE = 0.99
_Z = 2.3263478740408408  # the normal distribution's quantile of CONFIDENCE


@dataclass(frozen=True, slots=True)
class Counts:
    """What a revision was asked and how it answered. `latency`: answers by bucket; a larger number is
    a slower bucket."""

    requests: int = 0
    errors: int = 0
    latency: Mapping[int, int] = field(default_factory=dict)

    def since(self, before: Counts) -> Counts:
        """What came after `before`, which was counted earlier by the same counter."""
        latency = {
            bucket: count - before.latency.get(bucket, 0)
            for bucket, count in self.latency.items()
            if count > before.latency.get(bucket, 0)
        }
        return Counts(
            max(0, self.requests - before.requests), max(0, self.errors - before.errors), latency
        )

    @property
    def error_share(self) -> float:
        return self.errors / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True)
class Interval:
    """Buckets: of the quantile as seen, and of its bounds. `high` None: too few answers to say."""

    low: int
    middle: int
    high: int | None


def error_chance(current: Counts, canary: Counts) -> float:
    """The probability of as many errors at the canary, or more, if both had the same error rate."""
    errors, total = current.errors + canary.errors, current.requests + canary.requests
    if canary.errors == 0 or not current.requests or not canary.requests:
        return 1.0
    most = min(errors, canary.requests)
    whole = _log_choose(total, errors)
    chance = 0.0
    for count in range(canary.errors, most + 1):
        if errors - count > current.requests:
            continue
        ways = _log_choose(canary.requests, count) + _log_choose(current.requests, errors - count)
        term = exp(ways - whole)
        chance += term
        if term < chance * 1e-12:
            break  # the terms only fall from here on
    return min(1.0, chance)


def quantile(latency: Mapping[int, int], share: float) -> Interval | None:
    """The bucket of a quantile and of its bounds, each at `CONFIDENCE`; None: no answers."""
    total = sum(latency.values())
    if not total:
        return None
    spread = _Z * sqrt(total * share * (1 - share))
    low, high = floor(total * share - spread), ceil(total * share + spread) + 1
    return Interval(
        low=_at_rank(latency, max(1, low)),
        middle=_at_rank(latency, max(1, ceil(total * share))),
        high=_at_rank(latency, high) if high <= total else None,
    )


def error_bounds(counts: Counts) -> tuple[float, float]:
    """The error rate's two-sided Wilson interval."""
    n = counts.requests
    if not n:
        return 0.0, 1.0
    share, z2 = counts.error_share, _Z * _Z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low = 0.0 if counts.errors == 0 else max(0.0, middle - half)  # exactly, not but for rounding
    return low, min(1.0, middle + half)


def worse_errors(current: Counts, canary: Counts, *, strictness: float = 1.0) -> bool:
    """Whether the canary's error rate is higher than chance explains. `strictness` below 1 asks for
    that much stronger evidence."""
    if canary.error_share <= current.error_share:
        return False
    return error_chance(current, canary) < ERROR_ALPHA * strictness


def worse_latency(
    current: Counts, canary: Counts, *, share: float, tolerance_buckets: float
) -> bool:
    """Whether the canary's quantile is higher than chance and the tolerance explain."""
    ours, theirs = quantile(canary.latency, share), quantile(current.latency, share)
    if ours is None or theirs is None or theirs.high is None:
        return False
    return ours.low > theirs.high + tolerance_buckets


def buckets_of(tolerance: float, growth: float) -> float:
    """How many buckets a tolerance such as 0.1 (10 %) is wide, of buckets that grow so."""
    return log(1 + tolerance) / log(growth)


def _at_rank(latency: Mapping[int, int], rank: int) -> int:
    """The bucket of the answer with that rank, counted from 1, quickest first."""
    left, last = rank, 0
    for bucket in sorted(latency):
        left, last = left - latency[bucket], bucket
        if left <= 0:
            break
    return last


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
