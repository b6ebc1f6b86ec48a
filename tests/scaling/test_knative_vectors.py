"""Every decision recorded from Knative's own autoscaler, made again by ours.

`tests/data/knative/README.md` describes the recordings. TIDEGATE_VECTORS may name another folder
that holds `knative/`. Specs are not taken from the recordings: they are resolved by `policy` from
the recorded config maps and annotations, so that a mistake there shows here too.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from math import isclose
from pathlib import Path
from typing import Any

import pytest

from tidegate.policy.config_autoscaler import parse_config_autoscaler
from tidegate.policy.config_deployment import parse_config_deployment
from tidegate.policy.kpa import kpa_spec
from tidegate.scaling.conditions import Condition
from tidegate.scaling.kpa import KpaState, Observation, begin, decide
from tidegate.scaling.kpa_spec import KpaSpec, Reachability
from tidegate.scaling.kpa_step import (
    KpaStatus,
    Mode,
    Network,
    StepInput,
    activators,
    step,
)
from tidegate.scaling.metric_windows import MetricWindows
from tidegate.scaling.window import Aggregation, Window

Row = dict[str, Any]

FOLDER = Path(os.environ.get("TIDEGATE_VECTORS", Path(__file__).parents[1] / "data")) / "knative"


def recorded(name: str) -> list[Any]:
    with gzip.open(FOLDER / f"{name}.jsonl.gz", "rt") as lines:
        return [pytest.param(row, id=row["id"]) for row in map(json.loads, lines)]


def spec_of(inputs: Row) -> KpaSpec:
    return kpa_spec(
        inputs["annotations"],
        parse_config_autoscaler(inputs["config"]),
        parse_config_deployment(inputs.get("deploymentConfig") or {}),
        container_concurrency=inputs["containerConcurrency"],
        reachability=Reachability(inputs["reachability"]),
    )


def derived(spec: KpaSpec, aggregation: str) -> Row:
    """The spec in the recording's words. No annotation and `linear` both mean linear."""
    linear = spec.aggregation is Aggregation.LINEAR and aggregation in ("", "linear")
    return {
        "metric": spec.metric,
        "targetValue": spec.target,
        "totalValue": spec.total,
        "targetBurstCapacity": spec.target_burst_capacity,
        "activatorCapacity": spec.activator_capacity,
        "panicThreshold": spec.panic_threshold,
        "stableWindowSeconds": spec.stable_window_s,
        "panicWindowSeconds": spec.panic_window_s,
        "scaleDownDelaySeconds": spec.scale_down_delay_s,
        "initialScale": spec.bounds.initial_scale,
        "activationScale": spec.bounds.activation_scale,
        "maxScaleUpRate": spec.max_up_rate,
        "maxScaleDownRate": spec.max_down_rate,
        "reachable": spec.reachable,
        "minScale": spec.bounds.min_scale,
        "maxScale": spec.bounds.max_scale,
        "aggregation": aggregation if linear else spec.aggregation,
        "scrapeTargetSet": not spec.always_buffered,
    }


def check(where: str, ours: Row, theirs: Row) -> None:
    """Integers and words exactly, other numbers to 1e-9; the first difference fails the test."""
    wrong = [
        f"{name}: we {ours[name]!r}, Knative {theirs[name]!r}"
        for name in ours
        if not agrees(ours[name], theirs[name])
    ]
    assert not wrong, f"{where}: " + "; ".join(wrong)


def agrees(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, float) and isinstance(theirs, int | float):
        return isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-9)
    return bool(ours == theirs) and (ours is None) == (theirs is None)


def in_ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


@pytest.mark.parametrize("scenario", recorded("window"))
def test_windows_average_as_knative_averages_them(scenario: Row) -> None:
    stable = Window(scenario["stableWindowSeconds"])
    panic = Window(scenario["panicWindowSeconds"])
    for index, event in enumerate(scenario["events"]):
        op, at_ms = event[:2]
        now_s = at_ms / 1000
        if op == "r":
            stable.record(now_s, event[2])
            panic.record(now_s, event[2])
        elif op == "w":
            stable.resize(now_s, event[2])
            panic.resize(now_s, event[3])
        else:
            names = scenario["queryColumns"][2:]
            ours: list[float] = [
                stable.linear(now_s),
                panic.linear(now_s),
                stable.weighted(now_s),
                panic.weighted(now_s),
                int(stable.is_empty(now_s)),
                int(panic.is_empty(now_s)),
            ]
            check(
                f"event {index} at {at_ms}",
                dict(zip(names, ours, strict=True)),
                dict(zip(names, event[2:], strict=True)),
            )


