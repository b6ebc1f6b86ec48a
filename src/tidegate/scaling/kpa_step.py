"""Knative's pod autoscaler, the acting half: from the last decision to replicas, mode and status.

One step runs whenever the decision, the pods, the networking object or the autoscaler object
changed, or when an earlier step asked to be repeated. It is a function of values: the caller
writes the replica count, switches the mode, starts the background probe and stores the status.

Source: Knative, serving pkg/reconciler/autoscaling/kpa/{kpa,scaler}.go.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil

from tidegate.scaling.conditions import Conditions, Marker, Truth
from tidegate.scaling.kpa_spec import Bounds, KpaSpec
from tidegate.scaling.kpa_zero import ZeroVerdict, to_zero
from tidegate.scaling.rules import Rule

LEAST_ACTIVATORS = 2


class Mode(StrEnum):
    """Where a revision's traffic goes: through the activator (here: held at the gate), or to pods."""

    PROXY = "Proxy"
    SERVE = "Serve"


@dataclass(frozen=True, slots=True)
class Network:
    """The networking object (Knative's SKS) as observed.

    `private_service`, `public_service`: names, empty until they exist. `proxy_for_s`: how long the
    activator has been in the path. `message`: why it isn't ready.
    """

    mode: Mode
    ready: bool
    private_service: str
    public_service: str
    proxy_for_s: float = 0.0
    message: str = "K8s Service is not ready"


@dataclass(frozen=True, slots=True)
class StepInput:
    """One step's inputs. Times are seconds on the clock of the conditions.

    `network` None: not there yet. `decided` None: no decision yet. `ready_pods`: pods that are
    ready. `replicas`: the count written on the scale target; None: unset, which counts as 1.
    `activator_answers`: a probe through the public service is answered by the activator; asked for
    only while inactive and on the way to zero, so a caller may pass False when it has not probed
    and look at `StepResult.probed`.
    """

    now_s: float
    network: Network | None
    decided: int | None
    excess_burst: int
    ready_pods: int
    replicas: int | None
    activator_answers: bool = False


@dataclass(frozen=True, slots=True)
class KpaStatus:
    """The autoscaler object's status: carried from step to step, plain values.

    `desired_scale` None: not known yet.
    """

    conditions: Conditions
    desired_scale: int | None = None
    actual_scale: int = 0
    service_name: str = ""

    @classmethod
    def new(cls, now_s: float) -> KpaStatus:
        return cls(Conditions.unknown(now_s))


@dataclass(frozen=True, slots=True)
class StepResult:
    """What to do now. `scaled_to` None: write no replica count. `requeue_after_s` None: the next
    change is soon enough. `count`: what the step came to, None: unknown; `rule`: why. `probed`: the activator's answer mattered; `probe_again`: it was no, so
    keep asking (every second, up to 45 s) and step again a second after it ends."""

    scaled_to: int | None
    mode: Mode
    activators: int
    requeue_after_s: float | None
    probed: bool
    probe_again: bool
    count: int | None = None
    rule: Rule = Rule.NO_DECISION


def step(spec: KpaSpec, was: KpaStatus, seen: StepInput) -> tuple[StepResult, KpaStatus]:
    """One reconciliation of one revision's autoscaler. Raises nothing."""
    marks = Marker(was.conditions, seen.now_s)
    if seen.network is None or not seen.network.private_service:
        marks.unknown("sks_ready", "NotReady", "No Private Service Name")
        status = _status(spec, was, marks, count=None, ready=0)
        return StepResult(None, Mode.PROXY, LEAST_ACTIVATORS, None, False, False), status

    verdict = _count(spec, was, seen, seen.network)
    scaled_to = None
    if verdict.apply and verdict.count != (1 if seen.replicas is None else seen.replicas):
        scaled_to = verdict.count
    result = StepResult(
        scaled_to=scaled_to,
        mode=_mode(verdict.count, seen.excess_burst),
        activators=activators(spec, seen.ready_pods),
        requeue_after_s=verdict.requeue_after_s,
        probed=verdict.probed,
        probe_again=verdict.probe_again,
        count=verdict.count,
        rule=verdict.rule,
    )
    if seen.network.ready:
        marks.true("sks_ready")
    else:
        marks.unknown("sks_ready", "NotReady", seen.network.message)
    was = replace(was, service_name=seen.network.public_service)
    return result, _status(spec, was, marks, count=verdict.count, ready=seen.ready_pods)


