"""How many requests at once, against services of which it is known how many they serve."""

import pytest

from tidegate.batch.pace import Pace


def driven(pace: Pace, *, slots: int, each_s: float = 0.05, for_s: float = 60.0) -> Pace:
    """A closed loop: as many requests as the pace allows, `slots` of them served at a time."""
    now, free_at = 0.0, [0.0] * slots
    in_flight: list[float] = []
    while now < for_s:
        while len(in_flight) < pace.limit:
            at = min(range(slots), key=free_at.__getitem__)
            free_at[at] = max(free_at[at], now) + each_s
            in_flight.append(free_at[at])
        in_flight.sort()
        now = in_flight.pop(0)
        pace.answered(now)
    return pace


@pytest.mark.parametrize("slots", [1, 4, 30])
def test_it_finds_what_the_service_serves_at_once_and_stays_near(slots):
    limit = driven(Pace(), slots=slots).limit
    assert slots <= limit <= 3 * slots + 4


def test_it_never_goes_above_the_most():
    assert driven(Pace(most=5), slots=100).limit == 5
    assert Pace(most=2).limit == 2


def test_slow_rows_do_not_take_for_ever_to_fill_a_service():
    assert driven(Pace(), slots=32, each_s=60.0, for_s=600.0).limit >= 16


def test_refusals_shrink_it_but_a_burst_of_them_once():
    pace = Pace(limit=100)
    for _ in range(50):
        pace.refused(10.0)
    assert pace.limit == 70
    pace.refused(11.0)
    assert pace.limit == 49


def test_it_goes_down_to_one_and_comes_back():
    pace = Pace(limit=8)
    for second in range(30):
        pace.refused(float(second))
    assert pace.limit == 1
    assert driven(pace, slots=8).limit >= 6


def test_a_fixed_one_is_not_moved():
    pace = Pace(fixed=7)
    pace.refused(1.0)
    assert driven(pace, slots=100).limit == 7
