"""A pod as the decision sees it: its phase, readiness and requests."""

from __future__ import annotations

from typing import Any

from tidegate.kit.quantity import milli
from tidegate.model.containers import Container
from tidegate.model.pods import Pod
from tidegate.policy.hpa.status import seconds
from tidegate.scaling.hpa import ContainerRequest, PodRequests, PodSeen, Readiness


def pod_seen(pod: Pod) -> PodSeen:
    status = pod.status
    ready = None
    for condition in status.conditions if status else ():
        if condition.type == "Ready":
            ready = Readiness(condition.status, seconds(condition.last_transition_time))
    started = status.start_time if status else None
    return PodSeen(
        name=pod.metadata.name,
        phase=(status.phase if status else None) or "Pending",
        deleted=pod.metadata.deletion_timestamp is not None,
        started_at_s=None if started is None else seconds(started),
        ready=ready,
        requests=_requests(pod),
    )


def _requests(pod: Pod) -> PodRequests:
    spec = pod.spec
    whole = spec.resources if isinstance(spec.resources, dict) else {}
    return PodRequests(
        containers=tuple(map(_container, spec.containers)),
        init=tuple(map(_container, spec.init_containers)),
        pod=_amounts(whole.get("requests") or {}),
        overhead=_amounts(spec.overhead if isinstance(spec.overhead, dict) else {}),
    )


def _container(container: Container) -> ContainerRequest:
    asked = container.resources.requests if container.resources else {}
    always = container.restart_policy == "Always"
    return ContainerRequest(container.name, _amounts(asked), always)


def _amounts(quantities: dict[str, Any]) -> dict[str, int]:
    return {name: milli(quantity) for name, quantity in quantities.items()}
