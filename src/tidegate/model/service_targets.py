"""Which pods a core Service selects, and which of their local ports its ports lead to. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from tidegate.model.core import Service, ServicePort
from tidegate.model.pods import LocalPort, Pod


def selects(service: Service, pod: Pod) -> bool:
    """A Service without a selector selects nothing."""
    selector = service.spec.selector
    same_namespace = service.metadata.namespace == pod.metadata.namespace
    return bool(selector) and same_namespace and selector.items() <= pod.metadata.labels.items()


def is_served(services: Iterable[Service], pod: Pod) -> bool:
    """Whether requests may come to the pod through any of these."""
    return any(selects(service, pod) for service in services)


def routed_ports(service: Service) -> tuple[ServicePort, ...]:
    """The ports that the gateway can serve: HTTP runs over TCP."""
    return tuple(p for p in service.spec.ports if (p.protocol or "TCP") == "TCP")


def local_port(pod: Pod, port: ServicePort) -> LocalPort | None:
    """The pod's local port that stands for the Service's port.

    `targetPort` is a container port's name or number, by default the Service's own port. None: the
    agent has given none yet, or no container of the pod declares that port.
    """
    ports = pod.status.tidegate.ports if pod.status and pod.status.tidegate else ()
    target = port.target_port or port.port
    if isinstance(target, str):
        return next((p for p in ports if p.name == target), None)
    return next((p for p in ports if p.container_port == target), None)


def find_port(service: Service, wanted: str | int) -> ServicePort | None:
    """A Service's TCP port by name or number."""
    return next((p for p in routed_ports(service) if wanted in (p.name, p.port)), None)


def lane_key(namespace: str, service: str, port: int) -> str:
    """What the gateway calls a Service's port (`link.gateway.Revision.key`)."""
    return f"svc:{namespace}/{service}:{port}"


def subset_lane_key(namespace: str, service: str, port: int, subset: str) -> str:
    """The same of those pods only that an Istio DestinationRule names a subset of."""
    return f"{lane_key(namespace, service, port)}@{subset}"
