"""The report's sums, by hey's rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cli.load_summary import Tally, as_json, as_text, histogram, percentiles, summarise


def tally_of(latencies_s, *, statuses=None, errors=None):
    tally = Tally(latencies_s=list(latencies_s), body_bytes=10 * len(latencies_s))
    tally.statuses.update(statuses or ({200: len(latencies_s)} if latencies_s else {}))
    tally.errors.update(errors or {})
    return tally


def test_a_hundred_latencies_give_the_percentiles_one_expects():
    found = percentiles([i / 1000 for i in range(1, 101)])
    assert found == (
        (10, 0.011),
        (25, 0.026),
        (50, 0.051),
        (75, 0.076),
        (90, 0.091),
        (95, 0.096),
        (99, 0.1),
    )


def test_too_few_requests_tell_no_high_percentile():
    assert percentiles([0.5]) == ()
    assert [p for p, _ in percentiles([0.1, 0.2, 0.3, 0.4])] == [10, 25, 50, 75]


@given(st.lists(st.floats(0, 10), min_size=1, max_size=50))
def test_the_histogram_counts_every_request_once_and_ends_at_the_slowest(latencies):
    found = histogram(sorted(latencies))
    assert sum(count for _, count in found) == len(latencies)
    assert (found[0][0], found[-1][0]) == (min(latencies), max(latencies))
    assert len(found) == 11


def test_the_report_reads_as_heys():
    text = as_text(summarise(tally_of([0.1, 0.2, 0.3, 0.4], errors={"refused": 2}), 2.0))
    for line in (
        "  Total:\t2.0000 secs",
        "  Slowest:\t0.4000 secs",
        "  Fastest:\t0.1000 secs",
        "  Average:\t0.2500 secs",
        "  Requests/sec:\t2.0000",
        "  Total data:\t40 bytes",
        "  Size/request:\t10 bytes",
        "  0.100 [1]\t|■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■",
        "  50% in 0.3000 secs",
        "  [200]\t4 responses",
        "  [2]\trefused",
    ):
        assert line in text.splitlines()


def test_a_run_without_an_answer_has_a_report_too():
    summary = summarise(tally_of([], errors={"refused": 3}), 1.0)
    assert (summary.requests_per_s, summary.histogram, summary.percentiles) == (0.0, (), ())
    assert "[3]\trefused" in as_text(summary)


def test_json_has_the_same_numbers():
    found = as_json(summarise(tally_of([0.1] * 20), 2.0))
    assert (found["requests_per_s"], found["statuses"]) == (10.0, {"200": 20})
    assert found["percentiles"][0] == {"percent": 10, "latency_s": pytest.approx(0.1)}
