"""Sharing a route's requests out by weight, exactly and without chance.

Smooth weighted round robin, as nginx balances (ngx_http_upstream_round_robin.c): each turn every
target gains its weight, the richest is chosen and pays the sum. After any number of turns each
target is within one request of its share, and a small share is spread out, not sent in a burst.
Chosen over hashing because "10 %" then means 10 of each 100 requests, also on a quiet service.
"""

from collections.abc import Iterable


class BadWeights(ValueError):
    """The weights share out nothing."""

    def __init__(self, weights: dict[str, int]) -> None:
        self.weights = weights
        super().__init__(
            f"weights {weights!r} share out nothing: give at least one target a weight above zero, none below"
        )


class Split:
    """Chooses among targets by weight. Owned by one route; `choose` is the only thing that changes it."""

    __slots__ = ("_credit", "_total", "_weights", "only")

    def __init__(self, weights: Iterable[tuple[str, int]]) -> None:
        """A target named twice gets the sum; weight 0 is never chosen. Raises `BadWeights`."""
        summed: dict[str, int] = {}
        for target, weight in weights:
            summed[target] = summed.get(target, 0) + weight
        if not any(summed.values()) or min(summed.values()) < 0:
            raise BadWeights(summed)
        self._weights = {target: weight for target, weight in summed.items() if weight}
        self._total = sum(self._weights.values())
        self._credit = dict.fromkeys(self._weights, 0)
        # The target of all requests; None: there are several.
        self.only = next(iter(self._weights)) if len(self._weights) == 1 else None

    @property
    def weights(self) -> dict[str, int]:
        """Targets that can be chosen and their weights."""
        return dict(self._weights)

    def choose(self) -> str:
        """The target of the next request."""
        if self.only is not None:
            return self.only
        credit, best, most = self._credit, "", -self._total
        for target, weight in self._weights.items():
            credit[target] = has = credit[target] + weight
            if has > most:
                best, most = target, has
        credit[best] -= self._total
        return best
