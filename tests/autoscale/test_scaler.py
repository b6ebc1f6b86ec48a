"""One revision's live scaler: what samples and wakes do to it, and what survives a restart."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tidegate.autoscale.scaler import RevisionScaler
from tidegate.link.gateway import Sample
from tidegate.routing import BATCH_TRACE
from tidegate.scaling import KpaSpec, Metric

SPEC = KpaSpec(target=1.0, total=1.0, stable_window_s=6, panic_window_s=1)


def sample(at_s: float, concurrency: float, *, requests: int = 1, replay: bool = False) -> Sample:
    return Sample(
        revision="default/a-00001",
        at_s=at_s,
        concurrency=concurrency,
        requests=requests,
        waiting=0,
        running=0,
        replay=replay,
    )


def scaler(spec: KpaSpec = SPEC, *, ready: int = 0) -> RevisionScaler:
    return RevisionScaler("a-00001", spec, 0.0, ready=ready)


def idle_at_zero() -> RevisionScaler:
    it = scaler()
    it.sample(sample(1, 0, requests=0))
    it.evaluate(1.5, ready=1)
    assert it.wants == 0
    return it


def test_a_wake_at_zero_asks_for_one_replica_at_once():
    it = idle_at_zero()
    assert it.wake(60.2)
    it.evaluate(60.2, ready=0)
    assert it.wants == 1


def test_a_wake_that_is_repeated_is_not_more_demand():
    it = idle_at_zero()
    assert it.wake(60.2)
    it.evaluate(60.2, ready=0)
    assert not it.wake(60.9)


def test_the_sample_after_a_wake_does_not_count_the_same_request_twice():
    it = idle_at_zero()
    it.wake(60.2)
    it.sample(sample(60.999, 1.0))
    it.evaluate(60.999, ready=0)
    assert it.wants == 1


def test_missing_samples_hold_the_scale():
    it = scaler()
    it.sample(sample(1, 5))
    it.evaluate(1.5, ready=1)
    held = it.wants
    it.evaluate(100.0, ready=5)
    assert it.wants == held == 5


def test_demand_on_a_revision_decided_to_zero_is_looked_at_at_once_but_history_is_not():
    it = idle_at_zero()
    assert not it.sample(sample(2, 3, replay=True))
    assert it.sample(sample(3, 3))


def test_a_restored_scaler_decides_as_if_it_had_never_been_away():
    first, second = scaler(ready=1), scaler(ready=6)
    seen = [sample(float(t), 6.0 if t < 8 else 1.0) for t in range(1, 16)]
    for it in seen[:7]:
        first.sample(it)
        first.evaluate(it.at_s + 0.5, ready=3)
    assert second.restore(first.saved("boot-1"), "boot-1", 7.5)
    for it in seen[:7]:
        second.sample(it)
    for it in seen[7:]:
        for one in (first, second):
            one.sample(it)
            one.evaluate(it.at_s + 0.5, ready=3)
        assert first.wants == second.wants
        assert first.saved("boot-1") == second.saved("boot-1")


def test_what_another_boot_remembered_is_not_believed():
    first = scaler(ready=1)
    first.sample(sample(1, 3))
    first.evaluate(1.5, ready=1)
    assert not scaler().restore(first.saved("boot-1"), "boot-2", 2.0)
    assert not scaler().restore("not json", "boot-1", 2.0)


def test_a_second_that_is_told_again_counts_once():
    it = scaler()
    it.sample(sample(1, 3))
    it.sample(sample(1, 3, replay=True))
    it.evaluate(1.5, ready=3)
    assert it.wants == 3


def test_seconds_that_nobody_saw_are_not_seconds_without_demand():
    it = scaler(KpaSpec(target=1.0, total=1.0, stable_window_s=6, panic_window_s=6))
    for at_s in (1, 2, 3):
        it.sample(sample(at_s, 4))
    it.sample(sample(7, 4))  # a killed gateway's 4, 5 and 6 never came
    it.evaluate(7.5, ready=4)
    assert it.wants == 4


def test_a_gap_longer_than_the_window_is_not_filled():
    it = scaler()
    it.sample(sample(1, 50))
    it.sample(sample(100, 2))
    it.evaluate(100.5, ready=2)
    assert it.wants == 2


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("target", [0.01, 0.7, 70.0])
def test_batch_requests_keep_one_replica_and_ask_for_no_second(metric, target):
    spec = KpaSpec(target=target, total=target, metric=metric, stable_window_s=6)
    it = scaler(spec, ready=1)
    for at in range(1, 40):
        it.sample(replace(sample(at, BATCH_TRACE, requests=0), batch=500, batch_running=8))
        it.evaluate(at + 0.5, ready=1)
        assert it.wants == 1
    for at in range(40, 60):
        it.sample(sample(at, 0, requests=0))
        it.evaluate(at + 0.5, ready=1)
    assert it.wants == 0
