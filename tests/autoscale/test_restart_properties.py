"""A restart of the control plane in the middle of anything changes no decision.

One scaler lives through the whole history; another dies at some second, having saved what the loop
saves when it saves it, is away for a while, and is told the samples that the gateway kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tidegate.autoscale.rhythm import MAKE_UP_S, next_tick
from tidegate.autoscale.scaler import RevisionScaler
from tidegate.link.gateway import Sample
from tidegate.scaling import Aggregation, Bounds, KpaSpec, Metric

BOOT = "boot-1"

specs = st.builds(
    KpaSpec,
    target=st.sampled_from([0.7, 1.0, 7.0]),
    total=st.sampled_from([1.0, 10.0]),
    metric=st.sampled_from(Metric),
    aggregation=st.sampled_from(Aggregation),
    stable_window_s=st.sampled_from([6, 20]),
    panic_window_s=st.sampled_from([1, 2, 6]),
    panic_threshold=st.sampled_from([1.1, 2.0]),
    target_burst_capacity=st.sampled_from([0.0, 10.0, 211.0]),
    scale_down_delay_s=st.sampled_from([0.0, 10.0]),
    bounds=st.builds(Bounds, activation_scale=st.sampled_from([0, 3])),
)


@dataclass(frozen=True)
class Story:
    """Second by second: requests in flight and replicas ready; when the control plane dies, and for
    how many seconds."""

    loads: list[float]
    ready: list[int]
    dies_s: int
    away_s: int


@st.composite
def stories(draw: st.DrawFn) -> Story:
    phases = draw(
        st.lists(
            st.tuples(
                st.sampled_from([0.0, 0.3, 1.0, 9.5, 60.0]), st.integers(0, 8), st.integers(1, 15)
            ),
            min_size=2,
            max_size=6,
        )
    )
    loads = [load for load, _, length in phases for _ in range(length)]
    ready = [count for _, count, length in phases for _ in range(length)]
    dies_s = draw(st.integers(2, len(loads)))
    away_s = draw(st.integers(0, 5))
    for second in range(dies_s, min(len(ready), dies_s + away_s + 1)):
        ready[second] = ready[dies_s - 1]  # nobody scales while nobody is there
    return Story(loads, ready, dies_s, away_s)


def sample(second: int, load: float, *, replay: bool = False) -> Sample:
    """What the gateway says at the end of a second."""
    return Sample(
        revision="default/a-00001",
        at_s=float(second),
        concurrency=load,
        requests=ceil(load * 3),
        waiting=0,
        running=0,
        replay=replay,
    )


def live(spec: KpaSpec, story: Story, *, dies: bool) -> list[tuple[float, int | None]]:
    """The decision standing at each evaluation that was made by a living control plane."""
    base = 1000
    scaler = RevisionScaler("a-00001", spec, float(base), ready=story.ready[0])
    saved = scaler.saved(BOOT)
    kept: list[Sample] = []
    out: list[tuple[float, int | None]] = []
    away = range(story.dies_s, story.dies_s + story.away_s) if dies else range(0)
    for index, load in enumerate(story.loads):
        second, ready = base + index, story.ready[index]
        before = story.loads[index - 1] if index else 0.0
        if dies and index == story.dies_s + story.away_s:
            scaler = RevisionScaler("a-00001", spec, float(second), ready=ready)
            assert scaler.restore(saved, BOOT, float(second))
            scaler.was_alone(float(base + story.dies_s))
            for old in kept:
                again = sample(int(old.at_s), old.concurrency, replay=True)
                scaler.take_missed(again, ready=ready)
            if scaler.caught_up(float(second), ready=ready):
                saved = scaler.saved(BOOT)
        keep_s = spec.stable_window_s + MAKE_UP_S
        kept = [s for s in (*kept, sample(second, before)) if s.at_s > second - keep_s]
        woken = load and not ready
        if index in away:
            assume(not woken or before)  # a first request that nobody heard of was not decided on
            continue
        if scaler.sample(sample(second, before)) and scaler.evaluate(second + 0.05, ready=ready):
            saved = scaler.saved(BOOT)
        if woken and scaler.wake(second + 0.25) and scaler.evaluate(second + 0.25, ready=0):
            saved = scaler.saved(BOOT)
        if next_tick(second) < second + 1:
            if scaler.evaluate(next_tick(second), ready=ready):
                saved = scaler.saved(BOOT)
            out.append((next_tick(second), scaler.wants))
    return out


@settings(max_examples=150)
@given(specs, stories())
def test_a_restart_in_mid_burst_changes_no_decision(spec: KpaSpec, story: Story) -> None:
    straight = dict(live(spec, story, dies=False))
    for at_s, wants in live(spec, story, dies=True):
        assert wants == straight[at_s], at_s
