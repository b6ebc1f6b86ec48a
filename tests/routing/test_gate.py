"""The gate, example by example; `test_gate_machine.py` tries all orders."""

import pytest

from tidegate.routing import Gate, Seat, Verdict


def gate(*ids: str, limit: int = 1, places: int = 100, places_bytes: int = 1000) -> Gate[int]:
    made: Gate[int] = Gate()
    made.configure(dict.fromkeys(ids, False), limit=limit, places=places, places_bytes=places_bytes)
    return made


def seats(gate: Gate[int], limit: int = 1, **draining: bool) -> list[tuple[int, Seat]]:
    """Change the replicas, and the limit."""
    return gate.configure(draining, limit=limit, places=100, places_bytes=1000)


def seat_of(verdict: Seat | Verdict) -> Seat:
    assert isinstance(verdict, Seat)
    return verdict


def test_with_no_replica_requests_wait_and_start_in_order_when_one_comes():
    g = gate()
    assert [g.arrive(i) for i in range(3)] == [Verdict.WAITS] * 3
    assert [r for r, _ in seats(g, a=False, b=False)] == [0, 1]


def test_the_least_busy_replica_gets_the_next_request_and_equals_take_turns():
    g = gate("a", "b", "c", limit=0)
    assert [seat_of(g.arrive(i)).id for i in range(6)] == ["a", "b", "c", "a", "b", "c"]
    g.leave(g.seats["b"])
    assert seat_of(g.arrive(7)).id == "b"


def test_sequential_requests_are_spread_over_idle_replicas():
    g = gate("a", "b", "c")
    used = []
    for i in range(6):
        seat = seat_of(g.arrive(i))
        used.append(seat.id)
        g.leave(seat)
    assert sorted(used) == ["a", "a", "b", "b", "c", "c"]


def test_a_full_queue_refuses_by_number_and_by_bytes():
    g = gate(places=2, places_bytes=100)
    assert g.arrive(1, 60) is Verdict.WAITS
    assert g.arrive(2, 60) is Verdict.BYTES_FULL
    assert g.arrive(3, 40) is Verdict.WAITS
    assert g.arrive(4, 0) is Verdict.QUEUE_FULL


def test_a_body_that_grows_too_large_while_waiting_loses_its_place_only():
    g = gate(places_bytes=100)
    g.arrive(1, 50)
    g.arrive(2, 10)
    assert g.grow(2, 40)
    assert not g.grow(1, 1)
    assert (g.waiting, g.line.held_bytes) == (1, 50)


def test_a_draining_replica_finishes_and_gets_nothing_new():
    g = gate("a")
    seat = seat_of(g.arrive(1))
    seats(g, a=True)
    assert g.arrive(2) is Verdict.WAITS
    assert g.drained == []
    assert g.leave(seat) is None
    assert g.drained == ["a"]


def test_a_removed_replica_is_drained_when_its_last_request_has_left():
    g = gate("a", "b", limit=0)
    seat = seat_of(g.arrive(1))
    seats(g, 0, **{"b" if seat.id == "a" else "a": False})
    assert g.drained == []
    g.leave(seat)
    assert g.drained == [seat.id]


def test_a_removed_replica_that_comes_back_still_counts_what_it_runs():
    g = gate("a")
    g.arrive(1)
    seats(g)
    seats(g, a=False)
    assert g.arrive(2) is Verdict.WAITS
    assert g.drained == []


def test_a_request_that_could_not_connect_goes_first_on_another_replica():
    g = gate("a", "b")
    first, second = seat_of(g.arrive(1)), seat_of(g.arrive(2))
    g.arrive(3)
    g.rest(first)
    assert g.give_back(1, first, held_bytes=0, order=1) == []
    assert list(g.line) == [1, 3]
    assert g.leave(second) == 1


