"""What must hold for any load, any settings and any order of events."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidegate.scaling import (
    Aggregation,
    Bounds,
    KpaSpec,
    KpaState,
    KpaStatus,
    MetricWindows,
    Mode,
    Network,
    Observation,
    Reachability,
    SavedMetricWindows,
    ScaleToZero,
    StepInput,
    Truth,
    begin,
    decide,
    sentence,
    step,
)

# How long one example takes says something about the machine, not about the rule.
untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

loads = st.floats(0, 1e5) | st.sampled_from([0.0, 1.0, 10.0])
rates = st.floats(1.01, 50)
averages = st.none() | loads


@st.composite
def bounds(draw: st.DrawFn) -> Bounds:
    low = draw(st.integers(0, 5))
    return Bounds(
        min_scale=low,
        max_scale=draw(st.just(0) | st.integers(max(low, 1), 20)),
        initial_scale=draw(st.integers(0, 5)),
        activation_scale=draw(st.sampled_from([0, 2, 7])),
    )


specs = st.builds(
    KpaSpec,
    target=st.floats(0.01, 1000),
    total=st.floats(0.01, 1000),
    aggregation=st.sampled_from(Aggregation),
    stable_window_s=st.integers(6, 90),
    panic_window_s=st.integers(1, 20),
    panic_threshold=st.floats(1.1, 10),
    max_up_rate=rates,
    max_down_rate=rates,
    target_burst_capacity=st.sampled_from([-1.0, 0.0, 10.0, 211.0]),
    scale_down_delay_s=st.sampled_from([0.0, 1.0, 30.0]),
    reachability=st.sampled_from(Reachability),
    bounds=bounds(),
    to_zero=st.builds(ScaleToZero, enabled=st.booleans(), grace_s=st.floats(1, 60)),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Observation]:
    """Evaluations in the order of time, mostly two seconds apart."""
    now_s, out = draw(st.floats(0, 1e6)), []
    for _ in range(draw(st.integers(1, 12))):
        now_s += draw(st.sampled_from([0.0, 2.0, 2.0, 31.0, 100.0]))
        ready = draw(st.none() | st.integers(0, 40))
        stable = draw(averages)
        panic = None if stable is None else draw(loads)
        out.append(Observation(now_s, stable, panic, ready))
    return out


def begun(spec: KpaSpec, history: list[Observation]) -> KpaState:
    return begin(spec, history[0].now_s, ready=history[0].ready)


@untimed
@given(specs, histories())
def test_a_fresh_count_never_exceeds_the_up_rate_unless_activation_asks_for_it(
    spec: KpaSpec, history: list[Observation]
) -> None:
    for observation in history:
        decision, _ = decide(spec, KpaState(), observation)
        if decision.replicas is not None:
            allowed = ceil(max(1, observation.ready or 0) * spec.max_up_rate)
            assert decision.replicas <= max(allowed, spec.bounds.activation_scale)


@untimed
@given(specs, histories())
def test_a_panic_never_shrinks(spec: KpaSpec, history: list[Observation]) -> None:
    state = begun(spec, history)
    for observation in history:
        was = state
        decision, state = decide(spec, was, observation)
        if was.panic_since_s is not None and state.panic_since_s is not None:
            assert state.panic_peak >= was.panic_peak
            assert decision.replicas is None or decision.replicas >= was.panic_peak


@untimed
@given(specs, histories())
def test_missing_data_never_reads_as_zero(spec: KpaSpec, history: list[Observation]) -> None:
    state = begun(spec, history)
    for observation in history:
        blind = replace(observation, stable=None, panic=None)
        decision, after = decide(spec, state, blind)
        assert decision.replicas is None
        assert after == state
        _, state = decide(spec, state, observation)


@untimed
@given(specs, histories())
def test_the_same_history_gives_the_same_decisions_also_after_saving_in_between(
    spec: KpaSpec, history: list[Observation]
) -> None:
    straight, saved = begun(spec, history), begun(spec, history)
    for observation in history:
        decision, straight = decide(spec, straight, observation)
        wire = msgspec.json.encode(saved)
        again, saved = decide(spec, msgspec.json.decode(wire, type=KpaState), observation)
        assert (again, saved) == (decision, straight)


@untimed
@given(specs, histories())
def test_every_decision_has_a_sentence(spec: KpaSpec, history: list[Observation]) -> None:
    state = begun(spec, history)
    for observation in history:
        decision, state = decide(spec, state, observation)
        text = sentence(spec, observation, decision)
        assert text.endswith(".")
        if decision.replicas is not None:
            assert text.startswith(f"{decision.replicas} replica")


@st.composite
def step_inputs(draw: st.DrawFn) -> list[StepInput]:
    now_s, out = draw(st.floats(0, 1e6)), []
    for _ in range(draw(st.integers(1, 12))):
        now_s += draw(st.sampled_from([0.0, 1.0, 30.0, 700.0]))
        network = Network(
            mode=draw(st.sampled_from(Mode)),
            ready=draw(st.booleans()),
            private_service="rev-private",
            public_service="rev",
            proxy_for_s=draw(st.floats(0, 100)),
        )
        out.append(
            StepInput(
                now_s=now_s,
                network=draw(st.none() | st.just(network)),
                decided=draw(st.none() | st.integers(0, 50)),
                excess_burst=draw(st.integers(-100, 100)),
                ready_pods=draw(st.integers(0, 10)),
                replicas=draw(st.none() | st.integers(0, 10)),
                activator_answers=draw(st.booleans()),
            )
        )
    return out


@untimed
@given(specs, step_inputs())
def test_what_is_written_lies_within_the_bounds_unless_it_is_the_way_to_zero(
    spec: KpaSpec, inputs: list[StepInput]
) -> None:
    status = KpaStatus.new(inputs[0].now_s)
    for seen in inputs:
        was = status
        result, status = step(spec, was, seen)
        count = result.scaled_to
        if count is None:
            continue
        assert count != (1 if seen.replicas is None else seen.replicas)
        assert count >= spec.bounds.min_scale
        initialized = was.conditions.scale_target_initialized.status is Truth.TRUE
        most = spec.bounds.max_scale or count
        assert count <= most or (not initialized and count <= spec.bounds.initial_scale)
        assert count > 0 or spec.to_zero.enabled


@untimed
@given(specs, step_inputs())
def test_an_active_revision_is_never_taken_to_zero_in_one_step(
    spec: KpaSpec, inputs: list[StepInput]
) -> None:
    status = KpaStatus.new(inputs[0].now_s)
    for seen in inputs:
        was = status
        result, status = step(spec, was, seen)
        if was.conditions.active.status is Truth.TRUE:
            assert result.scaled_to != 0


@untimed
@given(specs, step_inputs())
def test_a_step_can_be_repeated_from_its_saved_status(
    spec: KpaSpec, inputs: list[StepInput]
) -> None:
    status = KpaStatus.new(inputs[0].now_s)
    for seen in inputs:
        restored = msgspec.json.decode(msgspec.json.encode(status), type=KpaStatus)
        assert step(spec, restored, seen) == step(spec, status, seen)
        _, status = step(spec, status, seen)


@untimed
@given(
    specs,
    st.lists(st.tuples(st.integers(-100, 100), st.floats(0, 1e4)), max_size=60),
    st.integers(0, 60),
    st.integers(-5, 100),
)
def test_a_restored_window_averages_the_same_and_goes_on_the_same(
    spec: KpaSpec, samples: list[tuple[int, float]], cut: int, silence_s: int
) -> None:
    kept = MetricWindows(spec)
    for at_s, value in samples[:cut]:
        kept.record(1000 + at_s, value)
    wire = msgspec.json.encode(kept.saved())
    restored = MetricWindows.restored(msgspec.json.decode(wire, type=SavedMetricWindows))
    for at_s, value in samples[cut:]:
        kept.record(1000 + at_s, value)
        restored.record(1000 + at_s, value)
    now_s = 1000 + max((at_s for at_s, _ in samples), default=0) + silence_s
    assert restored.averages(now_s, spec) == kept.averages(now_s, spec)
    assert restored.saved() == kept.saved()
