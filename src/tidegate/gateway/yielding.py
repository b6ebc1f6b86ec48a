"""Batch requests of one revision give their places back when others want them.

Which ones: `routing.Gate.yields`. Here: when that is asked, and what they are told.
"""

from __future__ import annotations

from asyncio import TimerHandle
from typing import TYPE_CHECKING, Final

from tidegate.gateway import answers
from tidegate.gateway.exchange import Exchange
from tidegate.routing import Gate

if TYPE_CHECKING:
    from tidegate.gateway.hub import Hub

_LOOK_S: Final = 0.25  # between looks whether batch requests have places that others could use
_SOON_S: Final = 0.1  # a batch request that ends by itself within this loses nothing


class Yielding:
    """Breaks batch requests off. Owned by the revision's lane."""

    __slots__ = ("_gate", "_hub", "_key", "_timer", "_yielded")

    def __init__(self, hub: Hub, gate: Gate[Exchange], key: str) -> None:
        self._hub, self._gate, self._key = hub, gate, key
        self._timer: TimerHandle | None = None  # None: no batch request runs
        self._yielded = 0

    def watch(self) -> None:
        """A batch request may have started."""
        if self._timer is None and self._gate.batch_running:
            self._timer = self._hub.later(_LOOK_S, self._look)

    def soon(self) -> None:
        """Somebody waits for a place while batch requests have some."""
        self._hub.later(_SOON_S, self._give_way)

    def take(self) -> int:
        """How many have given way since this was last asked."""
        count, self._yielded = self._yielded, 0
        return count

    def _look(self) -> None:
        self._timer = None
        self._give_way()
        self.watch()

    def _give_way(self) -> None:
        for exchange in self._gate.yields():
            self._yielded += 1
            exchange.give_way(answers.yielded(self._key))
