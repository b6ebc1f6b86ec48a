"""The PodAutoscaler of a revision: what the autoscaler is told about it."""

from __future__ import annotations

import msgspec

from tidegate.controllers.revision.deployment import API, pod_labels
from tidegate.model import serving_names as names
from tidegate.model.apps import Deployment
from tidegate.model.meta import ObjectMeta, ObjectReference, owner_reference
from tidegate.model.serving import PodAutoscaler, PodAutoscalerSpec, Revision

_DEFAULTED = (f"{names.AUTOSCALING}class", f"{names.AUTOSCALING}metric")


def desired_autoscaler(revision: Revision, deployment: Deployment) -> PodAutoscaler:
    """The PodAutoscaler; its annotations are the revision's autoscaling ones."""
    meta, target = revision.metadata, deployment.metadata.name
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
            reachability=_reachability(revision, deployment),
            protocol_type="http1",
        ),
    )


def _reachability(revision: Revision, deployment: Deployment) -> str | None:
    """None: not known. A revision that has failed and has no replica ready is as good as unreachable:
    its min-scale would keep what can't serve for ever.

    Source: Knative, serving pkg/reconciler/revision/resources/pa.go.
    """
    conditions = revision.status.conditions if revision.status else ()
    failed = any(
        c.type in ("ResourcesAvailable", "ContainerHealthy") and c.status == "False"
        for c in conditions
    )
    ready = deployment.status.ready_replicas if deployment.status else None
    if failed and (deployment.spec.replicas or 0) > 0 and not ready:
        return "Unreachable"
    state = revision.metadata.labels.get(names.ROUTING_STATE)
    return {names.ACTIVE: "Reachable", names.RESERVE: "Unreachable"}.get(state or "")


def carry_autoscaler(existing: PodAutoscaler, desired: PodAutoscaler) -> PodAutoscaler:
    """The PodAutoscaler that is there, as it is wanted. The class and metric that admission filled in
    stay: the cluster's default of another day is not the revision's."""
    filled_in = {
        key: value for key, value in existing.metadata.annotations.items() if key in _DEFAULTED
    }
    annotations = {**filled_in, **desired.metadata.annotations}
    meta = msgspec.structs.replace(
        existing.metadata, labels=desired.metadata.labels, annotations=annotations
    )
    return msgspec.structs.replace(existing, metadata=meta, spec=desired.spec)
