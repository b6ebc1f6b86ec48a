"""Windows and the delay window, seen from their edges."""

import pytest

from tidegate.scaling import (
    Aggregation,
    BadSpec,
    BadState,
    KpaSpec,
    MetricWindows,
    SavedWindow,
    Window,
)
from tidegate.scaling.delay import DelayWindow


def filled(length_s: int, values: dict[int, float]) -> Window:
    window = Window(length_s)
    for second, value in values.items():
        window.record(second, value)
    return window


def test_several_values_in_one_second_add_up() -> None:
    assert filled(6, {10: 2.0}).linear(10) == 2
    window = filled(6, {10: 2.0})
    window.record(10.9, 3)
    assert window.linear(10.95) == 5


def test_inner_gaps_count_as_zero_and_trailing_silence_does_not() -> None:
    window = filled(10, {0: 4.0, 3: 4.0})
    assert window.linear(3) == 2
    assert window.linear(6) == 2


def test_after_a_whole_window_of_silence_the_average_is_zero_and_then_there_is_no_data() -> None:
    window = filled(6, {0: 9.0})
    assert (window.linear(6), window.is_empty(6)) == (0, False)
    assert window.is_empty(7)


def test_a_late_value_counts_within_the_window_and_is_dropped_beyond() -> None:
    window = filled(6, {10: 6.0})
    window.record(5, 6)
    assert window.linear(10) == 2
    window.record(4, 600)
    assert window.linear(10) == 2


def test_a_fresh_weighted_window_starts_low() -> None:
    assert filled(60, {0: 10.0}).weighted(0) == pytest.approx(2.0)


def test_shrinking_keeps_the_newest_values() -> None:
    window = filled(10, {second: float(second) for second in range(10)})
    window.resize(9, 6)
    assert window.linear(9) == sum(range(4, 10)) / 6


def test_a_resize_after_the_window_ran_dry_forgets_the_values() -> None:
    window = filled(6, {0: 9.0})
    window.resize(60, 600)
    assert window.linear(60) == 0


def test_an_empty_window_is_unknown_unless_the_activator_sees_everything() -> None:
    scraped, buffered = KpaSpec(), KpaSpec(target_burst_capacity=-1)
    assert MetricWindows(scraped).averages(0, scraped) is None
    assert MetricWindows(buffered).averages(0, buffered) == (0, 0)


def test_the_aggregation_is_settled_when_collection_begins() -> None:
    windows = MetricWindows(KpaSpec(aggregation=Aggregation.WEIGHTED))
    windows.record(0, 10)
    assert windows.averages(0, KpaSpec()) == pytest.approx((2.0, 7.8455653))


@pytest.mark.parametrize(
    "saved",
    [
        pytest.param(SavedWindow(0), id="no length"),
        pytest.param(SavedWindow(1, 0, 1, 3.0, (1.0, 2.0)), id="more values than seconds"),
        pytest.param(SavedWindow(6, None, None, 1.0, (1.0,)), id="values without a time"),
    ],
)
def test_a_saved_window_that_contradicts_itself_is_refused(saved: SavedWindow) -> None:
    with pytest.raises(BadState):
        Window.restored(saved)


def test_a_window_needs_a_second() -> None:
    with pytest.raises(BadSpec):
        Window(0)


def largest(window: DelayWindow, *records: tuple[float, int]) -> list[int | None]:
    out: list[int | None] = []
    for now_s, count in records:
        window = window.record(now_s, count)
        out.append(window.largest)
    return out


def test_a_delay_keeps_the_largest_count_for_as_many_two_second_slots_as_it_fills() -> None:
    window = DelayWindow.lasting(5)
    assert window is not None
    assert window.slots == 3
    assert largest(window, (0, 9), (2, 5), (5.9, 1), (6, 1), (8, 1)) == [9, 9, 9, 5, 1]


def test_within_one_slot_the_larger_count_wins() -> None:
    assert largest(DelayWindow(1), (0, 5), (1.9, 2), (2, 2)) == [5, 5, 2]


def test_no_delay_is_no_window() -> None:
    assert DelayWindow.lasting(0) is None
