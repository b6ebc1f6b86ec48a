"""Requests in line at a gate: who is next, and how much memory their bodies take. Pure."""

from bisect import insort
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from enum import Enum
from typing import Generic, TypeVar

R = TypeVar("R", bound=Hashable)


class Verdict(Enum):
    """What becomes of an arrival that did not get a seat."""

    WAITS = "waits"
    QUEUE_FULL = "queue-full"  # all places to wait are taken
    BYTES_FULL = "queue-bytes-full"  # the bodies that wait take all the memory they may


class Line(Generic[R]):
    """Who came first is first; one that had started and came back goes before all that came after it."""

    __slots__ = ("_came", "_returned", "held_bytes", "length")

    def __init__(self) -> None:
        self.length = 0
        self.held_bytes = 0
        self._came: OrderedDict[R, int] = OrderedDict()  # request -> bytes it holds
        # (arrival, request, bytes), older than all that never started
        self._returned: list[tuple[int, R, int]] = []

    def __iter__(self) -> Iterator[R]:
        yield from (request for _, request, _ in self._returned)
        yield from self._came

    def __contains__(self, request: R) -> bool:
        return request in self._came or any(other == request for _, other, _ in self._returned)

    def join(self, request: R, held_bytes: int, places: int, places_bytes: int) -> Verdict:
        """Behind all others, if there is room."""
        if self.length >= places:
            return Verdict.QUEUE_FULL
        if self.held_bytes + held_bytes > places_bytes:
            return Verdict.BYTES_FULL
        self._came[request] = held_bytes
        self.length += 1
        self.held_bytes += held_bytes
        return Verdict.WAITS

    def rejoin(self, request: R, held_bytes: int, *, order: int) -> None:
        """Before all that arrived after it; `order` is smaller the older a request is."""
        insort(self._returned, (order, request, held_bytes), key=lambda entry: entry[0])
        self.length += 1
        self.held_bytes += held_bytes

    def next(self) -> R:
        """The first one, which is in line no more. Raises KeyError where there is none."""
        if self._returned:
            _, request, held = self._returned.pop(0)
        else:
            request, held = self._came.popitem(last=False)
        self.length -= 1
        self.held_bytes -= held
        return request

    def grow(self, request: R, more_bytes: int) -> None:
        """It holds more by now. Raises KeyError if it isn't in line."""
        if request in self._came:
            self._came[request] += more_bytes
        else:
            at = self._returned_at(request)
            order, _, held = self._returned[at]
            self._returned[at] = (order, request, held + more_bytes)
        self.held_bytes += more_bytes

    def leave(self, request: R) -> None:
        """It is gone. Raises KeyError if it isn't in line."""
        held = self._came.pop(request, None)
        if held is None:
            held = self._returned.pop(self._returned_at(request))[2]
        self.length -= 1
        self.held_bytes -= held

    def empty(self) -> list[R]:
        """All that were in line, the first one first."""
        out = list(self)
        self._came.clear()
        self._returned.clear()
        self.length = self.held_bytes = 0
        return out

    def _returned_at(self, request: R) -> int:
        for at, (_, other, _) in enumerate(self._returned):
            if other == request:
                return at
        raise KeyError(request)
