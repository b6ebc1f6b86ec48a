"""The folding queue: what is asked for twice runs once, what is asked for while running runs again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidegate.model.meta import Key
from tidegate.reconcile.queue import FIRST_BACK_OFF_S, MAX_BACK_OFF_S, WorkQueue

A, B = Key("ns", "a"), Key("ns", "b")


def test_a_key_asked_for_twice_runs_once():
    queue = WorkQueue()
    queue.add(A)
    queue.add(A)
    assert queue.take(0) == A
    assert queue.take(0) is None


def test_a_key_asked_for_while_it_runs_runs_once_more_afterwards_and_never_at_the_same_time():
    queue = WorkQueue()
    queue.add(A)
    assert queue.take(0) == A
    queue.add(A)
    queue.add(A)
    assert queue.take(0) is None
    queue.done(A)
    assert queue.take(0) == A
    queue.done(A)
    assert queue.take(0) is None


def test_failures_back_off_and_success_forgets_them():
    queue = WorkQueue()
    queue.add(A)
    now, pauses = 0.0, []
    for _ in range(20):
        assert queue.take(now) == A
        pause = queue.failed(A, now)
        pauses.append(pause)
        assert queue.take(now + pause * 0.99) is None
        now += pause
    assert pauses[0] == FIRST_BACK_OFF_S
    assert pauses[-1] == MAX_BACK_OFF_S
    assert queue.take(now) == A
    queue.done(A)
    queue.add(A)
    assert queue.take(now) == A
    assert queue.failed(A, now) == FIRST_BACK_OFF_S


def test_an_earlier_timed_look_wins_over_a_later_one():
    queue = WorkQueue()
    queue.add_at(A, 10)
    queue.add_at(A, 5)
    queue.add_at(A, 20)
    assert queue.next_due_s() == 5
    assert queue.take(4.9) is None
    assert queue.take(5) == A
    queue.done(A)
    assert queue.take(100) is None


@given(st.lists(st.tuples(st.sampled_from("adft"), st.sampled_from([A, B])), max_size=60))
def test_no_key_ever_runs_twice_at_once_and_none_is_lost(steps):
    queue, running, wanted = WorkQueue(), set(), set()
    now = 0.0
    for what, key in steps:
        now += 1000
        if what == "a":
            queue.add(key)
            wanted.add(key)
        elif what == "t" and (taken := queue.take(now)) is not None:
            assert taken not in running
            running.add(taken)
            wanted.discard(taken)
        elif what == "d" and key in running:
            running.discard(key)
            queue.done(key)
        elif what == "f" and key in running:
            running.discard(key)
            queue.failed(key, now)
            wanted.add(key)
    for key in list(running):
        queue.done(key)
    left = set()
    now += 1000
    while (taken := queue.take(now)) is not None:
        left.add(taken)
        queue.done(taken)
    assert wanted <= left
