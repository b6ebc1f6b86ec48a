"""The way to zero and the conditions, where the recordings leave corners dark."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tidegate.scaling import (
    Bounds,
    Condition,
    Conditions,
    KpaSpec,
    KpaStatus,
    Mode,
    Network,
    Reachability,
    Rule,
    ScaleToZero,
    StepInput,
    StepResult,
    Truth,
    bounded,
    step,
)
from tidegate.scaling.conditions import Marker

SPEC = KpaSpec(stable_window_s=60, to_zero=ScaleToZero(grace_s=30, retention_s=100))


def status(active: Truth, since_s: float = 0, *, initialized: bool = True) -> KpaStatus:
    yes = Condition(Truth.TRUE, "", "", 0)
    reached = yes if initialized else Condition(Truth.UNKNOWN, "", "", 0)
    is_active = Condition(active, "", "", since_s)
    return KpaStatus(Conditions(is_active, yes, reached, is_active), 1, 1, "rev")


def seen(
    *,
    at: float,
    decided: int | None = 0,
    ready: int = 1,
    replicas: int | None = 1,
    mode: Mode = Mode.PROXY,
    proxied_s: float = 1000,
    answers: bool = True,
) -> StepInput:
    network = Network(mode, True, "rev-private", "rev", proxied_s)
    return StepInput(at, network, decided, 0, ready, replicas, answers)


def stepped(
    was: KpaStatus, given: StepInput, spec: KpaSpec = SPEC
) -> tuple[int | None, float | None]:
    result, _ = step(spec, was, given)
    return result.scaled_to, result.requeue_after_s


@pytest.mark.parametrize(
    ("inactive_s", "after"),
    [
        pytest.param(10, (None, 90), id="kept for the rest of the retention"),
        pytest.param(99, (None, 1), id="although the grace is long over"),
        pytest.param(100, (0, None), id="gone when it ends"),
    ],
)
def test_the_last_pod_is_retained_longer_than_the_grace(
    inactive_s: float, after: tuple[int | None, float | None]
) -> None:
    assert stepped(status(Truth.FALSE), seen(at=inactive_s)) == after


def test_nothing_is_retained_for_an_unreachable_revision() -> None:
    gone = replace(SPEC, reachability=Reachability.UNREACHABLE)
    assert stepped(status(Truth.FALSE), seen(at=10), gone) == (0, None)
    assert stepped(status(Truth.FALSE), seen(at=10, proxied_s=12), gone) == (None, 18)


def test_an_activator_that_does_not_answer_keeps_the_last_pod() -> None:
    result, _ = step(SPEC, status(Truth.FALSE), seen(at=1000, answers=False))
    assert result == StepResult(
        None, Mode.PROXY, 4, None, probed=True, probe_again=True, count=0, rule=Rule.NO_ACTIVATOR
    )


def test_an_activator_that_is_always_in_the_path_is_not_probed() -> None:
    always = replace(SPEC, target_burst_capacity=-1)
    result, _ = step(always, status(Truth.FALSE), seen(at=1000, answers=False))
    assert (result.scaled_to, result.probed) == (0, False)


def test_a_short_lived_revision_keeps_one_pod_until_it_was_active_for_a_window() -> None:
    given = seen(at=20, replicas=3, ready=3)
    assert stepped(status(Truth.TRUE), given) == (1, 40)


def test_an_idle_revision_is_marked_inactive_before_its_pod_goes() -> None:
    result, after = step(SPEC, status(Truth.TRUE), seen(at=60, mode=Mode.SERVE))
    assert (result.scaled_to, result.mode, result.requeue_after_s) == (None, Mode.PROXY, None)
    assert after.conditions.active == Condition(
        Truth.FALSE, "NoTraffic", "The target is not receiving traffic.", 60
    )
    assert after.conditions.ready == after.conditions.active


def test_scale_to_zero_can_be_switched_off() -> None:
    never = replace(SPEC, to_zero=ScaleToZero(enabled=False))
    assert stepped(status(Truth.FALSE), seen(at=1000, replicas=4), never) == (1, None)


def test_a_revision_that_never_became_ready_is_given_up() -> None:
    starting = status(Truth.UNKNOWN, initialized=False)
    assert stepped(starting, seen(at=630, ready=0)) == (None, 630)
    result, after = step(SPEC, starting, seen(at=631, ready=0))
    assert result.scaled_to == 0
    assert after.conditions.active.reason == "TimedOut"


def test_an_initial_scale_of_zero_is_idle_not_timed_out() -> None:
    lazy = replace(SPEC, bounds=Bounds(initial_scale=0))
    starting = status(Truth.UNKNOWN, initialized=False)
    _, after = step(lazy, starting, seen(at=1, decided=None, ready=0))
    assert after.conditions.active.reason == "NoTraffic"
    assert after.conditions.scale_target_initialized.status is Truth.TRUE


@pytest.mark.parametrize(
    ("reachability", "initialized", "count"),
    [
        pytest.param(Reachability.REACHABLE, False, 5, id="until it was reached"),
        pytest.param(Reachability.REACHABLE, True, 1, id="but not after"),
        pytest.param(Reachability.UNREACHABLE, False, 1, id="nor when unreachable"),
    ],
)
def test_the_initial_scale_is_a_lower_bound(
    reachability: Reachability, initialized: bool, count: int
) -> None:
    spec = replace(SPEC, bounds=Bounds(initial_scale=5), reachability=reachability)
    assert bounded(spec, 1, initialized=initialized) == count


def test_without_a_network_requests_wait_and_nothing_is_scaled() -> None:
    given = StepInput(5, None, 3, 100, 3, 1)
    result, after = step(SPEC, KpaStatus.new(5), given)
    assert (result.scaled_to, result.mode, result.activators) == (None, Mode.PROXY, 2)
    assert (after.actual_scale, after.desired_scale) == (0, None)
    assert after.conditions.sks_ready.message == "No Private Service Name"


def test_an_unknown_count_does_not_overwrite_a_known_one() -> None:
    result, after = step(SPEC, status(Truth.TRUE), seen(at=9, decided=None))
    assert (result.scaled_to, result.mode, after.desired_scale) == (None, Mode.PROXY, 1)


def conditions(**facts: Condition) -> Conditions:
    return replace(Conditions.unknown(0), **facts)


def test_ready_names_a_failure_before_a_doubt() -> None:
    was = conditions(
        active=Condition(Truth.FALSE, "NoTraffic", "idle", 0),
        sks_ready=Condition(Truth.UNKNOWN, "NotReady", "no backend", 5),
    )
    marker = Marker(was, 9)
    marker.true("scale_target_initialized")
    ready = marker.settled().ready
    assert (ready.status, ready.reason, ready.since_s) == (Truth.FALSE, "NoTraffic", 9)


def test_of_two_doubts_ready_names_the_newer() -> None:
    was = conditions(
        active=Condition(Truth.UNKNOWN, "Queued", "waiting", 3),
        sks_ready=Condition(Truth.UNKNOWN, "NotReady", "no backend", 5),
    )
    marker = Marker(was, 9)
    marker.true("scale_target_initialized")
    assert marker.settled().ready.reason == "NotReady"


def test_a_doubt_does_not_hide_a_failure() -> None:
    idle = Condition(Truth.FALSE, "NoTraffic", "idle", 0)
    marker = Marker(conditions(active=idle, ready=idle), 9)
    marker.unknown("sks_ready", "NotReady", "no backend")
    assert marker.settled().ready == idle


def test_a_condition_that_says_the_same_after_a_step_keeps_its_time() -> None:
    queued = Condition(Truth.UNKNOWN, "Queued", "waiting", 2)
    marker = Marker(conditions(active=queued, ready=queued), 9)
    marker.unknown("sks_ready", "NotReady", "no backend")
    marker.unknown("active", "Queued", "waiting")
    after = marker.settled()
    assert (after.active, after.ready) == (queued, queued)
    assert after.sks_ready.since_s == 9
