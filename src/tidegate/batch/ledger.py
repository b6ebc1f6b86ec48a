"""Which rows are done, and what may be written when. Pure.

Always: a row's entry is given out once; in order, after the entries of all rows before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Entry:
    """What a row leaves: a line of the output, or one of the side file."""

    line: bytes
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a run is. All rows before `next` are done, and those in `beyond` (first and last)."""

    next: int = 0
    offset: int | None = 0  # where row `next` begins in the input; None: not known
    beyond: tuple[tuple[int, int], ...] = ()

    def __contains__(self, row: int) -> bool:
        return row < self.next or any(first <= row <= last for first, last in self.beyond)


@dataclass(slots=True)
class Ledger:
    """`ordered`: entries are held until their turn. Owned by the runner."""

    ordered: bool
    next: int = 0
    offset: int | None = 0
    _done: dict[int, Entry | None] = field(default_factory=dict)  # None: written already
    _ends: dict[int, int | None] = field(default_factory=dict)
    held_bytes: int = 0

    @classmethod
    def resumed(cls, mark: Mark, *, ordered: bool) -> Ledger:
        """A ledger that goes on where another one was."""
        made = cls(ordered, mark.next, mark.offset)
        for first, last in mark.beyond:
            for row in range(first, last + 1):
                made._done[row] = None
                made._ends[row] = None
        return made

    def __contains__(self, row: int) -> bool:
        return row < self.next or row in self._done

    @property
    def ahead(self) -> int:
        """Rows that are done although one before them isn't."""
        return len(self._done)

    def done(self, row: int, end: int | None, entry: Entry) -> list[Entry]:
        """A row is done; `end` is where it ends in the input. What is to be written now, in order."""
        assert row not in self, f"row {row} is done twice"
        self._ends[row] = end
        self._done[row] = entry if self.ordered else None
        out = [] if self.ordered else [entry]
        if self.ordered:
            self.held_bytes += len(entry.line)
        while self.next in self._done:
            found = self._done.pop(self.next)
            self.offset = self._ends.pop(self.next)
            self.next += 1
            if found is not None:
                self.held_bytes -= len(found.line)
                out.append(found)
        return out

    def mark(self) -> Mark:
        """What is written once all that was given out is: in order nothing beyond `next` is."""
        rows = () if self.ordered else sorted(self._done)
        return Mark(self.next, self.offset, tuple(_ranges(rows)))


def _ranges(rows: Iterable[int]) -> Iterable[tuple[int, int]]:
    first = last = None
    for row in rows:
        if last is not None and first is not None and row != last + 1:
            yield first, last
            first = None
        first, last = (row if first is None else first), row
    if first is not None and last is not None:
        yield first, last
