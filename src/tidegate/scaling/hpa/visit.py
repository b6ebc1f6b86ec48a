"""One visit to an autoscaler: what it wants now, what it says, what it remembers.

A visit ends in `visit` unless a new count has to be written first: then `Visit.rescale` says which, and
`finish` ends it with how that went. Cases, the first that fits:

1. the scale can't be read: say so, and change nothing else
2. no replicas and no right to begin: switched off
3. more than the most, or fewer than the least: to that bound, without a look at any metric
4. else by the metrics: propose, stabilise, limit
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor

from tidegate.scaling.hpa.history import held, held_both_ways
from tidegate.scaling.hpa.limits import limited, limited_by, recorded
from tidegate.scaling.hpa.proposals import Computed, compute
from tidegate.scaling.hpa.seen import Scale, Seen
from tidegate.scaling.hpa.spec import HpaConfig, HpaSpec
from tidegate.scaling.hpa.state import HpaState, Recommendation
from tidegate.scaling.hpa.status import (
    ABLE,
    ACTIVE,
    AT_ZERO,
    LIMITED,
    NORMAL,
    WARNING,
    Event,
    HpaStatus,
)


@dataclass(frozen=True, slots=True)
class Rescale:
    """A count to write to the target's scale. `reason` is said in the event; it may be empty."""

    to: int
    reason: str


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of it. `rescale` None: nothing is to be written, the visit is over. `error`: what it
    ended in; a visit can scale and still end in one."""

    state: HpaState
    status: HpaStatus
    events: tuple[Event, ...] = ()
    rescale: Rescale | None = None
    error: str = ""


def reads_metrics(spec: HpaSpec, config: HpaConfig, status: HpaStatus, scale: Scale) -> bool:
    """Whether this visit needs its metrics (and the pods)."""
    if scale.failed is not None:
        return False
    if scale.replicas == 0:
        return _may_leave_zero(spec, config, status)
    return spec.min_replicas <= scale.replicas <= spec.max_replicas


def visit(
    spec: HpaSpec, config: HpaConfig, state: HpaState, status: HpaStatus, seen: Seen
) -> Visit:
    """Decide. Raises nothing: what goes wrong is in the events, the status and the error."""
    now_s, scale = seen.now_s, seen.scale
    if scale.failed is not None:
        message = f"the HPA controller was unable to get the target's current scale: {scale.failed}"
        status = status.told(ABLE, False, "FailedGetScale", message, now_s)
        event = Event(WARNING, "FailedGetScale", scale.failed)
        error = f"failed to query scale subresource for {spec.reference}: {scale.failed}"
        return Visit(state, status, (event,), error=error)
    message = "the HPA controller was able to get the target's current scale"
    status = status.told(ABLE, True, "SucceededGetScale", message, now_s)
    current = scale.replicas
    if not state.recommendations:  # else a new autoscaler would shrink its target at once
        state = replace(state, recommendations=(Recommendation(current, now_s),))
    if reads_metrics(spec, config, status, scale):
        return _by_metrics(spec, config, state, status, seen)
    if seen.rivals and current:  # upstream lets each press its own bounds all the same
        stopped = _bad_selector(spec, state, status, seen)
        assert stopped is not None
        return stopped
    status = replace(status, current=current, metrics=())
    if current == 0:
        message = "scaling is disabled since the replica count of the target is zero"
        status = status.told(ACTIVE, False, "ScalingDisabled", message, now_s)
        if not config.scale_to_zero:
            status = status.without(AT_ZERO)
        return Visit(state, replace(status, desired=0))
    if current > spec.max_replicas:
        reason = "Current number of replicas above Spec.MaxReplicas"
        return Visit(state, status, rescale=Rescale(spec.max_replicas, reason))
    reason = "Current number of replicas below Spec.MinReplicas"
    return Visit(state, status, rescale=Rescale(spec.min_replicas, reason))


def finish(
    visited: Visit, spec: HpaSpec, config: HpaConfig, now_s: float, *, failure: str | None = None
) -> Visit:
    """End a visit whose count was written, or not: `failure` says why."""
    rescale, status = visited.rescale, visited.status
    assert rescale is not None, "this visit is over"
    words = f"New size: {rescale.to}; reason: {rescale.reason}"
    if failure is not None:
        message = f"the HPA controller was unable to update the target scale: {failure}"
        event = Event(WARNING, "FailedRescale", f"{words}; error: {failure}")
        return Visit(
            visited.state,
            status.told(ABLE, False, "FailedUpdateScale", message, now_s),
            (*visited.events, event),
            error=f"failed to rescale {spec.reference}: {failure}",
        )
    message = f"the HPA controller was able to update the target scale to {rescale.to}"
    status = status.told(ABLE, True, "SucceededRescale", message, now_s)
    status = _told_of_zero(status, spec, config, rescale.to, now_s)
    old = status.current
    return Visit(
        recorded(visited.state, spec.behavior, old=old, new=rescale.to, now_s=now_s),
        replace(status, desired=rescale.to, last_scale_s=floor(now_s)),
        (*visited.events, Event(NORMAL, "SuccessfulRescale", words)),
        error=visited.error,
    )


# --- by metrics


def _by_metrics(
    spec: HpaSpec, config: HpaConfig, state: HpaState, status: HpaStatus, seen: Seen
) -> Visit:
    now_s, current = seen.now_s, seen.scale.replicas
    stopped = _bad_selector(spec, state, status, seen)
    if stopped is not None:
        return stopped
    computed = compute(spec, config, seen)
    events = tuple(Event(WARNING, f.reason, f.message) for f in computed.failures)
    status = replace(status, current=current, metrics=computed.slots)
    if computed.replicas is None:
        return _held(spec, state, status, events, computed, now_s)
    message = f"the HPA was able to successfully calculate a replica count from {computed.metric}"
    status = status.told(ACTIVE, True, "ValidMetricFound", message, now_s)
    proposed = computed.replicas
    wanted, state, status = _normalised(spec, config, state, status, proposed, current, now_s)
    if current == 0:  # the least was raised meanwhile: that goes before every rate
        wanted = max(wanted, spec.min_replicas)
    if wanted == current:
        status = replace(status, desired=current)
        return Visit(state, status, events, error=computed.error)
    reason = ""
    if proposed > current:
        reason = f"{computed.metric} above target"
    elif proposed < current:
        reason = "All metrics below target"
    return Visit(state, status, events, Rescale(wanted, reason), computed.error)


def _bad_selector(spec: HpaSpec, state: HpaState, status: HpaStatus, seen: Seen) -> Visit | None:
    """The end of a visit whose pods can't be told, or are others' too; None for a good selector."""
    scale = seen.scale
    if not scale.selector:
        reason, said = "InvalidSelector", "selector is required"
        message = "the HPA target's scale is missing a selector"
        event = Event(WARNING, "SelectorRequired", said)
    elif scale.unparsable is not None:
        reason = "InvalidSelector"
        said = message = (
            "couldn't convert selector into a corresponding internal selector object: "
            f"{scale.unparsable}"
        )
        event = Event(WARNING, reason, said)
    elif seen.rivals:
        reason, others = "AmbiguousSelector", " ".join(seen.rivals)
        said = message = (
            f"pods by selector {scale.selector} are controlled by multiple HPAs: [{others}]"
        )
        event = Event(WARNING, reason, said)
    else:
        return None
    status = replace(status, current=scale.replicas, metrics=())
    status = status.told(ACTIVE, False, reason, message, seen.now_s)
    return _stopped(spec, state, status, (event,), said)


def _held(
    spec: HpaSpec,
    state: HpaState,
    status: HpaStatus,
    events: tuple[Event, ...],
    computed: Computed,
    now_s: float,
) -> Visit:
    """Nothing is done while the metrics don't say enough."""
    first = computed.failures[0]
    message = f"the HPA was unable to compute the replica count: {first.message}"
    status = status.told(ACTIVE, False, first.reason, message, now_s)
    return _stopped(spec, state, status, events, computed.error)