def test_several_returned_requests_keep_their_order_of_arrival():
    g = gate("a", limit=0)
    seat = seat_of(g.arrive(1))
    g.arrive(2)
    g.rest(seat)
    g.arrive(3)
    g.give_back(2, seat, held_bytes=0, order=2)
    g.give_back(1, seat, held_bytes=0, order=1)
    assert list(g.line) == [1, 2, 3]


def test_after_its_rest_a_replica_is_tried_by_one_request_before_the_others_follow():
    g = gate("a", limit=0)
    g.rest(g.seats["a"])
    for i in range(3):
        g.arrive(i)
    [(request, seat)] = g.rested(g.seats["a"])
    assert request == 0
    assert [r for r, _ in g.proved(seat)] == [1, 2]


def test_a_gate_is_refused_while_no_replica_has_taken_what_it_was_offered_last():
    g = gate("a", limit=0)
    assert not g.is_refused
    seat = seat_of(g.arrive(1))
    g.rest(seat)
    g.give_back(1, seat, held_bytes=0, order=1)
    assert g.is_refused
    assert [r for r, _ in g.rested(seat)] == [1]
    assert not g.is_refused, "it is being tried"
    g.proved(seat)
    g.leave(seat)
    assert not g.is_refused
    assert gate().is_refused


def test_a_smaller_limit_lets_running_requests_finish_and_starts_no_new_ones():
    g = gate("a", limit=2)
    seat = seat_of(g.arrive(1))
    g.arrive(2)
    g.arrive(3)
    seats(g, 1, a=False)
    assert g.leave(seat) is None
    assert g.leave(seat) == 3


def test_a_larger_limit_and_a_draining_replica_in_one_change_start_nothing_there():
    g = gate("a", limit=1)
    g.arrive(1)
    g.arrive(2)
    assert seats(g, 2, a=True) == []
    assert g.waiting == 1


def test_a_closed_gate_gives_back_all_that_waited_oldest_first():
    g = gate()
    for i in range(3):
        g.arrive(i, 10)
    assert g.close() == [0, 1, 2]
    assert (g.waiting, g.line.held_bytes) == (0, 0)


def test_abandoning_a_request_that_does_not_wait_is_our_mistake():
    with pytest.raises(KeyError):
        gate().abandon(1)


def shared(share: int, *ids: str, limit: int = 0) -> Gate[int]:
    g: Gate[int] = Gate()
    seats = dict.fromkeys(ids, False)
    g.configure(seats, limit=limit, places=100, places_bytes=1000, batch_share=share)
    return g


def test_a_batch_request_starts_only_where_nobody_waits_and_gives_its_place_back():
    g = gate("a")
    seat = seat_of(g.arrive_batch(1))
    assert g.arrive_batch(2) is Verdict.WAITS
    assert g.arrive(3) is Verdict.WAITS
    assert g.yields() == [1]
    assert g.leave_batch(1, seat) == 3
    assert g.yields() == []
    assert g.leave(seat) == 2


def test_the_youngest_batch_requests_go_and_no_more_than_are_needed():
    g = gate("a", "b")
    seat_of(g.arrive_batch(1))
    seat_of(g.arrive_batch(2))
    g.arrive(3)
    assert g.yields() == [2]


def test_without_a_limit_batch_requests_fill_a_replica_up_to_their_share_only():
    g = shared(2, "a")
    assert isinstance(g.arrive_batch(1), Seat)
    assert isinstance(g.arrive_batch(2), Seat)
    assert g.arrive_batch(3) is Verdict.WAITS
    assert isinstance(g.arrive(4), Seat)
    assert g.yields() == [2]


def test_batch_bodies_that_wait_take_no_room_from_the_others():
    g = gate(places=1, places_bytes=100)
    assert g.arrive_batch(1, 90) is Verdict.WAITS
    assert g.arrive(2, 90) is Verdict.WAITS
    assert g.arrive_batch(3) is Verdict.QUEUE_FULL
    assert g.close() == [2, 1]
