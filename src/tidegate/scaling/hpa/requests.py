"""What pods asked for, in thousandths: what a utilization is a percentage of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tidegate.scaling.hpa.errors import NoFigure
from tidegate.scaling.hpa.seen import ContainerRequest, PodRequests, PodSeen


def requests_of(pods: Iterable[PodSeen], resource: str, container: str = "") -> dict[str, int]:
    """Pod -> its request of a resource; of one container if it is named.

    Raises `NoFigure` for the first pod without one, also if that pod is going or failed.
    """
    if container:
        return {pod.name: _of_container(pod, resource, container) for pod in pods}
    return {pod.name: _of_pod(pod, resource) for pod in pods}


def _of_container(pod: PodSeen, resource: str, container: str) -> int:
    asked = pod.requests
    for one in (*asked.containers, *(c for c in asked.init if c.always)):
        if one.name == container:
            return _asked(one, resource, pod)
    raise NoFigure(f"container {container} not found in Pod {pod.name}")


def _asked(container: ContainerRequest, resource: str, pod: PodSeen) -> int:
    if resource not in container.milli:
        raise NoFigure(
            f"missing request for {resource} in container {container.name} of Pod {pod.name}"
        )
    return container.milli[resource]


def _of_pod(pod: PodSeen, resource: str) -> int:
    asked = pod.requests
    if any(_is_pod_level(name) for name in asked.pod):
        effective = _effective(asked, resource)
        if effective is None:
            raise NoFigure(f"missing pod-level request for {resource} in Pod {pod.name}")
        return effective
    lasting = (*asked.containers, *(c for c in asked.init if c.always))
    return sum(_asked(container, resource, pod) for container in lasting)


def _is_pod_level(resource: str) -> bool:
    """Resources that a pod may ask for as a whole."""
    return resource in ("cpu", "memory") or resource.startswith("hugepages-")


def _effective(asked: PodRequests, resource: str) -> int | None:
    """As the scheduler counts it; None when nobody asked for that resource."""
    if resource in asked.pod and _is_pod_level(resource):
        total: int | None = asked.pod[resource]
    else:
        total = _aggregate(asked, resource)
    if resource in asked.overhead:
        total = (total or 0) + asked.overhead[resource]
    return total


def _aggregate(asked: PodRequests, resource: str) -> int | None:
    """The containers' sum, or what is needed while an init container runs if that is more."""
    lasting = (*asked.containers, *(c for c in asked.init if c.always))
    if all(resource not in c.milli for c in (*asked.containers, *asked.init)):
        return None
    most = sum(_or_nothing(c.milli, resource) for c in lasting)
    beside = 0
    for container in asked.init:
        need = _or_nothing(container.milli, resource)
        most = max(most, beside + need)
        if container.always:
            beside += need
    return most


def _or_nothing(milli: Mapping[str, int], resource: str) -> int:
    return milli.get(resource, 0)
