"""A decision in one plain English sentence, for `explain`, the timeline and the object's status."""

from __future__ import annotations

from typing import assert_never

from tidegate.scaling.kpa import Decision, Demand, Observation, Reason
from tidegate.scaling.kpa_spec import KpaSpec, Metric

_UNITS = {Metric.CONCURRENCY: "in flight", Metric.RPS: "requests/s"}


def sentence(spec: KpaSpec, seen: Observation, decision: Decision) -> str:
    """Why the decider said what it said. `seen` must be what `decision` was made from."""
    if decision.demand is None or decision.replicas is None:
        if decision.reason is Reason.PODS_UNKNOWN:
            return "No decision, because the ready replicas could not be counted."
        return (
            f"No decision, because nothing was measured in the last {spec.stable_window_s} s; "
            "the last count stands."
        )
    return f"{_replicas(decision.replicas)}, because {_cause(spec, seen, decision)}."


def _cause(spec: KpaSpec, seen: Observation, decision: Decision) -> str:
    demand = decision.demand
    assert demand is not None
    calm = _window(spec, seen.stable, spec.stable_window_s, demand.calm)
    rush = _window(spec, seen.panic, spec.panic_window_s, demand.rush)
    worst = rush if decision.panicking and demand.rush > demand.calm else calm
    match decision.reason:
        case Reason.STABLE:
            return calm
        case Reason.PANIC:
            return f"{rush}, which is what panic mode goes by"
        case Reason.PANIC_HOLD:
            return (
                f"that is the most this panic asked for and nothing shrinks until "
                f"{spec.stable_window_s} s pass without another; by now {calm}"
            )
        case Reason.UP_LIMIT:
            return (
                f"{worst}, but {_ready(demand)} may grow {spec.max_up_rate:g}-fold at most at once"
            )
        case Reason.DOWN_LIMIT:
            return (
                f"{worst}, but {_ready(demand)} may shrink to 1/{spec.max_down_rate:g} "
                "at most at once"
            )
        case Reason.ACTIVATION:
            least = spec.bounds.activation_scale
            return f"{worst}, and any demand at all starts the activation scale of {least}"
        case Reason.DELAY:
            return f"that many were wanted within the scale-down delay; by now {calm}"
        case Reason.NO_DATA | Reason.PODS_UNKNOWN:
            raise AssertionError(f"{decision.reason} carries no count")
        case _:
            assert_never(decision.reason)


def _window(spec: KpaSpec, average: float | None, length_s: int, wanted: int) -> str:
    unit = _UNITS[spec.metric]
    if not average:
        return f"there was no demand over {length_s} s"
    return (
        f"{average:.4g} {unit} over {length_s} s at {spec.target:.4g} a replica asks for {wanted}"
    )


def _ready(demand: Demand) -> str:
    return f"{max(1, demand.ready)} ready"


def _replicas(count: int) -> str:
    return "1 replica" if count == 1 else f"{count} replicas"
