"""A canary's way up and back, by what is counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.scaling import BadSpec
from tidegate.scaling.judge import Counts
from tidegate.scaling.judged_rollout import PromoteSpec, Trial, Verdict, begun, judged

SPEC = PromoteSpec(steps=(10, 50), least_requests=100, step_s=30, limit_s=600)


def counts(requests: int, errors: int = 0, bucket: int = 100) -> Counts:
    return Counts(requests, errors, {bucket: requests})


def look(
    trial: Trial, current: Counts, canary: Counts, at: float, spec: PromoteSpec = SPEC
) -> Trial:
    return judged(
        spec,
        trial,
        current,
        canary,
        now_s=at,
        tolerance_buckets=2,
        edges_ms=lambda bucket: (bucket / 10, (bucket + 1) / 10),
    )


def counting(at: float = 0.0) -> Trial:
    return look(begun(SPEC, "a-1", "a-2"), Counts(), Counts(), at)


def test_a_good_canary_takes_every_step_and_then_all() -> None:
    trial, current, canary = begun(SPEC, "a-1", "a-2"), Counts(), Counts()
    seen = []
    for at in range(0, 200, 10):
        trial = look(trial, current, canary, float(at))
        current, canary = (
            counts(current.requests + 900),
            counts(canary.requests + 100),
        )
        seen.append(trial.percent)
    assert trial.verdict is Verdict.PROMOTED
    assert sorted(set(seen)) == [10, 50, 100]
    assert seen == sorted(seen)


def test_a_step_needs_its_requests_and_its_time() -> None:
    assert look(counting(), counts(900), counts(100), 29).percent == 10
    assert look(counting(), counts(900), counts(99), 60).percent == 10
    assert look(counting(), counts(900), counts(100), 30).percent == 50


def test_a_canary_with_errors_goes_back_before_the_sample_is_complete_and_says_why() -> None:
    trial = look(counting(), counts(900, 1), counts(60, 20), 5)
    assert (trial.percent, trial.verdict) == (0, Verdict.ROLLED_BACK)
    assert trial.why.startswith(
        "a-2 goes back to 0% from 10%: 20 errors in 60 requests (33.33%) against "
        "1 errors in 900 requests (0.11%); chance alone explains that"
    )


def test_a_slow_canary_goes_back_and_says_by_how_much() -> None:
    trial = look(counting(), counts(2000, bucket=100), counts(2000, bucket=110), 60)
    assert trial.verdict is Verdict.ROLLED_BACK
    assert trial.why == (
        "a-2 goes back to 0% from 10%: its p99 is 11.1 ms (at least 11 ms) against 10.1 ms "
        "(at most 10.1 ms), more than chance and the tolerance of 10% explain"
    )


def test_a_small_sample_is_compared_by_its_median_once_it_is_complete() -> None:
    spec = PromoteSpec(steps=(10, 50), least_requests=30, step_s=30, limit_s=600)
    early = look(counting(), counts(900), counts(20, bucket=150), 20, spec)
    assert early.verdict is Verdict.RUNNING
    trial = look(early, counts(900), counts(30, bucket=150), 30, spec)
    assert trial.verdict is Verdict.ROLLED_BACK
    assert "its p50 is 15.1 ms (at least 15 ms) against 10.1 ms" in trial.why


def test_a_step_that_nobody_asks_anything_in_ends_at_its_limit() -> None:
    assert look(counting(), counts(900), counts(7), 600).verdict is Verdict.RUNNING
    trial = look(counting(), counts(900), counts(7), 601)
    assert trial.verdict is Verdict.ROLLED_BACK
    assert "only 7 of 100 requests came within 600 s" in trial.why


def test_each_step_counts_from_when_its_share_is_in_force() -> None:
    second = look(counting(), counts(900), counts(100), 30)
    assert second.counting_s is None
    second = look(second, counts(1000, 5), counts(150), 45)
    assert (second.counting_s, second.canary_then.requests) == (45, 150)
    assert look(second, counts(1900, 5), counts(249), 100).percent == 50


def test_a_trial_that_is_over_stays_over() -> None:
    over = look(counting(), counts(900), counts(60, 60), 5)
    assert look(over, counts(10_000), counts(10_000), 500) == over


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 100), st.integers(0, 50)), max_size=30)
)
def test_the_share_only_rises_until_it_ends(steps: list[tuple[int, int, int]]) -> None:
    trial, current, canary, at, last = counting(), 0, 0, 0.0, 10
    errors = 0
    for more_current, more_canary, more_errors in steps:
        current, canary, at = current + more_current, canary + more_canary, at + 10
        errors += min(more_errors, more_canary)
        trial = look(trial, counts(current), counts(canary, errors), at)
        if trial.verdict is Verdict.ROLLED_BACK:
            assert trial.percent == 0
            break
        assert trial.percent >= last
        last = trial.percent


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": ()},
        {"steps": (50, 10)},
        {"steps": (100,)},
        {"least_requests": 0},
        {"step_s": 60.0, "limit_s": 10.0},
        {"latency_tolerance": -1.0},
    ],
)
def test_a_spec_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadSpec):
        PromoteSpec(**wrong)  # type: ignore[arg-type]
