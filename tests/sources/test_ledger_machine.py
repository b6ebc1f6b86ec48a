"""A partition in a group of consumers that come, go and die: what the group's commits say is true at every
moment, and nobody sends what is in the air already or forgets a try that was written down.

The steps are the adapter's own: `delivery` (a try after the first is committed before it is sent, a first one when it
has failed), `membership` (waits end when a partition goes, tries in the air may outlast it, its last
commit may be lost; it comes back to the same process or to another) and `partition`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tidegate.sources.kafka.ledger import Ledger, resume
from tidegate.sources.kafka.notes import Tries, read_notes

HOLES = (3, 4)  # of each seven offsets: the topic doesn't have them


def is_event(offset: int) -> bool:
    return offset % 7 not in HOLES


@dataclass
class Process:
    """A consumer. `ledger` stays when the partition goes: it is the former one if it comes back."""

    ledger: Ledger | None = None
    owned: bool = False
    at: int = 0
    in_air: dict[int, int] = field(default_factory=dict)  # which try
    waiting: dict[int, int] = field(default_factory=dict)  # between tries: how many it had
    done: set[int] = field(default_factory=set)  # what it finished itself
    tried: dict[int, int] = field(default_factory=dict)  # tries that it saw fail

    def forget(self) -> None:
        """Its former partition is given up for good: others have it now."""
        self.ledger = None
        self.done.clear()
        self.tried.clear()


class Group(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.processes = [Process(), Process()]
        self.kept = (0, "")
        self.finished: set[int] = set()
        self.written: dict[int, int] = {}  # the most tries of an event that a commit ever told

    # --- what happens

    def commit(self, process: Process) -> None:
        assert process.ledger is not None
        self.kept = process.ledger.commit()
        notes = read_notes(*self.kept)
        assert notes is not None
        for offset, tries in notes.tries:
            self.written[offset] = max(self.written.get(offset, 0), tries.made)

    def send(self, process: Process, offset: int, which: int) -> None:
        assert process.ledger is not None
        process.ledger.note(offset, Tries(which, under_way=True))
        if which > 1:
            self.commit(process)
        process.in_air[offset] = which

    def owner(self) -> Process | None:
        return next((each for each in self.processes if each.owned), None)

    # --- the steps

    @precondition(lambda self: self.owner() is None)
    @rule(n=st.integers(0, 1))
    def assign(self, n: int) -> None:
        process, other = self.processes[n], self.processes[1 - n]
        former = process.ledger
        process.ledger = resume(*self.kept, former)
        process.owned, process.at = True, process.ledger.next
        if not other.in_air:
            other.forget()

    @precondition(lambda self: self.owner() is not None)
    @rule()
    def take(self) -> None:
        process = self.owner()
        assert process is not None
        assert process.ledger is not None
        while not is_event(process.at):
            process.at += 1
        offset = process.at
        process.at += 1
        before = process.ledger.take(offset)
        under_way = offset in process.in_air or offset in process.waiting
        if before is None:
            assert offset in self.finished or under_way
            return
        assert not under_way
        assert offset not in process.done
        assert before.made >= max(self.written.get(offset, 0), process.tried.get(offset, 0))
        self.send(process, offset, before.made + 1)

    @precondition(lambda self: any(each.in_air for each in self.processes))
    @rule(data=st.data(), well=st.booleans())
    def end_of_a_try(self, data: st.DataObject, *, well: bool) -> None:
        process = data.draw(st.sampled_from([each for each in self.processes if each.in_air]))
        offset = data.draw(st.sampled_from(sorted(process.in_air)))
        which = process.in_air.pop(offset)
        assert process.ledger is not None
        if well:
            process.ledger.finish(offset)
            self.finished.add(offset)
            process.done.add(offset)
            return
        known = process.ledger.tried(offset)
        if known is None:
            assert offset in self.finished  # by the other one, while it had the partition
            return
        which = max(which, known)
        process.tried[offset] = which
        process.ledger.note(offset, Tries(which))
        if not process.owned:
            process.ledger.release(offset)
            return
        if which == 1:
            self.commit(process)
        process.waiting[offset] = which

    @precondition(lambda self: any(each.waiting for each in self.processes))
    @rule(data=st.data())
    def try_again(self, data: st.DataObject) -> None:
        process = self.owner()
        assert process is not None
        offset = data.draw(st.sampled_from(sorted(process.waiting)))
        self.send(process, offset, process.waiting.pop(offset) + 1)

    @precondition(lambda self: self.owner() is not None)
    @rule()
    def commit_now(self) -> None:
        process = self.owner()
        assert process is not None
        self.commit(process)

    @precondition(lambda self: self.owner() is not None)
    @rule(lost=st.booleans())
    def revoke(self, *, lost: bool) -> None:
        process = self.owner()
        assert process is not None
        assert process.ledger is not None
        process.owned = False
        for offset in process.waiting:
            process.ledger.release(offset)
        process.waiting.clear()
        if not lost:
            self.commit(process)

    @rule(n=st.integers(0, 1))
    def die(self, n: int) -> None:
        self.processes[n] = Process()

    # --- what must hold

    @invariant()
    def what_is_committed_is_true(self) -> None:
        """Whoever reads the commit now skips nothing that isn't finished."""
        base, text = self.kept
        notes = read_notes(base, text)
        runs = notes.finished if notes is not None else ()
        for first, end in ((0, base), *runs):
            assert all(at in self.finished for at in range(first, end) if is_event(at))

    @invariant()
    def what_is_known_is_true(self) -> None:
        process = self.owner()
        if process is not None and process.ledger is not None:
            for at in range(process.ledger.base):
                assert at in self.finished or not is_event(at)


Group.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestGroup = Group.TestCase
