"""Whether a revision has what it runs on, and whether its containers run.

What was true stays so until something else is seen: a revision at zero is still ready.
"""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.model.apps import Deployment
from tidegate.model.conditions import find
from tidegate.model.meta import Condition
from tidegate.model.pods import Pod
from tidegate.model.serving import PodAutoscaler, RevisionStatus
from tidegate.model.trouble import Stage, Trouble, trouble_of


def health(
    was: RevisionStatus, deployment: Deployment, autoscaler: PodAutoscaler, pods: Sequence[Pod]
) -> tuple[Condition, Condition]:
    """(ResourcesAvailable, ContainerHealthy). What was true stays so until something is seen."""
    resources = _kept(was, "ResourcesAvailable")
    healthy = _kept(was, "ContainerHealthy")
    if healthy.status == "Unknown":  # keep what was said last: the pods that said it may go
        said = find(was.conditions, "ContainerHealthy")
        healthy = deploying("ContainerHealthy", said.message if said is not None else None)
    status = deployment.status
    conditions = status.conditions if status else ()
    if status is not None and (status.ready_replicas or 0) > 0:
        healthy = Condition(type="ContainerHealthy", status="True")
    scaled = autoscaler.status.conditions if autoscaler.status else ()
    initialized = find(scaled, "ScaleTargetInitialized")
    if initialized is not None and initialized.status == "True":
        resources = Condition(type="ResourcesAvailable", status="True")
        if healthy.status != "False" or not pods:
            healthy = Condition(type="ContainerHealthy", status="True")
    elif _given_up(autoscaler):
        resources = unavailable(
            "ProgressDeadlineExceeded", _because("Initial scale was never achieved", healthy)
        )
    for type_, bad in (("Progressing", "False"), ("ReplicaFailure", "True")):
        seen = find(conditions, type_)
        if seen is not None and seen.status == bad:
            resources = unavailable(seen.reason, _because(seen.message or "", healthy))
    wanted = deployment.spec.replicas or 0
    if wanted > 0 and not (status and status.available_replicas):
        resources, healthy = _troubled(trouble_of(pods), resources, healthy)
    return resources, healthy


def _given_up(autoscaler: PodAutoscaler) -> bool:
    """Inactive before it ever had its initial scale. Without a service name it has yet to begin."""
    status = autoscaler.status
    active = find(status.conditions, "Active") if status else None
    begun = status is not None and bool(status.service_name)
    return begun and active is not None and active.status == "False"


def _because(what: str, healthy: Condition) -> str:
    """With what was last seen of the pods, which may be gone by now."""
    seen = healthy.message if healthy.status != "True" else None
    return f"{what}: {seen}" if seen else what


def _kept(was: RevisionStatus, type_: str) -> Condition:
    old = find(was.conditions, type_)
    if old is not None and old.status == "True":
        return Condition(type=type_, status="True")
    return deploying(type_)


def unavailable(reason: str | None, message: str | None) -> Condition:
    return Condition(type="ResourcesAvailable", status="False", reason=reason, message=message)


def _troubled(
    trouble: Trouble | None, resources: Condition, healthy: Condition
) -> tuple[Condition, Condition]:
    """With what the pods say when replicas are wanted and none is available."""
    if trouble is None:
        return resources, healthy
    match trouble.stage:
        case Stage.NO_ROOM:
            return unavailable(trouble.reason, trouble.message), healthy
        case Stage.FAILED:
            failed = Condition(
                type="ContainerHealthy",
                status="False",
                reason=trouble.reason,
                message=trouble.message,
            )
            return resources, failed
        case Stage.ON_ITS_WAY:
            if healthy.status == "Unknown":
                healthy = deploying("ContainerHealthy", trouble.message)
            return resources, healthy


def deploying(type_: str, message: str | None = None) -> Condition:
    return Condition(type=type_, status="Unknown", reason="Deploying", message=message)