@dataclass
class Autoscaler:
    """A decider with its windows and its samples, as both kinds of recording replay it."""

    spec: KpaSpec
    state: KpaState
    windows: MetricWindows
    samples: list[list[Any]]
    fed: int = 0

    def feed_until(self, now_ms: int) -> None:
        while self.fed < len(self.samples) and self.samples[self.fed][0] <= now_ms:
            self.feed_one()

    def feed_one(self) -> None:
        at_ms, concurrency, proxied, requests, proxied_requests = self.samples[self.fed]
        rps = self.spec.metric == "rps"
        value = requests - proxied_requests if rps else concurrency - proxied
        self.windows.record(at_ms / 1000, value)
        self.fed += 1

    def evaluate(self, now_ms: int, averages: tuple[Any, Any] | None, ready: int | None) -> Row:
        stable, panic = averages or (None, None)
        seen = Observation(now_ms / 1000, stable, panic, ready)
        decision, self.state = decide(self.spec, self.state, seen)
        valid = decision.replicas is not None
        return {
            "valid": int(valid),
            "desired": decision.replicas,
            "ebc": decision.excess_burst if valid else None,
            "panicking": int(decision.panicking),
            "panicSinceMs": in_ms(self.state.panic_since_s),
            "maxPanicPods": self.state.panic_peak,
        }

    def edit(self, now_ms: int, spec: KpaSpec) -> None:
        self.spec = spec
        self.windows.resize(now_ms / 1000, spec)


def ready_or_unknown(recorded_ready: int | None) -> int | None:
    """Recorded: null is not found, which is none; -1 is a failed look-up."""
    return {None: 0, -1: None}.get(recorded_ready, recorded_ready)


@pytest.mark.parametrize("scenario", recorded("decider"))
def test_the_decider_decides_as_knative_decides(scenario: Row) -> None:
    updates = {update["beforeTick"]: update for update in scenario["updates"] or ()}
    spec = spec_of(scenario)
    assert_derived("at the start", spec, scenario)

    initial = scenario["initial"]
    ready = ready_or_unknown(initial["ready"])
    scaler = Autoscaler(
        spec,
        begin(spec, initial["createdMs"] / 1000, ready=ready),
        MetricWindows(spec),
        scenario["samples"] or [],
    )
    check_initial(scaler.state, initial)

    for index, row in enumerate(scenario["ticks"]):
        tick = dict(zip(scenario["tickColumns"], row, strict=True))
        now_ms = tick["nowMs"]
        if index in updates:
            update = updates[index]
            while scaler.fed < update["afterSamples"]:
                scaler.feed_one()
            scaler.edit(update["atMs"], spec_of(update))
            assert_derived(f"before tick {index}", scaler.spec, update)
        scaler.feed_until(now_ms)
        ready = ready_or_unknown(tick["ready"])
        ours: Row = {}
        if scenario["source"] == "pipeline":
            averages = scaler.windows.averages(now_ms / 1000, scaler.spec)
            if ready is not None:
                ours = dict(zip(("stable", "panic"), averages or (None, None), strict=True))
        else:
            averages = (tick["stable"], tick["panic"])
        ours |= scaler.evaluate(now_ms, averages, ready)
        if ours["desired"] is not None:
            ours["bounded"] = scaler.spec.bounds.clamp(ours["desired"])
            ours["activators"] = activators(scaler.spec, ready or 0)
        check(f"tick {index} at {now_ms}", ours, tick)


def assert_derived(when: str, spec: KpaSpec, inputs: Row) -> None:
    theirs = inputs["derived"]
    check(f"spec {when}", derived(spec, theirs["aggregation"]), theirs)


def check_initial(state: KpaState, initial: Row) -> None:
    ours = {
        "panicSinceMs": in_ms(state.panic_since_s),
        "maxPanicPods": state.panic_peak,
        "statusDesiredScale": unknown_as_minus_one(state.replicas),
        "statusExcessBurstCapacity": state.excess_burst,
    }
    check("creation", ours, initial | {"maxPanicPods": initial["maxPanicPods"] or 0})