def activators(spec: KpaSpec, ready_pods: int) -> int:
    """How many activators a revision is given. One gate serves all here; the count is reported."""
    if spec.target_burst_capacity == 0:
        return LEAST_ACTIVATORS
    capacity = ready_pods * spec.total + max(0.0, spec.target_burst_capacity)
    return max(LEAST_ACTIVATORS, ceil(capacity / spec.activator_capacity))


def bounded(spec: KpaSpec, count: int | None, *, initialized: bool) -> int:
    """A decision within min and max scale; None (unknown) gives the minimum.

    Until the revision was once as large as its initial scale, that is a minimum too.
    """
    return _bounds(spec, initialized=initialized).clamp(-1 if count is None else count)


def _bounds(spec: KpaSpec, *, initialized: bool) -> Bounds:
    bounds = spec.bounds
    if bounds.initial_scale > 1 and not initialized and spec.reachable:
        return replace(bounds, min_scale=max(bounds.min_scale, bounds.initial_scale))
    return bounds


def _bounded_by(spec: KpaSpec, decided: int | None, count: int, *, initialized: bool) -> Rule:
    """Which bound made `count` of what was decided."""
    if count == (decided or 0):
        return Rule.DECISION
    if count > (decided or 0):
        low = spec.bounds.min_scale
        return Rule.MIN_SCALE if initialized or count <= low else Rule.INITIAL_SCALE
    return Rule.MAX_SCALE


def _count(spec: KpaSpec, was: KpaStatus, seen: StepInput, network: Network) -> ZeroVerdict:
    active = was.conditions.active
    if seen.decided is None and active.status is not Truth.UNKNOWN:
        return ZeroVerdict(None, apply=False, rule=Rule.NO_DECISION)
    initialized = _initialized(was.conditions)
    count = bounded(spec, seen.decided, initialized=initialized)
    if count != 0:
        rule = _bounded_by(spec, seen.decided, count, initialized=initialized)
        return ZeroVerdict(count, apply=True, rule=rule)
    return to_zero(
        spec,
        active,
        seen.now_s,
        proxied=network.mode is Mode.PROXY,
        proxied_s=network.proxy_for_s,
        answers=seen.activator_answers,
    )


def _mode(count: int | None, excess_burst: int) -> Mode:
    """Straight to the pods only with pods known to be wanted and enough of them for a burst."""
    wanted = count is not None and count > 0
    return Mode.SERVE if wanted and excess_burst >= 0 else Mode.PROXY


def _status(
    spec: KpaSpec, was: KpaStatus, marks: Marker, *, count: int | None, ready: int
) -> KpaStatus:
    _mark_active(spec, marks, count, ready, has_service=bool(was.service_name))
    return replace(
        was,
        conditions=marks.settled(),
        desired_scale=was.desired_scale if count is None else count,
        actual_scale=ready,
    )


def _mark_active(
    spec: KpaSpec, marks: Marker, count: int | None, ready: int, *, has_service: bool
) -> None:
    # The threshold is that of before this step: reaching the initial scale now is enough.
    least = spec.bounds.min_scale
    least = max(least, 1 if _initialized(marks.now) else spec.bounds.initial_scale)
    if ready >= least and has_service:
        marks.true("scale_target_initialized")
    active = marks.now.active.status
    wanted = active is not Truth.FALSE or (count is not None and count > 0)
    if count == 0 or least == 0:
        if active is Truth.UNKNOWN and least > 0:
            marks.false("active", "TimedOut", "The target could not be activated.")
        else:
            marks.false("active", "NoTraffic", "The target is not receiving traffic.")
    elif ready >= least:
        if wanted:
            marks.true("active")
    elif wanted:
        marks.unknown(
            "active",
            "Queued",
            "Requests to the target are being buffered as resources are provisioned.",
        )
    else:
        marks.false("active", "NoTraffic", "The target is not receiving traffic.")


def _initialized(conditions: Conditions) -> bool:
    return conditions.scale_target_initialized.status is Truth.TRUE
