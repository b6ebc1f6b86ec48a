"""The PodAutoscaler of a revision: what the autoscaler is told about it."""

from __future__ import annotations

import msgspec

from tidegate.controllers.revision.deployment import API, pod_labels
from tidegate.model import serving_names as names
from tidegate.model.meta import ObjectMeta, ObjectReference, owner_reference
from tidegate.model.serving import PodAutoscaler, PodAutoscalerSpec, Revision


def desired_autoscaler(revision: Revision, target: str) -> PodAutoscaler:
    """The PodAutoscaler; its annotations are the revision's autoscaling ones."""
    meta = revision.metadata
    state = meta.labels.get(names.ROUTING_STATE)
    keep = (names.AUTOSCALING, names.PROGRESS_DEADLINE)
    return PodAutoscaler(
        metadata=ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            labels=pod_labels(revision),
            annotations={k: v for k, v in meta.annotations.items() if k.startswith(keep)},
            owner_references=(owner_reference("Revision", API, meta),),
        ),
        spec=PodAutoscalerSpec(
            scale_target_ref=ObjectReference(api_version="apps/v1", kind="Deployment", name=target),
            container_concurrency=revision.spec.container_concurrency or 0,
            reachability={names.ACTIVE: "Reachable", names.RESERVE: "Unreachable"}.get(state or ""),
            protocol_type="http1",
        ),
    )


def carry_autoscaler(existing: PodAutoscaler, desired: PodAutoscaler) -> PodAutoscaler:
    meta = msgspec.structs.replace(
        existing.metadata, labels=desired.metadata.labels, annotations=desired.metadata.annotations
    )
    return msgspec.structs.replace(existing, metadata=meta, spec=desired.spec)