@pytest.mark.parametrize("scenario", recorded("kpa"))
def test_the_whole_loop_scales_as_knative_scales(scenario: Row) -> None:
    loop = Loop(scenario)
    assert_derived("at the start", loop.spec, scenario)
    updates = {update["beforeStep"]: update for update in scenario["updates"] or ()}
    for kind, index, now_ms, entry in timeline(scenario):
        where = f"{kind} {index} at {now_ms}"
        if kind == "eval":
            check(where, loop.evaluate(now_ms, entry["ready"]), entry)
            continue
        if index in updates:
            loop.edit(now_ms, updates[index])
            assert_derived(f"before {where}", loop.spec, updates[index])
        given, out = entry["in"], entry["out"]
        check(f"{where}, inputs", loop.prepare(now_ms, given), {"decider": given["decider"]})
        (requeue,) = out["requeueAfterSeconds"] or (None,)
        probed = given["probe"] is not None
        theirs = out | {"requeueAfterSeconds": requeue, "probed": probed}
        check(where, loop.step(now_ms, given), theirs)


class Loop:
    """One revision's decider and status, as the evaluations and steps of a recording meet them."""

    def __init__(self, scenario: Row) -> None:
        self.spec = spec_of(scenario)
        self.status: KpaStatus | None = None
        self.scaler: Autoscaler | None = None
        self._samples = scenario["samples"] or []

    def evaluate(self, now_ms: int, recorded_ready: int | None) -> Row:
        assert self.scaler is not None, "evaluated before there was a decider"
        self.scaler.feed_until(now_ms)
        averages = self.scaler.windows.averages(now_ms / 1000, self.spec)
        ours = dict(zip(("stable", "panic"), averages or (None, None), strict=True))
        return ours | self.scaler.evaluate(now_ms, averages, ready_or_unknown(recorded_ready))

    def edit(self, now_ms: int, inputs: Row) -> None:
        self.spec = spec_of(inputs)
        if self.scaler is not None:
            self.scaler.feed_until(now_ms - 1)
            self.scaler.edit(now_ms, self.spec)

    def prepare(self, now_ms: int, given: Row) -> Row:
        """Make the decider in the first step that has a network; say what it last decided."""
        if self.scaler is not None:
            state = self.scaler.state
            return {"decider": [unknown_as_minus_one(state.replicas), state.excess_burst]}
        if given["sks"] is not None and given["sks"]["privateService"]:
            lost = sum(1 for sample in self._samples if sample[0] < now_ms)
            state = begin(self.spec, now_ms / 1000, ready=given["pods"][0])
            windows = MetricWindows(self.spec)
            self.scaler = Autoscaler(self.spec, state, windows, self._samples, lost)
        return {"decider": None}

    def step(self, now_ms: int, given: Row) -> Row:
        was = self.status or KpaStatus.new(now_ms / 1000)
        result, status = step(self.spec, was, step_input(now_ms, given, self.scaler))
        self.status = status
        return {
            "scaledTo": result.scaled_to,
            "desiredScale": unknown_as_minus_one(status.desired_scale),
            "actualScale": status.actual_scale,
            "mode": result.mode,
            "numActivators": result.activators,
            "requeueAfterSeconds": result.requeue_after_s,
            "asyncProbes": int(result.probe_again),
            "serviceName": status.service_name,
            "probed": result.probed,
            "active": condition(status.conditions.active),
            "scaleTargetInitialized": condition(status.conditions.scale_target_initialized),
            "sksReady": condition(status.conditions.sks_ready),
            "ready": condition(status.conditions.ready),
        }


def timeline(scenario: Row) -> Iterator[tuple[str, int, int, Row]]:
    """Evaluations and steps in the order they happened; at one instant evaluations come first."""
    columns = scenario["evalColumns"]
    entries = [
        (row[0], 0, index, "eval", dict(zip(columns, row, strict=True)))
        for index, row in enumerate(scenario["evals"])
    ]
    entries += [(s["nowMs"], 1, index, "step", s) for index, s in enumerate(scenario["steps"])]
    for now_ms, _, index, kind, entry in sorted(entries, key=lambda each: each[:3]):
        yield kind, index, now_ms, entry


def step_input(now_ms: int, given: Row, scaler: Autoscaler | None) -> StepInput:
    sks, network = given["sks"], None
    if sks is not None:
        network = Network(
            mode=Mode(sks["mode"]),
            ready=sks["ready"],
            private_service=sks["privateService"],
            public_service=sks["privateService"].removesuffix("-private"),
            proxy_for_s=sks["proxyForSeconds"],
        )
    return StepInput(
        now_s=now_ms / 1000,
        network=network,
        decided=None if scaler is None else scaler.state.replicas,
        excess_burst=0 if scaler is None else scaler.state.excess_burst,
        ready_pods=given["pods"][0],
        replicas=given["replicas"],
        activator_answers=bool(given["probe"]),
    )


def unknown_as_minus_one(count: int | None) -> int:
    return -1 if count is None else count


def condition(one: Condition) -> list[Any]:
    return [one.status, one.reason, one.message, in_ms(one.since_s)]
