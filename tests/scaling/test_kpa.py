"""The decider's rules, one at a time. The recorded decisions are in test_knative_vectors.py."""

import pytest

from tidegate.scaling import (
    BadSpec,
    Bounds,
    Decision,
    KpaSpec,
    KpaState,
    Observation,
    Reachability,
    Reason,
    begin,
    decide,
    matters,
    sentence,
)

SPEC = KpaSpec(target=10, total=10, stable_window_s=60, panic_window_s=6)


def seen(
    *, at: float = 0, ready: int | None = 1, stable: float | None = 0, panic: float | None = None
) -> Observation:
    """Calm by default: the panic window shows what the stable one does."""
    return Observation(at, stable, stable if panic is None else panic, ready)


def replicas(spec: KpaSpec, was: KpaState, *observations: Observation) -> list[int | None]:
    out: list[int | None] = []
    for observation in observations:
        decision, was = decide(spec, was, observation)
        out.append(decision.replicas)
    return out


def test_panic_never_shrinks_until_a_whole_stable_window_is_calm() -> None:
    counts = replicas(
        SPEC,
        KpaState(),
        seen(at=0, ready=2, stable=20, panic=80),
        seen(at=30, ready=8, stable=20, panic=1),
        seen(at=60, ready=8, stable=40, panic=1),
        seen(at=61, ready=8, stable=40, panic=1),
    )
    assert counts == [8, 8, 8, 4]


def test_panic_compares_rounded_up_demand_with_ready_replicas() -> None:
    calm, _ = decide(SPEC, KpaState(), seen(ready=1, stable=1, panic=10.0))
    rush, _ = decide(SPEC, KpaState(), seen(ready=1, stable=1, panic=10.1))
    assert (calm.panicking, rush.panicking) == (False, True)


def test_missing_measurements_hold_the_last_count() -> None:
    _, was = decide(SPEC, KpaState(), seen(stable=30))
    blind, unchanged = decide(SPEC, was, seen(at=2, stable=None))
    lost, unchanged_too = decide(SPEC, was, seen(at=2, ready=None))
    assert (blind.replicas, blind.reason) == (None, Reason.NO_DATA)
    assert (lost.replicas, lost.reason) == (None, Reason.PODS_UNKNOWN)
    assert unchanged == unchanged_too == was
    assert was.replicas == 3


def test_a_reachable_revision_shrinks_to_a_half_at_most_and_an_unreachable_one_at_once() -> None:
    unreachable = KpaSpec(target=10, total=10, reachability=Reachability.UNREACHABLE)
    slow, _ = decide(SPEC, KpaState(), seen(ready=5))
    fast, _ = decide(unreachable, KpaState(), seen(ready=5))
    assert (slow.replicas, slow.reason) == (2, Reason.DOWN_LIMIT)
    assert fast.replicas == 0


def test_growth_is_limited_relative_to_what_is_ready() -> None:
    spec = KpaSpec(target=1, total=1, max_up_rate=1.5)
    decision, _ = decide(spec, KpaState(), seen(ready=3, stable=100))
    assert (decision.replicas, decision.reason) == (5, Reason.UP_LIMIT)


def test_activation_scale_exceeds_the_up_limit_but_not_without_demand() -> None:
    spec = KpaSpec(target=10, total=10, max_up_rate=2, bounds=Bounds(activation_scale=5))
    some, _ = decide(spec, KpaState(), seen(ready=0, stable=0.1))
    none, _ = decide(spec, KpaState(), seen(ready=0, stable=0))
    assert (some.replicas, some.reason) == (5, Reason.ACTIVATION)
    assert none.replicas == 0


def test_a_scale_down_waits_for_its_delay_unless_the_revision_is_unreachable() -> None:
    spec = KpaSpec(target=10, total=10, scale_down_delay_s=10, max_down_rate=100)
    was = begin(spec, 0, ready=0)
    assert replicas(
        spec, was, seen(at=0, ready=4, stable=40), seen(at=8, ready=4), seen(at=10, ready=4)
    ) == [4, 4, 0]

    _, was = decide(spec, was, seen(at=0, ready=4, stable=40))
    gone = KpaSpec(target=10, total=10, reachability=Reachability.UNREACHABLE)
    assert replicas(gone, was, seen(at=2, ready=4)) == [0]


def test_a_delay_asked_for_later_does_not_appear_in_a_running_decider() -> None:
    was = begin(SPEC, 0, ready=0)
    spec = KpaSpec(target=10, total=10, scale_down_delay_s=600, max_down_rate=100)
    assert replicas(spec, was, seen(at=0, stable=40, ready=4), seen(at=2, ready=4)) == [4, 0]


