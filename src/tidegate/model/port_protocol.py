"""Which protocol a port speaks, by what its document calls it. Pure.

gRPC and other HTTP/2 without TLS must be said: a program that speaks one can't be told from one that
speaks HTTP/1 without asking it.
"""

from __future__ import annotations

from typing import Literal

from tidegate.model.core import ServicePort
from tidegate.model.pods import Pod
from tidegate.model.serving import Revision

PortProtocol = Literal["http1", "h2c"]

#: KEP-3726's name, and the two that Istio takes.
_APP_PROTOCOLS = frozenset({"kubernetes.io/h2c", "grpc", "http2"})
#: Port names that say the protocol, as Istio and KServe read them: alone, or before a dash.
_NAMES = frozenset({"h2c", "grpc", "http2"})


def revision_protocol(revision: Revision) -> PortProtocol:
    """Knative: the one container port's name, `http1` or `h2c`."""
    ports = (port for container in revision.spec.containers for port in container.ports)
    return "h2c" if any(port.name == "h2c" for port in ports) else "http1"


def service_protocol(port: ServicePort, pod: Pod | None) -> PortProtocol:
    """A Service's port: its `appProtocol`, else its name, else the name of the container port it leads to."""
    if port.app_protocol is not None:
        return "h2c" if port.app_protocol in _APP_PROTOCOLS else "http1"
    if port.name is not None and port.name.partition("-")[0] in _NAMES:
        return "h2c"
    target = port.target_port or port.port
    for container in pod.spec.containers if pod is not None else ():
        for one in container.ports:
            if target in (one.name, one.container_port):
                return "h2c" if (one.name or "").partition("-")[0] in _NAMES else "http1"
    return "http1"
