"""A revision's status, computed whole from what was seen.

Source: knative/serving pkg/reconciler/revision (conditions and reasons as Knative words them).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tidegate.controllers.revision.health import deploying, health, unavailable
from tidegate.model.apps import Deployment
from tidegate.model.conditions import derive_ready, find, merged
from tidegate.model.meta import Condition, Object, controller_of
from tidegate.model.pods import Pod
from tidegate.model.serving import (
    PodAutoscaler,
    Revision,
    RevisionContainerStatus,
    RevisionStatus,
)


def plan_status(
    revision: Revision,
    deployment: Deployment,
    autoscaler: PodAutoscaler,
    pods: Sequence[Pod],
    *,
    now_s: float,
) -> RevisionStatus:
    """The whole status from what was seen."""
    was = revision.status or RevisionStatus()
    if not owned(deployment, revision):
        resources, healthy = _foreign("Deployment", deployment), deploying("ContainerHealthy")
    elif not owned(autoscaler, revision):
        resources, healthy = _foreign("PodAutoscaler", autoscaler), deploying("ContainerHealthy")
    else:
        resources, healthy = health(was, deployment, autoscaler, pods)
    active = _active(autoscaler)
    kept = merged(was.conditions, (resources, healthy, active), now_s=now_s)
    seen = autoscaler.status
    return RevisionStatus(
        observed_generation=revision.metadata.generation,
        conditions=merged(was.conditions, (*kept, derive_ready(kept)), now_s=now_s),
        actual_replicas=seen.actual_scale if seen else None,
        desired_replicas=seen.desired_scale if seen and (seen.desired_scale or 0) >= 0 else None,
        container_statuses=tuple(
            RevisionContainerStatus(name=c.name) for c in revision.spec.containers
        ),
    )


def plan_refused(revision: Revision, why: str, *, now_s: float) -> RevisionStatus:
    """The status of a revision whose Deployment or PodAutoscaler the API doesn't take."""
    was = revision.status or RevisionStatus()
    parts = (
        unavailable("FailedCreate", why),
        deploying("ContainerHealthy"),
        Condition(type="Active", severity="Info", status="Unknown", reason="Deploying"),
    )
    kept = merged(was.conditions, parts, now_s=now_s)
    return msgspec.structs.replace(
        was,
        observed_generation=revision.metadata.generation,
        conditions=merged(was.conditions, (*kept, derive_ready(kept)), now_s=now_s),
    )


def _foreign(kind: str, obj: Object) -> Condition:
    return Condition(
        type="ResourcesAvailable",
        status="False",
        reason="NotOwned",
        message=f'There is an existing {kind} "{obj.metadata.name}" that we do not own.',
    )


def _active(autoscaler: PodAutoscaler) -> Condition:
    seen = find(autoscaler.status.conditions, "Active") if autoscaler.status else None
    if seen is None:
        return Condition(type="Active", severity="Info", status="Unknown", reason="Deploying")
    return Condition(
        type="Active",
        severity="Info",
        status=seen.status,
        reason=seen.reason,
        message=seen.message,
    )


def owned(obj: Object, by: Revision) -> bool:
    ref = controller_of(obj.metadata)
    return ref is not None and ref.uid == by.metadata.uid