@pytest.mark.parametrize(
    ("ready", "panics", "peak"),
    [
        pytest.param(None, False, 0, id="replicas could not be counted"),
        pytest.param(0, False, 0, id="none"),
        pytest.param(1, False, 1, id="one"),
        pytest.param(2, True, 2, id="two"),
    ],
)
def test_a_new_decider_panics_when_it_finds_several_replicas(
    ready: int | None, panics: bool, peak: int
) -> None:
    state = begin(SPEC, 100, ready=ready)
    assert (state.panic_since_s is not None, state.panic_peak) == (panics, peak)
    assert state.replicas is None


@pytest.mark.parametrize(
    ("burst", "excess"),
    [
        pytest.param(0, 0, id="zero: only at zero replicas"),
        pytest.param(-1, -1, id="minus one: always"),
        pytest.param(15.5, -1, id="rounded down, and counted on raw ready replicas"),
    ],
)
def test_excess_burst_says_whether_the_activator_is_needed(burst: float, excess: int) -> None:
    spec = KpaSpec(target=7, total=10, target_burst_capacity=burst)
    decision, _ = decide(spec, KpaState(), seen(ready=2, stable=5.1))
    assert decision.excess_burst == excess


def test_a_change_matters_when_the_count_or_the_sign_of_the_burst_capacity_changes() -> None:
    was = KpaState(replicas=2, excess_burst=0)
    assert not matters(was, KpaState(replicas=2, excess_burst=900))
    assert matters(was, KpaState(replicas=2, excess_burst=-1))
    assert matters(KpaState(replicas=2, excess_burst=-1), was)
    assert not matters(KpaState(replicas=2, excess_burst=900), was)
    assert matters(was, KpaState(replicas=3, excess_burst=0))


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        pytest.param({"target": 0}, "target", id="nothing per replica"),
        pytest.param({"target": float("nan")}, "target", id="not a number"),
        pytest.param({"max_up_rate": 1}, "max_up_rate", id="growth by nothing"),
        pytest.param({"stable_window_s": 0}, "stable_window_s", id="no window"),
        pytest.param({"target_burst_capacity": -2}, "target_burst_capacity", id="odd burst"),
    ],
)
def test_a_spec_no_decision_could_be_based_on_is_refused(
    wrong: dict[str, float], names: str
) -> None:
    with pytest.raises(BadSpec) as refusal:
        KpaSpec(**wrong)  # type: ignore[arg-type]
    assert refusal.value.field == names


def explained(spec: KpaSpec, was: KpaState, observation: Observation) -> tuple[Decision, str]:
    decision, _ = decide(spec, was, observation)
    return decision, sentence(spec, observation, decision)


@pytest.mark.parametrize(
    ("was", "observation", "reason", "text"),
    [
        pytest.param(
            KpaState(),
            seen(ready=2, stable=25),
            Reason.STABLE,
            "3 replicas, because 25 in flight over 60 s at 10 a replica asks for 3.",
            id="stable",
        ),
        pytest.param(
            KpaState(),
            seen(ready=1, stable=0),
            Reason.STABLE,
            "0 replicas, because there was no demand over 60 s.",
            id="idle",
        ),
        pytest.param(
            KpaState(),
            seen(ready=2, stable=5, panic=75),
            Reason.PANIC,
            "8 replicas, because 75 in flight over 6 s at 10 a replica asks for 8, "
            "which is what panic mode goes by.",
            id="panic",
        ),
        pytest.param(
            KpaState(panic_since_s=0, panic_peak=8),
            seen(at=10, ready=8, stable=5),
            Reason.PANIC_HOLD,
            "8 replicas, because that is the most this panic asked for and nothing shrinks "
            "until 60 s pass without another; by now 5 in flight over 60 s at 10 a replica "
            "asks for 1.",
            id="panic held",
        ),
        pytest.param(
            KpaState(),
            seen(ready=8, stable=5),
            Reason.DOWN_LIMIT,
            "4 replicas, because 5 in flight over 60 s at 10 a replica asks for 1, but 8 ready "
            "may shrink to 1/2 at most at once.",
            id="down limit",
        ),
        pytest.param(
            KpaState(),
            seen(stable=None),
            Reason.NO_DATA,
            "No decision, because nothing was measured in the last 60 s; the last count stands.",
            id="no data",
        ),
    ],
)
def test_every_decision_explains_itself_in_a_sentence(
    was: KpaState, observation: Observation, reason: Reason, text: str
) -> None:
    decision, said = explained(SPEC, was, observation)
    assert (decision.reason, said) == (reason, text)