def _stopped(
    spec: HpaSpec, state: HpaState, status: HpaStatus, events: tuple[Event, ...], why: str
) -> Visit:
    event = Event(WARNING, "FailedComputeMetricsReplicas", why)
    error = (
        "failed to compute desired number of replicas based on listed metrics for "
        f"{spec.reference}: {why}"
    )
    return Visit(state, status, (*events, event), error=error)


def _normalised(
    spec: HpaSpec, config: HpaConfig, state: HpaState, status: HpaStatus, proposed: int,
    current: int, now_s: float,
) -> tuple[int, HpaState, HpaStatus]:  # fmt: skip
    """Stabilised and limited; the two conditions say how."""
    least, most = spec.min_replicas, spec.max_replicas
    if spec.behavior is None:
        steady, history = held(
            state.recommendations, proposed, window_s=config.downscale_window_s, now_s=now_s
        )
        reason = "ScaleDownStabilized"
        result = limited(steady, current=current, least=least, most=most)
    else:
        steady, history = held_both_ways(
            state.recommendations,
            proposed,
            current=current,
            behavior=spec.behavior,
            config=config,
            now_s=now_s,
        )
        reason = "ScaleUpStabilized" if proposed >= current else "ScaleDownStabilized"
        result = limited_by(
            spec.behavior, state, steady, current=current, least=least, most=most, now_s=now_s
        )
    if steady == proposed:
        reason, message = "ReadyForNewScale", "recommended size matches current size"
    else:
        order, which = (
            ("lower", "lowest") if reason == "ScaleUpStabilized" else ("higher", "highest")
        )
        message = (
            f"recent recommendations were {order} than current one, "
            f"applying the {which} recent recommendation"
        )
    status = status.told(ABLE, True, reason, message, now_s)
    changed = result.replicas != steady
    status = status.told(LIMITED, changed, result.reason, result.message, now_s)
    return result.replicas, replace(state, recommendations=history), status


# --- zero


def _may_leave_zero(spec: HpaSpec, config: HpaConfig, status: HpaStatus) -> bool:
    """Only what an autoscaler itself brought to zero is brought back: else a person did."""
    if not config.scale_to_zero:
        return False
    at_zero = status.condition(AT_ZERO)
    brought = at_zero is not None and at_zero.status
    return brought and (spec.has_outside_metric or spec.min_replicas != 0)


def _told_of_zero(
    status: HpaStatus, spec: HpaSpec, config: HpaConfig, new: int, now_s: float
) -> HpaStatus:
    if not config.scale_to_zero:
        return status.without(AT_ZERO)
    if new == 0 and status.current > 0 and spec.min_replicas == 0 and spec.has_outside_metric:
        message = "the HPA controller scaled the workload to zero"
        return status.told(AT_ZERO, True, "ScaledToZero", message, now_s)
    message = "the HPA controller did not scale the workload to zero"
    return status.told(AT_ZERO, False, "NotScaledToZero", message, now_s)
