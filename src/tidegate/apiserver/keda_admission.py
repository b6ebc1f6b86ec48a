"""ScaledObject: what is wrong with one. Triggers are read by `policy.keda`, a room above the model's."""

from __future__ import annotations

from tidegate.model.admission.problems import (
    Problems,
    forbidden,
    invalid,
    not_negative,
    not_supported,
    required,
)
from tidegate.model.errors import Invalid
from tidegate.model.keda import KedaTrigger, ScaledObject, ScaledObjectSpec
from tidegate.policy.keda import BadTrigger, ResourceTrigger, read_trigger
from tidegate.policy.keda_orders import BadOrder, read_orders
from tidegate.scaling.keda import FallbackTo


def check_scaled_object(scaled: ScaledObject) -> None:
    """Raises `Invalid` with everything that is wrong."""
    spec = scaled.spec
    found: Problems = []
    if not spec.scale_target_ref.name:
        found.append(required("spec.scaleTargetRef.name"))
    if not spec.triggers:
        found.append(required("spec.triggers", "at least one"))
    resources = 0
    for i, written in enumerate(spec.triggers):
        try:
            resources += isinstance(read_trigger(written), ResourceTrigger)
        except BadTrigger as why:
            path = f"spec.triggers[{i}].{why.field}"
            found.append(invalid(path, _written(written, why.field), why.why))
    for field, value in (
        ("pollingInterval", spec.polling_interval),
        ("cooldownPeriod", spec.cooldown_period),
        ("initialCooldownPeriod", spec.initial_cooldown_period),
        ("idleReplicaCount", spec.idle_replica_count),
        ("minReplicaCount", spec.min_replica_count),
        ("maxReplicaCount", spec.max_replica_count),
    ):
        found += not_negative(f"spec.{field}", value)
    low, high = spec.min_replica_count or 0, spec.max_replica_count
    if high is not None and low > high:
        detail = f"MinReplicaCount={low} must be less than or equal to MaxReplicaCount={high}"
        found.append(invalid("spec.minReplicaCount", low, detail))
    idle = spec.idle_replica_count
    if idle is not None and idle >= max(1, low):
        detail = f"IdleReplicaCount={idle} must be less than MinReplicaCount={low}"
        found.append(invalid("spec.idleReplicaCount", idle, detail))
    if spec.min_replica_count == 0 and spec.triggers and resources == len(spec.triggers):
        detail = "can not be 0 with cpu and memory triggers only: at zero there is none to measure"
        found.append(forbidden("spec.minReplicaCount", detail))
    found += _check_fallback(spec)
    try:
        read_orders(scaled.metadata.annotations)
    except BadOrder as why:
        found.append(invalid(f"metadata.annotations[{why.key}]", why.value, why.why))
    if found:
        raise Invalid("ScaledObject.keda.sh", scaled.metadata.name, found)


def _check_fallback(spec: ScaledObjectSpec) -> Problems:
    said = spec.fallback
    if said is None:
        return []
    found: Problems = []
    for field, value in (
        ("failureThreshold", said.failure_threshold),
        ("replicas", said.replicas),
    ):
        found += not_negative(f"spec.fallback.{field}", value)
    known = [to.value for to in FallbackTo]
    if said.behavior not in (None, *known):
        found.append(not_supported("spec.fallback.behavior", said.behavior, known))
    shared = [
        trigger.metric_type in (None, "AverageValue")
        for trigger in spec.triggers
        if trigger.type not in ("cpu", "memory")
    ]
    if spec.triggers and not any(shared):
        detail = (
            "at least one trigger (that is not cpu or memory) has to have the `AverageValue` type "
            "for the fallback to be enabled"
        )
        found.append(forbidden("spec.fallback", detail))
    return found


def _written(trigger: KedaTrigger, field: str) -> str | None:
    """What the trigger says at a field as `BadTrigger` names it; None: nothing."""
    if field.startswith("metadata."):
        return trigger.metadata.get(field.removeprefix("metadata."))
    if field == "metricType":
        return trigger.metric_type
    if field.startswith("authenticationRef"):
        ref = trigger.authentication_ref
        return (ref.kind if field.endswith(".kind") else ref.name) if ref else None
    return trigger.type
