"""The ledger of one partition: which events were taken, how often they were tried, which are finished.

Values in, values out: no clock, no I/O. The adapter asks it what to commit, and on taking over a
partition it is made again from what was committed.

Offsets of a partition have holes (compacted topics, transactions), so nothing is counted: an event
is finished if it was taken and is not open any more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from tidegate.sources.kafka.notes import MOST_CHARS, Notes, Tries, read_notes, write_notes

MOST_OPEN: Final = 400
"""Events of one partition that may be open at once: with this many the notes always fit."""


@dataclass(slots=True)
class Ledger:
    """Owned by the adapter's one task group; needs no lock.

    Always: `base` is never beyond an event that was taken and isn't finished.
    """

    next: int
    """The offset after the last event taken."""
    _open: dict[int, Tries] = field(default_factory=dict)  # taken, not finished; in offset order
    _ahead: dict[int, Tries] = field(default_factory=dict)  # adopted, not met again yet
    _idle: set[int] = field(default_factory=set)  # of the open ones: nobody works on them here
    _finished: list[tuple[int, int]] = field(default_factory=list)  # runs known beyond `next`
    _tries: dict[int, Tries] = field(default_factory=dict)  # noted before, not met again yet

    @property
    def base(self) -> int:
        """The offset to commit: all before it is finished."""
        for offset in self._open:
            return offset
        if self._finished and self._finished[0][0] <= self.next:
            return max(self.next, self._finished[0][1])
        return self.next

    @property
    def open(self) -> int:
        """How many events are taken and not finished."""
        return len(self._open) + len(self._ahead)

    @property
    def crowded(self) -> bool:
        """Whether no more should be taken until some are finished."""
        return len(self._open) + len(self._finished) >= MOST_OPEN

    def take(self, offset: int) -> Tries | None:
        """An event has come off the topic: the tries it had before, or None if it is not to be
        sent (finished before, or still under way here). Offsets must ascend."""
        if offset < self.next:
            return None
        self.next = offset + 1
        while self._finished and self._finished[0][1] <= offset:
            del self._finished[0]
        if self._finished and self._finished[0][0] <= offset:
            return None
        before = self._tries.pop(offset, Tries(0))
        if offset in self._ahead:
            self._open[offset] = self._ahead.pop(offset)
            return None
        self._open[offset] = before
        return before

    def passed(self, offset: int) -> None:
        """No event is left before this one but those that were taken: what else there was are marks of
        transactions, or is gone from the topic."""
        self.next = max(self.next, offset)
        while self._finished and self._finished[0][1] <= self.next:
            del self._finished[0]

    def note(self, offset: int, tries: Tries) -> None:
        """How often an open event has been tried now."""
        if offset in self._open:
            self._open[offset] = tries
        elif offset in self._ahead:
            self._ahead[offset] = tries

    def tried(self, offset: int) -> int | None:
        """How often an open event has been tried, as far as anybody told. None: it isn't open: another
        consumer finished it while its partition was there."""
        tries = self._open.get(offset) or self._ahead.get(offset)
        return None if tries is None else tries.made

    def finish(self, offset: int) -> None:
        """Done with it: handled, dead-lettered or dropped."""
        if self._open.pop(offset, None) is None and self._ahead.pop(offset, None) is not None:
            self._finished = joined([*self._finished, (offset, offset + 1)])

    def release(self, offset: int) -> None:
        """Nobody works on it any more here, and it isn't finished."""
        if offset in self._open:
            self._idle.add(offset)
        elif offset in self._ahead:
            self._tries[offset] = self._ahead.pop(offset)

    def notes(self) -> Notes:
        """What is known beyond `base`."""
        runs, base = [], self.base
        offsets = [*self._open, self.next]
        for one, following in pairwise(offsets):
            if following > one + 1:
                runs.append((one + 1, following))
        tries = {**self._open, **self._ahead, **self._tries}
        noted = tuple((at, tries[at]) for at in sorted(tries) if tries[at].made)
        known = [run for run in joined([*runs, *self._finished]) if run[1] > base]
        return Notes(tuple(known), noted)

    def commit(self, *, most_chars: int = MOST_CHARS) -> tuple[int, str]:
        """Offset and metadata to commit now."""
        base = self.base
        return base, write_notes(base, self.notes(), most_chars=most_chars)


def joined(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Runs in order, those that touch made one."""
    out: list[tuple[int, int]] = []
    for first, end in sorted(runs):
        if out and first <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        elif end > first:
            out.append((first, end))
    return out


def resume(committed: int, metadata: str | None, former: Ledger | None = None) -> Ledger:
    """The ledger of a partition that was just assigned, from its committed offset and metadata.

    `former`: the ledger this process had of the partition before, if tries of it are still under
    way or its last commit may not have come through: what it knows is known here too.
    """
    notes = read_notes(committed, metadata) or Notes()
    finished, tries = list(notes.finished), dict(notes.tries)
    ahead: dict[int, Tries] = {}
    base = committed
    if former is not None:
        known = former.notes()
        finished += [*known.finished, (committed, former.base)]
        for offset, each in known.tries:
            if offset not in tries or tries[offset].made <= each.made:
                tries[offset] = each
        under_way = {**former._open, **former._ahead}
        ahead = {
            at: tries.get(at, each) for at, each in under_way.items() if at not in former._idle
        }
    finished = joined([(max(first, base), end) for first, end in finished])
    while finished and finished[0][0] <= base:
        base = max(base, finished.pop(0)[1])

    def matters(offset: int) -> bool:
        return offset >= base and not any(first <= offset < end for first, end in finished)

    return Ledger(
        next=base,
        _ahead={at: each for at, each in sorted(ahead.items()) if matters(at)},
        _finished=finished,
        _tries={at: each for at, each in tries.items() if matters(at) and at not in ahead},
    )
