"""The ledger of a partition never says too much, and a successor reads what it wrote."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tidegate.sources.kafka.ledger import MOST_OPEN, Ledger, resume
from tidegate.sources.kafka.notes import Tries


def taken(*offsets: int, at: int = 0) -> Ledger:
    ledger = Ledger(at)
    for offset in offsets:
        assert ledger.take(offset) is not None
    return ledger


def test_the_offset_to_commit_is_the_first_unfinished_one():
    ledger = taken(0, 1, 2, 3)
    ledger.finish(1)
    ledger.finish(2)
    assert ledger.base == 0
    ledger.finish(0)
    assert ledger.base == 3


def test_a_successor_skips_what_was_finished_out_of_order_and_goes_on_counting_tries():
    ledger = taken(0, 1, 2, 3)
    ledger.note(0, Tries(3))
    ledger.note(2, Tries(1, under_way=True))
    ledger.finish(1)
    ledger.finish(3)
    successor = resume(*ledger.commit())
    assert [successor.take(offset) for offset in range(5)] == [
        Tries(3),
        None,
        Tries(1, under_way=True),
        None,
        Tries(0),
    ]


def test_in_the_middle_of_what_was_finished_before_all_of_it_is_committed():
    ledger = taken(0, 1, 2, 3)
    for offset in (1, 2, 3):
        ledger.finish(offset)
    successor = resume(*ledger.commit())
    successor.take(0)
    successor.take(1)
    successor.finish(0)
    assert successor.base == 4
    assert resume(*successor.commit()).base == 4


def test_holes_in_the_offsets_of_a_topic_do_not_hold_a_commit_up():
    ledger = taken(0, 5, 9)
    for offset in (0, 5, 9):
        ledger.finish(offset)
    assert ledger.base == 10


def test_marks_of_transactions_behind_the_last_event_are_committed_past():
    ledger = taken(0, 1)
    ledger.finish(1)
    ledger.passed(4)
    assert ledger.base == 0
    ledger.finish(0)
    assert ledger.commit()[0] == 4
    assert ledger.take(4) == Tries(0)


def test_a_partition_that_comes_back_does_not_send_again_what_is_still_in_the_air():
    before = taken(0, 1, 2)
    before.finish(1)
    before.release(2)
    after = resume(0, None, before)
    assert [after.take(offset) for offset in range(3)] == [None, None, Tries(0)]
    after.finish(0)
    after.finish(2)
    assert after.base == 3


def test_a_try_in_the_air_that_ends_before_its_event_is_met_again_is_not_repeated():
    after = resume(0, None, taken(0, 1))
    after.finish(1)
    assert after.take(0) is None
    assert after.take(1) is None
    after.finish(0)
    assert after.base == 2


def test_tries_that_another_consumer_made_meanwhile_count_for_one_that_is_still_in_the_air():
    here = taken(0)
    here.note(0, Tries(1, under_way=True))
    there = resume(*here.commit())
    assert there.take(0) == Tries(1, under_way=True)
    there.note(0, Tries(2, under_way=True))
    after = resume(*there.commit(), here)
    assert after.take(0) is None
    assert after.tried(0) == 2
    there.finish(0)
    assert resume(*there.commit(), here).tried(0) is None


def test_what_this_process_finished_is_known_even_if_its_last_commit_was_lost():
    before = taken(0, 1)
    before.finish(0)
    before.finish(1)
    assert resume(0, None, before).base == 2


def test_with_the_most_events_open_the_notes_fit_the_metadata():
    ledger, offset = Ledger(10**12), 10**12
    while not ledger.crowded:
        ledger.take(offset)
        ledger.note(offset, Tries(2, under_way=True))
        ledger.take(offset + 1)
        ledger.finish(offset + 1)
        offset += 2
    base, text = ledger.commit()
    assert len(text) <= 4000
    successor = resume(base, text)
    assert successor.take(base) == Tries(2, under_way=True)
    assert [successor.take(at) for at in range(base + 1, offset, 2)] == [None] * MOST_OPEN


class Partition(RuleBasedStateMachine):
    """A partition worked on in any order, with crashes and rebalances anywhere, against a plain model."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(0)
        self.finished: set[int] = set()
        self.sent: dict[int, int] = {}
        self.tried: dict[int, Tries] = {}
        self.on_disk = (0, "")
        self.finished_on_disk: set[int] = set()
        self.at = 0

    @rule()
    def take(self) -> None:
        while self.at % 7 in (3, 4):  # offsets that the topic doesn't have
            self.at += 1
        tries = self.ledger.take(self.at)
        if tries is None:
            assert self.at in self.finished
        else:
            assert self.at not in self.finished_on_disk
            assert tries == self.tried.get(self.at, Tries(0))
            self.sent[self.at] = tries.made
        self.at += 1

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(sorted(self.sent)))
        self.sent[offset] += 1
        self.ledger.note(offset, Tries(self.sent[offset]))

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(sorted(self.sent)))
        self.ledger.finish(offset)
        del self.sent[offset]
        self.finished.add(offset)

    @rule()
    def commit(self) -> None:
        self.on_disk = self.ledger.commit()
        self.finished_on_disk = set(self.finished)
        made = {at: Tries(n) for at, n in self.sent.items() if n}
        self.tried = {at: t for at, t in self.tried.items() if at >= self.at} | made

    @rule()
    def crash(self) -> None:
        self.ledger = resume(*self.on_disk)
        self.finished = set(self.finished_on_disk)
        self.sent, self.at = {}, self.ledger.next

    @rule()
    def revoked_and_back(self) -> None:
        """All that wait are let go; their ledger is known when the partition comes back."""
        self.commit()
        for offset in self.sent:
            self.ledger.release(offset)
        self.ledger = resume(*self.on_disk, self.ledger)
        self.sent, self.at = {}, self.ledger.next

    @invariant()
    def the_commit_never_passes_an_unfinished_event(self) -> None:
        if self.sent:
            assert self.ledger.base <= min(self.sent)


Partition.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
TestPartition = Partition.TestCase
