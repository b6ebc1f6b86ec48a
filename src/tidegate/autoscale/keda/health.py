"""How often in a row each external metric of a ScaledObject could not be read.

Counted where its HPA asks, as KEDA does: a target at rest asks nothing, so nothing fails. The status
carries the counts, for a control plane that comes back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidegate.model.keda import KedaHealth, ScaledObject
from tidegate.model.meta import Key

HAPPY, FAILING = "Happy", "Failing"


class Health:
    """Owner of the counts."""

    def __init__(self) -> None:
        self._failures: dict[Key, dict[str, int]] = {}

    def of(self, scaled: ScaledObject, metrics: Sequence[str]) -> Mapping[str, KedaHealth]:
        """As the status has it; of these metrics, if they were asked for."""
        counts = self._counts(scaled)
        return {
            name: KedaHealth(
                number_of_failures=counts[name], status=FAILING if counts[name] else HAPPY
            )
            for name in metrics
            if name in counts
        }

    def heard(self, scaled: ScaledObject, metric: str, *, failed: bool) -> int:
        """Failures in a row, this one with them."""
        counts = self._counts(scaled)
        counts[metric] = counts.get(metric, 0) + 1 if failed else 0
        return counts[metric]

    def forget(self, key: Key) -> None:
        self._failures.pop(key, None)

    def _counts(self, scaled: ScaledObject) -> dict[str, int]:
        known = self._failures.get(scaled.key)
        if known is None:
            before = scaled.status.health if scaled.status else {}
            known = {name: health.number_of_failures for name, health in before.items()}
            self._failures[scaled.key] = known
        return known
