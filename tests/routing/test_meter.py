"""Concurrency is integrated over each second; what was not seen is missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.routing import BATCH_TRACE, Meter
from tidegate.routing.latency import bucket_of_s


def test_a_request_shorter_than_a_second_counts_for_as_long_as_it_took():
    meter = Meter(100.0)
    meter.arrived(100.25)
    meter.left(100.75)
    [second] = meter.take(101.0)
    assert (second.at_s, second.concurrency, second.requests) == (101.0, 0.5, 1)


def test_a_long_request_is_shared_out_over_its_seconds():
    meter = Meter(100.0)
    meter.arrived(100.5)
    meter.take(101.1)
    meter.left(102.25)
    seconds = meter.take(103.0)
    assert [(s.at_s, s.concurrency, s.requests) for s in seconds] == [
        (102.0, 1.0, 0),
        (103.0, 0.25, 0),
    ]


def test_errors_are_counted_in_the_second_in_which_they_were_answered():
    meter = Meter(100.0)
    meter.arrived(100.5)
    meter.take(101.0)
    meter.left(101.5, failed=True)
    assert [s.errors for s in meter.take(102.0)] == [1]


def test_latencies_and_cold_starts_are_of_the_second_in_which_they_happened():
    meter = Meter(100.0)
    meter.arrived(100.5)
    meter.found_nothing()
    meter.arrived(100.6)
    meter.left(101.5, took_s=1.0)
    meter.left(101.7)  # its client left
    [first, second] = meter.take(102.0)
    assert (first.cold_starts, first.latencies) == (1, {})
    assert (second.cold_starts, second.latencies) == (0, {bucket_of_s(1.0): 1})


def test_an_idle_second_is_seen_as_zero():
    meter = Meter(100.0)
    assert [(s.at_s, s.concurrency) for s in meter.take(101.0)] == [(101.0, 0.0)]


def test_seconds_in_which_we_were_frozen_are_missing_and_not_zero():
    meter = Meter(100.0)
    meter.arrived(100.5)
    meter.take(101.0)
    assert [s.at_s for s in meter.take(105.5)] == [105.0]  # 102 to 104 were not observed
    assert [(s.at_s, s.concurrency) for s in meter.take(106.0)] == [(106.0, 1.0)]


def test_what_happens_before_the_beginning_changes_the_level_only():
    meter = Meter(101.0)
    meter.arrived(100.5)
    [second] = meter.take(102.0)
    assert (second.at_s, second.concurrency, second.requests) == (102.0, 1.0, 0)


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5)), max_size=20))
def test_the_sum_over_all_seconds_is_the_time_spent_by_all_requests(spans):
    events = sorted(
        [(min(a, b), 1) for a, b in spans] + [(max(a, b), -1) for a, b in spans],
        key=lambda event: (event[0], -event[1]),
    )
    ticks = [(tick / 2, 0) for tick in range(13)]
    meter, seconds = Meter(0.0), []
    for now, change in sorted(events + ticks, key=lambda event: (event[0], -event[1])):
        if change > 0:
            meter.arrived(now)
        elif change < 0:
            meter.left(now)
        else:
            seconds += meter.take(now)
    assert sum(s.concurrency for s in seconds) == pytest.approx(sum(abs(a - b) for a, b in spans))
    assert sum(s.requests for s in seconds) == len(spans)
    assert [s.at_s for s in seconds] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_batch_requests_leave_a_trace_and_no_demand():
    meter = Meter(100.0)
    meter.batch_arrived(100.2)
    seen = meter.take(101.0)
    meter.batch_arrived(101.4)
    meter.arrived(101.5)
    seen += meter.take(102.0)
    meter.batch_left(102.5)
    meter.batch_left(102.6)
    meter.left(102.75)
    seen += [*meter.take(103.0), *meter.take(104.0)]
    assert [(s.concurrency, s.requests, s.batch) for s in seen] == [
        (BATCH_TRACE, 0, 1),
        (0.5, 1, 1),
        (0.75, 0, 0),
        (0.0, 0, 0),
    ]


def test_a_batch_request_that_goes_on_shows_in_every_second():
    meter = Meter(100.0)
    meter.batch_arrived(100.2)
    assert [s.concurrency for at in (101.0, 102.0, 103.0) for s in meter.take(at)] == [
        BATCH_TRACE
    ] * 3
