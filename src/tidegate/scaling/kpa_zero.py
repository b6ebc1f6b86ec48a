"""Whether the last replica may go: the part of a step that runs when the bounded count is 0.

Going to zero takes a detour, so that no request finds neither a pod nor an activator: first the
revision is marked inactive, which puts the activator in the path; the pods go once the activator
answers and has been there for the grace period.

Source: Knative, serving pkg/reconciler/autoscaling/kpa/scaler.go.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.scaling.conditions import Condition, Truth
from tidegate.scaling.kpa_spec import KpaSpec
from tidegate.scaling.rules import Rule

# With the activator in the path already, going inactive changes nothing that would wake us up.
_LOOK_AGAIN_S = 3.0


@dataclass(frozen=True, slots=True)
class ZeroVerdict:
    """`count` None: unknown, keep what is. `apply`: the replica count may be written now.

    `rule`: why. `probed`: the activator's answer was used. `probe_again`: it did not answer; keep asking in
    the background and step again when it does.
    """

    count: int | None
    apply: bool
    rule: Rule
    requeue_after_s: float | None = None
    probed: bool = False
    probe_again: bool = False


def to_zero(
    spec: KpaSpec,
    active: Condition,
    now_s: float,
    *,
    proxied: bool,
    proxied_s: float,
    answers: bool,
) -> ZeroVerdict:
    """What becomes of a bounded count of 0.

    `proxied`: the networking object asks for the activator in the path; `proxied_s`: how long it
    has been there. `answers`: a probe through the revision's service reaches the activator.
    """
    if not spec.to_zero.enabled:
        return ZeroVerdict(1, apply=True, rule=Rule.NO_SCALE_TO_ZERO)
    for_s = now_s - active.since_s
    match active.status:
        case Truth.UNKNOWN:
            return _while_activating(spec, for_s)
        case Truth.TRUE:
            return _while_active(spec, for_s, proxied=proxied)
        case Truth.FALSE:
            if spec.always_buffered:
                return _while_inactive(spec, for_s, proxied_s)
            if not answers:
                return ZeroVerdict(
                    0, apply=False, rule=Rule.NO_ACTIVATOR, probed=True, probe_again=True
                )
            return _while_inactive(spec, for_s, proxied_s, probed=True)


def _while_activating(spec: KpaSpec, for_s: float) -> ZeroVerdict:
    patience_s = spec.to_zero.activation_timeout_s
    if for_s > patience_s:
        return ZeroVerdict(0, apply=True, rule=Rule.TIMED_OUT)
    return ZeroVerdict(None, apply=False, rule=Rule.ACTIVATING, requeue_after_s=patience_s)


def _while_active(spec: KpaSpec, for_s: float, *, proxied: bool) -> ZeroVerdict:
    if for_s < spec.stable_window_s:
        wait_s = spec.stable_window_s - for_s
        return ZeroVerdict(1, apply=True, rule=Rule.WINDOW, requeue_after_s=wait_s)
    again_s = _LOOK_AGAIN_S if proxied else None
    return ZeroVerdict(0, apply=False, rule=Rule.INACTIVE, requeue_after_s=again_s)


def _while_inactive(
    spec: KpaSpec, for_s: float, proxied_s: float, *, probed: bool = False
) -> ZeroVerdict:
    grace_s = spec.to_zero.grace_s
    retention_s = spec.to_zero.retention_s if spec.reachable else 0.0
    if for_s >= max(grace_s, retention_s):
        return ZeroVerdict(0, apply=True, rule=Rule.ZERO, probed=probed)
    if for_s < retention_s:
        rule, wait_s = Rule.RETENTION, retention_s - for_s
    elif proxied_s >= grace_s:
        return ZeroVerdict(0, apply=True, rule=Rule.ZERO, probed=probed)
    else:
        rule, wait_s = Rule.GRACE, grace_s - proxied_s
    return ZeroVerdict(0, apply=False, rule=rule, requeue_after_s=wait_s, probed=probed)
