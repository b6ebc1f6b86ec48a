"""The status of a ScaledObject, computed whole from what was seen. Pure.

Source: keda controllers/keda/scaledobject_controller.go, pkg/scaling/executor/scale_scaledobjects.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.autoscale.keda.document import hpa_name, target_of
from tidegate.model.conditions import find, merged, timestamp
from tidegate.model.keda import (
    KedaActivity,
    KedaHealth,
    ScaledObject,
    ScaledObjectSpec,
    ScaledObjectStatus,
)
from tidegate.model.meta import Condition
from tidegate.policy.keda import fallback_of, metric_name
from tidegate.policy.keda_orders import Orders
from tidegate.scaling.keda import Step

_RESOURCES = ("cpu", "memory")


@dataclass(frozen=True, slots=True)
class Looked:
    """A look at the triggers. `active`: metric names of those that are. `failure`: why one could not
    be asked, empty: all could. `awake`: the target is kept awake by what is no trigger of its own."""

    active: tuple[str, ...] = ()
    failure: str = ""
    awake: bool = False

    @property
    def verdict(self) -> bool | None:
        """Whether any is active; None: one could not be asked, and no other is."""
        if self.awake or self.active:
            return True
        return None if self.failure else False


_NO_ORDERS, _NO_LOOK = Orders(), Looked()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a look. `refused`: why nothing can be scaled; `step` None: nothing was decided.
    `current`: the target's size, None: it could not be read."""

    orders: Orders = _NO_ORDERS
    refused: str | None = None
    step: Step | None = None
    looked: Looked = _NO_LOOK
    current: int | None = None
    health: Mapping[str, KedaHealth] = field(default_factory=dict)


def external_names(spec: ScaledObjectSpec) -> tuple[str, ...]:
    """Of the metrics that its HPA asks for by name."""
    return tuple(
        metric_name(i, trigger)
        for i, trigger in enumerate(spec.triggers)
        if trigger.type not in _RESOURCES
    )


def plan_status(scaled: ScaledObject, outcome: Outcome, *, now_s: float) -> ScaledObjectStatus:
    was, spec, orders = scaled.status or ScaledObjectStatus(), scaled.spec, outcome.orders
    target, names = target_of(scaled), external_names(spec)
    rule = fallback_of(scaled)
    fallen = rule is not None and any(
        rule.holds(health.number_of_failures) for health in outcome.health.values()
    )
    conditions = (
        _ready(outcome, has_fallback=rule is not None),
        _active(outcome, fallen=fallen),
        _fallback(fallen=fallen),
        _paused(was, orders),
    )
    original = was.original_replica_count
    active = outcome.step is not None and outcome.looked.verdict is True
    return ScaledObjectStatus(
        conditions=merged(was.conditions, conditions, now_s=now_s),
        scale_target_kind=f"{target.api_version}.{target.kind}",
        hpa_name=hpa_name(scaled),
        original_replica_count=outcome.current if original is None else original,
        paused_replica_count=orders.paused_at,
        last_active_time=timestamp(now_s) if active else was.last_active_time,
        health=dict(outcome.health),
        external_metric_names=names,
        resource_metric_names=tuple(t.type for t in spec.triggers if t.type in _RESOURCES),
        triggers_activity={
            name: KedaActivity(is_active=name in outcome.looked.active) for name in names
        },
        triggers_types=",".join(dict.fromkeys(t.type for t in spec.triggers)),
        authentications_types=",".join(dict.fromkeys(_authentications(spec))) or None,
    )


def _authentications(spec: ScaledObjectSpec) -> list[str]:
    """Names, whatever the field is called: as KEDA fills it."""
    refs = (trigger.authentication_ref for trigger in spec.triggers)
    return [ref.name for ref in refs if ref is not None]


def _ready(outcome: Outcome, *, has_fallback: bool) -> Condition:
    """A failing trigger is provided for where there is a fallback."""
    if outcome.refused is not None:
        return _condition("Ready", "False", "ScaledObjectCheckFailed", outcome.refused)
    failure = outcome.looked.failure
    if failure and outcome.looked.verdict is None and not has_fallback:
        text = "Triggers defined in ScaledObject are not working correctly"
        return _condition("Ready", "False", "TriggerError", f"{text}: {failure}")
    if failure and outcome.looked.verdict is not None:
        text = "Some triggers defined in ScaledObject are not working correctly"
        return _condition("Ready", "Unknown", "PartialTriggerError", f"{text}: {failure}")
    text = "ScaledObject is defined correctly and is ready for scaling"
    return _condition("Ready", "True", "ScaledObjectReady", text)


def _active(outcome: Outcome, *, fallen: bool) -> Condition:
    step, failure = outcome.step, outcome.looked.failure
    if step is None:
        return Condition(type="Active", status="Unknown")
    status, text = "False", step.message
    if step.reason == "ScalerActive":
        status = "True"
        if outcome.orders.forced:
            text = "Scaling is performed because activation is being forced by annotation"
    elif fallen and step.reason == "ScalerFailed":
        text = f"no trigger could be asked: the fallback stands in ({failure})"
    return _condition("Active", status, step.reason, text)


def _fallback(*, fallen: bool) -> Condition:
    if fallen:
        text = "At least one trigger is falling back on this scaled object"
        return _condition("Fallback", "True", "FallbackExists", text)
    text = "No fallbacks are active on this scaled object"
    return _condition("Fallback", "False", "NoFallbackFound", text)


def _paused(was: ScaledObjectStatus, orders: Orders) -> Condition:
    if orders.paused or orders.hold_in or orders.hold_out:
        return _condition("Paused", "True", "ScaledObjectPaused", "ScaledObject is paused")
    before = find(was.conditions, "Paused")
    if before is not None and before.reason in ("ScaledObjectPaused", "ScaledObjectUnpaused"):
        text = "pause annotation removed for ScaledObject"
        return _condition("Paused", "False", "ScaledObjectUnpaused", text)
    return Condition(type="Paused", status="False", reason="ScaledObjectNotPaused")


def _condition(type_: str, status: str, reason: str, message: str) -> Condition:
    return Condition(type=type_, status=status, reason=reason, message=message)
