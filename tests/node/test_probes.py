from dataclasses import replace

import pytest

from tidegate.model.containers import ExecAction, HTTPGetAction, Probe
from tidegate.node.probes import Kind, Rhythm, after, first_row, next_attempt_s, rhythm_of


def play(rhythm: Rhythm, results, *, until_s: float = 1e9):
    """(when, verdict) of each attempt that `results(now_s)` decides, from 0 to `until_s`."""
    row, now_s, seen = first_row(rhythm, started_at_s=0.0), 0.0, []
    while True:
        now_s = max(now_s, next_attempt_s(rhythm, row, now_s=now_s))
        if now_s > until_s:
            return seen
        row = after(rhythm, row, ok=results(now_s), began_at_s=now_s)
        seen.append((round(now_s, 6), row.verdict))


READINESS = rhythm_of(Probe(http_get=HTTPGetAction()), Kind.READINESS)


def test_a_start_is_probed_every_three_milliseconds_and_then_every_ten():
    times = [at for at, _ in play(READINESS, lambda now_s: now_s >= 0.07, until_s=1)]
    assert times[:3] == [0.0, 0.003, 0.006]
    assert times[14:] == [0.042, 0.045, 0.055, 0.065, 0.075]


def test_after_the_first_success_it_goes_on_at_its_period():
    seen = play(READINESS, lambda now_s: now_s >= 0.006, until_s=25)
    assert [at for at, _ in seen[2:]] == [0.006, 10.006, 20.006]


def test_eager_failures_do_not_count():
    rhythm = replace(READINESS, failures=2)
    seen = play(rhythm, lambda _: False, until_s=9.9)
    assert len(seen) > 100
    assert all(verdict is None for _, verdict in seen)
    assert play(rhythm, lambda _: False, until_s=10.1)[-1][1] is False


def test_a_long_start_is_probed_four_times_a_second_at_the_end():
    times = [at for at, _ in play(READINESS, lambda _: False, until_s=60)]
    gaps = [b - a for a, b in zip(times[-20:], times[-19:], strict=False)]
    assert max(gaps) <= 0.25 + 1e-6
    assert len(times) < 400


def test_once_ready_it_fails_only_after_the_threshold_and_comes_back_on_the_rhythm():
    seen = play(READINESS, lambda now_s: now_s < 5 or now_s > 45, until_s=60)
    assert seen == [
        (0, True), (10, True), (20, True), (30, False), (40, False), (50, True), (60, True),
    ]  # fmt: skip


def test_an_initial_delay_is_waited_for():
    rhythm = rhythm_of(Probe(initial_delay_seconds=5, period_seconds=2), Kind.READINESS)
    assert play(rhythm, lambda _: False, until_s=10) == [(5, None), (7, None), (9, False)]


def test_several_successes_in_a_row_are_counted_on_the_period():
    rhythm = rhythm_of(Probe(success_threshold=3, period_seconds=2), Kind.READINESS)
    assert play(rhythm, lambda _: True, until_s=4) == [(0, None), (2, None), (4, True)]


def test_a_failure_between_them_starts_the_row_again():
    rhythm = rhythm_of(Probe(success_threshold=2, period_seconds=2), Kind.READINESS)
    seen = play(rhythm, lambda now_s: now_s != 2, until_s=6)
    assert seen == [(0, None), (2, None), (4, None), (6, True)]


def test_liveness_is_never_eager():
    rhythm = rhythm_of(Probe(period_seconds=3, failure_threshold=1), Kind.LIVENESS)
    assert play(rhythm, lambda now_s: now_s < 5, until_s=6) == [(0, True), (3, True), (6, False)]


def test_a_program_as_probe_is_started_less_often():
    rhythm = rhythm_of(Probe(exec=ExecAction(command=("true",))), Kind.STARTUP)
    assert [at for at, _ in play(rhythm, lambda _: False, until_s=0.31)] == [0, 0.1, 0.2, 0.3]


@pytest.mark.parametrize("period", [None, 0])
def test_no_period_is_knatives_aggressive_mode(period):
    rhythm = rhythm_of(Probe(period_seconds=period, success_threshold=2), Kind.READINESS)
    assert play(rhythm, lambda _: True, until_s=0.05)[1] == (0.003, True)
