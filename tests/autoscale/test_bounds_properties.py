"""The live scaler over any load and any failure: what it writes stays within what was asked for."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.autoscale.rhythm import next_tick
from tidegate.autoscale.scaler import RevisionScaler
from tidegate.link.gateway import Sample
from tidegate.scaling import Bounds, KpaSpec, ScaleToZero

START_S = 3  # seconds until a replica that was asked for is ready


@st.composite
def specs(draw: st.DrawFn) -> KpaSpec:
    low = draw(st.integers(0, 3))
    return KpaSpec(
        target=draw(st.sampled_from([0.7, 2.0])),
        total=10.0,
        stable_window_s=6,
        panic_window_s=draw(st.sampled_from([1, 3])),
        target_burst_capacity=draw(st.sampled_from([-1.0, 0.0, 211.0])),
        scale_down_delay_s=draw(st.sampled_from([0.0, 8.0])),
        bounds=Bounds(
            min_scale=low,
            max_scale=draw(st.sampled_from([0, 3, 5])),
            activation_scale=draw(st.sampled_from([0, 2])),
        ),
        to_zero=ScaleToZero(enabled=draw(st.booleans()), grace_s=5.0),
    )


# Seconds: requests in flight, or None where nobody could look.
loads = st.lists(st.none() | st.sampled_from([0.0, 0.4, 3.0, 50.0]), min_size=10, max_size=60)


@settings(max_examples=150)
@given(specs(), loads, st.booleans())
def test_counts_stay_within_the_bounds_and_silence_changes_nothing(
    spec: KpaSpec, load: list[float | None], gateway_answers: bool
) -> None:
    scaler = RevisionScaler("a-00001", spec, 1000.0, ready=0)
    written = [1] * START_S  # the count at each second
    for second, value in enumerate(load, start=1000):
        ready = min(written[-START_S:])
        if value is not None:
            scaler.sample(
                Sample(
                    revision="default/a-00001",
                    at_s=float(second),
                    concurrency=value,
                    requests=int(value),
                    waiting=0,
                    running=0,
                )
            )
        count = written[-1]
        if next_tick(second) < second + 1:
            before = scaler.wants
            unseen = scaler.is_silent(next_tick(second))
            scaler.evaluate(next_tick(second), ready=ready)
            if unseen and not spec.always_buffered:
                assert scaler.wants == before
            result, _ = scaler.step(
                next_tick(second), ready=ready, replicas=count, gateway_answers=gateway_answers
            )
            if result.scaled_to is not None:
                count = result.scaled_to
                assert count >= spec.bounds.min_scale
                assert not spec.bounds.max_scale or count <= max(
                    spec.bounds.max_scale, spec.bounds.min_scale
                )
                assert count > 0 or spec.to_zero.enabled
        written.append(count)
