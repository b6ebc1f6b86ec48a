"""Which autoscalers choose a pod, looked up and not searched for.

Each autoscaler's selector is kept as it last was seen. An equality term of it (`app=web`) is its place in
the index: only those whose term is among a pod's labels are tried.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from tidegate.model.label_text import Selector, selects
from tidegate.model.meta import Key
from tidegate.model.pods import Pod

_Term = tuple[str, str]


@dataclass(slots=True)
class Choosers:
    """Owned by the controller."""

    _selectors: dict[Key, Selector] = field(default_factory=dict)
    _places: dict[tuple[str, _Term | None], set[Key]] = field(
        default_factory=lambda: defaultdict(set)
    )

    def put(self, key: Key, selector: Selector | None) -> None:
        """An autoscaler's selector as it is now; None: it chooses nothing."""
        was = self._selectors.pop(key, None)
        if was is not None:
            self._places[key.namespace, _place(was)].discard(key)
        if selector is not None:
            self._selectors[key] = selector
            self._places[key.namespace, _place(selector)].add(key)

    def of(self, namespace: str, pods: Iterable[Pod]) -> frozenset[Key]:
        """All that choose at least one of these pods."""
        found: set[Key] = set()
        for pod in pods:
            labels = pod.metadata.labels
            for term in (None, *labels.items()):
                for key in self._places.get((namespace, term), ()):
                    if key not in found and selects(self._selectors[key], labels):
                        found.add(key)
        return frozenset(found)


def _place(selector: Selector) -> _Term | None:
    """An equality term; None: it has none, so every pod has to be tried."""
    for term in selector:
        if term.wanted and term.values is not None and len(term.values) == 1:
            (value,) = term.values
            return term.key, value
    return None
