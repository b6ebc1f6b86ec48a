"""Who else scales the target of a ScaledObject: KEDA's webhook lets only one at it.

Source: keda apis/keda/v1alpha1/scaledobject_webhook.go (`verifyHpas`, `verifyScaledObjects`).
"""

from __future__ import annotations

from tidegate.autoscale.keda.document import target_of
from tidegate.client.api import Reader
from tidegate.model.autoscaling import CrossVersionObjectReference, HorizontalPodAutoscaler
from tidegate.model.keda import ScaledObject
from tidegate.model.meta import controller_of

_UNCHECKED = "validations.keda.sh/hpa-ownership"


def rival_of(api: Reader, scaled: ScaledObject, hpa: str) -> str | None:
    """Why this ScaledObject has to stand back, in KEDA's words; None: the target is its own.

    `hpa`: the name of the autoscaler that it has, or takes over.
    """
    ref, namespace = target_of(scaled), scaled.metadata.namespace or ""
    for other in api.list(ScaledObject, namespace):
        if _same(target_of(other), ref) and _age(other) < _age(scaled):
            return _managed(ref, f"the ScaledObject '{other.metadata.name}'")
    for found in api.list(HorizontalPodAutoscaler, namespace):
        meta = found.metadata
        owner = controller_of(meta)
        if meta.deletion_timestamp or meta.annotations.get(_UNCHECKED) == "false":
            continue
        if owner is not None and owner.kind == "ScaledObject":
            continue  # its owner was asked above
        if meta.name != hpa and _same(found.spec.scale_target_ref, ref):
            return _managed(ref, f"the hpa '{meta.name}'")
    return None


def _same(one: CrossVersionObjectReference, other: CrossVersionObjectReference) -> bool:
    return (_group(one), one.kind, one.name) == (_group(other), other.kind, other.name)


def _group(ref: CrossVersionObjectReference) -> str:
    return (ref.api_version or "").rpartition("/")[0]


def _age(scaled: ScaledObject) -> tuple[str, str]:
    """The oldest first; one that is going is nobody's rival."""
    meta = scaled.metadata
    created = "9999" if meta.deletion_timestamp else meta.creation_timestamp or ""
    return created, meta.name


def _managed(ref: CrossVersionObjectReference, by: str) -> str:
    kind = f"{ref.api_version}.{ref.kind}"
    return f"the workload '{ref.name}' of type '{kind}' is already managed by {by}"
