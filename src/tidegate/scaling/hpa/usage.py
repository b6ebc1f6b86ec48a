"""From what a metric was to how many replicas it proposes. Floats are IEEE doubles, on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, inf, nan

from tidegate.scaling.hpa.errors import NoFigure
from tidegate.scaling.hpa.pods import Groups, Sample
from tidegate.scaling.hpa.spec import Behavior, HpaConfig

INT32_MOST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far from 1 a ratio may be without anything being done. Both ends count as within."""

    up: float
    down: float

    def holds(self, ratio: float) -> bool:
        return 1.0 - self.down <= ratio <= 1.0 + self.up


def tolerance(config: HpaConfig, behavior: Behavior | None) -> Tolerance:
    up, down = config.tolerance, config.tolerance
    if behavior is not None and config.configurable_tolerance:
        up = up if behavior.up.tolerance is None else behavior.up.tolerance
        down = down if behavior.down.tolerance is None else behavior.down.tolerance
    return Tolerance(up, down)


@dataclass(frozen=True, slots=True)
class Utilization:
    """A percentage of requests. `target` in percent."""

    requests: Mapping[str, int]
    target: int

    def ratio(self, samples: Mapping[str, Sample]) -> float:
        return float(self.percent(samples)) / float(self.target)

    def percent(self, samples: Mapping[str, Sample]) -> int:
        """Cut to a whole percent, before anything is divided by the target."""
        both = [name for name in samples if name in self.requests]
        asked = sum(self.requests[name] for name in both)
        if asked == 0:
            raise NoFigure("no metrics returned matched known pods")
        return _cut(sum(samples[name].milli for name in both) * 100, asked)

    def average(self, samples: Mapping[str, Sample]) -> int:
        both = [name for name in samples if name in self.requests]
        return _cut(sum(samples[name].milli for name in both), len(both))

    def full(self, pod: str) -> int:
        """What a pod without a metric is taken to use, if the others use less than they should."""
        return self.requests.get(pod, 0) * max(100, self.target) // 100


@dataclass(frozen=True, slots=True)
class Average:
    """Thousandths for each pod."""

    target: int

    def ratio(self, samples: Mapping[str, Sample]) -> float:
        return float(self.average(samples)) / float(self.target)

    def average(self, samples: Mapping[str, Sample]) -> int:
        return _cut(sum(s.milli for s in samples.values()), len(samples))

    def full(self, pod: str) -> int:
        return self.target


def propose(
    measure: Utilization | Average,
    samples: Mapping[str, Sample],
    groups: Groups,
    *,
    current: int,
    within: Tolerance,
) -> int:
    """Two passes: the ready pods' ratio, then, if that is not all, with the others filled in so that
    they dampen whatever it says. `samples` are those of ready pods and of pods that are gone.

    Raises `NoFigure` when the requests add up to nothing.
    """
    first = measure.ratio(samples)
    growing = bool(groups.unready) and first > 1.0
    if not growing and not groups.missing:
        return current if within.holds(first) else _ceil(first * float(groups.ready))
    filled = dict(samples)
    nothing = Sample(0, 0.0, 0.0)
    if first < 1.0:
        filled |= {pod: Sample(measure.full(pod), 0.0, 0.0) for pod in groups.missing}
    elif first > 1.0:
        filled |= dict.fromkeys(groups.missing, nothing)
    if growing:
        filled |= dict.fromkeys(groups.unready, nothing)
    second = measure.ratio(filled)
    turned = (first < 1.0 < second) or (first > 1.0 > second)
    if within.holds(second) or turned:
        return current
    proposed = _ceil(second * float(len(filled)))
    wrong_way = proposed > current if second < 1.0 else proposed < current
    return current if wrong_way else proposed


def propose_value(
    total: int, target: int, *, current: int, ready: int | None, within: Tolerance
) -> int | None:
    """One value for all replicas together. From zero there are no pods to go by, nor a tolerance.

    `ready` None: no pod is there at all; then the answer is None where pods matter.
    """
    ratio = float(total) / float(target)
    if current == 0:
        return _ceil(ratio)
    if within.holds(ratio):
        return current
    return None if ready is None else _ceil(ratio * float(ready))


def propose_average(total: int, target: int, *, observed: int, within: Tolerance) -> int:
    """One value that replicas share. What is proposed unchanged is the observed count."""
    shared = float(target) * float(observed)
    ratio = float(total) / shared if shared else (inf if total else nan)
    return observed if within.holds(ratio) else _ceil(float(total) / float(target))


def share(total: int, observed: int) -> int:
    """What `propose_average` reports for each replica; the total while there is none."""
    return ceil(float(total) / float(observed)) if observed else total


def _cut(total: int, by: int) -> int:
    """Whole division toward zero."""
    return total // by if total >= 0 else -(-total // by)


def _ceil(value: float) -> int:
    return min(INT32_MOST, ceil(value))
