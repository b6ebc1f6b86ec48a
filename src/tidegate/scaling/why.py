"""A decision in one plain English sentence, for `explain`, the timeline and the object's status."""

from __future__ import annotations

from typing import assert_never

from tidegate.scaling.kpa import Decision, Demand, Observation, Reason
from tidegate.scaling.kpa_spec import KpaSpec, Metric
from tidegate.scaling.rules import Rule

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


def step_sentence(spec: KpaSpec, rule: Rule, count: int | None) -> str | None:
    """What a step made of a decision, and by which rule; None: it took the decision as it was."""
    zero = spec.to_zero
    match rule:
        case Rule.DECISION:
            return None
        case Rule.NO_DECISION:
            return "Nothing was decided yet; the count stays as it is."
        case Rule.MIN_SCALE:
            return f"min-scale keeps {count}."
        case Rule.MAX_SCALE:
            return f"max-scale allows {count}."
        case Rule.INITIAL_SCALE:
            return f"initial-scale asks for {count} until that many were ready once."
        case Rule.NO_SCALE_TO_ZERO:
            return "1 stays, because enable-scale-to-zero is false."
        case Rule.ACTIVATING:
            return (
                f"It is still being started and has {zero.activation_timeout_s:g} s for it; "
                "the count stays as it is."
            )
        case Rule.TIMED_OUT:
            return f"It was not ready within {zero.activation_timeout_s:g} s and is given up."
        case Rule.WINDOW:
            return f"1 stays until it has been active for a window of {spec.stable_window_s} s."
        case Rule.INACTIVE:
            return "It is marked inactive; from now on the gateway holds what arrives."
        case Rule.NO_ACTIVATOR:
            return "The last replica stays, because no gateway answers that would hold requests."
        case Rule.RETENTION:
            return f"The last replica is kept for {zero.retention_s:g} s after the demand ended."
        case Rule.GRACE:
            return f"The last replica stays for the grace period of {zero.grace_s:g} s."
        case Rule.ZERO:
            return "The last replica goes; the gateway holds what arrives."
        case _:
            assert_never(rule)


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
