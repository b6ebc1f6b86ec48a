"""Which claims a pod mounts, what stands between it and them, and where a volume may be mounted. Pure.

Source: kubernetes pkg/scheduler/framework/plugins/{volumebinding,volumerestrictions},
component-helpers scheduling/corev1/nodeaffinity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from tidegate.model.pods import Pod
from tidegate.model.storage import (
    NodeSelectorRequirement,
    PersistentVolume,
    PersistentVolumeClaim,
)

_ONE_POD = "ReadWriteOncePod"


def claims_of(pod: Pod) -> tuple[str, ...]:
    """The names of the claims that its volumes mount, each once."""
    sources = (volume.persistent_volume_claim for volume in pod.spec.volumes)
    return tuple(dict.fromkeys(source.claim_name for source in sources if source is not None))


def is_bound(claim: PersistentVolumeClaim) -> bool:
    """To a volume, and both sides know it."""
    phase = claim.status.phase if claim.status else None
    return bool(claim.spec.volume_name) and phase == "Bound"


def waits_for(
    pod: Pod,
    claim_of: Callable[[str], PersistentVolumeClaim | None],
    *,
    others: Iterable[Pod] = (),
) -> str | None:
    """Why the pod can't be placed for its claims' sake, in the scheduler's words; None: it can.

    `others` are pods of its namespace that have a node and have not ended.
    """
    unbound = False
    for name in claims_of(pod):
        claim = claim_of(name)
        if claim is None:
            return f'persistentvolumeclaim "{name}" not found'
        if claim.metadata.deletion_timestamp:
            return f'persistentvolumeclaim "{name}" is being deleted'
        if claim.status is not None and claim.status.phase == "Lost":
            volume = claim.spec.volume_name
            return (
                f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{volume}"'
            )
        unbound = unbound or not is_bound(claim)
        if _ONE_POD in claim.spec.access_modes and any(name in claims_of(p) for p in others):
            return (
                "node has pod using PersistentVolumeClaim with the same name and "
                "ReadWriteOncePod access mode"
            )
    return "pod has unbound immediate PersistentVolumeClaims" if unbound else None


def may_mount(volume: PersistentVolume, node: str, labels: Mapping[str, str]) -> bool:
    """Whether the volume's node affinity lets a node of that name and those labels have it."""
    affinity = volume.spec.node_affinity
    if affinity is None or affinity.required is None:
        return True
    return any(
        all(_holds(term, labels) for term in choice.match_expressions)
        and all(_holds(term, {"metadata.name": node}) for term in choice.match_fields)
        for choice in affinity.required.node_selector_terms
        if choice.match_expressions or choice.match_fields
    )


def _holds(term: NodeSelectorRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(term.key)
    match term.operator:
        case "In":
            return value in term.values
        case "NotIn":
            return value not in term.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" if value is not None and _are_numbers(value, *term.values):
            beyond = int(value) - int(term.values[0])
            return beyond > 0 if term.operator == "Gt" else beyond < 0
        case _:
            return False


def _are_numbers(*texts: str) -> bool:
    return len(texts) == 2 and all(text.lstrip("-").isdecimal() for text in texts)
