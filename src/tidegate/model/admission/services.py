"""core/v1 Services: ports and types.

Source: kubernetes pkg/apis/core/v1/defaults.go, pkg/apis/core/validation/validation.go
(`ValidateService`). Cluster addresses are not allocated here: services route inside the gateway.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from tidegate.model import labels
from tidegate.model.admission.containers import PROTOCOLS
from tidegate.model.admission.metadata import check_labels
from tidegate.model.admission.probes import check_port_ref
from tidegate.model.admission.problems import (
    IMMUTABLE,
    GoText,
    Problems,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    one_of,
    repeated,
    required,
)
from tidegate.model.core import Service, ServicePort, ServiceSpec

HEADLESS = "None"
_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_NODE_PORTS = range(30000, 32768)
_NO_NODE_PORT = (
    "no node port is opened on this machine: the Service is reached through the gateway, by its host "
    "or as /<namespace>/<name>/"
)


def default_service(service: Service, old: Service | None) -> Service:
    spec = service.spec
    ips = (spec.cluster_ip,) if spec.cluster_ip else ()
    filled = replace(
        spec,
        type=spec.type or "ClusterIP",
        session_affinity=spec.session_affinity or "None",
        cluster_ips=spec.cluster_ips or ips,
        ports=tuple(map(_port, spec.ports)),
    )
    return replace(service, spec=filled)


def _port(port: ServicePort) -> ServicePort:
    return replace(
        port,
        protocol=port.protocol or "TCP",
        target_port=port.target_port if port.target_port not in (None, 0, "") else port.port,
    )


def check_service(service: Service) -> Problems:
    spec = service.spec
    found = check_labels(spec.selector, "spec.selector")
    found += one_of("spec.type", spec.type, _TYPES)
    found += one_of("spec.sessionAffinity", spec.session_affinity, ("ClientIP", "None"))
    if spec.type == "ExternalName":
        if not spec.external_name:
            found.append(required("spec.externalName"))
        if spec.cluster_ip:
            detail = "may not be set when `type` is 'ExternalName'"
            found.append(forbidden("spec.clusterIP", detail))
    elif not spec.ports and spec.cluster_ip != HEADLESS:
        found.append(required("spec.ports"))
    if spec.cluster_ip == HEADLESS and spec.type in ("NodePort", "LoadBalancer"):
        detail = f"may not be set to 'None' for {spec.type} services"
        found.append(invalid("spec.clusterIP", HEADLESS, detail))
    return found + _check_ports(spec)


def service_warnings(service: Service) -> Iterator[str]:
    """What of a Service has no effect here."""
    spec = service.spec
    if spec.type == "NodePort":
        yield f"spec.type: {_NO_NODE_PORT}"
    if spec.type == "ExternalName":
        yield (
            "spec.externalName: kept, but it is an alias in a cluster's DNS, which there is none of on "
            f"this machine: ask {spec.external_name} itself"
        )
    if spec.session_affinity == "ClientIP":
        yield (
            "spec.sessionAffinity: known, but not honoured on this machine, whose clients mostly have "
            "one address"
        )
    if spec.external_ips:
        yield "spec.externalIPs: known, but not honoured on this machine"
    for i, port in enumerate(spec.ports):
        if port.node_port:
            yield f"spec.ports[{i}].nodePort: {_NO_NODE_PORT}"
        if port.protocol not in (None, "TCP"):
            yield f"spec.ports[{i}].protocol: kept, but the gateway serves HTTP, which runs over TCP"


def check_service_change(service: Service, old: Service) -> Problems:
    """An address, once had, stays while the service keeps one."""
    was, now = old.spec, service.spec
    if not was.cluster_ip or "ExternalName" in (was.type, now.type):
        return []
    if was.cluster_ip == now.cluster_ip:
        return []
    return [invalid("spec.clusterIPs[0]", GoText(f'["{now.cluster_ip or ""}"]'), IMMUTABLE)]


def _check_ports(spec: ServiceSpec) -> Problems:
    found: Problems = []
    seen: set[tuple[str | None, int]] = set()
    for i, port in enumerate(spec.ports):
        path = f"spec.ports[{i}]"
        found += _check_port(port, spec, path)
        if (port.protocol, port.port) in seen:
            found.append(duplicate(path, {"protocol": port.protocol, "port": port.port}))
        seen.add((port.protocol, port.port))
    return found + repeated(
        (f"spec.ports[{i}].name", p.name or "") for i, p in enumerate(spec.ports)
    )


def _check_port(port: ServicePort, spec: ServiceSpec, path: str) -> Problems:
    found: Problems = []
    if port.name:
        found += each_invalid(f"{path}.name", port.name, labels.dns1123_label(port.name))
    elif len(spec.ports) > 1:
        found.append(required(f"{path}.name"))
    found += each_invalid(f"{path}.port", port.port, labels.port_number(port.port))
    found += one_of(f"{path}.protocol", port.protocol, PROTOCOLS)
    found += check_port_ref(port.target_port, f"{path}.targetPort")
    if port.node_port:
        if spec.type not in ("NodePort", "LoadBalancer"):
            detail = f"may not be used when `type` is '{spec.type}'"
            found.append(forbidden(f"{path}.nodePort", detail))
        elif port.node_port not in _NODE_PORTS:
            detail = (
                "provided port is not in the valid range. The range of valid ports is 30000-32767"
            )
            found.append(invalid(f"{path}.nodePort", port.node_port, detail))
    return found
