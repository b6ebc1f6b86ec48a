"""Knative's pod autoscaler, the deciding half: averages in, a replica count out.

Stands between `metric_windows.py` (samples to averages) and `kpa_step.py` (from a count to the
replicas actually set: min and max scale, scale to zero, the activator). Knows nothing of either.

Source: Knative, serving pkg/autoscaler/scaling/autoscaler.go.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil, floor, trunc

from tidegate.scaling.delay import DelayWindow
from tidegate.scaling.kpa_spec import KpaSpec

# Replica counts are 32-bit integers in the API.
_MOST = 2**31 - 1


class Reason(StrEnum):
    """Which rule settled the count."""

    NO_DATA = "no-data"  # nothing was measured: the last decision stands
    PODS_UNKNOWN = "pods-unknown"  # ready pods could not be counted: the last decision stands
    STABLE = "stable"  # the stable window's demand, as it is
    UP_LIMIT = "up-limit"  # demand is larger than the up-rate allows at once
    DOWN_LIMIT = "down-limit"  # demand is smaller than the down-rate allows at once
    ACTIVATION = "activation-scale"  # raised to the activation scale
    PANIC = "panic"  # the panic window's demand
    PANIC_HOLD = "panic-hold"  # panicking: the largest count so far is kept
    DELAY = "scale-down-delay"  # an earlier, larger count is still held


@dataclass(frozen=True, slots=True)
class Observation:
    """One evaluation's inputs. Times are seconds on the caller's clock.

    `stable`, `panic`: averages of the spec's metric, summed over replicas; None: no data.
    `ready`: ready replicas, 0 if there are none or no such target; None: could not be counted.
    """

    now_s: float
    stable: float | None
    panic: float | None
    ready: int | None


@dataclass(frozen=True, slots=True)
class Demand:
    """The numbers behind a decision, for explaining it.

    `calm`, `rush`: replicas the stable and the panic window ask for, before any limit.
    `low`, `high`: what the rate limits allow from here.
    """

    ready: int
    calm: int
    rush: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Decision:
    """`replicas` None: no decision, keep what is. Min and max scale are not applied yet.

    `excess_burst`: spare capacity beyond the burst target, negative when the activator has to
    stay in the path. `demand` None: nothing was computed.
    """

    replicas: int | None
    reason: Reason
    excess_burst: int
    panicking: bool
    demand: Demand | None = None


@dataclass(frozen=True, slots=True)
class KpaState:
    """What one evaluation leaves for the next; plain values, safe to save and load.

    `panic_since_s`: when panic began or was last renewed; None: not panicking.
    `panic_peak`: the largest count of this panic. `delay` None: no delay when this was made.
    `replicas`: the last decision; None before the first.
    """

    panic_since_s: float | None = None
    panic_peak: int = 0
    delay: DelayWindow | None = None
    replicas: int | None = None
    excess_burst: int = 0


def begin(spec: KpaSpec, now_s: float, *, ready: int | None) -> KpaState:
    """The state of a decider made at `now_s` with `ready` replicas (None: could not be counted).

    More than one replica starts out panicking, so that a control plane that has just lost its
    memory doesn't shrink what is serving before it has seen a stable window.
    """
    count = ready or 0
    return KpaState(
        panic_since_s=now_s if count > 1 else None,
        panic_peak=count,
        delay=DelayWindow.lasting(spec.scale_down_delay_s),
        excess_burst=_first_excess_burst(spec),
    )


def decide(spec: KpaSpec, was: KpaState, seen: Observation) -> tuple[Decision, KpaState]:
    """How many replicas a revision wants now, and what to remember for next time.

    Missing measurements hold the scale: they never read as zero. Raises nothing: `KpaSpec` has
    checked itself.
    """
    if seen.ready is None:
        return _no_decision(was, Reason.PODS_UNKNOWN), was
    if seen.stable is None or seen.panic is None:
        return _no_decision(was, Reason.NO_DATA), was

    demand = _demand(spec, seen.stable, seen.panic, seen.ready)
    state = _step_panic(spec, was, demand, seen.now_s)
    count, reason = _limited(spec, demand.calm, demand)
    if state.panic_since_s is not None:
        rush, rush_reason = _limited(spec, demand.rush, demand)
        if rush > count:
            count, reason = rush, Reason.PANIC if rush_reason is Reason.STABLE else rush_reason
        if count < state.panic_peak:
            count, reason = state.panic_peak, Reason.PANIC_HOLD
        state = replace(state, panic_peak=count)
    if spec.reachable and state.delay is not None:
        delay = state.delay.record(seen.now_s, count)
        if delay.largest is not None and delay.largest > count:
            count, reason = delay.largest, Reason.DELAY
        state = replace(state, delay=delay)

    burst = _excess_burst(spec, seen.ready, seen.panic)
    state = replace(state, replicas=count, excess_burst=burst)
    return Decision(count, reason, burst, state.panic_since_s is not None, demand), state


def matters(was: KpaState, now: KpaState) -> bool:
    """Whether the next layer has to look: another count, or the burst capacity changed sign."""
    changed_sign = (was.excess_burst < 0) != (now.excess_burst < 0)
    return was.replicas != now.replicas or changed_sign


def _demand(spec: KpaSpec, stable: float, panic: float, ready: int) -> Demand:
    base = max(1, ready)
    return Demand(
        ready=ready,
        calm=min(ceil(stable / spec.target), _MOST),
        rush=min(ceil(panic / spec.target), _MOST),
        low=floor(base / spec.max_down_rate) if spec.reachable else 0,
        high=min(ceil(base * spec.max_up_rate), _MOST),
    )


def _limited(spec: KpaSpec, wanted: int, demand: Demand) -> tuple[int, Reason]:
    """`wanted` within the rate limits, then raised to the activation scale, which may exceed the
    up-limit: whoever sets it wants that many replicas before the first request is served."""
    count, reason = wanted, Reason.STABLE
    if count < demand.low:
        count, reason = demand.low, Reason.DOWN_LIMIT
    if count > demand.high:
        count, reason = demand.high, Reason.UP_LIMIT
    least = spec.bounds.activation_scale
    if least > 1 and wanted > 0 and count < least:
        return least, Reason.ACTIVATION
    return count, reason


def _step_panic(spec: KpaSpec, was: KpaState, demand: Demand, now_s: float) -> KpaState:
    # The test takes the panic demand before any limit, and replicas that are ready, not wanted.
    if demand.rush / max(1, demand.ready) >= spec.panic_threshold:
        return replace(was, panic_since_s=now_s)
    if was.panic_since_s is not None and was.panic_since_s + spec.stable_window_s < now_s:
        return replace(was, panic_since_s=None, panic_peak=0)
    return was


def _excess_burst(spec: KpaSpec, ready: int, panic: float) -> int:
    if spec.target_burst_capacity == 0:
        return 0
    if spec.always_buffered:
        return -1
    return floor(ready * spec.total - spec.target_burst_capacity - panic)


def _first_excess_burst(spec: KpaSpec) -> int:
    if spec.target_burst_capacity == 0:
        return 0
    if spec.always_buffered:
        return -1
    return trunc(spec.bounds.initial_scale * spec.total - spec.target_burst_capacity)


def _no_decision(was: KpaState, reason: Reason) -> Decision:
    return Decision(None, reason, was.excess_burst, was.panic_since_s is not None)
